//! What each setup comes to: the default whole, and of every other what differs from it. The definitions are compared
//! with `crds/` instead, as they are the same in all.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::kept::kept;
use super::render::{Document, file, rendered};

/// Each setup: its file of values, beside what else helm is told.
const SETUPS: [(&str, &[&str]); 9] = [
    ("brought-certificates", &[]),
    ("cert-manager", &[]),
    ("everything", &[]),
    ("extender", &[]),
    ("high-availability", &["--values", "values-ha.yaml"]),
    ("kubernetes-1.33", &["--kube-version", "1.33.0"]),
    ("minimal", &["--values", "values-minimal.yaml"]),
    ("other-namespace", &["--namespace", "trust"]),
    ("simulator", &["--values", "values-simulator.yaml"]),
];

async fn setup(name: &str, arguments: &[&str]) -> Vec<Document> {
    let values = file(&format!("setups/{name}.yaml"));
    let mut all: Vec<String> = Vec::new();
    if values.exists() {
        all.extend(["--values".to_owned(), values.display().to_string()]);
    }
    for argument in arguments {
        let of_the_chart = trustpool_harness::helm::chart().join(argument);
        let path = argument.ends_with(".yaml");
        all.push(if path {
            of_the_chart.display().to_string()
        } else {
            (*argument).to_owned()
        });
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mut documents = rendered(&all).await;
    documents.retain(|it| it.kind() != "CustomResourceDefinition");
    documents
}

/// Every setup by its name, the default first.
pub async fn setups() -> Vec<(&'static str, Vec<Document>)> {
    let mut all = vec![("default", setup("default", &[]).await)];
    for (name, arguments) in SETUPS {
        all.push((name, setup(name, arguments).await));
    }
    all
}

/// What is written for `documents`: those that are not among `before` as they are, and the names of those that went.
fn difference(documents: &[Document], before: &[Document]) -> String {
    let texts: BTreeSet<&str> = before.iter().map(|it| it.text.as_str()).collect();
    let names: BTreeSet<(&str, &str)> = documents.iter().map(|it| (it.kind(), it.name())).collect();
    let mut text = String::new();
    for gone in before {
        if !names.contains(&(gone.kind(), gone.name())) {
            writeln!(text, "# without {} {}", gone.kind(), gone.name()).unwrap();
        }
    }
    for document in documents {
        if !texts.contains(document.text.as_str()) {
            write!(text, "---\n{}", document.text).unwrap();
        }
    }
    text
}

#[tokio::test]
async fn each_setup_renders_as_its_golden_file_says() {
    let mut setups = setups().await.into_iter();
    let (_, default) = setups.next().unwrap();
    kept(&file("golden/default.yaml"), &difference(&default, &[]));
    for (name, documents) in setups {
        let text = difference(&documents, &default);
        assert!(!text.is_empty(), "{name} is the default");
        kept(&file(&format!("golden/{name}.yaml")), &text);
    }
}

#[tokio::test]
async fn rendering_twice_gives_the_same() {
    let one = super::render::template(&[]).await;
    let other = super::render::template(&[]).await;
    assert_eq!(one, other, "something is random");
}
