// E4–E13 once more, in the language of the rules: which of `configs` grants each of `questions`?
// Where IDM's own code has a fault that J4 does not keep, this does as J4 says.
var ownDataOnly = function () {
    var mine = context.security.authorization;
    return request.resourcePath === mine.component + "/" + mine.id;
};
var disallowQueryExpression = function () {
    return request.method !== "query" || request.queryExpression === undefined;
};
var disallowCommandAction = function () {
    return !(request.method === "action" && String(request.action).toLowerCase() === "command");
};
var isQueryOneOf = function (allowed) {
    if (request.method !== "query" || request.queryId === undefined) { return false; }
    return Object.prototype.hasOwnProperty.call(allowed, request.resourcePath)
        && allowed[request.resourcePath].indexOf(request.queryId) >= 0;
};
var isAJAXRequest = function () {
    return ["x-requested-with", "authorization", "x-openidm-username"].some(function (name) {
        return context.http.headers[name] !== undefined;
    });
};

// Whether the body names nothing but what `allowed` knows. Not visible, or no patch: no.
var touchesOnly = function (operations, allowed) {
    if (!Array.isArray(operations)) { return false; }
    var topLevel = function (pointer) {
        return typeof pointer === "string" && pointer.replace(/^\//, "").split("/")[0];
    };
    return operations.every(function (operation) {
        if (operation === null || typeof operation !== "object") { return false; }
        var touched = [operation.field].concat(operation.from === undefined ? [] : [operation.from]).map(topLevel);
        return touched.every(function (name) { return name && allowed(name); });
    });
};
var isPatch = function () {
    return request.method === "patch" || (request.method === "action" && String(request.action).toLowerCase() === "patch");
};
var operations = function () {
    return request.method === "patch" ? request.patchOperations : request.content;
};
var restrictPatchToFields = function (fields) {
    return isPatch() && touchesOnly(operations(), function (name) { return fields.indexOf(name) >= 0; });
};
var managedUserRestrictedToAllowedProperties = function (properties) {
    var lowered = (typeof properties === "string" ? properties.split(",") : properties).map(function (name) {
        return name.toLowerCase();
    });
    var allowed = function (name) { return lowered.indexOf(name.toLowerCase()) >= 0; };
    if (request.resourcePath.indexOf("managed/user") !== 0) { return true; }
    if (request.method === "create" || request.method === "update") {
        var body = request.content;
        var isObject = body !== null && typeof body === "object" && !Array.isArray(body);
        return isObject && Object.keys(body).every(allowed);
    }
    return !isPatch() || touchesOnly(operations(), allowed);
};

// Direct, so that the expression sees the four locals.
var evaluate = function (expression, id, roles, method, action) {
    return eval(expression);
};

var ask = function (question) {
    request = question.request;
    // As in IDM, the name of a header has no case.
    var headers = new Proxy(question.context.http.headers, {
        get: function (map, name) { return map[name.toLowerCase()]; }
    });
    var http = Object.assign({}, question.context.http, {headers: headers});
    context = Object.assign({}, question.context, {http: http});
};

var holds = function (expression, question) {
    ask(question);
    return !!evaluate(expression, question.id, question.roles, question.method, question.action);
};

var covers = function (pattern, path) {
    if (pattern === "*" || pattern === path) { return true; }
    return pattern.slice(-2) === "/*" && path.indexOf(pattern.slice(0, -1)) === 0;
};

var lists = function (text, name) {
    var lower = function (text) { return text.toLowerCase(); };
    return text === "*" || text.split(",").map(lower).indexOf(lower(name)) >= 0;
};

var grants = function (rule, question) {
    var path = question.id;
    if (!covers(rule.pattern, path)) { return false; }
    if (typeof rule.excludePatterns === "string") {
        if (rule.excludePatterns.split(",").some(function (pattern) { return covers(pattern, path); })) { return false; }
    }
    if (rule.roles !== "*" && !question.roles.some(function (role) { return lists(rule.roles, role); })) { return false; }
    if (!lists(rule.methods, question.method)) { return false; }
    if (question.action !== "") {
        if (typeof rule.actions !== "string" || !lists(rule.actions, question.action)) { return false; }
    }
    return typeof rule.customAuthz !== "string" || holds(rule.customAuthz, question);
};

var decide = function (question) {
    for (var place = 0; place < configs.length; place += 1) {
        try {
            if (grants(configs[place], question)) { return {granted: place}; }
        } catch (error) {
            return {failed: place};
        }
    }
    return "denied";
};
