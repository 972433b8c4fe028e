//! The layers point down, and no file outgrows its sentence.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. A module imports itself and the layers below its own; modules of one
/// layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &["domain", "telemetry"],
    &["certificates", "clock", "policies"],
    &["api", "call", "watch"],
    &["leader", "pki", "provider", "store"],
    &["controller", "server", "simulator"],
    &["app"],
    &["cli"],
];

/// The only crates that decisions may know: no Kubernetes, no network, no runtime.
const DOMAIN_KNOWS: &[&str] = &[
    "crate",
    "jiff",
    "proptest",
    "self",
    "serde",
    "std",
    "super",
    "thiserror",
];

/// No file is longer.
const LONGEST: usize = 400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`, with its lines.
fn sources(folder: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text.lines().map(str::to_owned).collect()));
        }
    }
    found
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The top module that a file below `src` belongs to.
fn module(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules named after `crate::` in a line of code.
fn imports(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let word = |text: &str| {
        let end = text
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(text.len());
        text.get(..end).unwrap_or_default().to_owned()
    };
    code.split("crate::").skip(1).map(word).collect()
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (path, lines) in sources(&root().join("src")) {
        let from = module(&path);
        let Some(own) = layer(&from) else { continue };
        for (number, line) in (1..).zip(&lines) {
            for to in imports(line) {
                let fine = to == from || layer(&to).is_some_and(|other| other < own);
                if !fine {
                    wrong.push(format!(
                        "{}:{number}: `{from}` imports `{to}`",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_layer() {
    let known = |path: &Path| matches!(module(path).as_str(), "bin" | "lib" | "main");
    for (path, _) in sources(&root().join("src")) {
        assert!(
            known(&path) || layer(&module(&path)).is_some(),
            "{} is in no layer",
            path.display()
        );
    }
}

#[test]
fn the_domain_knows_no_kubernetes_no_network_and_no_runtime() {
    let mut wrong = Vec::new();
    for (path, lines) in sources(&root().join("src")) {
        if module(&path) != "domain" {
            continue;
        }
        for (number, line) in (1..).zip(&lines) {
            let import = line
                .trim_start()
                .strip_prefix("pub ")
                .unwrap_or_else(|| line.trim_start());
            let Some(import) = import.strip_prefix("use ") else {
                continue;
            };
            let name = import.split([':', ' ', ';']).next().unwrap_or_default();
            let own = lines
                .iter()
                .any(|line| line.trim_start().starts_with(&format!("pub mod {name};")));
            if !own && !DOMAIN_KNOWS.contains(&name) {
                wrong.push(format!("{}:{number}: `{name}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_longer_than_400_lines_and_every_file_says_what_it_is_for() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests"] {
        for (path, lines) in sources(&root().join(folder)) {
            if lines.len() > LONGEST {
                wrong.push(format!("{}: {} lines", path.display(), lines.len()));
            }
            if !lines.first().is_some_and(|line| line.starts_with("//! ")) {
                wrong.push(format!("{}: does not begin with `//!`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
