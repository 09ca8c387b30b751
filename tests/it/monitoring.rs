//! Do the alerts and the dashboard speak of what Keyward exports, and does a real Prometheus understand all of it?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::certificates::Authority;
use crate::support::check::{self, Sent};
use crate::support::judges::{openmetrics, promtool_metrics};
use crate::support::manifests::conforms;
use crate::support::prometheus::{Prometheus, promtool};
use crate::support::promql;
use crate::support::provider::{Answer, ScriptedProvider};
use crate::support::raw_http;
use crate::support::server::PATIENCE;
use crate::support::serving::Serving;
use crate::support::{blocking, clone_path, unused_address, yaml};

/// What others export: Prometheus itself, and kube-state-metrics.
const OF_OTHERS: [&str; 3] = ["up", "kube_pod_container_status_ready", "kube_pod_container_status_running"];
/// Labels that a scrape adds, and that of a histogram's buckets.
const OF_SCRAPES: [&str; 6] = ["namespace", "job", "instance", "pod", "container", "le"];

fn text(file: &str) -> String {
    fs::read_to_string(clone_path(file)).unwrap()
}

fn read(file: &str) -> Value {
    yaml::parse(file, &text(file))
}

fn rules() -> Vec<Value> {
    read("deploy/prometheus/rules.yaml")["groups"][0]["rules"].as_array().unwrap().clone()
}

fn alert(rule: &Value) -> &str {
    rule["alert"].as_str().unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&text("deploy/grafana/keyward.json")).unwrap()
}

/// Every expression of the dashboard, with its panel's title.
fn dashboard_expressions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let of = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let expression = |title: &Value, held: &Value| (title.to_string(), held["expr"].as_str().unwrap().to_owned());
    let panels = of(&dashboard["panels"]);
    let targets =
        panels.iter().flat_map(|panel| of(&panel["targets"]).into_iter().map(|t| expression(&panel["title"], &t)));
    let annotations = of(&dashboard["annotations"]["list"]);
    targets.chain(annotations.iter().map(|held| expression(&held["name"], held))).collect()
}

/// A Keyward that has something to count of each kind: two filters, TLS, a script, a directory that nobody can reach.
const EVERYTHING: &str = r#"
listen:
  extAuthz: ["PLAIN", { address: "127.0.0.1:0", tls: { certificate: tls.crt, key: tls.key } }]
  admin: 127.0.0.1:9902
access: { style: http, rules: [ { pattern: /orders/*, roles: clerk, methods: "*" } ] }
filters:
  - name: shop
    directory: { token: {} }
    rsFilter:
      clientId: mesh-rs
      clientSecret: { env: MESH_RS_SECRET }
      tokenIntrospectUrl: "PROVIDER"
      introspectTimeout: 10 seconds
      augmentSecurityContext: { type: text/javascript, source: "security.authorization.seen = true" }
  - name: users
    directory: { idm: { url: "http://127.0.0.1:9/openidm", auth: { headers: { username: a, password: b } } } }
    rsFilter:
      clientId: mesh-rs
      clientSecret: { env: MESH_RS_SECRET }
      tokenIntrospectUrl: "PROVIDER"
      introspectTimeout: 10 seconds
      subjectMapping: [ { queryOnResource: managed/user, propertyMapping: { sub: _id }, userRoles: "authzRoles/*" } ]
"#;

/// Keyward after it has allowed, denied and failed to say.
struct Watched {
    keyward: Serving,
    _provider: ScriptedProvider,
}

impl Watched {
    async fn start() -> Self {
        let provider = ScriptedProvider::start().await;
        provider.answer("good", Answer::json(&json!({ "active": true, "sub": "alice", "roles": ["clerk"] })));
        provider.answer("broken", Answer { status: 500, ..Answer::text("text/plain", b"oops") });
        let (url, address) = (provider.url(), unused_address());
        let keyward = blocking(move || {
            Serving::start(EVERYTHING, |text, folder| {
                Authority::new("mesh").leaf().write(folder);
                text.replace("PROVIDER", &url).replace("PLAIN", &address.to_string())
            })
        })
        .await;
        for (filter, token) in
            [("shop", "good"), ("shop", "good"), ("shop", "gone"), ("shop", "broken"), ("users", "good")]
        {
            let headers = vec![("authorization".to_owned(), format!("Bearer {token}").into_bytes())];
            let extensions = [("keyward_filter".to_owned(), filter.to_owned())].into();
            let sent = Sent {
                method: "GET".to_owned(),
                target: "/orders/1".to_owned(),
                headers,
                extensions,
                ..Sent::default()
            };
            check::check(address, sent.check_request(true)).await;
        }
        Self { keyward, _provider: provider }
    }

    /// `/metrics`, after the certificate was renewed.
    async fn exposition(&self) -> String {
        let (admin, folder) = (self.keyward.admin, self.keyward.file(""));
        blocking(move || {
            Authority::new("mesh").leaf().write(&folder);
            let started = Instant::now();
            loop {
                let text = raw_http::get(admin, "/metrics").body;
                if text.contains("keyward_tls_reload_success{") {
                    return text;
                }
                assert!(started.elapsed() < PATIENCE, "the certificate was not read again: {text}");
            }
        })
        .await
    }
}

/// The series that an exposition holds, by the types it declares.
fn series(exposition: &str) -> BTreeSet<String> {
    let types = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = types.flat_map(|(name, kind)| match kind {
        "counter" => vec![format!("{name}_total")],
        "histogram" => ["bucket", "count", "sum"].map(|end| format!("{name}_{end}")).to_vec(),
        _ => vec![name.to_owned()],
    });
    names.collect()
}

/// Metric → labels, as the document about metrics has them; another test holds that against what is exported.
fn documented_labels() -> BTreeMap<String, BTreeSet<String>> {
    let document = text("docs/operate/metrics.md");
    let rows = document.lines().filter(|line| line.starts_with("| `keyward_"));
    let ticked = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        (ticked(cells[1])[0].clone(), ticked(cells[3]).into_iter().collect())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_dashboard_name_only_metrics_and_labels_that_exist() {
    let watched = Watched::start().await;
    let exported = series(&watched.exposition().await);
    let documented = documented_labels();
    let of_rules = rules().into_iter().map(|rule| (alert(&rule).to_owned(), rule["expr"].as_str().unwrap().to_owned()));
    let mut used = BTreeSet::new();
    for (place, expression) in of_rules.chain(dashboard_expressions()) {
        let names = promql::names(&expression);
        let ours: Vec<_> = names.metrics.iter().filter(|name| !OF_OTHERS.contains(&name.as_str())).collect();
        for name in &ours {
            assert!(exported.contains(*name), "{place}: Keyward exports no `{name}`: {exported:?}");
        }
        let base =
            |name: &str| ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned);
        let labels = ours.iter().filter_map(|name| documented.get(*name).or_else(|| documented.get(&base(name)?)));
        let labels: BTreeSet<_> = labels.flatten().map(String::as_str).chain(OF_SCRAPES).collect();
        for label in &names.labels {
            assert!(labels.contains(label.as_str()), "{place}: no metric of `{expression}` has the label `{label}`");
        }
        used.extend(ours.into_iter().map(|name| base(name).unwrap_or_else(|| name.clone())));
    }
    let unused: Vec<_> = documented.keys().filter(|name| !used.contains(*name)).collect();
    assert_eq!(unused, ["keyward_cache_too_large_total"], "metrics that neither an alert nor the dashboard shows");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_openmetrics_to_its_reference_parser_and_clean_to_promtool() {
    let watched = Watched::start().await;
    let admin = watched.keyward.admin;
    let exposition = watched.exposition().await;
    let answer = blocking(move || raw_http::get(admin, "/metrics")).await;
    assert_eq!(answer.header("content-type"), ["application/openmetrics-text; version=1.0.0; charset=utf-8"]);
    let documented = documented_labels();
    blocking(move || {
        let families = openmetrics(&exposition).unwrap();
        for family in &families {
            let name = if family.kind == "counter" { format!("{}_total", family.name) } else { family.name.clone() };
            let labels = documented.get(&name).unwrap_or_else(|| panic!("`{name}` is not documented"));
            for (_, held) in &family.samples {
                let held: BTreeSet<_> = held.keys().filter(|label| *label != "le").cloned().collect();
                assert_eq!(held, *labels, "{name}");
            }
            assert!(
                !family.help.is_empty() && family.unit.is_empty() != family.name.ends_with("_seconds"),
                "{family:?}"
            );
        }
        assert_eq!(families.len(), documented.len());
        promtool_metrics(&exposition).unwrap();
        for broken in [exposition.replace("# EOF\n", ""), exposition.replace("_seconds_count", "_seconds_number")] {
            openmetrics(&broken).unwrap_err();
        }
    })
    .await;
}

#[test]
fn promtool_takes_the_rules_and_their_tests() {
    let folder = clone_path("deploy/prometheus");
    promtool(&folder, &["check", "config", "prometheus.yaml"]);
    promtool(&folder, &["check", "rules", "rules.yaml"]);
    promtool(&folder, &["test", "rules", "rules_test.yaml"]);
}

#[test]
fn every_alert_is_tested_where_it_fires_and_where_it_does_not() {
    let tests = read("deploy/prometheus/rules_test.yaml");
    let cases = tests["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    let cases: Vec<(&str, &Vec<Value>)> =
        cases.map(|case| (case["alertname"].as_str().unwrap(), case["exp_alerts"].as_array().unwrap())).collect();
    for rule in &rules() {
        let fires = |found: &Value| found["exp_labels"]["severity"] == rule["labels"]["severity"];
        assert!(cases.iter().any(|(name, found)| *name == alert(rule) && found.iter().any(fires)), "{rule}");
        assert!(cases.iter().any(|(name, found)| *name == alert(rule) && found.is_empty()), "{rule}");
    }
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let alerts: BTreeSet<String> = rules().iter().map(|rule| alert(rule).to_owned()).collect();
    for rule in &rules() {
        let page = format!("docs/operate/alerts/{}.md", alert(rule));
        assert_eq!(rule["annotations"]["runbook_url"], *page);
        let text = text(&page);
        assert!(text.starts_with(&format!("# {}\n", alert(rule))), "{page}");
        for heading in ["## What it means", "## See it", "## What to do"] {
            assert!(text.contains(heading), "{page} has no `{heading}`");
        }
    }
    let pages = fs::read_dir(clone_path("docs/operate/alerts")).unwrap();
    let pages = pages.map(|page| page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    assert_eq!(pages.filter(|page| page != "README").collect::<BTreeSet<_>>(), alerts);
}

#[test]
fn the_operators_form_of_the_rules_is_the_same() {
    assert_eq!(read("deploy/prometheus/prometheusrule.yaml")["spec"], read("deploy/prometheus/rules.yaml"));
    conforms(&text("deploy/prometheus/prometheusrule.yaml")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_a_real_keyward_and_evaluates_everything() {
    let watched = Watched::start().await;
    let admin = watched.keyward.admin.to_string();
    blocking(move || {
        let configuration =
            text("deploy/prometheus/prometheus.yaml").replace("127.0.0.1:9902", &admin).replace("15s", "1s");
        let prometheus = Prometheus::start(&configuration, &[("rules.yaml", &text("deploy/prometheus/rules.yaml"))]);

        assert_eq!(prometheus.until("up"), "1", "{}", prometheus.log());
        assert_eq!(prometheus.until(r#"keyward_decisions_total{decision="allow", reason="granted"}"#), "2");
        assert_eq!(prometheus.until(r#"sum(keyward_decisions_total{decision="outage"})"#), "2");
        let targets = prometheus.api("/api/v1/targets");
        let target = &targets["activeTargets"][0];
        assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")), "{target}");

        // Two scrapes, so that there are rates.
        prometheus.until("count_over_time(up[1m]) > 1");
        for (panel, expression) in dashboard_expressions() {
            let filled = expression.replace("$namespace", ".*").replace("$job", ".*").replace("$__rate_interval", "1m");
            let found = prometheus.query(&filled);
            // The directory answers nobody, no TLS file has changed, nor the configuration, and no limit was reached.
            let elsewhere = ["tls_reload", "changes(", "limited"];
            assert!(!found.is_empty() || elsewhere.iter().any(|word| expression.contains(word)), "{panel}: {filled}");
        }
        prometheus.until("count(ALERTS) or vector(0)");
        for rule in prometheus.api("/api/v1/rules")["groups"][0]["rules"].as_array().unwrap() {
            assert_eq!((&rule["health"], &rule["lastError"]), (&json!("ok"), &Value::Null), "{rule}");
            assert_ne!(rule["state"], "firing", "{rule}");
        }
        assert_eq!(prometheus.log(), "");
    })
    .await;
}
