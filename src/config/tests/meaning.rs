//! What a file means that loads.

use std::path::Path;
use std::time::Duration;

use super::{env, filter, read, small};
use crate::access::settings::Style;
use crate::audit::settings::AuditTarget;
use crate::client_auth::ClientAuthentication;
use crate::config::{Loaded, load, parse};
use crate::credential::settings::OtherSchemes;
use crate::directory::settings::IdmAuth;
use crate::explain::settings::Readers;
use crate::introspection::settings::MaxTimeout;
use crate::listen::Address;
use crate::request::{EncodedSlashes, PathPolicy};
use crate::response::settings::{OutageAnswer, OutageStatus};
use crate::response::source::ContextSource;
use crate::roles::GroupComparison;
use crate::subject::Collection;
use crate::{directory, explain};

const PRODUCT: &str = "tests/config/product/keyward.yaml";

fn product(name: &str) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    load(&path, &env(&[("IDM_CLIENT", "s3cret-of-idm")])).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_product_sheet_s_example_means_what_it_says() {
    let Loaded { config, warnings, sources, contents } = product(PRODUCT);
    assert_eq!(warnings, []);
    assert!(contents.paths().eq(sources.iter().map(std::path::PathBuf::as_path)) && !contents.have_changed());
    assert!(sources[0].ends_with(PRODUCT) && sources[1].ends_with("am-client"), "{sources:?}");
    assert_eq!(config.listen.ext_authz[0].address, Address::Unix("/run/keyward/ext_authz.sock".into()));
    assert_eq!(config.listen.admin, "127.0.0.1:9902".parse().ok());
    assert_eq!(config.audit.to, AuditTarget::Stdout);
    let [filter] = config.filters.try_into().unwrap();
    assert_eq!(filter.name, "default");
    assert_eq!(filter.introspection.client_secret.expose(), "s3cret-of-am");
    assert_eq!(filter.introspection.cache.max_timeout, MaxTimeout::AtMost(Duration::from_secs(300)));
    assert_eq!(filter.introspection.cache.max_tokens, 100_000);
    assert_eq!(filter.token_policy.scopes, ["fr:idm:*"]);
    assert_eq!(filter.token_policy.token_types, ["Bearer", "access_token"]);
    let mapping = &filter.subject.mappings[0];
    assert_eq!(mapping.realm.as_deref(), Some("/alpha"));
    assert!(matches!(&mapping.collection, Collection::ByResourceType(types) if types["usr"] == "managed/user"));
    assert_eq!(mapping.properties, [("sub".to_owned(), "_id".to_owned())]);
    assert_eq!(mapping.roles.user_roles, ["authzRoles/*"]);
    assert_eq!(mapping.additional_fields, ["mail"]);
    let (subject, user) = &filter.subject.static_users[0];
    assert_eq!((subject.as_str(), &*user.component, &*user.id), ("(usr!amadmin)", "internal/user", "openidm-admin"));
    assert_eq!(&*filter.subject.anonymous.unwrap().id, "anonymous");
    let directory::Settings::Idm(idm) = filter.directory else { panic!("another directory") };
    assert!(matches!(&idm.auth, IdmAuth::Bearer { client_secret, .. } if client_secret.expose() == "s3cret-of-idm"));
    assert_eq!((idm.max_timeout, idm.max_users), (Duration::from_secs(5), 10_000));
    assert_eq!((filter.access.style, filter.access.context_path.as_str()), (Style::Http, "/"));
    let rule = &filter.access.rules[0];
    assert_eq!((rule.pattern.as_str(), &*rule.methods), ("/orders/*", &["GET".to_owned(), "POST".to_owned()][..]));
    let headers: Vec<_> =
        filter.response.identity_headers.iter().map(|(name, source)| (name.as_str(), source)).collect();
    assert_eq!(headers, [("x-auth-id", &ContextSource::Id), ("x-auth-roles", &ContextSource::Roles)]);
}

#[test]
fn json_and_yaml_say_the_same() {
    let text = |loaded: Loaded| format!("{:?}", loaded.config);
    assert_eq!(text(product(PRODUCT)), text(product("tests/config/product/keyward.json")));
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let loaded = read(&small("", "")).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.listen.ext_authz[0].address, Address::Tcp("127.0.0.1:9191".parse().unwrap()));
    assert_eq!(loaded.config.listen.admin, "127.0.0.1:9902".parse().ok());
    let filter = filter(&small("", ""));
    let cache = &filter.introspection.cache;
    assert_eq!(cache.max_timeout, MaxTimeout::AtMost(Duration::from_secs(300)));
    assert_eq!((cache.negative, cache.stale_if_error), (Duration::from_secs(5), Duration::ZERO));
    assert_eq!((cache.max_tokens, cache.max_negative), (100_000, 10_000));
    assert_eq!((filter.introspection.timeout, filter.introspection.max_in_flight), (Duration::from_secs(5), 256));
    assert_eq!(filter.introspection.client_authentication, ClientAuthentication::BasicForm);
    assert_eq!(filter.token_policy.token_types, ["Bearer", "access_token"]);
    assert_eq!(filter.token_policy.clock_skew, jiff::SignedDuration::ZERO);
    assert_eq!(filter.credential.other_schemes, OtherSchemes::Refuse);
    assert!(matches!(filter.directory, directory::Settings::Token));
    let [mapping] = filter.subject.mappings.try_into().unwrap();
    assert!(matches!(&mapping.collection, Collection::Fixed(name) if name == "token"));
    assert_eq!((mapping.properties.len(), &*mapping.roles.user_roles), (1, &["roles".to_owned()][..]));
    assert!(filter.subject.anonymous.is_none());
    assert_eq!(filter.account_status.accepted, ["active"]);
    assert_eq!(filter.account_status.collections, ["managed/*"]);
    assert_eq!((filter.access.style, filter.access.context_path.as_str()), (Style::Http, "/"));
    assert!(
        !filter.access.honour_method_override && filter.response.error_detail && !filter.response.remove_credential
    );
    assert_eq!(filter.path, PathPolicy { merge_slashes: false, encoded_slashes: EncodedSlashes::Refuse });
    assert_eq!(filter.response.outage, OutageAnswer::Deny(OutageStatus::default()));
    assert_eq!(filter.time_zone, jiff::tz::TimeZone::UTC);
}

#[test]
fn decisions_that_anyone_may_read_are_warned_of() {
    let of = |explain: &str, admin: &str| {
        read(&small("", &format!("listen: {{ admin: {admin} }}\nexplain: {explain}\n"))).unwrap()
    };
    let settings = of("{ decisions: 7, allows: 0.5, header: false, readers: anyone }", "127.0.0.1:1").config.explain;
    let expected = explain::Settings { decisions: 7, allows: 0.5, header: false, readers: Readers::Anyone };
    assert_eq!((settings, read(&small("", "")).unwrap().config.explain), (expected, explain::Settings::default()));
    for (explain, admin, warned) in [
        ("{ readers: anyone }", "0.0.0.0:9902", true),
        ("{ readers: anyone }", "'[::]:9902'", true),
        ("{ readers: anyone }", "'[::1]:9902'", false),
        ("{ readers: anyone }", "off", false),
        ("{ readers: anyone, decisions: 0 }", "0.0.0.0:9902", false),
        ("{ readers: local }", "0.0.0.0:9902", false),
    ] {
        let warnings = of(explain, admin).warnings;
        let found = warnings.iter().any(|warning| warning.place.path == "explain.readers");
        assert_eq!(found, warned, "{explain} {admin}: {warnings:?}");
    }
}

#[test]
fn identity_headers_that_are_left_out_are_the_usual_ones_and_an_empty_map_is_none() {
    let names = |text: &str| -> Vec<String> {
        filter(text).response.identity_headers.iter().map(|(name, _)| name.to_string()).collect()
    };
    let usual = names(&small("", ""));
    for name in ["id", "authentication-id", "component", "roles", "realm", "client-id", "scopes", "security-context"] {
        assert!(usual.contains(&format!("x-auth-{name}")), "{name}: {usual:?}");
    }
    assert_eq!(names(&small("", "identityHeaders: {}")), [""; 0]);
}

#[test]
fn special_words_of_a_duration_are_values_of_their_own() {
    for (written, expected) in [
        ("1 minute and 10 seconds", MaxTimeout::AtMost(Duration::from_secs(70))),
        ("300 SECONDS", MaxTimeout::AtMost(Duration::from_secs(300))),
        ("zero", MaxTimeout::Off),
        ("0 seconds", MaxTimeout::Off),
        ("disabled", MaxTimeout::Off),
        ("unlimited", MaxTimeout::UntilExpiry),
    ] {
        let text = small(&format!("cache: {{ maxTimeout: {written} }}"), "");
        assert_eq!(filter(&text).introspection.cache.max_timeout, expected, "{written}");
    }
}

#[test]
fn every_switch_of_a_filter_is_read() {
    let filter = filter(&small(
        "basicEncoding: raw\nintrospectTimeout: 250 ms\nmaxInFlight: 7\nissuer: https://am.example\naudience: [a, b]\n\
         otherSchemes: anonymous\ncredential: { cookie: token, header: x-api-token, queryParameter: access_token }\n\
         clockSkew: 2 s\nroleNames: leaf\nstaticSubjectIgnoreCase: true\n\
         accountStatus: { accepted: [active, Active], ignoreCase: true, collections: [managed/alpha_user] }\n\
         anonymousUserMapping: { localUser: internal/user/anonymous, userRoles: [r] }\n\
         subjectMapping: [ { queryOnResource: managed/user, userRoles: [a/*, b], groupMembership: groups,\n\
         \x20  groupRoleMapping: { admin: [g1, g2] }, groupComparisonMethod: ldap } ]",
        "directory: { token: {} }\nidentityHeaders: { x-mail: user.mail }\nresponseHeaders: { x-who: authenticationId }\n\
         errorDetail: false\nremoveCredential: true\ntimeZone: Europe/Berlin\noutage: { answer: error, status: 502 }\n\
         audit: { allows: 0.25, denials: 1, to: off }\n",
    ));
    assert_eq!(filter.introspection.client_authentication, ClientAuthentication::BasicRaw);
    assert_eq!((filter.introspection.timeout, filter.introspection.max_in_flight), (Duration::from_millis(250), 7));
    assert_eq!(
        (&*filter.token_policy.issuers, filter.token_policy.audiences.len()),
        (&["https://am.example".to_owned()][..], 2)
    );
    assert_eq!(filter.token_policy.clock_skew, jiff::SignedDuration::from_secs(2));
    assert_eq!(filter.credential.cookie.as_deref(), Some("token"));
    assert_eq!(filter.credential.header.unwrap(), "x-api-token");
    assert_eq!(filter.credential.query_parameter.as_deref(), Some("access_token"));
    assert_eq!(filter.credential.other_schemes, OtherSchemes::Anonymous);
    assert!(filter.subject.static_subject_ignore_case && filter.account_status.ignore_case);
    assert_eq!(filter.subject.anonymous.unwrap().roles[0].as_str(), "r");
    let roles = &filter.subject.mappings[0].roles;
    assert!(roles.leaf_names && roles.time_zone.is_some());
    assert_eq!(roles.user_roles, ["a/*", "b"]);
    let groups = roles.groups.as_ref().unwrap();
    assert_eq!((groups.membership.as_str(), groups.comparison), ("groups", GroupComparison::Ldap));
    assert!(!filter.response.error_detail && filter.response.remove_credential);
    assert_eq!(filter.response.outage, OutageAnswer::Error(OutageStatus::new(502).unwrap()));
    assert_eq!(filter.response.response_headers.len(), 1);
    assert_eq!(filter.time_zone.iana_name(), Some("Europe/Berlin"));
}

#[test]
fn group_membership_may_stand_within_property_mapping() {
    let text = small(
        "subjectMapping: [ { queryOnResource: u, propertyMapping: { sub: _id, groupMembership: groups }, groupRoleMapping: { r: [g] } } ]",
        "directory: { token: {} }\n",
    );
    let mapping = &filter(&text).subject.mappings[0];
    assert_eq!(mapping.properties, [("sub".to_owned(), "_id".to_owned())]);
    assert_eq!(mapping.roles.groups.as_ref().unwrap().membership, "groups");
}

#[test]
fn listeners_are_addresses_sockets_and_tls_files() {
    let text = small(
        "",
        "listen:\n  extAuthz:\n    - 0.0.0.0:9191\n    - unix:run/a.sock\n    - { address: '[::1]:9443', tls: { certificate: tls.crt, key: tls.key, clientCa: ca.crt } }\n  admin: off\n",
    );
    let listen = read(&text).unwrap().config.listen;
    assert_eq!(listen.admin, None);
    assert_eq!(listen.ext_authz[1].address, Address::Unix("/nonexistent/folder/run/a.sock".into()));
    let tls = listen.ext_authz[2].tls.as_ref().unwrap();
    assert_eq!(tls.certificate, Path::new("/nonexistent/folder/tls.crt"));
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("/nonexistent/folder/ca.crt")));
}

#[test]
fn the_mappings_of_properties_and_groups_keep_their_order() {
    let properties = [("mail", "mail"), ("client.id", "_id"), ("iss", "issuer"), ("a", "a")];
    let groups = ["z/clerk", "internal/role/b", "A", "a"];
    let quoted = |entries: Vec<String>| format!("{{ {} }}", entries.join(", "));
    let written = quoted(properties.iter().map(|(claim, property)| format!("\"{claim}\": \"{property}\"")).collect());
    let groups_written = quoted(groups.iter().map(|role| format!("\"{role}\": [\"g\"]")).collect());
    let coerced = |written: &str| format!("{{ $object: '{written}' }}");
    for (properties_text, groups_text) in
        [(written.clone(), groups_written.clone()), (coerced(&written), coerced(&groups_written))]
    {
        let rs = format!(
            "subjectMapping:\n  - queryOnResource: managed/user\n    propertyMapping: {properties_text}\n    \
             groupMembership: groups\n    groupRoleMapping: {groups_text}\n"
        );
        let text = small(&rs, "directory: { token: {} }\n");
        let mapping = filter(&text).subject.mappings.pop().unwrap();
        let read: Vec<_> = mapping.properties.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(read, properties, "{text}");
        let roles = mapping.roles.groups.unwrap().role_mapping;
        assert_eq!(roles.iter().map(|(role, _)| role.as_str()).collect::<Vec<_>>(), groups, "{text}");
    }
}

#[test]
fn a_filter_takes_from_the_top_what_it_leaves_out() {
    let text = "
timeZone: Europe/Berlin
identityHeaders: { x-auth-id: authorization.id }
access: { rules: [ { pattern: '*', roles: '*', methods: '*' } ] }
filters:
  - name: shop
    hosts: [Shop.Example., '[::1]']
    issuers: [https://shop.example]
    rsFilter: { clientId: a, clientSecret: '&{s|x}', tokenIntrospectUrl: https://am.example/a }
  - name: back
    timeZone: UTC
    rsFilter: { clientId: b, clientSecret: '&{s|x}', tokenIntrospectUrl: https://am.example/b }
";
    let [shop, back] = read(text).unwrap_or_else(|p| panic!("{p}")).config.filters.try_into().unwrap();
    assert_eq!((shop.name.as_str(), back.name.as_str()), ("shop", "back"));
    assert_eq!(shop.hosts, ["shop.example", "[::1]"]);
    assert_eq!(shop.issuers, ["https://shop.example"]);
    assert_eq!(shop.time_zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(back.time_zone, jiff::tz::TimeZone::UTC);
    assert_eq!((shop.access.rules.len(), back.response.identity_headers.len()), (1, 1));
}

#[test]
fn warnings_name_what_is_legal_and_dangerous() {
    let text = "
rsFilter: { clientId: a, clientSecret: in-the-file, tokenIntrospectUrl: http://am.example/a, clientAuthentication: client_secret_post, basicEncoding: raw }
path: { mergeSlashes: true, encodedSlashes: keep }
access: { rules: [ { pattern: /a, roles: 'a, b', methods: GET } ] }
";
    let warnings = read(text).unwrap_or_else(|p| panic!("{p}")).warnings;
    let places: Vec<_> = warnings.iter().map(|w| w.place.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "rsFilter.clientSecret",
            "rsFilter.tokenIntrospectUrl",
            "rsFilter.basicEncoding",
            "path.mergeSlashes",
            "path.encodedSlashes",
            "access.rules[0].roles",
        ]
    );
    let loopback = text.replace("am.example", "127.0.0.1:8080");
    assert!(!read(&loopback).unwrap().warnings.iter().any(|w| w.place.path.ends_with("Url")));
}

#[test]
fn users_are_read_from_their_file_by_collection() {
    let folder = tempfile::tempdir().unwrap();
    let users =
        "managed/user:\n  - { _id: u1, accountStatus: active }\n  - { _id: u2 }\ninternal/role: [ { _id: clerk } ]\n";
    std::fs::write(folder.path().join("users.yaml"), users).unwrap();
    let text = small("", "directory: { file: users.yaml }\n");
    let text = text.replace("rsFilter:\n", "rsFilter:\n  staticUserMapping: []\n");
    let mut loaded = parse(&text, "keyward.yaml", folder.path(), &env(&[])).unwrap_or_else(|p| panic!("{p}"));
    let directory::Settings::File(users) = loaded.config.filters.pop().unwrap().directory else { panic!("not a file") };
    assert_eq!(users.collections["managed/user"][1]["_id"], "u2");
    assert_eq!(users.collections["internal/role"].len(), 1);
    assert_eq!(loaded.sources, [folder.path().join("users.yaml")]);
}

#[test]
fn the_readme_s_configuration_loads() {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    // The one with IDM's files needs them: `tests/it/docs.rs` has it.
    let alone = |block: &&str| block.contains("rsFilter:") && !block.contains("rsFilterFile:");
    let configurations: Vec<_> = blocks.filter(alone).collect();
    assert!(!configurations.is_empty());
    for text in configurations {
        let loaded = super::read_with(text, &[("MESH_RS_SECRET", "x")]).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(loaded.warnings, []);
    }
}

/// B20 and what surrounds it: what lets nobody in, or everybody, without saying so.
#[test]
fn a_check_of_accounts_that_nobody_or_everybody_passes_is_remarked_on() {
    let read = |rs: &str, rest: &str| {
        let loaded = super::read(&small(rs, rest)).unwrap_or_else(|problems| panic!("{problems}"));
        let told: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        told.into_iter().filter(|warning| !warning.contains("clientSecret")).collect::<Vec<_>>().join("\n")
    };
    let token = "directory: { token: {} }\n";
    let managed = "subjectMapping: [ { realm: /a, queryOnResource: x }, { resourceTypeMapping: { usr: \"managed/{{realm}}\" } } ]\n";
    let told = read(managed, token);
    assert!(
        told.contains("rsFilter.subjectMapping[1]: users of `managed/{{realm}}` need an `accountStatus`"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(read(&format!("{managed}accountStatus: {{ collections: [] }}\n"), token), "");
    let idm = "directory: { idm: { url: https://idm.example/openidm } }\n";
    assert_eq!(read(managed, idm), "");
    let told = read(&format!("{managed}accountStatus: {{ collections: [], accepted: [] }}\ntokenTypes: []\n"), idm);
    for expected in
        ["accountStatus.collections: is empty", "accountStatus.accepted: is empty", "rsFilter.tokenTypes: is empty"]
    {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let told = read("", &format!("{token}outage: {{ answer: error }}\n"));
    assert!(
        told.contains("outage.answer: lets requests pass undecided where Envoy's filter says `failure_mode_allow"),
        "{told}"
    );
}
