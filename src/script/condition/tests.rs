//! Truth, limits, and what a condition can reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::{Bindings, Condition, ConditionError, Run, Withheld};
use crate::deadline::Deadline;
use crate::directory::settings::FileUsers;
use crate::directory::{DirectoryError, FileDirectory, Found, UserDirectory, UserQuery};
use crate::script::{Limits, Openidm, ScriptError, Turns};
use crate::token::ActiveToken;

fn users() -> Arc<dyn UserDirectory> {
    let records = json!([
        {"_id": "bob", "userName": "b", "mail": "same@x", "limit": 3},
        {"_id": "eve", "userName": "e\"x", "mail": "same@x"},
    ]);
    let records: Vec<Map<String, Value>> =
        records.as_array().unwrap().iter().filter_map(Value::as_object).cloned().collect();
    Arc::new(FileDirectory::new(&FileUsers { collections: [("managed/user".to_owned(), records)].into() }))
}

fn bindings(directory: Option<Arc<dyn UserDirectory>>, withheld: &[(&[&str], &str)]) -> Bindings {
    let variables = json!({
        "id": "managed/user/bob", "roles": ["clerk"], "method": "read", "action": "",
        "request": {"resourcePath": "managed/user/bob"}, "context": {"http": {"headers": {"x-a": "1"}}},
    });
    let Value::Object(variables) = variables else { panic!("an object") };
    let withheld = withheld.iter().map(|(path, why)| Withheld {
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        why: (*why).to_owned(),
    });
    Bindings {
        variables,
        withheld: withheld.collect(),
        openidm: Openidm {
            directory,
            token: Arc::new(ActiveToken::default()),
            deadline: Deadline::after(Duration::from_secs(20)),
        },
        now: "2026-06-01T12:00:00Z".parse().unwrap(),
    }
}

async fn ask(source: &str, bindings: Bindings) -> Result<bool, ConditionError> {
    let condition = Condition::compile(source, source.contains("openidm")).unwrap_or_else(|e| panic!("{source}: {e}"));
    condition.holds(bindings, &Turns::default()).await
}

async fn holds(source: &str) -> Result<bool, ConditionError> {
    ask(source, bindings(Some(users()), &[])).await
}

#[tokio::test]
async fn truth_is_javascripts() {
    for (source, expected) in [
        ("roles.indexOf('clerk') >= 0", true),
        ("roles.some(function (role) { return role === 'boss'; })", false),
        ("(function () { var parts = id.split('/'); return parts[parts.length - 1] === 'bob'; }())", true),
        ("/^managed\\/user\\/[a-z]+$/.test(id)", true),
        ("request.resourcePath", true),
        ("action", false),
        ("0", false),
        ("-0", false),
        ("NaN", false),
        ("0.5", true),
        ("''", false),
        ("'0'", true),
        ("[]", true),
        ("({})", true),
        ("null", false),
        ("undefined", false),
        ("var x = true;", false),
        ("if (method === 'read') { true } else { false }", true),
        ("Symbol('x')", true),
        ("new Boolean(false)", true),
        ("Date.now() === 1780315200000 && new Date().getUTCFullYear() === 2026", true),
    ] {
        assert_eq!(holds(source).await, Ok(expected), "{source}");
    }
}

#[tokio::test]
async fn what_says_neither_yes_nor_no_fails() {
    for source in [
        "(async function () { return false; })()",
        "Promise.resolve(false)",
        "(function () { return false; })",
        "roles.includes",
        "10n",
        "0n",
        "roles.missing.deep",
        "throw {code: 403, message: 'no'}",
        "throw 'x'",
        "nobody()",
    ] {
        assert!(matches!(holds(source).await, Err(ConditionError::Failed(_))), "{source}");
    }
}

#[tokio::test]
async fn a_condition_that_does_not_end_is_ended() {
    let mut held = bindings(None, &[]);
    held.openidm.deadline = Deadline::after(Duration::from_millis(60));
    assert_eq!(ask("while (true) {}", held).await, Err(ScriptError::Deadline.into()));
    let memory = ask("var a = []; while (true) a.push(new Array(1000).fill(1))", bindings(None, &[])).await;
    assert!(matches!(memory, Err(ConditionError::Failed(ScriptError::Memory | ScriptError::Other(_)))), "{memory:?}");
}

#[tokio::test]
async fn no_request_leaves_anything_for_the_next() {
    let source = "var seen = typeof left === 'undefined' && [].left === undefined && roles.length === 1;
                  left = 1; Array.prototype.left = 1; roles.push('admin'); request.resourcePath = 'x'; seen";
    let condition = Condition::compile(source, false).unwrap();
    let turns = Turns::default();
    for _ in 0..4 {
        assert_eq!(condition.holds(bindings(None, &[]), &turns).await, Ok(true));
    }
}

#[tokio::test]
async fn what_is_withheld_throws_when_it_is_read_and_only_then() {
    let withheld: &[(&[&str], &str)] = &[
        (&["request", "content"], "the body is not visible"),
        (&["context", "http", "headers", "cookie"], "a credential"),
    ];
    let ask = async |source| ask(source, bindings(None, withheld)).await;
    assert_eq!(ask("request.resourcePath === id && context.http.headers['x-a'] === '1'").await, Ok(true));
    for source in ["!request.content", "request.content === undefined", "JSON.stringify(request) !== ''"] {
        let Err(ConditionError::Failed(ScriptError::Other(why))) = ask(source).await else { panic!("{source}") };
        assert!(why.contains("the body is not visible"), "{why}");
    }
    assert!(ask("context.http.headers.cookie !== 'x'").await.is_err());
}

#[tokio::test]
async fn users_are_read_through_the_directory() {
    for (source, expected) in [
        ("openidm.read(id).limit === 3", true),
        ("openidm.read('/managed/user/bob', null, ['mail']).mail === 'same@x'", true),
        ("openidm.read('managed/user/nobody') === null", true),
        ("openidm.read('managed/other/bob') === null", true),
        ("openidm.query('managed/user', {_queryFilter: 'userName eq \"b\"'}).result[0]._id === 'bob'", true),
        ("openidm.query('managed/user', {'_queryFilter': 'userName eq \"e\\\\\"x\"'}).result[0]._id === 'eve'", true),
        ("openidm.query('managed/user', {_queryFilter: 'userName eq \"c\"'}).result.length === 0", true),
        ("openidm.read('managed/user/b\\u0007b') === null", true),
        ("openidm.read(id).mail === 'other'", false),
    ] {
        assert_eq!(holds(source).await, Ok(expected), "{source}");
    }
    for source in [
        "openidm.read('bob')",
        "openidm.read('managed/../user/bob')",
        "openidm.read('managed/user/')",
        "openidm.read()",
        "openidm.query('managed/user', {_queryFilter: 'mail eq \"same@x\"'})",
        "openidm.query('managed/user', {_queryFilter: 'true'})",
        "openidm.query('managed/user', {_queryId: 'query-all'})",
        "openidm.query('managed/user')",
        "openidm.create('managed/user', null, {})",
        "for (var i = 0; i < 9; i += 1) { openidm.read('managed/user/' + i); } true",
    ] {
        assert!(matches!(holds(source).await, Err(ConditionError::Failed(_))), "{source}");
    }
    assert!(ask("openidm.read(id)", bindings(None, &[])).await.is_err(), "no directory, no user");
}

/// A directory that does not answer.
struct Broken(AtomicUsize);

#[async_trait]
impl UserDirectory for Broken {
    async fn find(&self, _: &UserQuery, _: Deadline) -> Result<Found, DirectoryError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(DirectoryError::Timeout)
    }
}

#[tokio::test]
async fn no_word_from_the_directory_is_an_outage_whatever_the_script_makes_of_it() {
    for source in ["openidm.read(id)", "var yes = false; try { openidm.read(id); } catch (e) { yes = true; } yes"] {
        let broken = Arc::new(Broken(AtomicUsize::new(0)));
        let asked = ask(source, bindings(Some(Arc::clone(&broken) as Arc<dyn UserDirectory>), &[])).await;
        assert_eq!(asked, Err(ConditionError::Directory(DirectoryError::Timeout)), "{source}");
        assert_eq!(broken.0.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn what_a_run_gives_with_little_memory_it_gives_with_much() {
    let mut gave = 0;
    for source in [
        "roles.indexOf('clerk') >= 0",
        "roles.indexOf('boss') >= 0",
        "JSON.stringify(context).length > 10",
        "id.repeat(10).split('/').length === 21",
        "id.repeat(100000).indexOf('x') < 0",
        "var t = id; for (var i = 0; i < 20; i += 1) { t += t; } t.length > 0",
        "roles.some(function (role) { return role.repeat(1000000).length > 1; })",
        "String(roles.map(function (role) { return role.padEnd(900000, 'x'); })).length < 10",
        "[1, 2, 3].map(function (x) { return id.repeat(30000); }).toString() !== ''",
        "id.replace(/./g, function () { return id.repeat(9999); }) === id",
    ] {
        let run = Run::of(&Condition::compile(source, false).unwrap(), bindings(None, &[]));
        let until = Instant::now() + Duration::from_secs(20);
        let whole = run.begin(until.into());
        assert!(whole.is_ok(), "{source}: {whole:?}");
        for memory in (200..1000).step_by(25).map(|kilobytes| kilobytes * 1024) {
            let little = run.begin(Limits { until, memory });
            assert!(little.is_err() || little == whole, "{source} {memory}");
            gave += usize::from(little.is_ok());
        }
    }
    assert!(gave > 50, "{gave}");
}
