//! Is `deploy/kubernetes` what Kubernetes takes, and does it do what it says? Each overlay is rendered by Kustomize.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::manifests::{conforms, containers, documents, keywards, mount, of_kind, output};
use crate::support::pods::{inspect, only_pod};
use crate::support::{clone_path, part};

const OVERLAYS: [&str; 3] = ["sidecar", "sidecar-classic", "central"];

fn render(overlay: &str) -> String {
    let folder = clone_path("deploy/kubernetes/overlays").join(overlay);
    output(Command::new(part("bin/kustomize")).arg("build").arg(folder))
}

fn rendered(overlay: &str) -> Vec<Value> {
    documents(overlay, &render(overlay))
}

fn names(pod: &Value, key: &str) -> Vec<String> {
    let containers = pod[key].as_array().map(Vec::as_slice).unwrap_or_default();
    containers.iter().map(|container| container["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_overlay_is_what_kubernetes_takes() {
    let folders = fs::read_dir(clone_path("deploy/kubernetes/overlays")).unwrap();
    assert_eq!(folders.count(), OVERLAYS.len(), "an overlay that is not tested");
    for overlay in OVERLAYS {
        conforms(&render(overlay)).unwrap_or_else(|complaint| panic!("{overlay}: {complaint}"));
    }
}

#[test]
fn a_wrong_value_of_a_manifest_is_caught() {
    let sidecar = render("sidecar");
    for (right, wrong) in [
        ("restartPolicy: Always", "restartpolicy: Always"),
        ("failureThreshold: 30", "failureThreshold: thirty"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
        ("          grpc:\n", "          gRPC:\n"),
        ("kind: Deployment", "kind: Deploymant"),
    ] {
        assert!(sidecar.contains(right), "{right}");
        assert!(conforms(&sidecar.replacen(right, wrong, 1)).is_err(), "`{wrong}` was taken");
    }
}

#[test]
fn keyward_is_set_up_alike_in_every_overlay() {
    for overlay in OVERLAYS {
        let manifest = rendered(overlay);
        inspect(only_pod(&manifest), &manifest);
    }
}

#[test]
fn a_native_sidecar_serves_before_envoy_starts_and_after_it_has_ended() {
    let manifest = rendered("sidecar");
    let pod = only_pod(&manifest);
    assert_eq!(names(pod, "initContainers"), ["keyward-validate", "keyward", "envoy"]);
    assert_eq!(names(pod, "containers"), ["orders"]);
    assert_eq!(keywards(pod)[1]["restartPolicy"], "Always");
    assert!(keywards(pod)[0]["restartPolicy"].is_null(), "the init step ends");
}

#[test]
fn without_native_sidecars_keyward_answers_while_envoy_drains() {
    let manifest = rendered("sidecar-classic");
    let pod = only_pod(&manifest);
    assert_eq!(names(pod, "initContainers"), ["keyward-validate"]);
    assert_eq!(names(pod, "containers"), ["keyward", "orders", "envoy"]);
    assert!(containers(pod).all(|container| container["restartPolicy"].is_null()));
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(20 + 10));
}

#[test]
fn the_central_parts_speak_of_the_same_pods() {
    let manifest = rendered("central");
    let [deployment] = of_kind(&manifest, "Deployment")[..] else { panic!("one Deployment") };
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let matching = |kind: &str, pointer: &str| {
        let resources = of_kind(&manifest, kind);
        assert!(!resources.is_empty(), "no {kind}");
        for resource in resources {
            let selector = resource.pointer(pointer).and_then(Value::as_object).expect(kind);
            assert!(!selector.is_empty() && selector.iter().all(|(name, value)| labels[name] == *value), "{kind}");
        }
    };
    matching("Service", "/spec/selector");
    matching("PodDisruptionBudget", "/spec/selector/matchLabels");
    matching("NetworkPolicy", "/spec/podSelector/matchLabels");
    matching("Deployment", "/spec/selector/matchLabels");
    let target = &of_kind(&manifest, "HorizontalPodAutoscaler")[0]["spec"]["scaleTargetRef"];
    assert_eq!((&target["kind"], &target["name"]), (&"Deployment".into(), &deployment["metadata"]["name"]));
    assert!(deployment["spec"]["replicas"].is_null(), "an autoscaler and a fixed number fight");
    for constraint in only_pod(&manifest)["topologySpreadConstraints"].as_array().unwrap() {
        assert_eq!(constraint["labelSelector"]["matchLabels"], *labels);
    }
}

#[test]
fn the_init_step_lists_every_problem_of_a_wrong_configuration() {
    for overlay in OVERLAYS {
        let manifest = rendered(overlay);
        let pod = only_pod(&manifest);
        let folder = tempfile::tempdir().unwrap();
        mount(pod, &manifest, "s3cret", folder.path());
        let file = folder.path().join("keyward.yaml");
        let right = fs::read_to_string(&file).unwrap();
        let wrong = right.replace("60 seconds", "60 parsecs").replace("pattern: ", "patern: ");
        let run = || {
            let arguments = keywards(pod)[0]["args"].as_array().unwrap();
            let arguments = arguments.iter().map(|argument| argument.as_str().unwrap());
            let here = folder.path().to_str().unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_keyward"))
                .args(arguments.map(|argument| argument.replace("/etc/keyward", here)))
                .env_clear()
                .output()
                .unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8(said).unwrap())
        };

        assert_eq!(run().0, Some(0), "{overlay}: {}", run().1);
        fs::write(&file, wrong).unwrap();
        let (code, said) = run();
        assert_eq!(code, Some(2), "{overlay}");
        assert!(
            ["60 parsecs", "access.rules[0].patern", "access.rules[1].patern"].iter().all(|text| said.contains(text)),
            "{overlay}: {said}"
        );
    }
}

#[test]
fn envoy_takes_the_configuration_of_the_example() {
    let mut envoy = Command::new(part("envoy/bin/envoy"));
    let file = clone_path("deploy/kubernetes/example/envoy.yaml");
    output(envoy.args(["--mode", "validate", "--log-level", "error", "-c"]).arg(file));
}
