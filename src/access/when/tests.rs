//! Does a CEL condition hold, fail, or refuse to compile as documented?

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::When;
use crate::access::ask::Ask;
use crate::access::pattern::Pattern;
use crate::access::settings::Style;
use crate::access::tests::{facts, principal};
use crate::principal::{Origin, Principal, Role, User};
use crate::request::{Headers, PathPolicy, RequestPath, RequestView};
use crate::token::ActiveToken;

fn directory_user(user: &Value, claims: &Value) -> Arc<Principal> {
    let token = ActiveToken { claims: claims.as_object().unwrap().clone(), ..ActiveToken::default() };
    let fields = user.as_object().unwrap().clone();
    let user = User { id: "11aa".to_owned(), component: "managed/user".into(), fields };
    let origin = Origin::Directory(Arc::new(token), Arc::new(user));
    let roles = ["clerk", "boss"].iter().filter_map(|role| Role::new(role)).collect();
    Arc::new(Principal::new("alice", "managed/user", "11aa", roles, origin).unwrap())
}

fn alice() -> Arc<Principal> {
    let user = json!({"region": "eu", "age": 41, "tags": ["a", "b"], "address": {"city": "Ulm"}, "none": null});
    directory_user(
        &user,
        &json!({"acr": 2, "amr": ["pwd", "otp"], "exp": 1_795_385_806_u64, "big": u64::MAX, "f": 1.5}),
    )
}

struct Case<'a> {
    headers: Vec<(&'a str, &'a [u8])>,
    target: &'a str,
    host: &'a str,
    style: Style,
    who: Arc<Principal>,
}

fn case<'a>() -> Case<'a> {
    Case {
        headers: vec![("X-Region", b"eu"), ("x-role", b"user"), ("X-Role", b"admin")],
        target: "/orders/7/items?a=1&b=x%20y&b=2&Empty",
        host: "Orders.Test:8443",
        style: Style::Http,
        who: alice(),
    }
}

impl Case<'_> {
    fn holds(&self, expression: &str) -> Result<bool, String> {
        let pattern = Pattern::http("/orders/{id}/*").unwrap();
        let when =
            When::compile(expression, &pattern, self.style).unwrap_or_else(|message| panic!("{expression}: {message}"));
        let path = RequestPath::parse(self.target, PathPolicy::default()).unwrap();
        let request = RequestView {
            method: "GET",
            target: self.target,
            host: self.host,
            scheme: "HTTPS",
            headers: Headers::from_list(self.headers.clone()),
            body: None,
            source_address: None,
            source_principal: None,
            source_certificate: None,
            context_extensions: None,
        };
        let ask = Ask::new("GET", path.as_str());
        when.holds(&facts(&request, &path, &self.who, &ask), &pattern)
    }
}

#[test]
fn the_variables_hold_what_the_table_says() {
    let case = case();
    for (expression, holds) in [
        ("true", true),
        ("false", false),
        ("request.headers['x-region'] == user.region", true),
        ("request.headers['x-region'] != user.region", false),
        ("request.method == 'GET' && request.path == '/orders/7/items'", true),
        ("request.host == 'orders.test' && request.scheme == 'https'", true),
        ("request.headers['x-role'] == 'user,admin'", true),
        ("'admin' in request.headerList['x-role']", true),
        ("request.headerList['x-role'].exists(role, role == 'admin')", true),
        ("request.headerList['x-role'].all(role, role == 'user')", false),
        ("'x-missing' in request.headers", false),
        ("has(request.headers.missing)", false),
        ("request.headers[?'x-missing'].orValue('none') == 'none'", true),
        ("request.headers.exists(name, name == 'x-region')", true),
        ("request.query.a == '1' && request.query['Empty'] == ''", true),
        ("has(request.query.nothing)", false),
        ("request.queryList.b == ['x y', '2'] && request.queryList.a == ['1']", true),
        ("params.id == '7' && size(params) == 1", true),
        ("user.age > 40 && user.age == 41 && user.address.city == 'Ulm'", true),
        ("'a' in user.tags && user.tags[1] == 'b' && user.none == null", true),
        ("has(user.nothing)", false),
        ("token.acr >= 2 && 'otp' in token.amr && token.exp > 1700000000 && token.f == 1.5", true),
        ("token.big == 18446744073709551615u", true),
        ("authorization.id == '11aa' && authorization.component == 'managed/user'", true),
        ("'boss' in authorization.roles && authorization.roles.size() == 2", true),
        ("authenticationId == 'alice'", true),
        ("user.region.matches('^e[u]$')", true),
        ("matches(user.region, '^e$')", false),
        ("user.tags.exists(tag, tag.matches('^b') && !tag.matches('^a'))", true),
        ("[user.region.matches('u')] == [true] && {'k': user.region.matches('x')} == {'k': false}", true),
        ("request.path.startsWith('/orders/' + params.id)", true),
        ("user.region == 'us' ? false : true", true),
        ("{'eu': 1}[user.region] == 1", true),
        ("['eu', 'us'].exists(r, user.tags.exists(t, r == user.region && t == 'a'))", true),
        ("type(user.age) == int", true),
    ] {
        assert_eq!(case.holds(expression), Ok(holds), "{expression}");
    }
}

#[test]
fn what_cannot_be_told_fails_and_never_holds() {
    let mut odd = case();
    odd.headers.push(("x-odd", b"\xff"));
    for expression in [
        "user.nothing == 'x'",
        "user.nothing != 'x'",
        "request.headers['x-missing'] != 'x'",
        "request.query.b == '2'",
        "request.query.b != '2'",
        "!('b' in request.query)",
        "request.headers['x-odd'] != 'x'",
        "!('x-odd' in request.headers)",
        "request.headers.all(name, name != 'x')",
        "'text'",
        "1",
        "user.region",
        "user.age / 0 == 1",
        "user.age + 'x' == ''",
        "user.region > 1",
        "authorization.nothing == 'x'",
    ] {
        assert!(odd.holds(expression).is_err(), "{expression}");
    }
    for host in ["", "a,b", "user@orders.test", "orders.test:99999"] {
        assert!(Case { host, ..case() }.holds("request.host != 'orders.test'").is_err(), "{host}");
    }
}

#[test]
fn nobody_has_neither_a_record_nor_claims() {
    let anonymous = Case { who: principal(&[], None), ..case() };
    assert_eq!(anonymous.holds("user == {} && token == {} && authorization.roles == []"), Ok(true));
    assert_eq!(anonymous.holds("has(user.region) && user.region == 'eu'"), Ok(false));
    assert!(anonymous.holds("user.region == 'eu'").is_err());
}

#[test]
fn crest_style_sees_the_crest_request_too() {
    let crest = Case { style: Style::Crest, ..case() };
    assert_eq!(crest.holds("crest.method == 'GET' && crest.action == '' && crest.resourcePath.size() > 0"), Ok(true));
}

#[test]
fn what_is_not_supported_is_refused_with_advice() {
    let pattern = Pattern::http("/orders/{id}").unwrap();
    for (expression, said) in [
        ("", "no CEL expression"),
        ("user.", "no CEL expression"),
        ("usr.region == 'x'", "the name `usr` is not known; known are `request`"),
        ("request == {}", "only through a member"),
        ("request.header['x'] == ''", "`request` has no member `header`; it has method, path"),
        ("request.headers['X-Region'] == ''", "write `x-region`"),
        ("!('X-Region' in request.headers)", "write `x-region`"),
        ("has(request.headers.Region)", "write `region`"),
        ("params.name == 'x'", "no path parameter `{name}`"),
        ("'name' in params", "no path parameter `{name}`"),
        ("crest.method == 'read'", "in `style: crest` only"),
        ("lower(user.region) == 'eu'", "the function `lower` is not known; known are size"),
        ("user.region.lowerAscii() == 'eu'", "the function `lowerAscii` is not known"),
        ("user.region.matches(request.query.re)", "`matches` takes a literal text"),
        ("matches(user.region, user.region)", "`matches` takes a literal text"),
        ("user.region.matches('(')", "`(` is no regular expression"),
        ("user.tags.all(user, user == 'x')", "the loop variable `user` hides"),
        ("user.tags.all(a, user.tags.all(b, user.tags.all(c, a == b && b == c)))", "nest deeper than 2"),
        ("Message{a: 1} == 1", "messages cannot be built"),
    ] {
        let message = When::compile(expression, &pattern, Style::Http).unwrap_err();
        assert!(message.contains(said), "{expression}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
    let chains = ["1 + ", "true && ", "true ? 1 : ", "user.x.", "!", "- ", "[", "{1: ", "size("];
    for part in chains {
        let _ = When::compile(&format!("{}1", part.repeat(4000 / part.len())), &pattern, Style::Http);
    }
    let sum = |terms: usize| format!("1{} > 0", " + 1".repeat(terms));
    assert!(When::compile(&sum(1000), &pattern, Style::Http).is_err_and(|message| message.contains("nests deeper")));
    for deep in [sum(40), format!("{}true", "!".repeat(40)), format!("{}true{}", "(".repeat(40), ")".repeat(40))] {
        assert_eq!(case().holds(&deep), Ok(true), "{deep}");
    }
    for deep in ["(".repeat(4000), "!".repeat(4000), "[".repeat(4000), "-".repeat(3000), "x".repeat(5000)] {
        assert!(When::compile(&deep, &pattern, Style::Http).is_err());
    }
}

#[test]
fn loops_over_what_clients_send_are_bounded() {
    let list = vec!["x"; 2000].join(",");
    let many = Case { headers: vec![("x-list", list.as_bytes())], ..case() };
    assert_eq!(many.holds("size(request.headerList['x-list']) == 2000"), Ok(true));
    assert!(
        many.holds("request.headerList['x-list'].all(x, x == 'x')").is_err_and(|error| error.contains("2000 items"))
    );
    let fewer = vec!["x"; 101].join(",");
    let fewer = Case { headers: vec![("x-list", fewer.as_bytes())], ..case() };
    assert_eq!(fewer.holds("request.headerList['x-list'].all(x, x == 'x')"), Ok(true));
    let nested = "request.headerList['x-list'].all(x, request.headerList['x-list'].all(y, x == y))";
    assert!(fewer.holds(nested).is_err_and(|error| error.contains("101 items")));
    let mut target = "/orders/7/items?".to_owned();
    for number in 0..1001 {
        write!(target, "p{number}=1&").unwrap();
    }
    let wide = Case { target: &target, ..case() };
    assert!(wide.holds("request.query.all(name, name != 'x')").is_err());
    assert_eq!(wide.holds("request.query.p7 == '1'"), Ok(true));
}

proptest! {
    #[test]
    fn no_text_ends_the_process(text in "[ -~é]{0,40}") {
        let _ = When::compile(&text, &Pattern::http("/a/{id}").unwrap(), Style::Http);
    }

    #[test]
    fn no_soup_of_words_ends_the_process(words in prop::collection::vec(prop::sample::select(vec![
        "user", "region", ".", "request", "headers", "[", "]", "(", ")", "'x'", "&&", "||", "!", "==", "in", "+", "-", "1",
        "has", "size", "exists", "a", ",", "token", "?", ":", "{", "}", "1.5", "0u", "matches", "authorization", "roles",
    ]), 0..10)) {
        let text = words.join(" ");
        let pattern = Pattern::http("/orders/{id}/*").unwrap();
        if When::compile(&text, &pattern, Style::Http).is_ok() {
            let _ = case().holds(&text);
        }
    }
}

#[test]
fn what_went_wrong_is_told_without_the_values_that_were_looked_at() {
    let secret = Case { headers: vec![("authorization", b"Bearer s3cret"), ("cookie", b"sid=s3cret")], ..case() };
    for expression in [
        "request.headers['authorization'] + 1 == 2",
        "1 + request.headers['authorization'] == 2",
        "request.headers['authorization'] < 1",
        "request.headers['authorization'] - 'x' == 2",
        "-request.headers['authorization'] == 2",
        "!request.headers['authorization']",
        "request.headers['authorization'] ? true : false",
        "request.headers['authorization']",
        "request.headers['authorization'] && true",
        "request.headers['authorization'].x == 1",
        "request.headers['authorization'][0] == 1",
        "request.headers + 1 == 2",
        "int(request.headers['authorization']) == 1",
        "double(request.headers['authorization']) == 1.0",
        "uint(request.headers['authorization']) == 1u",
        "bool(request.headers['authorization'])",
        "request.headers['authorization'].startsWith(1)",
        "request.headers[request.headers['cookie']] == 'x'",
        "{request.headers['cookie']: 1}['y'] == 1",
        "{request.headers['cookie']: 1, request.headers['cookie']: 2} == {}",
        "1 in request.headers['authorization']",
        "request.headers['authorization'].all(x, x)",
        "[1, 2][request.headers['authorization']] == 1",
        "user[request.headers['authorization']] == 1",
        "(9223372036854775807 + size(request.headers['authorization'])) == 1",
        "[request.headers['authorization']] + 'x' == 1",
    ] {
        let told = secret.holds(expression);
        assert!(!format!("{told:?}").contains("s3cret"), "{expression}: {told:?}");
    }
}

#[test]
fn a_regular_expression_is_not_compiled_for_each_item_that_a_client_sends() {
    let list = vec!["abc-def"; 1000].join(",");
    let many = Case { headers: vec![("x-list", list.as_bytes())], ..case() };
    let started = std::time::Instant::now();
    assert_eq!(many.holds("request.headerList['x-list'].all(x, x.matches('^[\\\\w-]{1,64}$'))"), Ok(true));
    assert!(
        started.elapsed().as_secs() < 5,
        "took {:?}; compiling it a thousand times takes minutes",
        started.elapsed()
    );
}
