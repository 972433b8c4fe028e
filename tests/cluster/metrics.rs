//! What one round, one question of the scheduler and one failure leave on `/metrics`.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use jiff::SignedDuration;
use serde_json::json;
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::support::{INTERVAL, all_labelled, refusals};

/// Long enough ago to be told from nothing, and too short for another round.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What must be there after a round, at least.
const ROUND: [(&str, f64); 15] = [
    ("trustpool_attestations_total{outcome=HostUnknown}", 1.0),
    ("trustpool_attestations_total{outcome=Trusted}", 1.0),
    ("trustpool_attestations_total{outcome=Untrusted}", 2.0),
    (
        "trustpool_batch_duration_seconds_count{outcome=answered,service=oat}",
        1.0,
    ),
    ("trustpool_batch_hosts_count", 1.0),
    ("trustpool_batch_hosts_sum", 4.0),
    ("trustpool_breaker_open{pool=default}", 1.0),
    ("trustpool_events_dropped_total", 0.0),
    ("trustpool_node_writes_total{outcome=ok}", 4.0),
    ("trustpool_nodes{pool=default,verdict=trusted}", 1.0),
    ("trustpool_nodes{pool=default,verdict=unknown}", 1.0),
    ("trustpool_nodes{pool=default,verdict=untrusted}", 2.0),
    ("trustpool_oldest_verdict_age_seconds{pool=default}", 60.0),
    ("trustpool_record_writes_total{outcome=ok}", 4.0),
    ("trustpool_rounds_total{pool=default}", 1.0),
];

/// What a question of the scheduler about the untrusted nodes adds.
const FILTER: [(&str, f64); 3] = [
    ("trustpool_filter_duration_seconds_count{mode=names}", 1.0),
    ("trustpool_filter_duration_seconds_sum{mode=names}", 1e-6),
    ("trustpool_filter_refusals_total{reason=failed}", 2.0),
];

/// What a service that is away adds.
const OUTAGE: [(&str, f64); 2] = [
    (
        "trustpool_batch_duration_seconds_count{outcome=failed,service=oat}",
        1.0,
    ),
    (
        "trustpool_service_errors_total{kind=connect,service=oat}",
        1.0,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_round_a_refusal_and_a_failure_are_counted_with_their_labels() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    for (node, verdict) in [
        ("good", "trusted"),
        ("bad", "untrusted"),
        ("worse", "untrusted"),
        ("odd", "unknown"),
    ] {
        world.node(node, verdict).await.unwrap();
    }
    all_labelled(&world, &["bad", "worse"], "untrusted")
        .await
        .unwrap();
    all_labelled(&world, &["good"], "trusted").await.unwrap();
    all_labelled(&world, &["odd"], "unknown").await.unwrap();

    world.pass(MINUTE);
    counted(&world, &ROUND).await.unwrap();
    let refused = refusals(&world, &["bad", "worse"]).await.unwrap();
    assert_eq!(refused.len(), 2);
    counted(&world, &FILTER).await.unwrap();
    world
        .simulator
        .fault(&json!({"kind": "down"}))
        .await
        .unwrap();
    world.pass(INTERVAL);
    counted(&world, &OUTAGE).await.unwrap();
}

/// Waits until each of `expected` is exposed and at least so great.
async fn counted(world: &World, expected: &[(&str, f64)]) -> anyhow::Result<()> {
    eventually(SOON, "everything is counted", async || {
        let samples = samples(&world.trustpool().metrics().await?);
        for (name, least) in expected {
            let value = samples.get(*name);
            let value = value.with_context(|| format!("no {name} in {samples:#?}"))?;
            ensure!(value >= least, "{name} is {value}");
        }
        Ok(())
    })
    .await
}

/// Every sample by its name and labels, the labels in order and without quotes.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        Some((ordered(sample), value.parse().ok()?))
    });
    samples.collect()
}

fn ordered(sample: &str) -> String {
    let Some((name, labels)) = sample.split_once('{') else {
        return sample.to_owned();
    };
    let labels = labels.trim_end_matches('}').replace('"', "");
    let mut labels: Vec<_> = labels.split(',').collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}
