//! What does a running server make of changed files? It follows what can be used, at once and as a whole, and tells the rest.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use keyward::admin::readiness::Readiness;
use keyward::app::App;
use keyward::app::reload::Reloader;
use keyward::clock::SystemClock;
use keyward::config::{self, ProcessEnvironment};
use keyward::listen::Address;
use keyward::telemetry::metrics::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::support::check::{Seen, Sent};
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::raw_http;
use crate::support::server::PATIENCE;
use crate::support::serving::Serving;
use crate::support::{blocking, unused_address};

/// A mounted `ConfigMap`: what the kubelet does when it changes.
struct Mount {
    directory: TempDir,
    version: usize,
}

impl Mount {
    fn new(files: &[(&str, String)]) -> Self {
        let mut mount = Self { directory: tempfile::tempdir().unwrap(), version: 0 };
        mount.swap(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), mount.directory.path().join(name)).unwrap();
        }
        mount
    }

    fn swap(&mut self, files: &[(&str, String)]) {
        let at = |name: &str| self.directory.path().join(name);
        self.version += 1;
        let version = format!("..version_{}", self.version);
        fs::create_dir(at(&version)).unwrap();
        for (name, text) in files {
            fs::write(at(&version).join(name), text).unwrap();
        }
        symlink(&version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        if self.version > 1 {
            fs::remove_dir_all(at(&format!("..version_{}", self.version - 1))).unwrap();
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("keyward.json")
    }
}

/// A server that lives by a file.
struct Live {
    url: String,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    asked: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Live {
    async fn start(file: &Path) -> Self {
        let loaded = config::load(file, &ProcessEnvironment).unwrap();
        let app = Arc::new(App::new(&loaded.config, Arc::new(SystemClock)).unwrap());
        let bound = app.open().await.unwrap();
        let Address::Tcp(address) = bound.ext_authz_addresses().remove(0) else { panic!("a TCP listener") };
        let (metrics, readiness, asked) = (Arc::clone(app.metrics()), bound.readiness(), Arc::new(Notify::new()));
        let environment = Arc::new(ProcessEnvironment);
        let reloader = Reloader::new(app, file.to_owned(), environment, &loaded, readiness.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _never = bound.run(std::future::pending()).await;
        });
        let hears = Arc::clone(&asked);
        tasks.spawn(async move { reloader.keep_fresh(&hears).await });
        Self { url: format!("http://{address}"), metrics, readiness, asked, _tasks: tasks }
    }

    async fn get(&self, target: &str, token: Option<&str>) -> Seen {
        get(&self.url, target, token).await
    }

    /// Yields until `seen` holds.
    async fn until(&self, what: &str, seen: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !seen().await {
            assert!(started.elapsed() < PATIENCE, "{what}; {}", self.readiness.notes());
            tokio::task::yield_now().await;
        }
    }

    async fn until_allowed(&self, target: &str) {
        self.until(target, async || self.get(target, None).await.allowed).await;
    }
}

async fn get(url: &str, target: &str, token: Option<&str>) -> Seen {
    let headers = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}").into_bytes()));
    let sent = Sent {
        method: "GET".to_owned(),
        target: target.to_owned(),
        headers: Vec::from_iter(headers),
        ..Sent::default()
    };
    let address = url.trim_start_matches("http://").parse().unwrap();
    sent.after(crate::support::check::check(address, sent.check_request(true)).await)
}

/// A version that lets anybody into `/NAME` and says in `x-version` who decided.
fn version(name: &str, rules: usize) -> Value {
    let mut all: Vec<Value> = (0..rules)
        .map(|rule| json!({ "pattern": format!("/svc{rule}/*"), "roles": format!("r{rule}"), "methods": "GET" }))
        .collect();
    all.push(json!({ "pattern": format!("/{name}/*"), "roles": "*", "methods": "*" }));
    all.push(json!({ "pattern": "/both/*", "roles": "*", "methods": "*" }));
    all.push(json!({ "pattern": "/orders/*", "roles": "clerk", "methods": "*" }));
    json!({
        "listen": { "extAuthz": "127.0.0.1:0", "admin": "off" },
        "audit": { "to": "off" },
        "rsFilter": {
            "clientId": "mesh-rs",
            "clientSecret": { "file": "secret" },
            "tokenIntrospectUrl": "http://127.0.0.1:9/introspect",
            "anonymousUserMapping": { "localUser": format!("internal/user/{name}"), "roles": ["anonymous"] },
        },
        "directory": { "token": {} },
        "access": { "style": "http", "rules": all },
        "identityHeaders": { "x-version": "authorization.id" },
    })
}

fn files(config: &Value) -> [(&'static str, String); 2] {
    [("keyward.json", config.to_string()), ("secret", "changeit".to_owned())]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_config_map_is_followed_again_and_again() {
    let mut mount = Mount::new(&files(&version("a", 3)));
    let live = Live::start(&mount.file()).await;
    assert!(live.get("/a/1", None).await.allowed);
    for name in ["b", "a", "b"] {
        mount.swap(&files(&version(name, 3)));
        live.until_allowed(&format!("/{name}/1")).await;
    }
    assert!(!live.get("/a/1", None).await.allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_behind_a_link_to_a_directory_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::create_dir(directory.path().join(name)).unwrap();
        for (file, text) in files(&version(name, 3)) {
            fs::write(directory.path().join(name).join(file), text).unwrap();
        }
    }
    let current = directory.path().join("current");
    symlink("a", &current).unwrap();
    let live = Live::start(&current.join("keyward.json")).await;
    for name in ["b", "a"] {
        symlink(name, directory.path().join("next")).unwrap();
        fs::rename(directory.path().join("next"), &current).unwrap();
        live.until_allowed(&format!("/{name}/1")).await;
    }
}

/// Ways in which people and programs save a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_followed_however_it_is_saved() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let save = |name: &str, version_of: &str| fs::write(at(name), version(version_of, 3).to_string()).unwrap();
    for (name, text) in files(&version("a", 3)) {
        fs::write(at(name), text).unwrap();
    }
    let live = Live::start(&at("keyward.json")).await;

    save("keyward.json", "b");
    live.until_allowed("/b/1").await;

    save("keyward.json.new", "c");
    fs::rename(at("keyward.json.new"), at("keyward.json")).unwrap();
    live.until_allowed("/c/1").await;

    fs::rename(at("keyward.json"), at("keyward.json~")).unwrap();
    save("keyward.json", "d");
    live.until_allowed("/d/1").await;

    // Through two links, of which the second leads into another directory.
    fs::create_dir(at("e")).unwrap();
    save("e/keyward.json", "e");
    symlink("e/keyward.json", at("link")).unwrap();
    symlink("link", at("keyward.json.new")).unwrap();
    fs::rename(at("keyward.json.new"), at("keyward.json")).unwrap();
    fs::write(at("e/secret"), "changeit").unwrap();
    live.until_allowed("/e/1").await;
    save("e/keyward.json", "f");
    live.until_allowed("/f/1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_goes_and_comes_back_is_followed_on() {
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("keyward");
    let save = |name: &str| {
        fs::create_dir_all(&directory).unwrap();
        for (file, text) in files(&version(name, 3)) {
            fs::write(directory.join(file), text).unwrap();
        }
    };
    save("a");
    let live = Live::start(&directory.join("keyward.json")).await;

    // Replaced so fast that the path is never seen to be missing.
    fs::rename(&directory, above.path().join("former")).unwrap();
    save("b");
    live.until_allowed("/b/1").await;
    save("c");
    live.until_allowed("/c/1").await;

    fs::remove_dir_all(&directory).unwrap();
    save("d");
    live.until_allowed("/d/1").await;
    save("e");
    live.until_allowed("/e/1").await;

    fs::remove_dir_all(&directory).unwrap();
    live.until("it is told", async || live.readiness.notes().contains("cannot be used")).await;
    assert!(live.get("/e/1", None).await.allowed, "nothing has changed");
    save("f");
    live.until_allowed("/f/1").await;
    live.until("it is told no more", async || live.readiness.notes().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_version_changes_nothing_and_is_told_until_a_good_one_comes() {
    let mut mount = Mount::new(&files(&version("a", 3)));
    let live = Live::start(&mount.file()).await;
    let told = |text: &'static str| {
        let readiness = &live.readiness;
        async move || readiness.notes().contains(text)
    };
    let mut wrong = version("b", 3);
    wrong["rsFilter"]["clientID"] = json!("x");
    for broken in ["{ not json".to_owned(), wrong.to_string()] {
        mount.swap(&[("keyward.json", broken), ("secret", "changeit".to_owned())]);
        live.until("it is told", told("configuration: the changed files cannot be used")).await;
        assert!(live.metrics.encode().contains("keyward_config_reload_success 0\n"));
        assert!(live.get("/a/1", None).await.allowed);
        assert!(!live.get("/b/1", None).await.allowed);

        mount.swap(&files(&version("a", 4)));
        live.until("it is told no more", async || live.readiness.notes().is_empty()).await;
        assert!(live.metrics.encode().contains("keyward_config_reload_success 1\n"));
    }
}

#[test]
fn a_running_program_tells_of_a_broken_version_in_log_metric_and_readyz() {
    let mut configuration = version("a", 3);
    configuration["listen"]["admin"] = json!("127.0.0.1:9902");
    let serving = Serving::start(&configuration.to_string(), |text, folder| {
        fs::write(folder.join("secret"), "changeit").unwrap();
        text
    });
    let save = |text: &str| {
        fs::write(serving.file("next"), text).unwrap();
        fs::rename(serving.file("next"), serving.file("keyward.yaml")).unwrap();
    };
    let good = fs::read_to_string(serving.file("keyward.yaml")).unwrap();

    save(&good.replace("clientId", "clientID"));
    serving.until_it_logs("the changed configuration cannot be used and the former one stays");
    let readyz = || raw_http::get(serving.admin, "/readyz");
    let metrics = || raw_http::get(serving.admin, "/metrics").body;
    let started = Instant::now();
    while !readyz().body.contains("\nconfiguration: the changed files cannot be used") {
        assert!(started.elapsed() < PATIENCE, "{:?}", readyz());
        std::thread::yield_now();
    }
    assert_eq!(readyz().status, 200, "the former version decides, and well");
    assert!(metrics().contains("keyward_config_reload_success 0\n"));

    save(&good.replace("/a/*", "/b/*"));
    serving.until_it_logs("the configuration was read again");
    while !metrics().contains("keyward_config_reload_success 1\n") || readyz().body != "ready\n" {
        assert!(started.elapsed() < PATIENCE, "{:?}", readyz());
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_and_what_is_kept_to_be_explained_follow() {
    let (checks, mut configuration) = (unused_address(), version("a", 3));
    configuration["listen"] = json!({ "extAuthz": checks.to_string(), "admin": "127.0.0.1:9902" });
    configuration["explain"] = json!({ "header": false });
    let text = configuration.to_string();
    let serving = blocking(move || {
        Serving::start(&text, |text, folder| {
            fs::write(folder.join("secret"), "changeit").unwrap();
            text
        })
    })
    .await;
    let written = || fs::read_to_string(serving.file("stdout")).unwrap();
    let read_again = || serving.log().matches("the configuration was read again").count();
    let refused = async || {
        let seen = get(&format!("http://{checks}"), "/c/1", None).await;
        assert!(!seen.allowed);
        seen.client.iter().any(|(name, _)| name == "x-keyward-decision")
    };
    assert!(!refused().await, "its id is not told");
    let file = serving.file("keyward.yaml");
    let mut configuration: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let started = Instant::now();
    for (round, (audit, events)) in [
        (json!({ "redact": false }), 1),
        (json!({ "denials": 0 }), 1),
        (json!({ "to": "off" }), 1),
        (json!({ "allows": 0 }), 2),
    ]
    .into_iter()
    .enumerate()
    {
        configuration["audit"] = audit;
        configuration["explain"] = json!({});
        fs::write(&file, configuration.to_string()).unwrap();
        while read_again() <= round {
            assert!(started.elapsed() < PATIENCE, "{}", serving.log());
            tokio::task::yield_now().await;
        }
        assert!(refused().await, "its id is told");
        while written().matches("\"event\":\"decision\"").count() < events {
            assert!(started.elapsed() < PATIENCE, "{}", written());
            tokio::task::yield_now().await;
        }
    }
    let written = written();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 2, "{written}");
    assert!(lines[0].contains("\"id\":\"a\"") && lines[1].contains("\"id\":\"#"), "{written}");
    assert!(!serving.log().contains("needs a restart"), "{}", serving.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_follow_a_reload_is_told() {
    let mut mount = Mount::new(&files(&version("a", 3)));
    let live = Live::start(&mount.file()).await;
    let mut changed = version("b", 3);
    changed["listen"]["grace"] = json!("7 seconds");
    mount.swap(&files(&changed));
    live.until_allowed("/b/1").await;
    let expected = "restart: listen.grace changed, needs a restart\n";
    live.until("it is told", async || live.readiness.notes() == expected).await;

    mount.swap(&files(&version("a", 3)));
    live.until_allowed("/a/1").await;
    live.until("it is told no more", async || live.readiness.notes().is_empty()).await;
}

/// SECURITY: what one server said to one client is no word of another.
#[tokio::test(flavor = "multi_thread")]
async fn known_tokens_stay_known_unless_it_changes_who_is_asked_and_how() {
    let provider = ScriptedProvider::start().await;
    provider.answer("t1", Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
    let url = provider.url();
    let config = |name: &str, url: &str| {
        let mut config = version(name, 3);
        config["rsFilter"]["tokenIntrospectUrl"] = json!(url);
        config
    };
    let mut mount = Mount::new(&files(&config("a", &url)));
    let live = Live::start(&mount.file()).await;
    assert!(live.get("/orders/1", Some("t1")).await.allowed);
    assert!(live.get("/orders/1", Some("t1")).await.allowed);
    assert_eq!(provider.calls().len(), 1);

    mount.swap(&files(&config("b", &url)));
    live.until_allowed("/b/1").await;
    assert!(live.get("/orders/1", Some("t1")).await.allowed);
    assert_eq!(provider.calls().len(), 1, "new rules ask nobody again");

    mount.swap(&[("keyward.json", config("a", &url).to_string()), ("secret", "another".to_owned())]);
    live.until_allowed("/a/1").await;
    assert!(live.get("/orders/1", Some("t1")).await.allowed);
    assert_eq!(provider.calls().len(), 2, "another secret asks again");

    // The server `b` knows no token.
    let other = format!("http://{}/b/introspect", provider.address);
    mount.swap(&[("keyward.json", config("b", &other).to_string()), ("secret", "another".to_owned())]);
    live.until_allowed("/b/1").await;
    assert!(!live.get("/orders/1", Some("t1")).await.allowed);
    assert_eq!(provider.calls().last().unwrap().server, "b");
}

/// Each answer is of one version: `/a` is let in by `a` alone, `/b` by `b` alone, and `x-version` says who decided.
#[tokio::test(flavor = "multi_thread")]
async fn under_load_every_check_is_answered_by_one_version() {
    const RULES: usize = 500;
    let mut mount = Mount::new(&files(&version("a", RULES)));
    let live = Arc::new(Live::start(&mount.file()).await);
    let (over, allowed) = (Arc::new(AtomicBool::new(false)), Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]));
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let (url, over, allowed) = (live.url.clone(), Arc::clone(&over), Arc::clone(&allowed));
        load.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                for (index, name) in ["a", "b"].into_iter().enumerate() {
                    let seen = get(&url, &format!("/{name}/1"), None).await;
                    let said = seen.upstream.iter().find(|(header, _)| header == "x-version");
                    if seen.allowed {
                        assert_eq!(said.map(|(_, version)| version.as_str()), Some(name));
                        allowed[index].fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!((seen.status, said), (403, None));
                    }
                }
                let seen = get(&url, "/both/1", None).await;
                assert!(seen.allowed, "both versions let in here: {seen:?}");
            }
        });
    }
    for name in ["b", "a", "b", "a", "b", "a"] {
        mount.swap(&files(&version(name, RULES)));
        live.asked.notify_one();
        live.until_allowed(&format!("/{name}/1")).await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    assert!(allowed.iter().all(|times| times.load(Ordering::Relaxed) > 0), "both versions were seen");
}
