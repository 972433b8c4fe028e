//! What holds for every setup.

use serde_json::{Value, json};
use trustpool::api::crds_yaml;
use trustpool_harness::helm::chart;

use super::render::{Document, file, rendered};

async fn everything() -> Vec<Document> {
    let values = file("setups/everything.yaml");
    rendered(&["--values", values.to_str().unwrap()]).await
}

/// The pod of a workload, if it is one.
fn pod(document: &Document) -> Option<&Value> {
    document.object.pointer("/spec/template/spec")
}

#[tokio::test]
async fn nothing_names_a_namespace_but_that_of_the_release() {
    let values = file("setups/everything.yaml");
    let arguments = [
        "--values",
        values.to_str().unwrap(),
        "--namespace",
        "elsewhere",
    ];
    for document in rendered(&arguments).await {
        let text = document.object.to_string();
        assert!(
            !text.contains("trustpool-system"),
            "{} {}",
            document.kind(),
            document.name()
        );
        let namespace = document.say("/metadata/namespace");
        assert!(
            ["", "elsewhere", "trustpool-check"].contains(&namespace),
            "{namespace}"
        );
    }
}

#[tokio::test]
async fn the_definitions_are_those_that_the_code_makes_and_are_kept() {
    let documents = rendered(&[]).await;
    let gone = rendered(&["--set", "crds.keep=false,helmLabels=false"]).await;
    for (name, yaml) in crds_yaml().unwrap() {
        let path = chart().join("files/crds").join(&name);
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            yaml,
            "{name}: run `make crds`"
        );
        let expected: Value = serde_saphyr::from_str(&yaml).unwrap();
        let found = |documents: &[Document]| {
            let same = documents
                .iter()
                .find(|it| it.name() == expected["metadata"]["name"]);
            same.unwrap().clone()
        };
        let kept = found(&documents);
        let same = decimal(&kept.object["spec"]) == decimal(&expected["spec"]);
        assert!(same, "{name} is another one in the chart");
        assert_eq!(
            kept.say("/metadata/annotations/helm.sh~1resource-policy"),
            "keep"
        );
        let same = decimal(&found(&gone).object) == decimal(&expected);
        assert!(same, "{name} is another one in the chart");
    }
}

/// With every number as helm writes it: `1000` for `1000.0`.
fn decimal(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(decimal).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), decimal(value)));
            Value::Object(fields.collect())
        }
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

#[tokio::test]
async fn every_container_is_confined() {
    let mut count = 0;
    for document in everything().await {
        let Some(pod) = pod(&document) else { continue };
        assert_eq!(
            pod["securityContext"]["runAsNonRoot"],
            true,
            "{}",
            document.name()
        );
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        for container in pod["containers"].as_array().unwrap() {
            let expected = json!({
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
            });
            assert_eq!(
                container["securityContext"],
                expected,
                "{}",
                document.name()
            );
            assert!(
                container["resources"]["requests"].is_object(),
                "{}",
                document.name()
            );
            count += 1;
        }
    }
    assert!(count >= 3, "{count}");
}

#[tokio::test]
async fn a_pod_on_the_hosts_network_declares_no_port() {
    let documents = everything().await;
    let pods = documents.iter().filter_map(pod);
    let hosts: Vec<&Value> = pods.filter(|pod| pod["hostNetwork"] == true).collect();
    assert_eq!(hosts.len(), 1);
    for pod in hosts {
        for container in pod["containers"].as_array().unwrap() {
            assert!(
                container.get("ports").is_none(),
                "the next one could not start beside it"
            );
        }
    }
}

#[tokio::test]
async fn a_pod_has_longer_to_end_than_it_takes() {
    for document in everything().await {
        let Some(pod) = pod(&document) else { continue };
        let Some(grace) = pod["terminationGracePeriodSeconds"].as_u64() else {
            continue;
        };
        for container in pod["containers"].as_array().unwrap() {
            let sleep = container.pointer("/lifecycle/preStop/sleep/seconds");
            // What --drain says.
            assert!(
                grace > sleep.and_then(Value::as_u64).unwrap_or(0) + 10,
                "{}",
                document.name()
            );
        }
    }
}

#[tokio::test]
async fn nobody_may_do_everything_or_read_secrets_of_the_cluster() {
    for document in everything().await {
        for rule in document.object["rules"].as_array().unwrap_or(&Vec::new()) {
            let text = rule.to_string();
            if document.kind().ends_with("Role") {
                assert!(!text.contains('*'), "{}: {rule}", document.name());
                let secrets = text.contains("secrets");
                assert!(
                    !secrets || document.kind() == "Role",
                    "{}: {rule}",
                    document.name()
                );
                let nodes = rule["resources"].to_string().contains("\"nodes");
                assert!(
                    !nodes || !text.contains("delete"),
                    "{}: {rule}",
                    document.name()
                );
            }
        }
    }
}

#[test]
fn the_chart_and_the_program_have_one_version() {
    let text = std::fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&text).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(chart[field], env!("CARGO_PKG_VERSION"), "{field}");
    }
}
