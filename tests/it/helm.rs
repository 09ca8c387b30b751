//! Does the chart of `deploy/helm` render what Kubernetes takes and Keyward loads, and refuse wrong values before that?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyward::config;
use serde_json::{Value, json};

use crate::support::manifests::{configuration, conforms, documents, keywards, of_kind, output, try_output};
use crate::support::pods::{inspect, only_pod};
use crate::support::{clone_path, part};

fn chart() -> PathBuf {
    clone_path("deploy/helm/keyward")
}

fn values(mode: &str) -> PathBuf {
    chart().join("ci").join(format!("{mode}-values.yaml"))
}

fn helm(arguments: &[&str]) -> Command {
    let mut helm = Command::new(part("bin/helm"));
    helm.args(arguments);
    helm
}

/// The chart with the values that a mode needs and `more`.
fn render(mode: &str, more: &[&str]) -> Result<String, String> {
    let mut helm = helm(&["template", "keyward"]);
    try_output(helm.arg(chart()).arg("-f").arg(values(mode)).args(more.iter().flat_map(|value| ["--set-json", value])))
}

fn rendered(mode: &str, more: &[&str]) -> Vec<Value> {
    let text = render(mode, more).unwrap_or_else(|complaint| panic!("{mode} {more:?}: {complaint}"));
    conforms(&text).unwrap_or_else(|complaint| panic!("{mode} {more:?}: {complaint}"));
    documents(mode, &text)
}

/// A chart that depends on ours and has it put into its pods, before Envoy.
fn parent(folder: &Path) -> Vec<Value> {
    let dependency = chart();
    for (name, text) in [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: orders\nversion: 1.0.0\ndependencies: [{ name: keyward, version: 0.1.0 }]\n",
        ),
        ("templates/orders.yaml", include_str!("helm/orders.yaml")),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir_all(folder.join("charts")).unwrap();
    std::os::unix::fs::symlink(dependency, folder.join("charts/keyward")).unwrap();
    let own = fs::read_to_string(values("sidecar")).unwrap();
    let nested: String = own.lines().map(|line| format!("  {line}\n")).collect();
    fs::write(folder.join("values.yaml"), format!("keyward:\n{nested}")).unwrap();
    let text = output(helm(&["template", "shop"]).arg(folder));
    conforms(&text).unwrap_or_else(|complaint| panic!("{complaint}\n{text}"));
    documents("parent", &text)
}

#[test]
fn the_chart_has_no_fault_that_helm_sees() {
    for mode in ["central", "sidecar"] {
        output(helm(&["lint", "--strict", "--quiet"]).arg(chart()).arg("-f").arg(values(mode)));
    }
}

#[test]
fn every_shape_of_the_chart_is_what_kubernetes_takes() {
    for more in [
        r#"metrics={"annotations":true,"podMonitor":{"enabled":true,"labels":{"release":"prometheus"}}}"#,
        r#"autoscaling.enabled=false"#,
        r#"podDisruptionBudget={"enabled":true,"maxUnavailable":"25%"}"#,
        r#"networkPolicy={"enabled":false}"#,
        r#"networkPolicy.scrapers=[]"#,
        r#"resources={"requests":{"cpu":"1"},"limits":{"memory":"1Gi"}}"#,
        r#"env=[{"name":"OTEL_SERVICE_NAME","value":"keyward"}]"#,
        r#"tls={"secretName":"keyward-tls","clientCa":true}"#,
        r#"priorityClassName="high""#,
        r#"nodeSelector={"kubernetes.io/arch":"amd64"}"#,
        r#"podLabels={"team":"identity"}"#,
        r#"image={"digest":"sha256:0123456789012345678901234567890123456789012345678901234567890123"}"#,
    ] {
        rendered("central", &[more]);
    }
    assert_eq!(of_kind(&rendered("central", &["metrics.podMonitor.enabled=true"]), "PodMonitor").len(), 1);
    assert_eq!(of_kind(&rendered("central", &[]), "PodMonitor").len(), 0);
}

#[test]
fn a_central_keyward_is_set_up_as_by_kustomize() {
    let manifest = rendered("central", &[]);
    inspect(only_pod(&manifest), &manifest);
}

#[test]
fn a_chart_that_depends_on_it_gets_keyward_in_front_of_its_envoy() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = parent(folder.path());
    let pod = only_pod(&manifest);
    inspect(pod, &manifest);
    let names: Vec<_> = pod["initContainers"].as_array().unwrap().iter().map(|container| &container["name"]).collect();
    assert_eq!(names, ["keyward-validate", "keyward", "envoy"]);
    assert_eq!(keywards(pod)[1]["restartPolicy"], "Always");
}

#[test]
fn with_tls_envoys_ask_over_tls_and_the_kubelet_beside_it() {
    let manifest = rendered("central", &[r#"tls={"secretName":"keyward-tls","clientCa":true}"#]);
    let pod = only_pod(&manifest);
    // The stand-ins are no certificates; that they are there and where they are looked for is what matters here.
    let listen = configuration(pod, &manifest).config.listen;
    let tls = listen.ext_authz[0].tls.as_ref().expect("TLS");
    assert!(tls.client_ca.is_some());
    assert_eq!(keywards(pod)[1]["readinessProbe"]["grpc"]["port"], 9193);
    assert_eq!((listen.ext_authz.len(), listen.health.map(|address| address.port())), (1, Some(9193)));
}

#[test]
fn numbers_and_files_reach_the_configuration_as_they_are() {
    let more = [
        r#"config.rsFilter.cache={"maxTokens":2000000}"#,
        r#"limits={"maxInFlight":5000000}"#,
        r#"files={"roots.pem":"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n","access.js":"\n  // a\nb\n\n"}"#,
    ];
    let manifest = rendered("central", &more);
    configuration(only_pod(&manifest), &manifest);
    let data = &of_kind(&manifest, "ConfigMap")[0]["data"];
    assert!(data["keyward.yaml"].as_str().unwrap().contains("maxTokens: 2000000\n"), "{}", data["keyward.yaml"]);
    assert_eq!(data["roots.pem"], "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n");
    assert_eq!(data["access.js"], "\n  // a\nb\n\n");
}

#[test]
fn wrong_values_are_refused() {
    for (wrong, named) in [
        (r#"mode="centrall""#, "mode"),
        (r#"Mode="central""#, "Mode"),
        ("config=null", "config"),
        ("config.listen={}", "listen"),
        (r#"config.rsFilter.clientID="mesh-rs""#, "clientID"),
        (r#"config.rsFilter.cache={"maxTokens":"many"}"#, "maxTokens"),
        (r#"config.rsFilter.scopes="orders""#, "scopes"),
        (r#"config.access={"rules":[{"patern":"/a","roles":"*","methods":"*"}]}"#, "patern"),
        (r#"config.access={"style":"rest"}"#, "style"),
        (r#"config.audit={"to":false}"#, "audit"),
        (r#"config.outage={"status":200}"#, "status"),
        (r#"files={"keyward.yaml":"listen: {}"}"#, "keyward.yaml"),
        (r#"files={"../passwd":"x"}"#, "passwd"),
        (r#"secret={"name":""}"#, "name"),
        (r#"secret.keys=[]"#, "keys"),
        (r#"secret.keys=["../../x"]"#, "keys"),
        (r#"image.pullPolicy="Sometimes""#, "pullPolicy"),
        (r#"image.digest="latest""#, "digest"),
        (r#"tls.secretname="keyward-tls""#, "secretname"),
        (r#"limits.maxInFlight=0"#, "maxInFlight"),
        (r#"drain.graceSeconds="10s""#, "graceSeconds"),
        (r#"drain.graceSeconds=-1"#, "graceSeconds"),
        (r#"replicaCount=0"#, "replicaCount"),
        (r#"autoscaling.maxReplicas="ten""#, "maxReplicas"),
        (r#"autoscaling.targetCPUUtilizationPercentage=700"#, "targetCPUUtilizationPercentage"),
        (r#"podDisruptionBudget.maxUnavailable="some""#, "maxUnavailable"),
        (r#"service.port=70000"#, "port"),
        (r#"networkPolicy.enabled="yes""#, "enabled"),
        (r#"networkPolicy.clients=[]"#, "clients"),
        (r#"metrics.podMonitor.interval="often""#, "interval"),
        (r#"resources.limits={"memory":"much"}"#, "memory"),
        (r#"resources.limit={"memory":"1Gi"}"#, "limit"),
        (r#"podAnnotations={"a":1}"#, "podAnnotations"),
    ] {
        match render("central", &[wrong]) {
            Ok(_) => panic!("`{wrong}` is taken"),
            Err(complaint) => assert!(complaint.contains(named), "`{wrong}`: {complaint}"),
        }
    }
}

#[test]
fn without_a_configuration_nothing_is_rendered() {
    let complaint = try_output(helm(&["template", "keyward"]).arg(chart())).expect_err("it needs a configuration");
    assert!(complaint.contains("config") && complaint.contains("secret"), "{complaint}");
}

#[test]
fn the_charts_schema_holds_that_of_the_configuration() {
    let path = chart().join("values.schema.json");
    let committed: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut configuration = serde_json::to_value(config::schema()).unwrap();
    let mut definitions = configuration["$defs"].take();
    for (key, value) in configuration.as_object().unwrap() {
        if !["$defs", "$schema", "title"].contains(&key.as_str()) {
            definitions["Configuration"][key] = value.clone();
        }
    }
    // Where it listens is the chart's: probes, services and policies speak of it.
    definitions["Configuration"]["properties"].as_object_mut().unwrap().remove("listen");
    let mut current = committed.clone();
    current["$defs"] = definitions;
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{current:#}\n")).unwrap();
        return;
    }
    assert!(committed == current, "run it with UPDATE=1");
    assert_eq!(committed["properties"]["config"]["$ref"], json!("#/$defs/Configuration"));
}
