//! From nothing to every node marked, against the same writes bare: by the same client, as the same
//! user, with as many at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::time::{Instant, timeout};
use trustpool::api::keys;
use trustpool::api::node_trust::{NodeTrust, NodeTrustSpec, NodeTrustStatus};
use trustpool::controller::recorder::CONCURRENCY;
use trustpool::domain::record::Attempt;
use trustpool::domain::{Incarnation, Outcome, Reason, Record, Verdict};
use trustpool::store::PartialNode;

use super::cluster::Cluster;
use super::cpu::cpu;
use super::observer::Observer;
use super::progress::Progress;
use super::statistics::{Interval, Samples};
use super::table::{Goal, Row, Unit};

/// The longest that one run may take.
const LONGEST: Duration = Duration::from_secs(280);

/// The row.
///
/// # Errors
///
/// If a write is refused, or the nodes are not marked in time.
pub async fn rows(
    cluster: &Cluster,
    pairs: usize,
    progress: &Progress,
) -> anyhow::Result<Vec<Row>> {
    let count = cluster.nodes.len();
    let (mut ours, mut floor, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut limit = String::new();
    for pair in 1..=pairs {
        let bare = bare(cluster).await?;
        cluster.reset().await?;
        let (times, extra) = trustpool(cluster).await?;
        cluster.reset().await?;
        let [a, b] = [last(&times), last(&bare)];
        progress.say(&format!(
            "mark {count}, pair {pair} of {pairs}: {a:.2} s, bare {b:.2} s; {extra}"
        ));
        ratios.push(a / b);
        ours.extend(times);
        floor.extend(bare);
        limit = extra;
    }
    let ratio = Interval::of(ratios);
    Ok(vec![Row {
        what: format!("{count} nodes, from nothing until one is marked"),
        unit: Unit::Seconds,
        ours: Samples::new(ours),
        floor: Samples::new(floor),
        ratio,
        pairs,
        goal: Goal::at_most(1.5, ratio, "all: at most 1.5 × floor"),
        limit,
    }])
}

fn last(times: &[f64]) -> f64 {
    times.iter().copied().fold(0.0, f64::max)
}

/// Trustpool, from its start as a process; and what it did beside the floor's writes.
async fn trustpool(cluster: &Cluster) -> anyhow::Result<(Vec<f64>, String)> {
    let observer = Observer::open(cluster.admin()).await?;
    let audit = cluster.world().plane.audit().from_now()?;
    let started = Instant::now();
    let mut process = cluster.trustpool()?;
    let all = timeout(LONGEST, observer.all(cluster.nodes.len(), started)).await;
    let words = || process.tail(20);
    let times = all.with_context(words)?.with_context(words)?;
    let cpu = cpu(process.id())?;
    process.stop().await?;
    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    for write in audit.writes_by(cluster.user().user())? {
        let of = write.object_ref;
        let what = format!("{} {}/{}", write.verb, of.resource, of.subresource);
        *writes
            .entry(what.trim_end_matches('/').to_owned())
            .or_default() += 1;
    }
    let writes = writes
        .iter()
        .map(|(what, count)| format!("{count} × {what}"));
    let writes: Vec<_> = writes.collect();
    Ok((times, format!("CPU {cpu:.1} s, {}", writes.join(", "))))
}

/// The writes alone.
async fn bare(cluster: &Cluster) -> anyhow::Result<Vec<f64>> {
    let client = cluster.user().client().await?;
    let versions = Api::<PartialNode>::all(cluster.admin());
    let versions = versions.list_metadata(&ListParams::default()).await?;
    let observer = Observer::open(cluster.admin()).await?;
    let started = Instant::now();
    let writes = versions.items.into_iter().map(|node| {
        let version = node.resource_version().unwrap_or_default();
        mark(&client, node.name_any(), version)
    });
    let writes = stream::iter(writes).buffer_unordered(CONCURRENCY);
    let writes = writes.try_for_each(async |()| Ok(()));
    let seen = timeout(LONGEST, observer.all(cluster.nodes.len(), started));
    let ((), seen) = tokio::try_join!(writes, async { seen.await? })?;
    Ok(seen)
}

/// What there is to write about one node: a record, what it says, and the marks.
async fn mark(client: &Client, name: String, version: String) -> anyhow::Result<()> {
    let trusts: Api<NodeTrust> = Api::all(client.clone());
    let nodes: Api<PartialNode> = Api::all(client.clone());
    let object = NodeTrust::new(&name, NodeTrustSpec::default());
    let created = trusts.create(&PostParams::default(), &object).await?;
    let object = NodeTrust {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            resource_version: created.resource_version(),
            uid: created.uid(),
            ..ObjectMeta::default()
        },
        spec: NodeTrustSpec::default(),
        status: Some(status(&name, created.metadata.generation)),
    };
    trusts
        .replace_status(&name, &PostParams::default(), &object)
        .await?;
    let patch = Patch::Merge(json!({"metadata": {
        "resourceVersion": version,
        "labels": {keys::TRUST: "trusted", keys::POOL: "default"},
    }}));
    nodes.patch(&name, &PatchParams::default(), &patch).await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "as good a time as any")]
fn status(name: &str, generation: Option<i64>) -> NodeTrustStatus {
    let now = Timestamp::now();
    let incarnation = Incarnation {
        url: "https://localhost:8443".to_owned(),
        host: name.to_owned(),
        uid: "00000000-0000-0000-0000-000000000000".to_owned(),
        boot_id: format!("boot-{name}"),
        machine_id: format!("machine-{name}"),
        system_uuid: format!("system-{name}"),
    };
    let record = Record {
        pool: Some("default".into()),
        service: Some("oat".into()),
        verdict: Verdict::Trusted,
        reason: Reason::Attested,
        incarnation: Some(incarnation),
        incarnation_seen_at: Some(now),
        ready_since: Some(now),
        requested_at: Some(now),
        evidence_at: Some(now),
        expires_at: now.checked_add(SignedDuration::from_mins(30)).ok(),
        streak: 0,
        hold: None,
        last_attempt: Some(Attempt {
            at: now,
            outcome: Outcome::Trusted,
        }),
    };
    NodeTrustStatus::of(&record, &[], generation, now)
}
