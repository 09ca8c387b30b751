/*
 * The rules with which a running OpenIDM 6.1 was probed (tests/vectors/idm-probe-rules.json), before some that it came with.
 * Those that fail there whenever they are asked stand in tests/vectors alone: Keyward refuses them at load.
 */
(function () {
    var rules = [];

    // `extra` overrides and adds.
    function rule(pattern, extra) {
        var made = { pattern: pattern, roles: "*", methods: "read", actions: "*" };
        Object.keys(extra || {}).forEach(function (key) {
            if (extra[key] === undefined) { delete made[key]; } else { made[key] = extra[key]; }
        });
        rules.push(made);
    }

    // Patterns
    ["zza", "zzb/*", "zzc*", "zzd/*/e", "zze/**", "/zzf", "ZZg", "zzh/"].forEach(function (pattern) { rule(pattern); });

    // Roles
    rule("zri", { roles: "*,x" });
    rule("zrj", { roles: "OPENIDM-REG" });
    rule("zrk", { roles: "a, openidm-reg" });
    rule("zrl", { roles: "" });
    rule("zrm", { roles: ["a", "openidm-reg"].join() });
    rule("zro", { roles: ["openidm-reg"] });

    // Methods and actions
    rule("zma", { methods: "*,read" });
    rule("zmb", { methods: "READ" });
    rule("zmc", { methods: "query, read" });
    rule("zmd", { methods: "" });
    rule("zme", { methods: ["read"] });
    rule("zmf", { methods: ["*"] });
    rule("zaa", { methods: "action", actions: "approve,reject" });
    rule("zab", { methods: "action", actions: "" });
    rule("zac", { methods: "action,read", actions: undefined });
    rule("zad", { methods: "action", actions: "*,x" });
    rule("zae", { actions: "" });

    // customAuthz
    rule("zca", { customAuthz: "" });
    rule("zcb", { customAuthz: null });
    rule("zcd", { customAuthz: "false" });
    rule("zcd");
    rule("zce", {
        methods: "*",
        customAuthz: "id === 'zce' && method === 'read' && action === '' && roles.length === 1"
    });

    // excludePatterns
    rule("zxa/*", { excludePatterns: "zxa/x,zxa/x/*" });
    rule("zxb/*", { excludePatterns: "zxb/x, zxb/x/*" });

    // What a request is
    rule("zpa", { methods: "create" });
    rule("zpb/*", { methods: "create" });
    rule("zpc/*", { methods: "update" });
    rule("zpd", { methods: "query" });
    rule("zpe/*", { methods: "query" });
    rule("zpf", { methods: "create,action", actions: "foo" });

    // Of those it came with
    rule("info/*");
    rule("*", {
        roles: "openidm-admin", methods: "*",
        customAuthz: "disallowQueryExpression()", excludePatterns: "repo,repo/*"
    });
    rule("managed/user/*", { roles: "openidm-authorized", customAuthz: "ownDataOnly()" });

    this.httpAccessConfig = { "configs": rules };
}).call(this);
