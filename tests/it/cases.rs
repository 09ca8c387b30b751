//! Does every case file come true, over gRPC and through a real Envoy, in both of Envoy's header forms?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::case::{self, Allow, Case, Expect, Step, files, read};
use crate::support::check::{Seen, Sent, check};
use crate::support::directory::ScriptedDirectory;
use crate::support::echo::EchoUpstream;
use crate::support::envoy::{Authz, EnvoyProcess, Listener};
use crate::support::program::{TestServer, load_failure};
use crate::support::provider::{Answer, Call, ScriptedProvider};
use crate::support::{blocking, clone_path, raw_http, unused_address, yaml};

/// The rows of the conformance table.
const ROWS: [u32; 61] = [
    1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 14, 15, 16, 17, 19, 21, 22, 23, 25, 26, 28, 29, 30, 31, 32, 34, 35, 37, 38, 39,
    40, 41, 43, 44, 45, 47, 48, 49, 50, 51, 52, 54, 55, 56, 58, 61, 62, 63, 64, 65, 67, 68, 70, 71, 73, 74, 76, 78, 79,
    80, 81,
];

/// How many facts each section of the semantics has, and what else is numbered there.
const SECTIONS: [(char, u32); 6] = [('A', 33), ('B', 23), ('C', 11), ('D', 15), ('E', 28), ('F', 9)];
/// Facts that no request and no file can show, and why.
const BEYOND: [(&str, &str); 5] = [
    ("C4", "how IDM's own modules fill a context that is empty; Keyward's is never"),
    ("E18", "an error of the fork that is not copied"),
    ("E26", "the grammar of filters: Keyward writes them (B11) and reads none"),
    ("E27", "as E26"),
    ("E28", "as E26"),
];

/// A case with its own Keyward and its own authorization server.
struct Rig<'a> {
    case: &'a Case,
    server: TestServer,
    provider: ScriptedProvider,
    manager: ScriptedDirectory,
    fixtures: Value,
}

#[test]
fn every_row_of_the_conformance_table_has_a_case() {
    let cases = files().into_iter().flat_map(|file| read(&file));
    let rows: BTreeSet<u32> = cases.filter_map(|case| case.row).collect();
    assert_eq!(rows, BTreeSet::from(ROWS));
}

/// A fact counts as held where a case names it in `facts` or a test in a comment.
#[test]
fn every_fact_is_held_by_a_case_or_a_test() {
    let mut held: BTreeSet<String> = files().into_iter().flat_map(|file| read(&file)).flat_map(|c| c.facts).collect();
    for folder in ["src", "tests"] {
        facts_in_tests(&clone_path(folder), &mut held);
    }
    let mut all: Vec<String> =
        SECTIONS.iter().flat_map(|(section, last)| (1..=*last).map(move |n| format!("{section}{n}"))).collect();
    all.extend(["E13a".to_owned(), "E.5".to_owned()]);
    let missing: Vec<_> =
        all.iter().filter(|fact| !held.contains(*fact) && !BEYOND.iter().any(|(other, _)| other == fact)).collect();
    assert!(missing.is_empty(), "no case and no test for {missing:?}");
}

/// The facts that comments of tests name. What comes before `#[cfg(test)]` in a file of `src` is no test.
fn facts_in_tests(folder: &Path, held: &mut BTreeSet<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            facts_in_tests(&path, held);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("it/cases.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let whole = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
            let tests = if whole { &text } else { text.split_once("#[cfg(test)]").map_or("", |(_, tests)| tests) };
            let comments = tests.lines().filter_map(|line| line.split_once("//").map(|(_, comment)| comment));
            held.extend(comments.flat_map(|c| c.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_it_says_over_grpc() {
    let mut failures = String::new();
    for (file, case) in chosen() {
        if let Some(load) = &case.load {
            let (config, files) =
                case_config(&case, &fixtures(), "http://127.0.0.1:1/introspect", "http://127.0.0.1:1");
            let failure = load_failure(&config, &files, &case.env, load);
            note(&mut failures, &file, &case, "load", failure);
            continue;
        }
        for raw_headers in [false, true] {
            let way = if raw_headers { "grpc, header_map" } else { "grpc, headers" };
            let failure = match Rig::start(&case).await {
                Ok(rig) => rig.over_grpc(raw_headers).await,
                Err(problem) => Some(problem),
            };
            note(&mut failures, &file, &case, way, failure);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_ends_as_it_says_through_envoy() {
    let upstream = EchoUpstream::start().await;
    let mut failures = String::new();
    let cases: Vec<_> = chosen().into_iter().filter(|(_, case)| case.load.is_none() && case.envoy_carries()).collect();
    for chunk in cases.chunks(60) {
        let mut rigs = Vec::new();
        let mut listeners = Vec::new();
        for (file, case) in chunk {
            for raw_headers in [false, true] {
                match Rig::start(case).await {
                    Ok(rig) => {
                        let name = format!("case_{}", rigs.len());
                        let to = Listener::to(&name, Authz::Tcp(rig.server.address));
                        let steps = case.steps();
                        let parts = steps.iter().map(|step| step.request.parts().2.extensions);
                        let routes = parts.filter(|e| !e.is_empty()).map(|e| (String::new(), e)).take(1).collect();
                        listeners.push(Listener { raw_headers, routes, body_bytes: case.body_bytes, ..to });
                        rigs.push((file, raw_headers, rig));
                    }
                    Err(problem) => note(&mut failures, file, case, "start", Some(problem)),
                }
            }
        }
        let address = upstream.address;
        let envoy = blocking(move || EnvoyProcess::start(&listeners, address)).await;
        for (index, (file, raw_headers, rig)) in rigs.into_iter().enumerate() {
            let way = if raw_headers { "Envoy, encode_raw_headers" } else { "Envoy" };
            let case = rig.case;
            let failure = rig.through_envoy(envoy.address(&format!("case_{index}"))).await;
            note(&mut failures, file, case, way, failure);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The cases whose name holds `CASE`; all where it is not set.
fn chosen() -> Vec<(String, Case)> {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let cases = files().into_iter().flat_map(|file| read(&file).into_iter().map(move |case| (file.clone(), case)));
    cases.filter(|(_, case)| case.name.contains(&wanted)).collect()
}

fn note(failures: &mut String, file: &str, case: &Case, way: &str, failure: Option<String>) {
    if let Some(failure) = failure {
        writeln!(failures, "\n{file}: {} [{way}; {}]\n    {failure}", case.name, case.facts.join(" ")).unwrap();
    }
}

/// The configuration and the files beside it.
fn case_config(case: &Case, fixtures: &Value, provider: &str, manager: &str) -> (Value, Vec<(String, Value)>) {
    let mut files = vec![("users.json".to_owned(), case.users(fixtures))];
    files.extend(case.files(fixtures, provider));
    (case.config(fixtures, provider, manager), files)
}

fn fixtures() -> Value {
    yaml::parse("fixtures.yaml", &std::fs::read_to_string(clone_path("tests/cases/fixtures.yaml")).unwrap())
}

impl Case {
    /// Whether Envoy can be asked: not where its own parser stands before the request.
    fn envoy_carries(&self) -> bool {
        self.through_envoy.as_ref().is_none_or(|through| through.skip.is_none())
    }
}

impl<'a> Rig<'a> {
    async fn start(case: &'a Case) -> Result<Self, String> {
        let (fixtures, provider) = (fixtures(), ScriptedProvider::start().await);
        let manager = ScriptedDirectory::start(case.users(&fixtures)).await;
        let url = if case.unreachable() { format!("http://{}/x", unused_address()) } else { provider.url() };
        let (config, files) = case_config(case, &fixtures, &url, &manager.url());
        let server = TestServer::start(&config, &files, &case.env, case.now()).await?;
        for (at, token, answer) in case.known_tokens() {
            provider.answer_of(at, token, Answer::text("application/json", &case.body(&answer)));
        }
        Ok(Self { case, server, provider, manager, fixtures })
    }

    async fn over_grpc(&self, raw_headers: bool) -> Option<String> {
        for step in self.case.steps() {
            let sent = self.prepare(&step);
            let seen = sent.after(check(self.server.address, sent.check_request(raw_headers)).await);
            if let Some(failure) = self.differs(&seen, &step.expect) {
                return Some(failure);
            }
        }
        None
    }

    async fn through_envoy(&self, envoy: SocketAddr) -> Option<String> {
        for step in self.case.steps() {
            let sent = self.prepare(&step);
            let answer = blocking(move || {
                raw_http::exchange(envoy, &sent.method, &sent.target, &sent.headers, sent.body.as_bytes())
            })
            .await;
            if let Some(status) = self.case.through_envoy.as_ref().and_then(|through| through.status) {
                let by_envoy = answer.status == status && answer.header("x-echo").is_empty();
                return (!by_envoy).then(|| format!("Envoy itself was to answer {status}, but {answer:?}"));
            }
            if let Some(failure) = self.differs(&seen_through_envoy(answer), &step.expect) {
                return Some(failure);
            }
        }
        None
    }

    /// Sets clock and provider, and gives the request.
    fn prepare(&self, step: &Step) -> Sent {
        self.server.clock.advance(jiff::SignedDuration::from_secs(step.advance));
        if let Some(answer) = &step.answer {
            self.provider.answer("t1", self.scripted(answer));
        }
        if let Some(answer) = &step.directory {
            self.manager.answer(answer.status.map(|_| self.scripted(answer)));
        }
        if let Some(users) = &step.users {
            self.manager.users(case::users(users, &self.fixtures));
        }
        let (method, target, parts) = step.request.parts();
        let mut headers: Vec<(String, Vec<u8>)> =
            parts.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        let says_otherwise = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let elsewhere = target.contains("access_token=") || headers.iter().any(|(name, _)| name == "X-Access-Token");
        if self.case.sends_token() && !says_otherwise && !elsewhere {
            headers.push(("Authorization".to_owned(), b"Bearer t1".to_vec()));
        }
        let certificate =
            parts.certificate.map(|name| self.fixtures["certificates"][name].as_str().unwrap().to_owned());
        let (body, extensions) = (parts.body, parts.extensions);
        Sent { method, target, headers, body, extensions, certificate: certificate.unwrap_or_default() }
    }

    fn scripted(&self, answer: &case::Answer) -> Answer {
        let scripted =
            Answer::text(answer.content_type.as_deref().unwrap_or("application/json"), &self.case.body(answer));
        let (status, delay) = (answer.status.unwrap_or(200), Duration::from_millis(answer.delay));
        Answer { status, delay, cut_short: answer.cut_short, ..scripted }
    }

    /// What is not as expected.
    fn differs(&self, seen: &Seen, expect: &Expect) -> Option<String> {
        let mut wrong = Vec::new();
        match expect {
            Expect { allow: Some(who), .. } => as_allowed(&mut wrong, seen, who, expect),
            Expect { outage: Some(status), .. } => as_refused(&mut wrong, seen, &[*status], expect),
            Expect { deny: Some(status), .. } => as_refused(&mut wrong, seen, &[*status], expect),
            _ => as_refused(&mut wrong, seen, &[400, 401, 403], expect),
        }
        for (name, wanted) in [("rule", &expect.rule), ("reason", &expect.reason), ("filter", &expect.filter)] {
            if let (Some(wanted), Some(metadata)) = (wanted, &seen.metadata)
                && metadata[name] != wanted.as_str()
            {
                wrong.push(format!("the metadata's `{name}` is {}, not {wanted}", metadata[name]));
            }
        }
        let lookups = self.manager.lookups();
        if expect.lookups.is_some_and(|count| count != lookups) {
            wrong.push(format!("{lookups} questions to the identity manager, not {:?}", expect.lookups));
        }
        let calls = self.provider.calls();
        if expect.introspections.is_some_and(|count| count != calls.len()) {
            wrong.push(format!("{} introspections, not {:?}", calls.len(), expect.introspections));
        }
        let asked: Vec<&str> = calls.iter().map(|call| call.server).collect();
        if expect.asked.as_ref().is_some_and(|servers| *servers != asked) {
            wrong.push(format!("{asked:?} were asked, not {:?}", expect.asked));
        }
        if expect.authorization.is_some() && calls.last().map(|call| &call.authorization) != Some(&expect.authorization)
        {
            wrong.push(format!("the provider was sent {:?}", calls.last().map(|call| &call.authorization)));
        }
        if expect.introspected_at.is_some() && calls.last().map(|call| &call.target) != expect.introspected_at.as_ref()
        {
            wrong.push(format!("the provider was asked at {:?}", calls.last().map(|call| &call.target)));
        }
        let as_rfc_7662_says = |call: &Call| {
            call.accept.as_deref() == Some("application/json") && call.form.iter().any(|(name, _)| name == "token")
        };
        if !calls.iter().all(as_rfc_7662_says) {
            wrong.push(format!("the provider was asked oddly: {calls:?}"));
        }
        let told = format!("{:?}{}", seen.client, seen.body);
        if [self.provider.address, self.manager.address].iter().any(|address| told.contains(&address.to_string())) {
            wrong.push("the client learns an internal address (T-47)".to_owned());
        }
        (!wrong.is_empty()).then(|| format!("{}\n    seen: {seen:?}", wrong.join("\n    ")))
    }
}

fn seen_through_envoy(answer: raw_http::Response) -> Seen {
    if answer.header("x-echo").is_empty() {
        return Seen { status: answer.status, client: answer.headers, body: answer.body, ..Seen::default() };
    }
    let upstream: Vec<(String, String)> = serde_json::from_value(answer.json()["headers"].clone()).unwrap();
    Seen { allowed: true, status: answer.status, upstream, client: answer.headers, ..Seen::default() }
}

fn as_allowed(wrong: &mut Vec<String>, seen: &Seen, who: &Allow, expect: &Expect) {
    if !seen.allowed {
        wrong.push(format!("refused with {} {}", seen.status, seen.body));
        return;
    }
    let values = |name: &str| -> Vec<&str> {
        seen.upstream.iter().filter(|(held, _)| held == name).map(|(_, value)| value.as_str()).collect()
    };
    let mut must = |name: &str, value: &str| {
        if values(name) != [value] {
            wrong.push(format!("`{name}` is {:?}, not {value:?}", values(name)));
        }
    };
    match who {
        Allow::Somebody(somebody) => assert!(somebody, "`allow: false` says nothing; write `deny`"),
        Allow::User(user) => {
            let (id, component) = user.split_once('@').unwrap();
            // The configuration in the `http` style has a header for the id alone.
            if seen.upstream.iter().any(|(name, _)| name == "x-user-id") {
                must("x-user-id", id);
            } else {
                must("x-auth-id", id);
                must("x-auth-component", component);
            }
        }
    }
    if let Some(id) = &expect.authentication_id {
        must("x-auth-authentication-id", id);
    }
    match expect.roles.as_deref() {
        Some([]) => assert!(values("x-auth-roles").is_empty()),
        Some(roles) => must("x-auth-roles", &roles.join(",")),
        None => {}
    }
    for (name, value) in &expect.set {
        must(name, value);
    }
    for name in &expect.absent {
        if !values(name).is_empty() {
            wrong.push(format!("`{name}` reaches the upstream: {:?}", values(name)));
        }
    }
    if let Some(text) = &expect.no_value {
        let forged = seen.upstream.iter().filter(|(_, value)| value.contains(text.as_str()));
        wrong.extend(forged.map(|(name, value)| format!("the client's `{name}: {value}` reaches the upstream")));
    }
}

fn as_refused(wrong: &mut Vec<String>, seen: &Seen, statuses: &[u16], expect: &Expect) {
    if seen.allowed {
        wrong.push(format!("let through with {:?}", seen.upstream));
        return;
    }
    if !statuses.contains(&seen.status) {
        wrong.push(format!("status {}, not {statuses:?}", seen.status));
    }
    let header = |name: &str| -> Vec<&str> {
        let held = seen.client.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name));
        held.map(|(_, value)| value.as_str()).collect()
    };
    if header("content-type") != ["application/json"] {
        wrong.push(format!("the content type is {:?}", header("content-type")));
    }
    let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    if body["code"] != seen.status || !body["reason"].is_string() || !body["message"].is_string() {
        wrong.push("the body is not IDM's error (F1)".to_owned());
    }
    if expect.message.as_ref().is_some_and(|message| body["message"] != message.as_str()) {
        wrong.push(format!("the message is {}, not {:?}", body["message"], expect.message));
    }
    if let Some(reasons) = &expect.reasons {
        let held = body["detail"]["failureReasons"].as_array().cloned().unwrap_or_default();
        let held: Vec<&str> = held.iter().filter_map(|reason| reason["message"].as_str()).collect();
        if held != *reasons {
            wrong.push(format!("the failure reasons are {held:?}"));
        }
    }
    let challenge = header("www-authenticate");
    let must_challenge = seen.status == 401 || !expect.challenge.is_empty();
    if must_challenge && !(challenge.len() == 1 && challenge[0].starts_with("Bearer"))
        || expect.no_challenge && !challenge.is_empty()
    {
        wrong.push(format!("the challenge is {challenge:?}"));
    }
    let lacks = |text: &String| !challenge.iter().any(|held| held.contains(text.as_str()));
    if expect.challenge.iter().any(lacks) || expect.no_error && challenge.iter().any(|held| held.contains("error")) {
        wrong.push(format!("the challenge is {challenge:?}, not {:?}", expect.challenge));
    }
}
