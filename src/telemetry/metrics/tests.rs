//! Is everything counted under the name and with the labels that are promised?

use std::sync::{Arc, Mutex};

use super::*;

#[test]
fn a_decision_is_counted_by_verdict_and_reason_and_timed() {
    let metrics = Metrics::new();

    metrics.decided("allow", "granted", Duration::from_micros(60));
    metrics.decided("deny", "token_inactive", Duration::from_micros(40));
    metrics.decided("deny", "token_inactive", Duration::from_millis(3));

    let text = metrics.encode();
    assert!(text.contains("keyward_decisions_total{decision=\"allow\",reason=\"granted\"} 1\n"), "{text}");
    assert!(text.contains("keyward_decisions_total{decision=\"deny\",reason=\"token_inactive\"} 2\n"), "{text}");
    assert!(text.contains("keyward_check_duration_seconds_bucket{le=\"0.00005\"} 1\n"), "{text}");
    assert!(text.contains("keyward_check_duration_seconds_bucket{le=\"0.005\"} 3\n"), "{text}");
    assert!(text.contains("keyward_check_duration_seconds_count 3\n"), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn questions_to_others_are_timed_by_outcome() {
    let metrics = Metrics::new();

    metrics.introspected("active", Duration::from_millis(4));
    metrics.directory_asked("timeout", Duration::from_secs(1));

    let text = metrics.encode();
    assert!(
        text.contains("keyward_introspection_duration_seconds_bucket{le=\"0.005\",outcome=\"active\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("keyward_directory_duration_seconds_count{outcome=\"timeout\"} 1\n"), "{text}");
}

#[test]
fn a_cache_is_read_when_somebody_looks() {
    let metrics = Metrics::new();
    assert!(!metrics.encode().contains("keyward_cache"));
    let counts = Arc::new(Mutex::new(CacheCounts::default()));
    let read = Arc::clone(&counts);
    metrics.watch_caches(vec![CacheSource::new("former", "default", CacheCounts::default)]);
    metrics.watch_caches(vec![
        CacheSource::new("token", "default", move || *read.lock().unwrap()),
        CacheSource::new("user", "default", CacheCounts::default),
    ]);

    *counts.lock().unwrap() = CacheCounts {
        hits: 7,
        misses: 2,
        stale: 1,
        negative: 3,
        joined: 4,
        too_large: 8,
        entries: 5,
        negative_entries: 6,
        in_flight: 9,
    };

    let text = metrics.encode();
    for (name, value) in [
        ("hits_total", 7),
        ("misses_total", 2),
        ("stale_total", 1),
        ("negative_total", 3),
        ("joined_total", 4),
        ("too_large_total", 8),
        ("entries", 5),
        ("negative_entries", 6),
        ("in_flight", 9),
    ] {
        let line = format!("keyward_cache_{name}{{cache=\"token\",filter=\"default\"}} {value}\n");
        assert!(text.contains(&line), "{line} in {text}");
    }
    assert!(!text.contains("former"), "{text}");
    assert_eq!(text.matches("# TYPE keyward_cache_hits counter").count(), 1, "{text}");
    assert!(text.contains("keyward_cache_hits_total{cache=\"user\",filter=\"default\"} 0\n"), "{text}");
}

#[test]
fn a_failed_reload_shows_until_one_succeeds() {
    let metrics = Metrics::new();
    assert!(metrics.encode().contains("keyward_config_reload_success 1\n"));
    metrics.reloaded(false);
    assert!(metrics.encode().contains("keyward_config_reload_success 0\n"));
    metrics.reloaded(true);
    assert!(metrics.encode().contains("keyward_config_reload_success 1\n"));
}

#[test]
fn the_build_is_named() {
    let expected = format!("keyward_build_info{{version=\"{}\",commit=\"", build_info::VERSION);
    assert!(Metrics::new().encode().contains(&expected));
}

/// Metrics in which every instrument has been used: a family without a series is not shown.
fn used() -> Metrics {
    let metrics = Metrics::new();
    metrics.began();
    metrics.decided("allow", "granted", Duration::from_micros(60));
    metrics.introspected("active", Duration::from_millis(4));
    metrics.directory_asked("found", Duration::from_millis(4));
    metrics.script_ran("condition", "done", Duration::from_millis(1));
    metrics.tls_reloaded("127.0.0.1:9191", true);
    metrics.certificate_expires("127.0.0.1:9191", "/tls/tls.crt", 1_900_000_000);
    metrics.configured(1_800_000_000);
    metrics.connection_opened("checks");
    metrics.watch_caches(vec![CacheSource::new("token", "default", CacheCounts::default)]);
    metrics.watch_audit(|| AuditCounts { written: 5, dropped: 2 });
    metrics.watch_log(|| 3);
    metrics.watch_readiness(|| true);
    metrics
}

/// One row for each metric that `exposition` shows, as `docs/operate/metrics.md` has it.
fn rows(exposition: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for block in exposition.split("# HELP ").skip(1) {
        let (name, rest) = block.split_once(' ').unwrap();
        let (help, rest) = rest.split_once('\n').unwrap();
        // The crate ends the help of what is registered, not of what is collected, with a full stop.
        let help = help.trim_end_matches('.');
        let kind = rest.split_once("# TYPE ").unwrap().1.split_once('\n').unwrap().0.split_once(' ').unwrap().1;
        let sample = rest.lines().rfind(|line| line.starts_with(name)).unwrap();
        let labels = sample.split_once('{').map_or("", |(_, labels)| labels.rsplit_once('}').unwrap().0);
        let labels = labels.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        let labels: Vec<_> = labels.filter(|name| *name != "le").map(|name| format!("`{name}`")).collect();
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        rows.push(format!("| `{name}` | {kind} | {} | {help} |", labels.join(" ")));
    }
    rows
}

#[test]
fn the_document_names_exactly_what_is_exported() {
    let document = include_str!("../../../docs/operate/metrics.md");
    let documented: Vec<&str> = document.lines().filter(|line| line.starts_with("| `keyward_")).collect();
    let exported = rows(&used().encode());
    assert!(documented == exported, "the table should be:\n{}", exported.join("\n"));
}

#[test]
fn a_metric_with_a_unit_is_called_after_it_and_says_so() {
    let text = used().encode();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, _) = line.split_once(' ').unwrap();
        let unit = text.lines().any(|line| line == format!("# UNIT {name} seconds"));
        assert_eq!(name.ends_with("_seconds"), unit, "{name}");
    }
}

#[test]
fn a_check_is_in_flight_until_it_is_answered() {
    let metrics = Metrics::new();
    metrics.began();
    metrics.began();
    metrics.decided("deny", "no_rule", Duration::ZERO);
    assert!(metrics.encode().contains("keyward_checks_in_flight 1\n"));
}
