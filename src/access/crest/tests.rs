//! Does an HTTP request ask for what IDM says it asks for?

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::super::AccessError;
use super::super::ask::{Ask, Asks};
use crate::request::{Headers, PathPolicy, RequestPath, RequestView};

/// Method, resource path and action of every question, or what the client is told.
type Reading = Result<Vec<(String, String, String)>, AccessError>;

fn read_with(method: &str, target: &str, headers: &[(&str, &str)], honour: bool) -> Reading {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let request = RequestView {
        method,
        target,
        host: "idm.test",
        scheme: "https",
        headers: Headers::from_list(headers),
        body: None,
        source_address: None,
        source_principal: None,
        source_certificate: None,
        context_extensions: None,
    };
    let path = RequestPath::parse(target, PathPolicy::default()).unwrap();
    let resource = path.as_str().strip_prefix("/openidm").unwrap();
    let resource = resource.strip_prefix('/').unwrap_or(resource);
    super::read(&request, &path, resource, honour).map(|asks| shown(&asks))
}

fn shown(asks: &Asks<'_>) -> Vec<(String, String, String)> {
    let parts = |ask: &Ask<'_>| (ask.method.to_owned(), ask.path.to_owned(), ask.action.to_string());
    asks.iter().map(parts).collect()
}

fn read(method: &str, target: &str, headers: &[(&str, &str)]) -> Reading {
    read_with(method, target, headers, false)
}

fn asks(list: &[(&str, &str, &str)]) -> Reading {
    let owned = |(method, path, action): &(&str, &str, &str)| ((*method).into(), (*path).into(), (*action).into());
    Ok(list.iter().map(owned).collect())
}

fn is_bad_request(reading: &Reading) -> bool {
    matches!(reading, Err(AccessError::BadRequest(_)))
}

#[test]
fn each_row_of_the_table_is_read_as_it_says() {
    let none = &[];
    for (method, target, headers, expected) in [
        ("GET", "/openidm/managed/user/bob", none as &[(&str, &str)], asks(&[("read", "managed/user/bob", "")])),
        ("HEAD", "/openidm/managed/user/bob", none, asks(&[("read", "managed/user/bob", "")])),
        ("GET", "/openidm", none, asks(&[("read", "", "")])),
        ("GET", "/openidm/u?_queryFilter=true", none, asks(&[("query", "u", "")])),
        ("GET", "/openidm/u?_queryId=", none, asks(&[("query", "u", "")])),
        ("GET", "/openidm/u?%5FqueryEXPRESSION=x", none, asks(&[("query", "u", "")])),
        ("PUT", "/openidm/u/1", &[("If-None-Match", "*")], asks(&[("create", "u", "")])),
        ("PUT", "/openidm/u/1", &[("if-none-match", "\"*\"")], asks(&[("create", "u", "")])),
        ("PUT", "/openidm/u/1", &[("If-Match", "")], asks(&[("update", "u/1", "")])),
        ("PUT", "/openidm/u/1", none, asks(&[("create", "u", ""), ("update", "u/1", "")])),
        ("PUT", "/openidm/u", none, asks(&[("create", "", ""), ("update", "u", "")])),
        ("POST", "/openidm/u?_action=create", none, asks(&[("create", "u", "")])),
        ("POST", "/openidm/u?_ACTION=CREATE", none, asks(&[("create", "u", "")])),
        ("POST", "/openidm/u?_action=patch", none, asks(&[("action", "u", "patch")])),
        ("POST", "/openidm/u?_action=a%20b", none, asks(&[("action", "u", "a b")])),
        ("POST", "/openidm/u", none, asks(&[("create", "u", "")])),
        ("PATCH", "/openidm/u/1", none, asks(&[("patch", "u/1", "")])),
        ("DELETE", "/openidm/u/1", none, asks(&[("delete", "u/1", "")])),
        ("GET", "/openidm/u?queryFilter=x&_method=PUT", none, asks(&[("read", "u", "")])),
    ] {
        assert_eq!(read(method, target, headers), expected, "{method} {target} {headers:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_a_bad_request() {
    let form = ("content-type", "Application/X-www-form-urlencoded; charset=utf-8");
    for (method, target, headers) in [
        ("POST", "/openidm/u?_action=", &[] as &[(&str, &str)]),
        ("POST", "/openidm/u?_action", &[]),
        ("POST", "/openidm/u?_action=a&_action=a", &[]),
        ("POST", "/openidm/u?_action=bind&_ACTION=create", &[]),
        ("POST", "/openidm/u?_action=bind&%5Faction=create", &[]),
        ("POST", "/openidm/u?_act%C4%B1on=bind", &[]),
        ("POST", "/openidm/u?_act%C4%B0on=bind", &[]),
        ("GET", "/openidm/u?_queryExpre%C5%BFsion=bind", &[]),
        ("GET", "/openidm/u?_queryFilter=true&_queryId=x", &[]),
        ("GET", "/openidm/u?_queryFilter=true&_queryFilter=true", &[]),
        ("GET", "/openidm/u?_queryFilter=", &[]),
        ("PUT", "/openidm/u/1", &[("If-None-Match", "\"abc\"")]),
        ("PUT", "/openidm/u/1", &[("If-None-Match", "")]),
        ("PUT", "/openidm/u/1", &[("If-None-Match", "*"), ("if-none-match", "*")]),
        ("PUT", "/openidm/u/1", &[("If-None-Match", "*"), ("If-Match", "1")]),
        ("GET", "/openidm/u/1", &[("If-None-Match", "*"), ("If-Match", "1")]),
        ("PUT", "/openidm", &[]),
        ("POST", "/openidm/u", &[("Accept-API-Version", "resource=1.0, protocol=2.0")]),
        ("GET", "/openidm/u", &[form, ("content-length", "0")]),
        ("POST", "/openidm/u", &[form]),
        ("POST", "/openidm/u", &[("content-type", "application/json,application/x-www-form-urlencoded")]),
        ("POST", "/openidm/u", &[("x-http-method-override", "DELETE")]),
        ("POST", "/openidm/u", &[("X-HTTP-Method-Override", "")]),
    ] {
        let reading = read(method, target, headers);
        assert!(is_bad_request(&reading), "{method} {target} {headers:?}: {reading:?}");
    }
}

#[test]
fn a_form_without_a_body_hides_nothing() {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("content-length", "0")];
    assert_eq!(read("POST", "/openidm/u?_action=test", &headers), asks(&[("action", "u", "test")]));
}

#[test]
fn a_method_crest_does_not_know_is_refused() {
    for method in ["OPTIONS", "TRACE", "CONNECT", "FOO", "get", "Get", "", " GET", "PROPFIND"] {
        assert_eq!(read(method, "/openidm/u", &[]), Err(AccessError::UnknownMethod), "{method}");
    }
}

#[test]
fn an_override_that_is_honoured_decides_what_is_asked() {
    let honour = |method, value: &[(&str, &str)]| read_with(method, "/openidm/u/1", value, true);
    assert_eq!(honour("POST", &[("x-http-method-override", "DELETE")]), asks(&[("delete", "u/1", "")]));
    assert_eq!(honour("GET", &[("x-http-method-override", "DELETE")]), asks(&[("read", "u/1", "")]));
    assert_eq!(honour("POST", &[("x-http-method-override", "delete")]), Err(AccessError::UnknownMethod));
    let twice = honour("POST", &[("x-http-method-override", "GET"), ("X-HTTP-Method-Override", "DELETE")]);
    assert!(is_bad_request(&twice), "{twice:?}");
}

/// What `vectors/README.md` and E.5 name as differing on purpose; every other line must agree to the letter.
#[derive(Debug, PartialEq)]
enum Difference {
    /// E25: the path is refused before it gets here.
    PathRefused,
    /// J6.
    OverrideRefused,
    /// E23: HEAD is a read.
    HeadIsARead,
    /// E.5: a GET with a form body, two spellings of one parameter, an empty action name.
    Ambiguous,
    /// IDM answers 400 or 412 because of a precondition, an API version, an unknown `_parameter` or the text of a filter
    /// or body, which it will still do: the rules decide.
    RulesDecide,
    /// IDM was asked for the update only where the create had failed; both must be granted.
    BothOfAPut,
}

/// Both sides of one line: what IDM asked its rules, with percent-escapes decoded once (E25), and what Keyward asks.
fn difference(line: &Value) -> Option<Difference> {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let (method, target) = (text("http"), text("target"));
    let headers: Vec<(&str, &str)> = line["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let has = |wanted: &str| headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if RequestPath::parse(target, PathPolicy::default()).is_err() {
        let hostile = ["//", "/../", "/./", "%2e%2e", "%2F", "%2f", "%zz", "%00"];
        assert!(hostile.iter().any(|part| target.contains(part)), "{line}");
        return Some(Difference::PathRefused);
    }
    let ours = read(method, target, &headers);
    let decode = |ask: &Value, key: &str| {
        percent_decode_str(ask[key].as_str().unwrap_or_default()).decode_utf8().unwrap().into_owned()
    };
    let theirs: Vec<_> = line["crest"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ask| {
            let action = ask["action"].as_str().unwrap().to_owned();
            (ask["method"].as_str().unwrap().to_owned(), decode(ask, "resourcePath"), action)
        })
        .collect();
    let refused = theirs.is_empty();
    match &ours {
        Ok(ours) if *ours == theirs => None,
        Err(_) if refused => None,
        Err(_) if method == "POST" && has("x-http-method-override") => Some(Difference::OverrideRefused),
        Err(_) if method == "GET" && has("content-type") => Some(Difference::Ambiguous),
        Err(_) if target.contains("_ACTION=") || target.ends_with("_action=") => Some(Difference::Ambiguous),
        Ok(_) if method == "HEAD" => Some(Difference::HeadIsARead),
        Ok(_) if refused => {
            let condition = has("if-match") || has("if-none-match");
            let unknown = ["_action", "_query", "_api", "_pageSize", "_sortKeys", "_method"];
            let parameter = unknown.iter().any(|name| target.contains(name));
            let empty_body = line["body"] == "";
            assert!(condition || has("accept-api-version") || parameter || empty_body, "{line}: {ours:?}");
            Some(Difference::RulesDecide)
        }
        Ok(ours) if method == "PUT" && ours.len() == 2 && theirs.len() == 1 && ours[0] == theirs[0] => {
            assert!(!has("if-match") && !has("if-none-match"), "{line}");
            Some(Difference::BothOfAPut)
        }
        _ => panic!("{line}\n ours: {ours:?}\ntheirs: {theirs:?}"),
    }
}

#[test]
fn every_recorded_request_means_what_idm_takes_it_for() {
    let lines: Vec<Value> = include_str!("../../../tests/vectors/http2crest.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |wanted: Option<Difference>| lines.iter().filter(|line| difference(line) == wanted).count();
    let counts = [
        None,
        Some(Difference::PathRefused),
        Some(Difference::OverrideRefused),
        Some(Difference::HeadIsARead),
        Some(Difference::Ambiguous),
        Some(Difference::RulesDecide),
        Some(Difference::BothOfAPut),
    ]
    .map(count);
    assert_eq!(counts, [98, 21, 0, 1, 5, 39, 8], "a change here needs a reason in `vectors/README.md`");
}
