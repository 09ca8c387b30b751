//! Is a pod with Keyward as it should be, whoever rendered it? One list of claims for Kustomize and for Helm.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::manifests::{configuration, containers, keywards, of_kind};

const SERVICE: &str = "envoy.service.auth.v3.Authorization";

/// The pod of the manifest's only Deployment.
pub fn only_pod(manifest: &[Value]) -> &Value {
    let deployments = of_kind(manifest, "Deployment");
    assert_eq!(deployments.len(), 1, "one Deployment");
    &deployments[0]["spec"]["template"]["spec"]
}

/// Every claim; fails with the one that does not hold.
pub fn inspect(pod: &Value, manifest: &[Value]) {
    validates_first(pod);
    is_confined(pod);
    mounts_whole_folders_without_a_token(pod);
    is_probed_where_it_listens(pod, manifest);
}

fn validates_first(pod: &Value) {
    let names: Vec<_> = keywards(pod).iter().map(|container| container["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["keyward-validate", "keyward"]);
    let validate = keywards(pod)[0];
    assert_eq!(validate["args"], json!(["validate", "--config", "/etc/keyward/keyward.yaml"]));
    assert_eq!(validate["terminationMessagePolicy"], "FallbackToLogsOnError");
    assert_eq!(validate["volumeMounts"], keywards(pod)[1]["volumeMounts"], "it validates what is served");
}

/// PodSecurity's level `restricted`, with more: a number for the user, a root that cannot be written to.
fn is_confined(pod: &Value) {
    for container in containers(pod) {
        let said = |key: &str| {
            let own = &container["securityContext"][key];
            if own.is_null() { pod["securityContext"][key].clone() } else { own.clone() }
        };
        let name = &container["name"];
        assert_eq!(said("runAsNonRoot"), true, "{name}");
        assert_eq!(said("readOnlyRootFilesystem"), true, "{name}");
        assert_eq!(said("allowPrivilegeEscalation"), false, "{name}");
        assert_eq!(said("capabilities"), json!({ "drop": ["ALL"] }), "{name}");
        assert_eq!(said("seccompProfile"), json!({ "type": "RuntimeDefault" }), "{name}");
        assert!(!container["resources"]["limits"]["memory"].is_null(), "{name}");
        assert!(container["resources"]["limits"]["cpu"].is_null(), "{name}");
    }
    for container in keywards(pod) {
        let user = &container["securityContext"]["runAsUser"];
        let user = if user.is_null() { &pod["securityContext"]["runAsUser"] } else { user };
        assert_eq!(*user, 65532);
    }
}

fn mounts_whole_folders_without_a_token(pod: &Value) {
    for container in keywards(pod) {
        let mounts = container["volumeMounts"].as_array().unwrap();
        let paths: Vec<_> = mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
        assert!(paths.contains(&"/etc/keyward"));
        assert!(mounts.iter().all(|mount| mount["subPath"].is_null() && mount["readOnly"] == true));
        let covered = paths.contains(&"/var/run/secrets/kubernetes.io/serviceaccount");
        assert!(covered || pod["automountServiceAccountToken"] == false, "the service account's token is mounted");
    }
}

/// The kubelet comes to the pod's address, without TLS, to a port that is a number.
fn is_probed_where_it_listens(pod: &Value, manifest: &[Value]) {
    let listen = configuration(pod, manifest).config.listen;
    let open = |address: &SocketAddr| address.ip().is_unspecified();
    let health = listen.health.filter(open).map(|address| u64::from(address.port()));
    let admin = listen.admin.filter(open).map(|address| u64::from(address.port()));

    let keyward = keywards(pod)[1];
    for probe in ["startupProbe", "readinessProbe"] {
        let asks = &keyward[probe]["grpc"];
        assert_eq!(asks["service"], SERVICE, "{probe}");
        assert_eq!(asks["port"].as_u64(), health, "{probe}");
    }
    let live = &keyward["livenessProbe"]["httpGet"];
    assert_eq!(live["path"], "/livez");
    let ports = keyward["ports"].as_array().unwrap();
    let named = ports.iter().find(|port| port["name"] == live["port"]).map(|port| &port["containerPort"]);
    assert_eq!(named.unwrap_or(&live["port"]).as_u64(), admin, "the liveness probe asks the admin listener");
}
