//! What do manifests say, and would Kubernetes take them? Rendered text to values; kubeconform with strict schemas.

use std::fs;
use std::path::Path;
use std::process::Command;

use keyward::config::{self, Environment, Loaded};
use serde_json::Value;

use super::{part, yaml};

/// No variable is set: what is deployed reads files.
struct NoVariable;

impl Environment for NoVariable {
    fn var(&self, _name: &str) -> Option<String> {
        None
    }
}

/// What a program printed. Fails with what it complained of.
pub fn output(command: &mut Command) -> String {
    match try_output(command) {
        Ok(stdout) => stdout,
        Err(complaint) => panic!("{command:?}: {complaint}"),
    }
}

/// What a program printed, or everything it said if it did not end with 0.
pub fn try_output(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    if output.status.success() {
        return Ok(stdout);
    }
    Err(format!("{stdout}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// The documents of a manifest; empty ones left out.
pub fn documents(name: &str, text: &str) -> Vec<Value> {
    let documents = text.split("\n---").map(|document| document.trim_start_matches("---"));
    let has_content = |document: &&str| document.lines().any(|line| !line.is_empty() && !line.starts_with('#'));
    documents.filter(has_content).map(|document| yaml::parse(name, document)).collect()
}

/// The resources of one kind.
pub fn of_kind<'a>(manifest: &'a [Value], kind: &str) -> Vec<&'a Value> {
    manifest.iter().filter(|resource| resource["kind"] == kind).collect()
}

/// What kubeconform has against a manifest, with unknown keys refused and unknown kinds, too.
pub fn conforms(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("manifest.yaml");
    fs::write(&file, text).unwrap();
    let schemas = part("kubernetes/schemas").join("{{ .ResourceKind }}-{{ .Group }}-{{ .ResourceAPIVersion }}.json");
    let mut kubeconform = Command::new(part("bin/kubeconform"));
    kubeconform.arg("-strict").arg("-schema-location").arg(schemas).arg(&file);
    try_output(&mut kubeconform).map(|_| ())
}

/// The containers that have a name beginning with `keyward`, those that start first in front.
pub fn keywards(pod: &Value) -> Vec<&Value> {
    containers(pod).filter(|container| container["name"].as_str().unwrap().starts_with("keyward")).collect()
}

/// Every container of a pod, those that start first in front.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().filter_map(|key| pod[key].as_array()).flatten()
}

/// Lays the volume `keyward` of a pod into a folder, as the kubelet does: the ConfigMap's files, and `secret` for each secret.
pub fn mount(pod: &Value, manifest: &[Value], secret: &str, folder: &Path) {
    let volumes = pod["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == "keyward").expect("a volume `keyward`");
    for source in volume["projected"]["sources"].as_array().unwrap() {
        if let Some(items) = source["secret"]["items"].as_array() {
            for item in items {
                let path = folder.join(item["path"].as_str().unwrap());
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, secret).unwrap();
            }
        } else {
            let name = &source["configMap"]["name"];
            let maps = of_kind(manifest, "ConfigMap");
            let map = maps.iter().find(|map| map["metadata"]["name"] == *name).expect("the pod's ConfigMap");
            for (file, text) in map["data"].as_object().unwrap() {
                fs::write(folder.join(file), text.as_str().unwrap()).unwrap();
            }
        }
    }
}

/// The configuration that a pod's Keyward loads.
pub fn configuration(pod: &Value, manifest: &[Value]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    mount(pod, manifest, "s3cret", folder.path());
    config::load(&folder.path().join("keyward.yaml"), &NoVariable).unwrap_or_else(|problems| panic!("{problems}"))
}
