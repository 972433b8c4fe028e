//! `manifests/`: the default setup as plain files, for those without Helm.

use std::process::Command;

use serde_json::Value;
use trustpool_harness::install::project;

use super::kept::kept;
use super::render::{Document, rendered};

/// Each file, and the templates that it comes from.
const FILES: [(&str, &[&str]); 13] = [
    ("mutating-nodes.yaml", &["policies/mutating-nodes.yaml"]),
    ("mutating-pods.yaml", &["policies/mutating-pods.yaml"]),
    ("namespaces.yaml", &["policies/namespaces.yaml"]),
    ("nodes.yaml", &["policies/nodes.yaml"]),
    ("pods.yaml", &["policies/pods.yaml"]),
    // kubectl applies files in the order of their names: the namespace comes first.
    ("rbac.yaml", &["namespace.yaml", "rbac.yaml"]),
    ("run-controller.yaml", &["controller.yaml"]),
    ("run-disruption.yaml", &["disruption.yaml"]),
    ("run-flow-control.yaml", &["flow-control.yaml"]),
    ("run-gate.yaml", &["gate.yaml"]),
    ("service.yaml", &["service.yaml"]),
    ("warnings.yaml", &["policies/warnings.yaml"]),
    ("webhook.yaml", &["webhook.yaml"]),
];

/// Files for those who want more: what else is told to helm, and the templates.
const OPTIONAL: [(&str, &[&str], &[&str]); 5] = [
    (
        "extender.yaml",
        &["--set", "extender.enabled=true"],
        &["policies/extender.yaml"],
    ),
    (
        "extender-daemonset.yaml",
        &["--set", "extender.enabled=true"],
        &["extender.yaml"],
    ),
    ("network-policy.yaml", &[], &["network-policy.yaml"]),
    (
        "startup-taint.yaml",
        &["--set", "startupTaint.enabled=true"],
        &["policies/startup-taint.yaml"],
    ),
    (
        "without-mutating-policies.yaml",
        &["--set", "policies.mutating=off"],
        &["policies/without-mutating-policies.yaml"],
    ),
];

const PLAIN: [&str; 4] = [
    "--set",
    "helmLabels=false",
    "--set",
    "namespace.create=true",
];

/// The objects of a template, in its order; helm sorts them by kind.
fn of_template(documents: &[Document], template: &str) -> String {
    let path = project("charts/trustpool/templates").join(template);
    let source = std::fs::read_to_string(path).unwrap();
    let place = |document: &Document| {
        let heads = ["{{ .Release.Namespace }}", document.name()]
            .map(|name| format!("kind: {}\nmetadata:\n  name: {name}\n", document.kind()));
        heads
            .iter()
            .filter_map(|head| source.find(head))
            .max()
            .unwrap()
    };
    let mut found: Vec<&Document> = documents
        .iter()
        .filter(|it| it.template == template)
        .collect();
    found.sort_by_key(|document| place(document));
    let texts: Vec<&str> = found
        .iter()
        .map(|document| document.text.as_str())
        .collect();
    texts.join("---\n")
}

fn of_templates(documents: &[Document], templates: &[&str]) -> String {
    let texts: Vec<String> = templates
        .iter()
        .map(|template| of_template(documents, template))
        .collect();
    texts.join("---\n")
}

#[tokio::test]
async fn the_manifests_are_the_chart() {
    let documents = rendered(&PLAIN).await;
    for (file, templates) in FILES {
        let text = of_templates(&documents, templates);
        kept(&project("manifests").join(file), &text);
    }
    for (file, arguments, templates) in OPTIONAL {
        let documents = rendered(&[&PLAIN, arguments].concat()).await;
        let text = of_templates(&documents, templates);
        kept(&project("manifests/optional").join(file), &text);
    }
}

/// The file for kube-scheduler is what the command prints, for the machines of kubeadm.
#[test]
fn the_file_for_kube_scheduler_is_what_is_printed() {
    let mut trustpool = Command::new(env!("CARGO_BIN_EXE_trustpool"));
    let printed = trustpool.args(["pki", "scheduler"]).env_clear().output();
    let text = String::from_utf8(printed.unwrap().stdout).unwrap();
    kept(&project("manifests/optional/scheduler.yaml"), &text);
}

/// Its ports, its account and its Lease are its own.
#[test]
fn a_second_kube_scheduler_asks_as_the_first_one_does() {
    let read = |file: &str| {
        let path = project("manifests/optional").join(file);
        let text = std::fs::read_to_string(path).unwrap();
        serde_saphyr::from_multiple::<Value>(&text).unwrap()
    };
    let second = read("second-scheduler.yaml");
    let is_map = |it: &&Value| it["kind"] == "ConfigMap";
    let file = &second.iter().find(is_map).unwrap()["data"]["scheduler.yaml"];
    let mut second: Value = serde_saphyr::from_str(file.as_str().unwrap()).unwrap();
    let mut first = read("scheduler.yaml").remove(0);
    for own in ["clientConnection", "leaderElection", "profiles"] {
        for configuration in [&mut first, &mut second] {
            configuration.as_object_mut().unwrap().remove(own);
        }
    }
    assert_eq!(second, first);
}

#[tokio::test]
async fn every_template_of_the_default_setup_is_in_a_file() {
    for document in rendered(&PLAIN).await {
        let (template, kind) = (&document.template, document.kind());
        let files = FILES.iter().map(|(_, templates)| *templates);
        let optional = OPTIONAL.iter().map(|(_, _, templates)| *templates);
        let mut known = files.chain(optional).flatten();
        let definition = kind == "CustomResourceDefinition";
        let hook = document
            .object
            .pointer("/metadata/annotations/helm.sh~1hook");
        assert!(
            definition || hook.is_some() || known.any(|it| *it == template),
            "{template} is in no file of manifests/"
        );
    }
}
