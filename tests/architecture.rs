//! Is the house built as ARCHITECTURE.md says? Imports, fences, first lines and file sizes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may stop where the tree is not as it expects"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code, without comments and tests, that one file may have.
const MOST_LINES: usize = 400;

/// Crates and parts of `std` that only the rows naming them may name.
const FENCED: [&str; 23] = [
    "axum",
    "cel",
    "clap",
    "envoy_types",
    "handlebars",
    "moka",
    "notify",
    "opentelemetry",
    "opentelemetry_otlp",
    "opentelemetry_proto",
    "opentelemetry_sdk",
    "prometheus_client",
    "reqwest",
    "oxc_parser",
    "oxc_semantic",
    "rquickjs",
    "saphyr_parser",
    "schemars",
    "std::env",
    "std::fs",
    "tokio_rustls",
    "tonic",
    "tracing_subscriber",
];

struct Row {
    module: String,
    imports: BTreeSet<String>,
    crates: BTreeSet<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table "Who may import whom", in order.
fn table() -> Vec<Row> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let rows = lines.take_while(|line| line.starts_with('|')).flat_map(|line| {
        let cells = cells(line);
        let (imports, crates) = (names(&cells[2]), names(&cells[3]));
        let modules = names(&cells[0]).into_iter();
        modules.map(move |module| Row { module, imports: imports.clone(), crates: crates.clone() }).collect::<Vec<_>>()
    });
    rows.collect()
}

/// Every source file with its module and its code: no comments, no tests.
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    assert!(files.len() > 50, "only {} source files found", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let inside = path.strip_prefix(root().join("src")).unwrap();
            let module = inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
            let code = if is_test_file(&path) { String::new() } else { code(&text) };
            files.push((path, module, code));
        }
    }
}

/// Whether a file is compiled for tests only: its parent says so where it names the module.
fn is_test_file(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let folder = path.parent().unwrap();
    let beside = [folder.join("mod.rs"), folder.with_extension("rs")];
    let parent = beside.iter().find_map(|parent| fs::read_to_string(parent).ok()).unwrap_or_default();
    ["mod", "pub mod", "pub(crate) mod", "pub(super) mod"]
        .iter()
        .any(|keyword| parent.contains(&format!("#[cfg(test)]\n{keyword} {name};")))
}

fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules of this crate that `code` names, by path or by a group of `use crate::{…}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut item = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 || (depth == 1 && letter == ',') {
                    found.insert(first_name(item.trim()));
                    item.clear();
                } else {
                    item.push(letter);
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.insert(first_name(rest));
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':')
    })
}

/// What the code does: module → (modules it imports, fenced crates it names).
fn actual() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let mut all: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for (_, module, code) in sources() {
        if module == "lib" {
            continue;
        }
        let entry = all.entry(module.clone()).or_default();
        entry.0.extend(imports(&code).into_iter().filter(|name| *name != module));
        entry.1.extend(FENCED.iter().filter(|name| names_crate(&code, name)).map(|name| (*name).to_owned()));
    }
    all
}

#[test]
fn modules_import_what_the_table_allows_and_nothing_else() {
    let actual = actual();
    let mut above = BTreeSet::new();
    let mut complaints = Vec::new();
    let rows = table();
    for row in &rows {
        let Some((imports, crates)) = actual.get(&row.module) else {
            complaints.push(format!("`{}` stands in the table and is no module", row.module));
            continue;
        };
        for (kind, allowed, found) in [("module", &row.imports, imports), ("crate", &row.crates, crates)] {
            for name in found.difference(allowed) {
                complaints.push(format!("`{}` names the {kind} `{name}`, which its row does not allow", row.module));
            }
            for name in allowed.difference(found) {
                complaints
                    .push(format!("the row of `{}` allows the {kind} `{name}`, which it does not name", row.module));
            }
        }
        for name in row.imports.difference(&above) {
            complaints.push(format!("`{}` imports `{name}`, which does not stand above it", row.module));
        }
        above.insert(row.module.clone());
    }
    for module in actual.keys().filter(|module| !above.contains(*module)) {
        complaints.push(format!("`{module}` has no row in the table"));
    }
    assert!(complaints.is_empty(), "ARCHITECTURE.md and the code disagree:\n{}", complaints.join("\n"));
}

#[test]
fn every_file_says_which_question_it_answers() {
    for (path, _, _) in sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not begin with `//! `", path.display());
    }
}

#[test]
fn files_stay_readable() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(path, _, code)| (code.lines().filter(|line| !line.trim().is_empty()).count(), path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "more than {MOST_LINES} lines of code: {long:?}");
}

#[test]
fn the_reader_of_imports_reads_groups_and_paths() {
    let code = "use crate::a::B;\nuse crate::{c, d::{self, E}, f::G};\nlet x = crate::h::i();";
    let found = imports(code);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "c", "d", "f", "h"]);
    assert!(names_crate("use tonic::Status;", "tonic"));
    assert!(!names_crate("use my_tonic::Status; x::tonic::y", "tonic"));
}

/// Prints the table as the code is, for whoever changes it: `cargo test --test architecture -- --nocapture print`.
#[test]
fn print_the_imports_as_they_are() {
    for (module, (imports, crates)) in actual() {
        let list =
            |names: &BTreeSet<String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ");
        println!("| `{module}` | | {} | {} |", list(&imports), list(&crates));
    }
}
