//! What is counted is what `docs/reference.md` says is counted, label by label.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use trustpool::controller::metrics::{
    Ended, Metrics, OfError, OfOutcome, OfPolicy, OfPool, OfRequest, OfVerdict,
};
use trustpool::server;

/// Makes one sample of everything that has labels; the extender makes its own.
fn touch(metrics: &Metrics) {
    let text = || "x".to_owned();
    let (kind, policy, state) = (text(), text(), "in_force");
    let of = OfPolicy {
        kind,
        policy,
        state,
    };
    drop(metrics.policies.get_or_create(&of));
    let (verdict, kind, outcome) = ("trusted", "tls", "ok");
    let pool = OfPool { pool: text() };
    drop(metrics.oldest.get_or_create(&pool));
    drop(metrics.breaker_open.get_or_create(&pool));
    drop(metrics.rounds.get_or_create(&pool));
    let pool = text();
    drop(metrics.nodes.get_or_create(&OfVerdict { pool, verdict }));
    let service = text();
    let of = OfError { service, kind };
    drop(metrics.service_errors.get_or_create(&of));
    for metric in [
        &metrics.attestations,
        &metrics.record_writes,
        &metrics.node_writes,
    ] {
        drop(metric.get_or_create(&OfOutcome { outcome }));
    }
    let of = OfRequest {
        service: text(),
        outcome: Ended::answered,
    };
    drop(metrics.batch_duration.get_or_create(&of));
}

/// What a running Trustpool exposes on `/metrics`.
fn exposed() -> String {
    let mut registry = Registry::with_prefix("trustpool");
    touch(&Metrics::register(&mut registry));
    server::metrics::Metrics::register(&mut registry);
    server::bind::Metrics::register(&mut registry);
    server::admin::readiness(&mut registry);
    let expiries = server::tls::Expiries::register(&mut registry);
    drop(server::tls::Identity::new(
        expiries.of(server::tls::Expiries::BIND),
    ));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// The labels of a sample, but for a histogram's own.
fn labels(sample: &str) -> BTreeSet<String> {
    let (_, inside) = sample.split_once('{').unwrap_or_default();
    let (inside, _) = inside.split_once('}').unwrap_or_default();
    let names = inside.split(',').filter_map(|pair| pair.split_once('='));
    let names = names.map(|(name, _)| name.to_owned());
    names.filter(|name| name != "le").collect()
}

/// The labels of each metric, by the name that is asked for.
fn metrics(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("# TYPE ") else {
            continue;
        };
        let (name, kind) = line.split_once(' ').unwrap();
        let of_sample = |it: &&str| {
            let rest = it.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
        };
        let samples: Vec<_> = text.lines().filter(of_sample).collect();
        let suffix = if kind == "counter" { "_total" } else { "" };
        let labels = samples.iter().flat_map(|sample| labels(sample)).collect();
        assert!(!samples.is_empty(), "no sample of {name}");
        found.insert(format!("{name}{suffix}"), labels);
    }
    found
}

/// The same of the table in the reference.
pub fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("\n## Metrics\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|row| row.strip_prefix("| `"));
    let names = rows.flat_map(|row| row.split('`'));
    let mut found = BTreeMap::new();
    for name in names.filter(|name| name.starts_with("trustpool_")) {
        let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels = labels.trim_end_matches('}').split(',');
        let labels = labels.filter(|label| !label.is_empty());
        let known = found.insert(name.to_owned(), labels.map(str::to_owned).collect());
        assert_eq!(known, None, "{name} is there twice");
    }
    found
}

#[test]
fn every_metric_is_documented_with_its_labels_and_no_other_is() {
    assert_eq!(metrics(&exposed()), documented());
}
