//! What is said about a wrong file: every problem at once, each with its place.

use super::{env, problems, read_with, small};
use crate::config::{load, parse};

#[test]
fn every_shape_problem_is_told_at_once_with_its_place() {
    let text = "\
rsFilter:
  clientID: mesh-rs
  clientSecret: 12345
  tokenIntrospectUrl: https://am.example/introspect
  clientAuthentication: client_secret_pots
  scopes: fr:idm:*
  cache:
    maxTimeout: 300
    maxTokens: many
    negativ: 5 seconds
  maxInFlight: 0
outage: { status: 200 }
removeCredential: yes
audit: { allows: 1.5, to: }
access: [ ]
wat: 1
";
    assert_eq!(
        problems(text),
        "\
keyward.yaml:2:3 rsFilter.clientID: found an unknown key; did you mean `clientId`?
keyward.yaml:2:3 rsFilter.clientId: is missing, expected a text
keyward.yaml:3:17 rsFilter.clientSecret: found a number, expected `{ file: … }`, `{ env: … }` or a text; put it in quotes
keyward.yaml:5:25 rsFilter.clientAuthentication: found `client_secret_pots`, expected `client_secret_basic` or `client_secret_post`; did you mean `client_secret_post`?
keyward.yaml:6:11 rsFilter.scopes: found a text, expected a list
keyward.yaml:8:17 rsFilter.cache.maxTimeout: found `300`, expected a duration such as `300 seconds`; write the unit
keyward.yaml:9:16 rsFilter.cache.maxTokens: found `many`, expected a whole number
keyward.yaml:10:5 rsFilter.cache.negativ: found an unknown key; did you mean `negative`?
keyward.yaml:11:16 rsFilter.maxInFlight: found `0`, expected a number from 1 to 100000
keyward.yaml:12:19 outage.status: found `200`, expected a number from 500 to 599
keyward.yaml:13:19 removeCredential: found `yes`, expected true or false
keyward.yaml:14:18 audit.allows: found `1.5`, expected a number from 0 to 1
keyward.yaml:14:25 audit.to: found nothing, expected `stdout` or `off`; give a value or take the key away
keyward.yaml:15:9 access: found a list, expected a map
keyward.yaml:16:1 wat: found an unknown key, expected `access`, `accessFile`, `audit`, `directory`, `errorDetail`, `explain`, `filters`, `identityHeaders`, `listen`, `outage`, `path`, `propertyFiles`, `removeCredential`, `responseHeaders`, `rsFilter`, `rsFilterFile`, `serverAuthContext` or `timeZone`"
    );
}

#[test]
fn what_is_wrong_with_two_rules_hides_nothing_elsewhere() {
    let text = "\
rsFilter: { clientId: rs, clientSecret: { env: AM_SECRET }, tokenIntrospectUrl: 'ftp://am.example' }
directory: { token: {} }
access:
  rules:
    - { patern: /a, roles: '*' }
    - { patern: /b, roles: '*' }
";
    let told = problems(text);
    for path in ["access.rules[0].patern", "access.rules[1].pattern", "rsFilter.tokenIntrospectUrl"] {
        assert!(told.contains(path), "{path} is not in\n{told}");
    }
}

#[test]
fn every_problem_of_meaning_is_told_at_once_with_its_place() {
    let text = "\
listen: { extAuthz: [ localhost:9191, ':80', 'unix:', 1.2.3.4 ] }
rsFilter:
  clientId: ''
  clientSecret: { env: AM_SECRET }
  tokenIntrospectUrl: ftp://am.example
  introspectTimeout: zero
  trustedRoots: nowhere.pem
  cache: { maxTimeout: none, negative: unlimited, staleIfError: 5 }
  scopes: [ 'a b' ]
  issuer: ''
  credential: { cookie: 'a b', header: Cookie }
  augmentSecurityContext: { type: text/javascript, file: auth/mine.js }
  subjectMapping:
    - { realm: /a, resourceTypeMapping: { usr: u }, queryOnResource: u }
    - { realm: /a, queryOnResource: u }
    - { realm: /b }
    - { queryOnResource: u, propertyMapping: {}, defaultRoles: [ '' ] }
  staticUserMapping:
    - { subject: s, localUser: anonymous }
    - { subject: s, localUser: internal/user/ }
  anonymousUserMapping: { localUser: /x }
directory: { token: {}, file: users.yaml }
access: { contextPath: openidm, rules: [] }
identityHeaders: { Host: realm, ':path': realm, X_A: realm, x-a: realm, x-envoy-b: realm, authorization: realm, 'x y': realm, x-c: token, x-d: sub }
timeZone: Mars/Olympus
";
    // `staleIfError: 5` is of a wrong shape: that is told, and all the rest with it.
    let with_shape = problems(text);
    assert!(with_shape.contains("rsFilter.cache.staleIfError: found `5`"), "{with_shape}");
    let text = text.replace("staleIfError: 5", "staleIfError: '5'");
    let expected = "\
keyward.yaml:1:23 listen.extAuthz[0]: found `localhost:9191`, expected an address and port such as `127.0.0.1:9191`; write the address as a number
keyward.yaml:1:39 listen.extAuthz[1]: found `:80`, expected an address and port such as `127.0.0.1:9191`; write the address too: `0.0.0.0` for all
keyward.yaml:1:46 listen.extAuthz[2]: found `unix:`, expected a socket's path such as `unix:/run/keyward/ext_authz.sock`
keyward.yaml:1:55 listen.extAuthz[3]: found `1.2.3.4`, expected an address and port such as `127.0.0.1:9191`
keyward.yaml:3:13 rsFilter.clientId: found an empty text; give a value
keyward.yaml:4:24 rsFilter.clientSecret.env: the environment variable `AM_SECRET` is not set
keyward.yaml:5:23 rsFilter.tokenIntrospectUrl: found a URL of scheme `ftp`, expected `https` and a host
keyward.yaml:6:22 rsFilter.introspectTimeout: found a timeout of zero, expected a duration such as `5 seconds`
keyward.yaml:7:17 rsFilter.trustedRoots: the file `nowhere.pem` does not exist
keyward.yaml:8:24 rsFilter.cache.maxTimeout: found `none`, expected a duration such as `300 seconds`; `none` means no limit to some and no time to others; write `zero` or `unlimited`
keyward.yaml:8:40 rsFilter.cache.negative: found no limit, expected a duration such as `5 seconds`; write one that ends
keyward.yaml:8:65 rsFilter.cache.staleIfError: found `5`, expected a duration such as `300 seconds`; write the unit
keyward.yaml:9:13 rsFilter.scopes[0]: found an empty scope or one with a space; write one scope an element
keyward.yaml:10:11 rsFilter.issuer: found an empty value; give one or take the key away
keyward.yaml:11:25 rsFilter.credential.cookie: found no name, expected letters, digits, `-` and `_`
keyward.yaml:11:40 rsFilter.credential.header: found a header that routes, frames or authenticates requests; choose another name, such as `x-auth-id`
keyward.yaml:12:58 rsFilter.augmentSecurityContext.file: the file `auth/mine.js` does not exist
keyward.yaml:14:7 rsFilter.subjectMapping[0]: found `resourceTypeMapping` and `queryOnResource`, expected one of them; take one away
keyward.yaml:15:7 rsFilter.subjectMapping[1]: ambiguous subject mappings: subjectMapping[0] is for the same realm too; keep one
keyward.yaml:16:7 rsFilter.subjectMapping[2]: expected `resourceTypeMapping` or `queryOnResource`, to say where the user lives
keyward.yaml:17:46 rsFilter.subjectMapping[3].propertyMapping: found no field, expected one such as `sub: _id`
keyward.yaml:17:66 rsFilter.subjectMapping[3].defaultRoles[0]: found an empty role name; take it away
keyward.yaml:19:32 rsFilter.staticUserMapping[0].localUser: found `anonymous`, expected a collection and an id, such as `internal/user/anonymous`
keyward.yaml:20:18 rsFilter.staticUserMapping[1].subject: ambiguous static mappings: staticUserMapping[0] is for the same subject; keep one
keyward.yaml:20:32 rsFilter.staticUserMapping[1].localUser: found `internal/user/`, expected a collection and an id, such as `internal/user/anonymous`
keyward.yaml:21:38 rsFilter.anonymousUserMapping.localUser: found `/x`, expected a collection and an id, such as `internal/user/anonymous`
keyward.yaml:22:12 directory: found `file` and `token`, expected exactly one of `idm`, `file` and `token`; keep one
keyward.yaml:23:24 access.contextPath: found `openidm`, expected a path such as `/openidm`";
    let found = problems(&text);
    let (start, headers) = found.split_at(expected.len());
    assert_eq!(start, expected);
    for expected in [
        "identityHeaders.Host: found a header that routes",
        "identityHeaders[\":path\"]: found a pseudo-header",
        "identityHeaders.x-a: found this header twice",
        "identityHeaders.x-envoy-b: found a header that routes",
        "identityHeaders.authorization: found a header that routes",
        "identityHeaders[\"x y\"]: found no header name",
        "identityHeaders.x-c: found `token`, expected `authenticationId`",
        "identityHeaders.x-d: found `sub`, expected `authenticationId`",
        "timeZone: found `Mars/Olympus`, expected an IANA time zone",
    ] {
        assert!(headers.contains(expected), "{expected}\n{headers}");
    }
    assert_eq!(headers.trim().lines().count(), 9, "{headers}");
    let rest = |told: &str| told.lines().filter(|line| !line.contains("staleIfError")).collect::<Vec<_>>().join("\n");
    assert_eq!(rest(&with_shape), rest(&problems(&text)));
}

#[test]
fn a_text_that_cannot_be_read_has_one_place() {
    for (text, expected) in [
        ("", "keyward.yaml: found nothing, expected a map; give a value or take the key away"),
        ("rsFilter:\n\tclientId: a\n", "keyward.yaml:2:"),
        ("rsFilter: { clientSecret: &{am.secret} }\n", "put a text with `&{` in quotes"),
        ("a: 1\n---\nb: 1\n", "keyward.yaml:2:1: found a second document (`---`), expected one; keep one"),
        ("a: !!binary x\n", "keyward.yaml:1:4: found a YAML tag (`!…`), expected a plain value; take the tag away"),
        ("a: &x [*x]\n", "keyward.yaml:1:8: found an alias for a value that holds the alias itself"),
        ("? [a]\n: 1\n", "found a key that is no text; keys are texts"),
        ("{\"a\": 1,\n \"b\": ]", "keyward.yaml:2:7: cannot be read as JSON: expected value"),
    ] {
        let found = problems(text);
        assert!(found.contains(expected) && found.lines().count() == 1, "{text:?}\n{found}\n{expected}");
    }
}

#[test]
fn duplicate_keys_are_told_with_both_places() {
    let text = "a: 1\nb: { c: 1,\n  c: 2 }\na: 3\n";
    let expected = "keyward.yaml:3:3: the key `c` stands here again, first at line 2, column 6; keep one\n\
                    keyward.yaml:4:1: the key `a` stands here again, first at line 1, column 1; keep one";
    assert_eq!(problems(text), expected);
    assert_eq!(
        problems("{\"a\": 1,\n \"a\": 2}"),
        "keyward.yaml:2:2: the key `a` stands here again, first at line 1, column 2; keep one"
    );
}

#[test]
fn an_alias_bomb_and_endless_nesting_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(problems(&bomb).contains("found more than 500000 values"));
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let found = problems(&deep);
        assert!(found.contains("levels of nesting") || found.contains("recursion limit"), "{found}");
    }
}

#[test]
fn filters_are_told_apart_by_name_host_and_issuer() {
    let rs = "rsFilter: { clientId: a, clientSecret: '&{s|x}', tokenIntrospectUrl: https://am.example/a }";
    let text = format!(
        "access: {{ rules: [] }}\nfilters:\n  - {{ name: a, hosts: [h], issuers: [i], {rs} }}\n  \
         - {{ name: a, hosts: [H, 'h:80', h.], issuers: [i], access: {{ rules: [] }}, {rs} }}\n  - {{ {rs} }}\n"
    );
    let found = problems(&text);
    for expected in [
        "keyward.yaml:1:9 access: stands at top level and at line 4 within a filter; keep one of them",
        "keyward.yaml:4:13 filters[1].name: found a name that stands already at line 3, column 13; a name chooses one filter",
        "filters[1].hosts[0]: found a host that stands already",
        "filters[1].hosts[1]: found `h:80`, expected a host such as `api.example`, without scheme and port",
        "filters[1].hosts[2]: found a host that stands already",
        "filters[1].issuers[0]: found a issuer that stands already",
        "keyward.yaml:5:5 filters[2].name: is missing, expected the filter's name",
    ] {
        assert!(
            found.contains(&expected.replace("a issuer", "an issuer")) || found.contains(expected),
            "{expected}\n{found}"
        );
    }
    assert_eq!(problems("filters: []\n"), "keyward.yaml:1:10 filters: found no filter, expected at least one");
}

#[test]
fn what_is_missing_is_named_with_what_is_expected() {
    let found = problems("timeZone: UTC\n");
    assert!(found.contains("rsFilter: is missing, expected the authorization server's `clientId`"), "{found}");
    assert!(found.contains("access.rules: is missing, expected the access rules"), "{found}");
    let mapped = small("subjectMapping: [ { queryOnResource: u } ]", "");
    assert!(problems(&mapped).contains("directory: is missing, expected where the users of `subjectMapping` live"));
    let nobody = small("", "directory: { idm: { url: https://idm.example/openidm } }\n");
    assert!(problems(&nobody).contains("rsFilter.subjectMapping: is missing"), "{}", problems(&nobody));
}

#[test]
fn a_users_file_is_held_to_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    let users = "managed/user: [ { _id: a }, { _id: a }, { mail: m }, 5 ]\n../x: []\nmanaged/role: {}\n";
    std::fs::write(folder.path().join("users.yaml"), users).unwrap();
    let text = small("staticUserMapping: []", "directory: { file: users.yaml }\n");
    let found = parse(&text, "keyward.yaml", folder.path(), &env(&[])).unwrap_err().to_string();
    for expected in [
        "users.yaml:1:29 managed/user[1]._id: stands twice in this collection; keep one",
        "users.yaml:1:41 managed/user[2]._id: is missing, expected the record's id, a text",
        "users.yaml:1:54 managed/user[3]: found a number, expected a record",
        "users.yaml:2:1 [\"../x\"]: found no collection's name, expected one such as `managed/user`",
        "users.yaml:3:15 managed/role: found a map, expected a list of records",
    ] {
        assert!(found.contains(expected), "{expected}\n{found}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let found = load(std::path::Path::new("/nonexistent/keyward.yaml"), &env(&[])).unwrap_err().to_string();
    assert_eq!(found, "/nonexistent/keyward.yaml: the file does not exist");
    let here = load(std::path::Path::new("/"), &env(&[])).unwrap_err().to_string();
    assert_eq!(here, "/: the file is a folder");
}

#[test]
fn an_expression_without_a_value_names_the_variable_that_was_looked_for() {
    let text = small("", "").replace("&{am.secret|s3cret}", "&{am.client-secret}");
    assert_eq!(
        problems(&text),
        "keyward.yaml:3:17 rsFilter.clientSecret: `&{am.client-secret}` is not set: neither the environment variable \
         `AM_CLIENT_SECRET` nor a property file has it; set one of them or write a default after a bar"
    );
    assert!(read_with(&text, &[("AM_CLIENT_SECRET", "x")]).is_ok());
}

#[test]
fn an_expression_where_a_number_belongs_gets_advice() {
    let text = small("maxInFlight: '&{n|7}'", "");
    assert_eq!(
        problems(&text),
        "keyward.yaml:5:16 rsFilter.maxInFlight: found a text, expected a whole number; an expression gives a text: \
         turn it into what is needed with `$int`, `$number`, `$bool`, `$list` or `$object`"
    );
    assert!(problems(&small("maxInFlight: { $int: '&{n|7}' }", "")).contains("it loads"));
}

#[test]
fn what_no_yaml_reader_understands_is_told_in_plain_words() {
    for (text, place, words) in [
        ("a:\n  b:c\n  d: e\n", "keyward.yaml:3:", "is a space missing after its colon?"),
        ("a:\n  b: c\n  d:e\n", "keyward.yaml:4:1", "write a space after the colon"),
        ("a: b: c\n", "keyward.yaml:1:5", "found `: ` within a value"),
        ("a: @b\n", "keyward.yaml:1:4", "put the text in quotes"),
        ("a: { b: *, c: d }\n", "keyward.yaml:1:9", "found `*` or `&` that names nothing; put the text in quotes"),
        ("a:\n  b: c\n d: e\n", "keyward.yaml:3:2", "indented otherwise"),
        ("a: { b: /u/{id, c: d }\n", "keyward.yaml:", "put texts with `{`, `}` or `,` in quotes"),
        ("a: { b: c }}\n", "keyward.yaml:1:", "bracket that nothing opens"),
        ("a: \"b\n", "keyward.yaml:1:4", "no closing quote"),
    ] {
        let found = problems(text);
        assert!(found.starts_with(place) && found.contains(words), "{text:?}: {found}");
    }
}

#[test]
fn a_directory_that_is_none_or_two_says_which_were_found() {
    let directory = |written: &str| problems(&small("", &format!("directory: {written}\n")));
    let two = directory("{ token: {}, file: users.yaml }");
    assert!(two.contains("found `file` and `token`, expected exactly one of"), "{two}");
    let none = directory("{}");
    assert!(none.contains("found nothing, expected exactly one of"), "{none}");
}

#[test]
fn a_part_of_a_wrong_shape_hides_nothing_beside_it_and_makes_up_nothing() {
    let text = "\
listen: { extAuthz: 5 }
rsFilter:
  clientId: a
  clientSecrt: x
  tokenIntrospectUrl: ftp://am.example/introspect
  scopes: [ 1 ]
acess: {}
access: { rules: [ { pattern: orders, roles: clerk, methods: GET } ], style: http, contextPath: [x] }
identityHeaders: { host: realm }
";
    let told = problems(text);
    for place in ["listen.extAuthz", "rsFilter.clientSecrt", "rsFilter.scopes[0]", "acess", "access.contextPath"] {
        assert!(told.contains(&format!(" {place}: ")), "{place}:\n{told}");
    }
    assert!(told.contains("identityHeaders.host: "), "{told}");
    assert!(!told.contains("rsFilter: is missing"), "{told}");
}

#[test]
fn a_missing_key_hides_nothing_of_the_part_that_lacks_it() {
    let text = "\
listen: { admin: nowhere, health: nowhere, grace: soon, extAuthz: { tls: { certificate: tls.pem } } }
rsFilter:
  clientId: 5
  clientSecret: { env: AM_SECRET }
  cache: { maxTimeout: none }
  subjectMapping: [ { realm: '' , queryOnResource: '' } ]
  staticUserMapping:
    - { subject: s }
    - { subject: t, localUser: anonymous }
directory: { idm: { auth: { headers: { password: { env: IDM_PASSWORD } } }, timeout: zero } }
access:
  contextPath: openidm
  rules:
    - { roles: '*', methods: GET, when: 'params.id == 1' }
    - { pattern: orders, roles: '*', methods: GET, when: 'wat' }
";
    let told = problems(text);
    for place in [
        "listen.admin: found `nowhere`",
        "listen.health: found `nowhere`",
        "listen.grace: found `soon`",
        "listen.extAuthz.address: is missing",
        "listen.extAuthz.tls.key: is missing",
        "rsFilter.clientId: found `5`",
        "rsFilter.tokenIntrospectUrl: is missing",
        "rsFilter.clientSecret.env: the environment variable `AM_SECRET` is not set",
        "rsFilter.cache.maxTimeout: found `none`",
        "rsFilter.subjectMapping[0].realm: found an empty realm",
        "rsFilter.subjectMapping[0].queryOnResource: found an empty",
        "rsFilter.staticUserMapping[0].localUser: is missing",
        "rsFilter.staticUserMapping[1].localUser: found `anonymous`",
        "directory.idm.url: is missing",
        "directory.idm.auth.headers.username: is missing",
        "directory.idm.auth.headers.password.env: the environment variable `IDM_PASSWORD` is not set",
        "directory.idm.timeout: found a timeout of zero",
        "access.contextPath: found `openidm`",
        "access.rules[0].pattern: is missing",
        "access.rules[1].pattern: found",
        "access.rules[1].when: ",
    ] {
        assert!(told.contains(&format!(" {place}")), "{place} is not in\n{told}");
    }
    assert_eq!(told.lines().count(), 21, "nothing is made up:\n{told}");
}

#[test]
fn a_missing_key_is_one_problem_and_nothing_is_said_of_what_stands_in_for_it() {
    let missing =
        |text: &str| text.lines().all(|line| line.contains(": is missing, expected ")).then(|| text.to_owned());
    for (text, lines) in [
        ("rsFilter: {}\naccess: { rules: [ {} ] }\n".to_owned(), 6),
        (small("augmentSecurityContext: { source: 'security' }", ""), 1),
        (small("anonymousUserMapping: {}", ""), 1),
        (small("", "directory: { idm: { auth: { bearer: {} } } }\n"), 5),
        (small("", "listen: { extAuthz: { tls: {} } }\n"), 3),
    ] {
        let told = problems(&text);
        let told = missing(&told).unwrap_or_else(|| panic!("{text}\n{told}"));
        assert_eq!(told.lines().count(), lines, "{text}\n{told}");
    }
}

#[test]
fn rules_that_are_missing_hide_nothing_beside_them() {
    let told = problems("rsFilter: {}\naccess: { contextPath: x, functionsFile: nowhere.js }\n");
    for place in ["access.rules: is missing", "access.contextPath: found", "access.functionsFile: the file"] {
        assert!(told.contains(place), "{place} is not in\n{told}");
    }
}

#[test]
fn two_listeners_at_one_port_are_refused() {
    for (written, collides) in [
        ("{ extAuthz: 127.0.0.1:9191, admin: 127.0.0.1:9191 }", true),
        ("{ extAuthz: 0.0.0.0:9191, health: 127.0.0.1:9191 }", true),
        ("{ extAuthz: 10.0.0.1:9191, health: 127.0.0.1:9191 }", false),
        ("{ extAuthz: ['[::]:9191', '[::1]:9191'] }", true),
        ("{ extAuthz: ['127.0.0.1:0', '127.0.0.1:0'] }", false),
        ("{ extAuthz: ['unix:/a.sock', 'unix:///a.sock'] }", true),
    ] {
        let told = problems(&small("", &format!("listen: {written}\n")));
        assert_eq!(told.contains("give each its own"), collides, "{written}: {told}");
        assert_eq!(told.contains("it loads"), !collides, "{written}: {told}");
    }
}

#[test]
fn a_file_that_cannot_be_read_hides_nothing_beside_it_and_makes_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.json"), "{ \"configs\": ] }").unwrap();
    std::fs::write(folder.path().join("script.js"), "(function () {").unwrap();
    let beside = "\
rsFilter:
  cache: { maxTimeout: none }
  augmentSecurityContext: { type: text/javascript, file: script.js }
directory: { idm: { url: 'ftp://idm.example' } }
access: { contextPath: x }
timeZone: Mars
";
    for broken in ["nowhere.json", "broken.json"] {
        let text = format!("rsFilterFile: {broken}\naccessFile: {broken}\n{beside}");
        let told = parse(&text, "keyward.yaml", folder.path(), &env(&[])).unwrap_err().to_string();
        for place in [
            "rsFilter.cache.maxTimeout: ",
            "script.js:1:15: ",
            "directory.idm.url: ",
            "access.contextPath: ",
            "timeZone: found `Mars`",
        ] {
            assert!(told.contains(place), "{place} is not in\n{told}");
        }
        let of_files = told.lines().filter(|line| line.contains(broken)).count();
        assert_eq!(told.lines().count(), 5 + of_files, "nothing is made up:\n{told}");
        // Where no key stands beside the files either.
        let text = format!("filters: [ {{ name: a, rsFilterFile: {broken}, accessFile: {broken}, timeZone: Mars }} ]");
        let told = parse(&text, "keyward.yaml", folder.path(), &env(&[])).unwrap_err().to_string();
        let rest: Vec<&str> = told.lines().filter(|line| !line.contains(broken)).collect();
        assert!(matches!(*rest, [one] if one.contains("filters[0].timeZone: found `Mars`")), "{told}");
    }
}

#[test]
fn ten_thousand_rules_that_lack_a_key_are_told_in_no_time() {
    let rules = "    - { pattern: /a, roles: '*' }\n".repeat(10_000);
    let text = small("", "").replace("access: {", "# {") + "access:\n  rules:\n" + &rules + "timeZone: Mars\n";
    let started = std::time::Instant::now();
    let told = problems(&text);
    assert_eq!(told.lines().count(), 10_001);
    assert!(told.ends_with("timeZone: found `Mars`, expected an IANA time zone such as `Europe/Berlin`"));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_rule_of_another_file_that_lacks_a_key_hides_no_other_rule() {
    let folder = tempfile::tempdir().unwrap();
    let rules = r#"{"configs": [{"pattern": "a", "roles": "*"}, {"pattern": "b", "roles": "*", "methods": "read", "when": "wat"}]}"#;
    std::fs::write(folder.path().join("access.json"), rules).unwrap();
    let text = small("", "accessFile: access.json\n").replace("access: {", "path: {}\n# {");
    let told = parse(&text, "keyward.yaml", folder.path(), &env(&[])).unwrap_err().to_string();
    assert!(told.contains("configs[0].methods: is missing") && told.contains("configs[1].when: "), "{told}");
}

#[test]
fn a_wrong_mapping_does_not_hide_what_is_wrong_with_the_template_of_another() {
    let mappings =
        "subjectMapping: [ { realm: '', queryOnResource: u }, { realm: /b, queryOnResource: 'managed/{{realm' } ]";
    let told = problems(&small(mappings, "directory: { token: {} }\n"));
    assert!(told.contains("subjectMapping[0].realm: found an empty realm"), "{told}");
    assert!(told.contains("subjectMapping[1].queryOnResource: `managed/{{realm` is no template: "), "{told}");
    assert_eq!(told.lines().count(), 2, "{told}");
}
