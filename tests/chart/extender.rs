//! The filter is a workload of its own, which comes and goes beside the bind gate and leaves that as it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::render::{Document, file, rendered};

const WITH: [&str; 2] = ["--set", "extender.enabled=true"];
const METRICS: [&str; 2] = [
    "--set",
    "metrics.prometheusRule.enabled=true,metrics.serviceMonitor.enabled=true",
];
const REACHED: [&str; 2] = ["--set", "extender.adminAddress=0.0.0.0"];

fn name(document: &Document) -> String {
    format!("{} {}", document.kind(), document.name())
}

/// Whether an object's selector at `pointer` chooses the pods of a workload.
fn selects(object: &Document, pointer: &str, workload: &Document) -> bool {
    let words = |of: &Document, pointer: &str| of.object.pointer(pointer).cloned();
    let labels = words(workload, "/spec/template/metadata/labels").unwrap_or_default();
    let selector = words(object, pointer).unwrap();
    let mut selector = selector.as_object().unwrap().iter();
    selector.all(|(key, value)| labels.get(key) == Some(value))
}

/// The workloads whose pods an object chooses.
fn selected(documents: &[Document], kind: &str, of: &str, pointer: &str) -> Vec<String> {
    let object = documents
        .iter()
        .find(|it| name(it) == format!("{kind} {of}"));
    let object = object.unwrap_or_else(|| panic!("there is no {kind} {of}"));
    let has_pods = |it: &&Document| it.object.pointer("/spec/template/spec").is_some();
    let workloads = documents.iter().filter(has_pods);
    let chosen = workloads.filter(|it| selects(object, pointer, it));
    chosen.map(name).collect()
}

/// The names of all alerts.
fn alerts(documents: &[Document]) -> BTreeSet<String> {
    let rule = documents.iter().find(|it| it.kind() == "PrometheusRule");
    let rules = rule.unwrap().object["spec"]["groups"][0]["rules"].as_array();
    let alerts = rules.unwrap().iter().map(|it| it["alert"].as_str());
    alerts.map(|alert| alert.unwrap().to_owned()).collect()
}

/// The arguments of each container of a workload.
fn arguments<'a>(documents: &'a [Document], workload: &str) -> Vec<&'a str> {
    let workload = documents.iter().find(|it| name(it) == workload).unwrap();
    let container = workload.object.pointer("/spec/template/spec/containers/0");
    let arguments = container.unwrap()["args"].as_array().unwrap();
    arguments.iter().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn the_filter_comes_and_goes_beside_a_bind_gate_that_stays_as_it_is() {
    let (without, with) = (rendered(&[]).await, rendered(&WITH).await);
    let texts = |documents: &[Document]| -> BTreeSet<(String, String)> {
        let texts = documents.iter().map(|it| (name(it), it.text.clone()));
        texts.collect()
    };
    let (before, after) = (texts(&without), texts(&with));
    let changed: Vec<&str> = before.difference(&after).map(|(it, _)| &**it).collect();
    // It is told which policies there are.
    assert_eq!(changed, ["Deployment trustpool-controller"]);
    let mut added: BTreeSet<&str> = after.difference(&before).map(|(it, _)| &**it).collect();
    added.retain(|it| !it.contains("AdmissionPolicy"));
    assert_eq!(
        Vec::from_iter(added),
        [
            "DaemonSet trustpool-extender",
            "Deployment trustpool-controller"
        ]
    );
}

#[tokio::test]
async fn each_serves_one_port_and_the_service_sends_to_bind_gates_alone() {
    let values = file("setups/everything.yaml");
    let everything = ["--values", values.to_str().unwrap()];
    for arguments in [&WITH[..], &everything] {
        let documents = rendered(arguments).await;
        for (kind, pointer) in [
            ("Service", "/spec/selector"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ] {
            let chosen = selected(&documents, kind, "trustpool-gate", pointer);
            assert_eq!(chosen, ["Deployment trustpool-gate"], "{kind}");
        }
        for (workload, own, other) in [
            ("Deployment trustpool-gate", "bind", "extender"),
            ("DaemonSet trustpool-extender", "extender", "bind"),
        ] {
            let told = self::arguments(&documents, workload);
            let has = |flag: &str| told.iter().any(|it| it.starts_with(flag));
            assert!(has(&format!("--only={own}")), "{told:?}");
            assert!(has(&format!("--{own}-listen=")), "{told:?}");
            assert!(!has(&format!("--{other}-")), "{told:?}");
        }
    }
}

#[tokio::test]
async fn two_filters_may_be_on_one_machine_while_one_takes_over_from_the_other() {
    let documents = rendered(&WITH).await;
    let filter = documents
        .iter()
        .find(|it| it.kind() == "DaemonSet")
        .unwrap();
    let update = filter.object.pointer("/spec/updateStrategy/rollingUpdate");
    let update = update.unwrap();
    assert_eq!(update["maxSurge"], 1);
    assert_eq!(update["maxUnavailable"], 0);
}

#[tokio::test]
async fn bind_gates_are_always_measured_and_the_filter_where_it_can_be_reached() {
    let plain = rendered(&METRICS).await;
    let with = rendered(&[METRICS, WITH].concat()).await;
    let reached = rendered(&[METRICS, WITH, REACHED].concat()).await;
    let services = |documents: &[Document]| -> Vec<String> {
        let all = documents.iter().filter(|it| it.kind() == "Service");
        let names = all.map(|it| it.name().to_owned());
        names.filter(|it| it.ends_with("-metrics")).collect()
    };
    let both = ["trustpool-controller-metrics", "trustpool-gate-metrics"];
    assert_eq!(services(&plain), both);
    assert_eq!(services(&with), both);
    assert_eq!(services(&reached).len(), 3);
    let of_filter = |documents: &[Document]| -> Vec<String> {
        let all = alerts(documents);
        assert!(all.is_superset(&alerts(&plain)), "{all:?}");
        all.difference(&alerts(&plain)).cloned().collect()
    };
    assert!(alerts(&plain).contains("TrustpoolCertificateExpires"));
    let unmeasured = [
        "TrustpoolExtenderDownAtScheduler",
        "TrustpoolExtenderNotReady",
    ];
    assert_eq!(of_filter(&with), unmeasured);
    assert_eq!(
        of_filter(&reached),
        [&unmeasured[..], &["TrustpoolFilterBypassed"]].concat()
    );
}
