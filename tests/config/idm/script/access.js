// The access rules that IDM 6 came with, retold: 41 of them, in their order.

/*jslint vars:true*/

var httpAccessConfig = (function () {
    var everyone = "*", user = "openidm-authorized", admin = "openidm-admin";
    var registers = "checkIfUIIsEnabled('selfRegistration')";
    var resets = "checkIfUIIsEnabled('passwordReset')";
    var forgets = "checkIfUIIsEnabled('forgotUsername')";
    var finds = "(" + forgets + " || " + resets + ") && isSelfServiceRequest()";

    function rule(pattern, roles, methods, actions, customAuthz, excludePatterns) {
        var made = { "pattern": pattern, "roles": roles, "methods": methods, "actions": actions };
        if (customAuthz) {
            made.customAuthz = customAuthz;
        }
        if (excludePatterns) {
            made.excludePatterns = excludePatterns;
        }
        return made;
    }

    return {
        "configs": [
            rule("info/*", everyone, "read", "*"),
            rule("authentication", everyone, "read,action", "getAuthToken,logout"),
            rule("identityProviders", user, "read", "*"),
            rule("config/ui/themeconfig", everyone, "read", "*"),
            rule("config/ui/configuration", everyone, "read", "*"),
            rule("config/selfservice/kbaConfig", everyone, "read", "*", registers + " || " + resets),
            rule("config/ui/dashboard", user, "read", "*"),
            rule("selfservice/registration", everyone, "read,action", "submitRequirements", registers),
            rule("selfservice/reset", everyone, "read,action", "submitRequirements", resets),
            rule("selfservice/username", everyone, "read,action", "submitRequirements", forgets),
            rule("policy/managed/user", everyone, "read", "", registers + " || " + resets),
            rule("policy/managed/user/-", everyone, "action", "validateObject", registers + " || " + resets),
            rule("selfservice/kba", user, "read", "*", "checkIfUIIsEnabled('kbaEnabled')"),
            rule("managed/user", "openidm-reg", "create", "*",
                registers + " && isSelfServiceRequest() && onlyEditableManagedObjectProperties('user', ['idpData'])"),
            rule("managed/user", everyone, "query", "*", finds),
            rule("managed/user/*", everyone, "read", "*", finds),
            rule("managed/user/*", everyone, "patch,action", "patch",
                resets + " && isSelfServiceRequest() && onlyEditableManagedObjectProperties('user', [])"),
            rule("external/email", everyone, "action", "send",
                "(" + registers + " || " + resets + " || " + forgets + ") && isSelfServiceRequest()"),

            // An administrator may do nearly everything.
            rule("*", admin, "*", "*", "disallowQueryExpression()", "repo,repo/*"),
            rule("system/*", admin, "create,read,update,delete,patch,query", "", "disallowQueryExpression()"),
            rule("system/*", admin, "script", "*"),
            rule("system/*", admin, "action", "test,testConfig,createconfiguration,liveSync,authenticate"),
            rule("repo", admin, "*", "*", "disallowCommandAction()"),
            rule("repo/*", admin, "*", "*", "disallowCommandAction()"),
            rule("repo/links", admin, "action", "command",
                "request.additionalParameters.commandId === 'delete-mapping-links'"),

            // Whoever is logged in.
            rule("policy/*", user, "read,action", "*"),
            rule("config/ui/*", user, "read", "*"),
            rule("authentication", user, "action", "reauthenticate"),
            rule("*", user, "read,action", "bind,unbind", "ownDataOnly()"),
            rule("*", user, "update,patch,action", "patch",
                "ownDataOnly() && onlyEditableManagedObjectProperties('user', []) && reauthIfProtectedAttributeChange()"),
            rule("selfservice/user/*", user, "patch,action", "patch",
                "(request.resourcePath === 'selfservice/user/' + context.security.authorization.id)" +
                    " && onlyEditableManagedObjectProperties('user', [])"),
            rule("endpoint/usernotifications", user, "read", "*"),
            rule("endpoint/usernotifications/*", user, "delete", "*"),
            rule("endpoint/getprocessesforuser", user, "read", "*"),
            rule("endpoint/gettasksview", user, "query", "*"),
            rule("workflow/taskinstance/*", user, "action", "complete", "isMyTask()"),
            rule("workflow/taskinstance/*", user, "read,update", "*", "canUpdateTask()"),
            rule("workflow/processinstance", user, "create", "*", "isAllowedToStartProcess()"),
            rule("workflow/processdefinition/*", user, "*", "read", "isOneOfMyWorkflows()"),

            // Clients with a certificate.
            rule("managed/user", "openidm-cert", "patch,action", "patch",
                "isQueryOneOf({'managed/user': ['for-userName']}) && restrictPatchToFields(['password'])"),
            rule("security/*", admin, "read,create,update,delete", "")
        ]
    };
}());

// Own functions stand here.
