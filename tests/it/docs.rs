//! Is what the documents show true? Every configuration in README, `examples/` and `deploy/` loads; Envoy's part is taken by Envoy,
//! the overlay by Kustomize.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyward::config::{self, Environment};
use serde_json::{Value, json};

use crate::support::manifests::{self, conforms, keywards, of_kind, output};
use crate::support::{clone_path, part, yaml};

/// Every variable is set: documents name some of them.
struct AnyVariable;

impl Environment for AnyVariable {
    fn var(&self, _name: &str) -> Option<String> {
        Some("value".to_owned())
    }
}

/// The fenced blocks of one language in a Markdown file.
fn blocks(file: &Path, language: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn every_configuration_in_the_readme_loads() {
    let blocks = blocks(&clone_path("README.md"), "yaml");
    let configurations: Vec<_> = blocks.iter().filter(|block| block.contains("rsFilter:")).collect();
    assert!(!configurations.is_empty(), "README shows no configuration");
    for text in configurations {
        // The folder that holds what README says is there: IDM's files.
        let folder = clone_path("tests/config/idm");
        if let Err(problems) = config::parse(text, "README.md.yaml", &folder, &AnyVariable) {
            panic!("{problems}\n\n{text}");
        }
    }
}

/// The overlay that the guide for Kubernetes shows, beside a clone and with the files that it says are copied.
#[test]
fn the_overlay_in_the_guide_puts_keyward_into_the_pod() {
    let guide = clone_path("docs/deploy/kubernetes.md");
    // The guide's block stands in a list.
    let text = fs::read_to_string(&guide).unwrap().replace("\n   ", "\n");
    let shown = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let [clone, shop] = ["keyward", "shop"].map(|name| folder.path().join(name));
    for folder in [&clone, &shop] {
        fs::create_dir(folder).unwrap();
    }
    output(Command::new("cp").arg("-r").arg(clone_path("deploy")).arg(&clone));
    fs::write(shop.join("kustomization.yaml"), shown).unwrap();
    for (from, to) in [("overlays/sidecar/orders.yaml", "orders.yaml"), ("base/keyward.yaml", "keyward.yaml")] {
        fs::copy(clone_path("deploy/kubernetes").join(from), shop.join(to)).unwrap();
    }
    let rendered = output(Command::new(part("bin/kustomize")).arg("build").arg(shop));
    conforms(&rendered).unwrap();
    let manifest = manifests::documents("guide", &rendered);
    let deployment = of_kind(&manifest, "Deployment")[0];
    let image = &keywards(&deployment["spec"]["template"]["spec"])[0]["image"];
    assert_eq!(
        (image, &deployment["metadata"]["namespace"]),
        (&"registry.example/keyward:0.1.0".into(), &"shop".into())
    );
}

/// What README adds to a configuration that points at IDM's files.
#[test]
fn what_the_readme_adds_beside_idms_files_loads() {
    let blocks = blocks(&clone_path("README.md"), "yaml");
    let added: Vec<_> = blocks.iter().filter(|block| block.starts_with("access:")).collect();
    assert!(!added.is_empty(), "README adds nothing");
    for block in added {
        let pointed = "rsFilterFile: conf/authentication.json\naccessFile: script/access.js\nrsFilter: { roleNames: leaf }\n\
                       directory: { idm: { url: \"https://idm.example/openidm\" } }\n";
        let folder = clone_path("tests/config/idm");
        if let Err(problems) = config::parse(&format!("{pointed}{block}"), "README.md.yaml", &folder, &AnyVariable) {
            panic!("{problems}\n\n{block}");
        }
    }
}

#[test]
fn every_configuration_among_the_examples_loads() {
    let folders = ["examples", "deploy"].map(|folder| files_below(&clone_path(folder)));
    for path in folders.concat() {
        let name = path.file_name().unwrap().to_str().unwrap();
        // These lie in a volume with their secrets; `kubernetes` and `helm` load them there.
        if ["kubernetes", "helm"].iter().any(|shape| path.starts_with(clone_path("deploy").join(shape))) {
            continue;
        }
        let is_ours = ["yaml", "yml", "json"].iter().any(|end| path.extension().is_some_and(|found| found == *end));
        if is_ours && name.starts_with("keyward") && !path.starts_with(clone_path("deploy/grafana")) {
            let loaded = config::load(&path, &AnyVariable);
            assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
        }
    }
}

/// Every Markdown file of the repository, without what is built or installed.
fn documents() -> Vec<PathBuf> {
    let folders = ["docs", "deploy", "examples", "tests/cases"].map(|folder| files_below(&clone_path(folder)));
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(clone_path);
    let all = folders.concat().into_iter().chain(top);
    all.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

#[test]
fn every_link_between_the_documents_leads_to_a_file() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let file = link.split('#').next().unwrap_or_default();
            let elsewhere = file.is_empty() || file.contains("://") || file.contains([' ', '`']);
            if !elsewhere && !document.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_index_of_documents_names_them_all() {
    let index = fs::read_to_string(clone_path("docs/README.md")).unwrap();
    let folder = clone_path("docs");
    for document in files_below(&folder) {
        let name = document.strip_prefix(&folder).unwrap().to_str().unwrap();
        let of_alerts = name.starts_with("operate/alerts/") && name != "operate/alerts/README.md";
        assert!(
            name == "README.md" || of_alerts || index.contains(&format!("]({name})")),
            "{name} is not in the index"
        );
    }
}

#[test]
fn the_envoy_filter_in_the_readme_is_one_that_envoy_takes() {
    let blocks = blocks(&clone_path("README.md"), "yaml");
    let filters = blocks.iter().filter(|block| block.starts_with("http_filters:")).collect::<Vec<_>>();
    assert!(!filters.is_empty(), "README shows no Envoy filter");
    for text in filters {
        let mut filters = yaml::parse("README.md", text)["http_filters"].clone();
        filters.as_array_mut().unwrap().push(json!({ "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("envoy.json");
        fs::write(&path, bootstrap(&filters).to_string()).unwrap();
        let output = Command::new(part("envoy/bin/envoy"))
            .args(["--mode", "validate", "--log-level", "error", "-c"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn bootstrap(filters: &Value) -> Value {
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "readme", "http_filters": filters,
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "direct_response": { "status": 200 } }] }] },
    });
    let chain =
        json!([{ "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager }] }]);
    json!({ "static_resources": {
        "listeners": [{ "name": "front", "address": address, "filter_chains": chain }],
        "clusters": [{ "name": "keyward", "type": "STATIC", "load_assignment": { "cluster_name": "keyward" } }],
    } })
}
