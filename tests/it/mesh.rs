//! Are the files of `deploy/istio` and `deploy/envoy-gateway` what those take, and do they agree with each other and with Envoy's?

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::manifests::{conforms, documents, keywards, of_kind, output};
use crate::support::{clone_path, part, yaml};

const MANIFESTS: [&str; 8] = [
    "istio/gateway.yaml",
    "istio/identity-headers.yaml",
    "istio/sidecar-tcp.yaml",
    "istio/sidecar-socket.yaml",
    "istio/envoyfilter.yaml",
    "envoy-gateway/securitypolicy.yaml",
    "envoy-gateway/backendtlspolicy.yaml",
    "envoy-gateway/httproute-externalauth.yaml",
];

const MUTATION: &str = "envoy.filters.http.header_mutation";

fn text(file: &str) -> String {
    fs::read_to_string(clone_path("deploy").join(file)).unwrap()
}

fn read(file: &str) -> Vec<Value> {
    documents(file, &text(file))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What the plain Envoy of `deploy/envoy` lets Keyward see.
fn headers_of_plain_envoy() -> Vec<Value> {
    let bootstrap = yaml::parse("envoy.yaml", &text("envoy/envoy.yaml"));
    let manager = &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let authz = list(&manager["http_filters"]).iter().find(|filter| filter["name"] == "envoy.filters.http.ext_authz");
    exact_names(&authz.unwrap()["typed_config"]["allowed_headers"])
}

fn exact_names(matchers: &Value) -> Vec<Value> {
    list(&matchers["patterns"]).iter().map(|pattern| pattern["exact"].clone()).collect()
}

#[test]
fn every_manifest_is_what_its_schema_takes_and_a_misspelt_key_is_not() {
    for file in MANIFESTS {
        conforms(&text(file)).unwrap_or_else(|complaint| panic!("{file}: {complaint}"));
    }
    for (file, right, wrong) in [
        ("envoy-gateway/securitypolicy.yaml", "failOpen", "failopen"),
        ("envoy-gateway/securitypolicy.yaml", "500ms", "soon"),
        ("istio/gateway.yaml", "notPaths", "exceptPaths"),
        ("envoy-gateway/httproute-externalauth.yaml", "GRPC", "gRPC"),
    ] {
        assert!(conforms(&text(file).replace(right, wrong)).is_err(), "{file}: `{wrong}` is not noticed");
    }
}

#[test]
fn every_provider_has_a_timeout_fails_closed_and_reaches_what_the_manifests_name() {
    let mesh = yaml::parse("meshconfig.yaml", &text("istio/meshconfig.yaml"));
    let providers = list(&mesh["extensionProviders"]);
    let all: Vec<Value> = MANIFESTS.iter().flat_map(|file| read(file)).collect();
    for provider in providers {
        let settings = &provider["envoyExtAuthzGrpc"];
        let expected = (&json!("0.5s"), &json!("503"), &json!(false));
        assert_eq!((&settings["timeout"], &settings["statusOnError"], &settings["failOpen"]), expected, "{provider}");
        let entry =
            of_kind(&all, "ServiceEntry").into_iter().find(|entry| entry["spec"]["hosts"][0] == settings["service"]);
        match entry {
            Some(entry) => assert_eq!(entry["spec"]["ports"][0]["number"], settings["port"], "{provider}"),
            None => assert_eq!(settings["service"], "keyward.keyward.svc.cluster.local", "{provider}"),
        }
    }
    let policies = of_kind(&all, "AuthorizationPolicy");
    for policy in &policies {
        let name = &policy["spec"]["provider"]["name"];
        assert!(providers.iter().any(|provider| provider["name"] == *name), "nobody provides {name}");
    }
    assert_eq!(policies.len(), providers.len());
}

#[test]
fn everywhere_keyward_sees_the_same_headers() {
    let expected = headers_of_plain_envoy();
    let policy = read("envoy-gateway/securitypolicy.yaml");
    assert_eq!(list(&policy[0]["spec"]["extAuth"]["headersToExtAuth"]), expected);
    let filter = &read("istio/envoyfilter.yaml")[1]["spec"]["configPatches"][0]["patch"]["value"]["typed_config"];
    assert_eq!(exact_names(&filter["allowed_headers"]), expected);
}

/// In front of whatever asks Keyward: what inserts later, inserts in front.
#[test]
fn identity_headers_are_taken_away_in_front_of_every_filter_that_asks() {
    let plain = yaml::parse("envoy.yaml", &text("envoy/envoy.yaml"));
    let expected =
        plain["static_resources"]["listeners"][0].pointer("/filter_chains/0/filters/0/typed_config/http_filters/0");
    let filters = [read("istio/identity-headers.yaml"), read("istio/envoyfilter.yaml").split_off(1)].concat();
    for filter in &filters {
        let inserted: Vec<_> = list(&filter["spec"]["configPatches"])
            .iter()
            .filter(|patch| patch["applyTo"] == "HTTP_FILTER")
            .map(|patch| &patch["patch"])
            .collect();
        assert!(inserted.iter().all(|patch| patch["operation"] == "INSERT_FIRST"), "{filter}");
        assert_eq!(inserted.last().map(|patch| &patch["value"]), expected, "{filter}");
    }
    let selected: Vec<_> = filters.iter().map(|filter| &filter["spec"]["workloadSelector"]["labels"]).collect();
    let asking = ["istio/sidecar-tcp.yaml", "istio/gateway.yaml"].map(|file| {
        let policy = read(file);
        of_kind(&policy, "AuthorizationPolicy")[0]["spec"]["selector"]["matchLabels"].clone()
    });
    assert_eq!(selected, [&asking[0], &asking[1], &json!({ "keyward": "envoyfilter" })]);
}

/// Lays the patches over what Istio makes, and lets Envoy read it.
#[test]
fn what_the_envoy_filters_make_is_what_envoy_takes() {
    for filter in ["istio/envoyfilter.yaml", "istio/identity-headers.yaml"].into_iter().flat_map(read) {
        let mut authz = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "grpc_service": { "envoy_grpc": { "cluster_name": "outbound|9191||x", "authority": "x" }, "timeout": "0.5s" },
        });
        let mut mutation = Value::Null;
        let mut host = json!({ "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "direct_response": { "status": 200 } }] });
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "inbound",
        });
        for patch in list(&filter["spec"]["configPatches"]) {
            let value = &patch["patch"]["value"];
            match (patch["applyTo"].as_str().unwrap(), patch["patch"]["operation"].as_str().unwrap()) {
                ("HTTP_FILTER", "MERGE") => yaml::merge(&mut authz, &value["typed_config"]),
                ("HTTP_FILTER", _) if value["name"] == MUTATION => mutation = value.clone(),
                ("HTTP_FILTER", _) => authz = value["typed_config"].clone(),
                ("NETWORK_FILTER", "MERGE") => yaml::merge(&mut manager, &value["typed_config"]),
                ("VIRTUAL_HOST", "MERGE") => yaml::merge(&mut host, value),
                other => panic!("{other:?}"),
            }
        }
        let authority = authz["grpc_service"]["envoy_grpc"]["authority"].as_str().unwrap();
        assert!(!authority.contains('|'), "Keyward's HTTP/2 refuses `{authority}`");
        let cluster = authz["grpc_service"]["envoy_grpc"]["cluster_name"].clone();
        manager["route_config"] = json!({ "virtual_hosts": [host] });
        let router = json!({ "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } });
        let asking = json!({ "name": "envoy.filters.http.ext_authz", "typed_config": authz });
        let filters = [mutation, asking, router].into_iter().filter(|filter| !filter.is_null());
        manager["http_filters"] = filters.collect();
        let manager = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager });
        let bootstrap = json!({ "static_resources": {
            "listeners": [{
                "name": "inbound",
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
                "filter_chains": [{ "filters": [manager] }],
            }],
            "clusters": [{ "name": cluster, "type": "STATIC", "load_assignment": { "cluster_name": cluster } }],
        } });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("envoy.json");
        fs::write(&path, bootstrap.to_string()).unwrap();
        let mut envoy = Command::new(part("envoy/bin/envoy"));
        output(envoy.args(["--mode", "validate", "--log-level", "error", "-c"]).arg(&path));
    }
}

#[test]
fn in_the_mesh_a_pod_keeps_probes_and_metrics_out_of_it_and_shares_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    output(Command::new("cp").arg("-r").arg(clone_path("deploy")).arg(directory.path()));
    let kustomization = "resources: [../deploy/kubernetes/overlays/sidecar]\ncomponents: [../deploy/istio/pod]\n";
    fs::create_dir(directory.path().join("meshed")).unwrap();
    fs::write(directory.path().join("meshed/kustomization.yaml"), kustomization).unwrap();
    let rendered = output(Command::new(part("bin/kustomize")).arg("build").arg(directory.path().join("meshed")));
    conforms(&rendered).unwrap();

    let manifest = documents("meshed", &rendered);
    let template = &of_kind(&manifest, "Deployment")[0]["spec"]["template"];
    let pod = &template["spec"];
    let names: Vec<_> =
        list(&pod["initContainers"]).iter().map(|container| container["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["keyward-validate", "keyward", "envoy"], "the component must not change their order");

    let keyward = keywards(pod).into_iter().find(|container| container["name"] == "keyward").unwrap();
    let ports: Vec<_> = list(&keyward["ports"]).iter().map(|port| port["containerPort"].to_string()).collect();
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["traffic.sidecar.istio.io/excludeInboundPorts"], ports.join(","));
    assert_eq!(template["metadata"]["labels"]["keyward"], "sidecar", "the policies select by it");

    let mounts = annotations["sidecar.istio.io/userVolumeMount"].as_str().unwrap();
    let of_proxy: Value = serde_json::from_str(mounts).unwrap();
    assert!(list(&keyward["volumeMounts"]).contains(&of_proxy[0]), "{mounts}");
    assert!(list(&pod["volumes"]).iter().any(|volume| volume["name"] == of_proxy[0]["name"]));
    let socket = &read("istio/sidecar-socket.yaml")[0]["spec"]["endpoints"][0]["address"];
    let folder = of_proxy[0]["mountPath"].as_str().unwrap();
    assert!(socket.as_str().unwrap().starts_with(&format!("unix://{folder}/")), "{socket}");
}
