//! What does a script find beside the plain values? What IDM's own scripts call on them.

use rquickjs::Value;

use crate::script::engine::Sandbox;

/// The functions of `httpRequest` and of its headers, as IDM's scripts call them: `httpRequest.getHeaders().getFirst('X-Region')`.
///
/// Names of headers are compared with case ignored. A header that was sent several times is one value, joined by commas, in
/// whichever form Envoy sends it. SECURITY: a header of the client's called `get` must not take the place of a function.
const REQUEST: &str = r#"(function (httpRequest) {
    var method = httpRequest.method, headers = httpRequest.headers, values = Object.assign(Object.create(null), headers);
    function give(object, name, value) { Object.defineProperty(object, name, {value: value, enumerable: false}); }
    function first(name) { var value = values[String(name).toLowerCase()]; return value === undefined ? null : value; }
    give(headers, "getFirst", first);
    give(headers, "get", function (name) {
        var value = first(name), header = {};
        if (value === null) { return null; }
        give(header, "getName", function () { return String(name); });
        give(header, "getFirstValue", function () { return value; });
        give(header, "getValues", function () { return [value]; });
        give(header, "toString", function () { return value; });
        return header;
    });
    give(httpRequest, "getMethod", function () { return method; });
    give(httpRequest, "getHeaders", function () { return headers; });
})"#;

/// `httpRequest.getUri()`: a text with `getPath` and `getQuery`.
const URI: &str = r#"(function (httpRequest) {
    var path = httpRequest.path, text = httpRequest.uri, query = text.indexOf("?");
    Object.defineProperty(httpRequest, "getUri", {value: function () {
        return Object.defineProperties(new String(text), {
            getPath: {value: function () { return path; }},
            getQuery: {value: function () { return query < 0 ? null : text.slice(query + 1); }}
        });
    }});
})"#;

/// `require`, which knows one module: IDM's own that adds privileges (E14). There are none here, so that it adds none.
const REQUIRE: &str = r#"(function () {
    Object.defineProperty(globalThis, "require", {writable: true, configurable: true, value: function (name) {
        if (/^auth\/orgPrivileges(\.js)?$/.test(name)) { return {assignPrivilegesToUser: function () {}}; }
        throw new Error("the module `" + name + "` is not known here");
    }});
})"#;

/// IDM's `logger` and `console`. SECURITY: what a script writes could be a credential or a line that a client forged, so
/// that nothing of it is kept.
const LOGGER: &str = r#"(function () {
    var no = function () { return false; }, none = {log: no};
    ["trace", "debug", "info", "warn", "error"].forEach(function (level) {
        none[level] = no;
        none["is" + level.charAt(0).toUpperCase() + level.slice(1) + "Enabled"] = no;
    });
    ["logger", "console"].forEach(function (name) {
        Object.defineProperty(globalThis, name, {writable: true, configurable: true, value: none});
    });
})"#;

/// Adds the global functions that the script names: what it does not name it need not have, and reading these texts costs
/// more than most runs. To be called before the operator's own variables are defined, which may be called so.
///
/// # Errors
/// No memory is left.
pub(super) fn define_globals(sandbox: &Sandbox<'_, '_>) -> rquickjs::Result<()> {
    if sandbox.source().contains("require") {
        sandbox.apply(REQUIRE, ())?;
    }
    if ["logger", "console"].iter().any(|name| sandbox.source().contains(name)) {
        sandbox.apply(LOGGER, ())?;
    }
    Ok(())
}

/// Adds the functions of `httpRequest`, if the script can call any: the names of all of them begin alike.
///
/// # Errors
/// No memory is left.
pub(super) fn define_functions<'js>(sandbox: &Sandbox<'js, '_>, http_request: Value<'js>) -> rquickjs::Result<()> {
    if sandbox.source().contains("httpRequest") && sandbox.source().contains("get") {
        sandbox.apply(REQUEST, (http_request.clone(),))?;
        if sandbox.source().contains("getUri") {
            sandbox.apply(URI, (http_request,))?;
        }
    }
    Ok(())
}
