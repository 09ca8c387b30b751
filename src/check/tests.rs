//! Is a recorded request decided as a live one would be?

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Arguments, CheckError, FactMissing, Verdict, run};
use crate::clock::FixedClock;
use crate::explain::Style;

const TOKEN: &str = "s3cret-token";
const EXP: i64 = 1_800_000_000;

const CONFIGURATION: &str = "
listen: { extAuthz: '127.0.0.1:0' }
rsFilter:
  clientId: c
  clientSecret: { env: SECRET }
  tokenIntrospectUrl: http://127.0.0.1:1/introspect
  scopes: [orders]
  subjectMapping:
    - queryOnResource: managed/user
      propertyMapping: { sub: _id }
      userRoles: authzRoles/*
      defaultRoles: [internal/role/openidm-authorized]
DIRECTORY
access:
  rules:
    - { name: admin, pattern: /admin/*, roles: [internal/role/admin], methods: [GET] }
    - { name: write, pattern: /orders/*, roles: [internal/role/clerk], methods: [POST] }
    - { name: orders, pattern: /orders/*, roles: [internal/role/clerk], methods: [GET] }
identityHeaders: { x-auth-id: authorization.id, x-auth-roles: authorization.roles, x-auth-mail: user.mail }
";

const USERS: &str = "
managed/user:
  - { _id: alice, accountStatus: active, authzRoles: [internal/role/clerk] }
  - { _id: bob, accountStatus: active, authzRoles: [] }
  - { _id: carol, accountStatus: inactive, authzRoles: [internal/role/clerk] }
";

/// Files of one case.
struct Case {
    directory: TempDir,
    arguments: Arguments,
}

struct Outcome {
    verdict: Verdict,
    text: String,
}

impl Case {
    /// Alice reads an order.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let arguments = Arguments {
            config: PathBuf::new(),
            request: PathBuf::new(),
            token_facts: None,
            user: None,
            now: None,
            json: false,
            all: false,
        };
        let mut case = Self { directory, arguments };
        case.write("users.yaml", USERS);
        case.arguments.config =
            case.write("keyward.yaml", &CONFIGURATION.replace("DIRECTORY", "directory: { file: users.yaml }"));
        case.request("GET", "/orders/1?q=1");
        case.facts(&json!({ "active": true, "sub": "alice", "scope": "orders mail", "exp": EXP }));
        case
    }

    fn of(user: &str) -> Self {
        let mut case = Self::new();
        case.facts(&json!({ "active": true, "sub": user, "scope": "orders", "exp": EXP }));
        case
    }

    fn with_idm() -> Self {
        let mut case = Self::new();
        let idm = "directory: { idm: { url: 'https://idm.example/openidm' } }";
        case.arguments.config = case.write("keyward.yaml", &CONFIGURATION.replace("DIRECTORY", idm));
        case
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn request(&mut self, method: &str, path: &str) {
        let headers = json!({ "authorization": format!("Bearer {TOKEN}"), "x_auth_id": "root" });
        let http = json!({ "method": method, "path": path, "headers": headers });
        self.arguments.request =
            self.write("request.json", &json!({ "attributes": { "request": { "http": http } } }).to_string());
    }

    fn facts(&mut self, facts: &Value) {
        self.arguments.token_facts = Some(self.write("facts.json", &facts.to_string()));
    }

    fn user(&mut self, user: &Value) {
        self.arguments.user = Some(self.write("user.json", &user.to_string()));
    }

    async fn run(&self) -> Result<Outcome, CheckError> {
        let clock = FixedClock::at(Timestamp::from_second(EXP - 60).unwrap());
        let env = BTreeMap::from([("SECRET".to_owned(), "x".to_owned())]);
        let mut out = Vec::new();
        let verdict = run(&self.arguments, &clock, &env, Style::Plain, &mut out).await?;
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains(TOKEN), "{text}");
        Ok(Outcome { verdict, text })
    }

    async fn json(&mut self) -> Value {
        self.arguments.json = true;
        serde_json::from_str(&self.run().await.unwrap().text).unwrap()
    }

    async fn reason(&mut self) -> String {
        self.json().await["reason"].as_str().unwrap().to_owned()
    }

    async fn problem(&self) -> String {
        match self.run().await {
            Ok(outcome) => panic!("decided: {}", outcome.text),
            Err(error) => error.to_string(),
        }
    }
}

#[tokio::test]
async fn an_allow_shows_every_step_and_every_edit() {
    let outcome = Case::new().run().await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Allowed);
    let expected = "\
ok  request        GET /orders/1
ok  credential     a bearer token in the `Authorization` header
ok  introspection  active until 2027-01-15T08:00:00Z, subject `alice`, scopes `orders`, `mail` (asked for this request)
ok  token          accepted: time, type, issuer, audience, scopes
ok  subject        `alice`, to be found in `managed/user`
ok  user           `managed/user/alice` may log in
ok  roles          `internal/role/openidm-authorized`, `internal/role/clerk`
ok  access         rule `orders` grants
";
    assert!(outcome.text.starts_with(expected), "{}", outcome.text);
    for edit in ["set     x-auth-id: alice", "  remove  x_auth-id, ", ", x-auth-mail\n", "allow by rule `orders`"] {
        assert!(outcome.text.contains(edit), "{edit}: {}", outcome.text);
    }
}

#[tokio::test]
async fn a_denial_names_what_each_rule_lacked() {
    let outcome = Case::of("bob").run().await.unwrap();
    assert_eq!(outcome.verdict, Verdict::Refused);
    for line in [
        "no  access         no access rule grants this request",
        "- write: roles: needs one of `internal/role/clerk`",
        "- orders: roles: needs one of `internal/role/clerk`",
        "1 other rule does not come near this request",
        "deny: no_rule",
    ] {
        assert!(outcome.text.contains(line), "{line}: {}", outcome.text);
    }
    assert!(outcome.text.contains("the client gets 403 Forbidden"), "{}", outcome.text);
    let answer = Case::of("bob").json().await;
    assert_eq!((&answer["decision"], &answer["answer"]["status"]), (&json!("deny"), &json!(403)));
    assert_eq!((answer["rules"].as_array().unwrap().len(), &answer["rulesLeftOut"]), (2, &json!(1)));
    assert!(answer["rules"].as_array().unwrap().iter().all(|rule| rule["grants"] == json!(false)));
    let mut all = Case::of("bob");
    all.arguments.all = true;
    let outcome = all.run().await.unwrap();
    assert!(outcome.text.contains("- admin: pattern: `/admin/*` does not cover"), "{}", outcome.text);
}

#[tokio::test]
async fn each_stage_can_be_the_one_that_stops() {
    let mut path = Case::new();
    path.request("GET", "/orders/../admin/1");
    assert_eq!(path.reason().await, "path_refused");
    assert_eq!(Case::of("carol").reason().await, "user_inactive");
    assert_eq!(Case::of("nobody").reason().await, "user_unknown");
    for (facts, reason, stage) in [
        (json!({ "active": false }), "token_inactive", "introspection"),
        (json!({ "active": "true", "sub": "alice" }), "token_inactive", "introspection"),
        (json!({ "active": true, "sub": "alice", "scope": "mail" }), "scope_missing", "token"),
        (json!({ "active": true, "scope": "orders" }), "subject_unmapped", "subject"),
        (json!({ "active": true, "sub": "alice", "exp": "soon" }), "introspection_unreadable", "introspection"),
    ] {
        let mut case = Case::new();
        case.facts(&facts);
        let answer = case.json().await;
        let last = answer["steps"].as_array().unwrap().last().unwrap();
        assert_eq!((&answer["reason"], &last["stage"]), (&json!(reason), &json!(stage)), "{facts}");
        assert_eq!(last["passed"], json!(false));
    }
}

#[tokio::test]
async fn the_decision_is_made_at_the_moment_that_was_asked_for() {
    let mut case = Case::new();
    case.arguments.now = Some(Timestamp::from_second(EXP).unwrap());
    assert_eq!(case.reason().await, "token_expired");
    case.arguments.now = Some(Timestamp::from_second(EXP - 1).unwrap());
    assert_eq!(case.reason().await, "granted");
}

#[tokio::test]
async fn answers_by_token_are_looked_up_by_the_requests_token() {
    let mut case = Case::new();
    case.facts(&json!({ "other": { "active": true, "sub": "bob" }, TOKEN: { "active": true, "sub": "alice", "scope": "orders" } }));
    assert_eq!(case.reason().await, "granted");
    case.facts(&json!({ "other": { "active": true, "sub": "alice", "scope": "orders" } }));
    assert!(matches!(case.run().await, Err(CheckError::FactMissing(FactMissing::ThisToken))));
}

#[tokio::test]
async fn a_missing_fact_is_bad_input_and_no_verdict() {
    let mut case = Case::new();
    case.arguments.token_facts = None;
    assert!(case.problem().await.contains("--token-facts"));
    let mut case = Case::with_idm();
    assert!(case.problem().await.contains("--user"));
    case.user(&json!({ "_id": "alice", "accountStatus": "active", "authzRoles": ["internal/role/clerk"] }));
    assert_eq!(case.reason().await, "granted");
}

#[tokio::test]
async fn a_given_record_must_be_the_one_that_is_looked_for() {
    let mut case = Case::new();
    case.user(&json!({ "_id": "bob", "accountStatus": "active", "authzRoles": ["internal/role/clerk"] }));
    assert_eq!(case.reason().await, "user_unknown");
    // It stands in for the configured directory, which has a clerk of this name.
    case.user(&json!({ "_id": "alice", "accountStatus": "active", "authzRoles": [] }));
    assert_eq!(case.reason().await, "no_rule");
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let mut case = Case::new();
    case.arguments.request = case.write("typo.json", r#"{"attributes":{"request":{"http":{"heders":{}}}}}"#);
    let problem = case.problem().await;
    assert!(problem.contains("typo.json") && problem.contains("attributes.request.http"), "{problem}");
    let mut case = Case::new();
    case.arguments.request = PathBuf::from("/no/such/request.json");
    assert!(case.problem().await.contains("/no/such/request.json"));
    for (facts, word) in [("[]", "introspection answer"), ("{", "EOF")] {
        let mut case = Case::new();
        case.arguments.token_facts = Some(case.write("facts.json", facts));
        assert!(case.problem().await.contains(word));
    }
    for (user, word) in [("[]", "record"), ("{}", "_id")] {
        let mut case = Case::new();
        case.arguments.user = Some(case.write("user.json", user));
        assert!(case.problem().await.contains(word));
    }
    let mut case = Case::new();
    case.arguments.config = case.write("keyward.yaml", "listen: {}\n");
    assert!(case.problem().await.contains("rsFilter"));
}

#[tokio::test]
async fn a_question_without_a_request_is_denied_as_the_server_would() {
    let mut case = Case::new();
    case.arguments.request = case.write("empty.json", "{}");
    let answer = case.json().await;
    assert_eq!((&answer["reason"], &answer["answer"]["status"]), (&json!("request_missing"), &json!(400)));
}
