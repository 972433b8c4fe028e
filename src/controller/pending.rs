//! The task that tells pods that wait for a trusted node why there is none. The scheduler cannot: an
//! extender is never called with no nodes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::api::{PartialObjectMeta, WatchParams};
use kube::{Api, Resource, ResourceExt};
use tokio::sync::watch as channel;
use tokio::time::{MissedTickBehavior, interval};

use crate::api::keys;
use crate::clock::Clock;
use crate::domain::requirement::Words;
use crate::domain::{Now, PoolName, Refusal, Requirement};
use crate::store::{Reader, Snapshot};
use crate::watch::{Mirror, watch};

use super::events::{Events, Notice};
use super::membership::pools;
use super::setup::Setup;

/// How often pods that wait are looked at.
const PACE: Duration = Duration::from_secs(2);

/// How many pods are told at once. The queue of notices holds ten times as many and takes as long to
/// write these as the next look takes to come, so that verdicts and breakers have room beside them.
const AT_ONCE: usize = 100;

/// One notice per pod in so long.
const AGAIN: Duration = Duration::from_mins(1);

/// What the task is connected to.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Pods, their metadata alone.
    pub pods: Api<PartialObjectMeta<Pod>>,
    /// Nodes and NodeTrusts.
    pub reader: Reader,
    /// What is configured.
    pub setup: channel::Receiver<Arc<Setup>>,
    /// Whether pods have been listed.
    pub listed: channel::Sender<bool>,
    /// Where notices go.
    pub events: Events,
    /// The time.
    pub clock: Clock,
}

impl Pending {
    /// Runs for ever.
    pub async fn run(self) {
        let params = WatchParams::default()
            .labels(&format!("{}=trusted", keys::REQUIRE))
            .fields("spec.nodeName=,status.phase=Pending");
        let mut events = watch("pods that ask", self.pods.clone(), params).boxed();
        let mut pods: Mirror<String, Waiting> = Mirror::default();
        let mut told: HashMap<String, Duration> = HashMap::new();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(event) = events.next() => {
                    pods.follow(event.map(|pod| (pod.uid().unwrap_or_default(), Waiting::from(&pod))));
                    self.listed.send_if_modified(|listed| {
                        std::mem::replace(listed, pods.has_listed()) != pods.has_listed()
                    });
                }
                _ = pace.tick() => self.tell(&pods, &mut told),
            }
        }
    }

    fn tell(&self, pods: &Mirror<String, Waiting>, told: &mut HashMap<String, Duration>) {
        let now = self.clock.now();
        told.retain(|uid, at| pods.get(uid).is_some() && now.uptime.saturating_sub(*at) < AGAIN);
        let setup = Arc::clone(&self.setup.borrow());
        if !setup.complete || self.reader.ready(now).is_err() {
            return;
        }
        let untold = pods.iter().filter(|(uid, _)| !told.contains_key(*uid));
        let untold: Vec<_> = untold.collect();
        if untold.is_empty() {
            return;
        }
        let counts = counts(&self.reader.snapshot(), &setup, now);
        for (uid, pod) in untold.into_iter().take(AT_ONCE) {
            if let Some(note) = pod.note(&counts, &setup) {
                told.insert(uid.clone(), now.uptime);
                let pod = Box::new(pod.reference.clone());
                self.events.send(Notice::NoTrustedNode { pod, note });
            }
        }
    }
}

/// A pod that waits, as far as it is told of. The rest of its metadata is dropped as it comes: annotations
/// are a tenant's, and may be long.
#[derive(Clone, Debug)]
struct Waiting {
    reference: ObjectReference,
    asks: Requirement,
}

/// What a pod is told that no node will ever do for.
const CONTRADICTION: &str = "no node will do: the pod's labels and annotations trustpool.dev/require \
                             and trustpool.dev/pool contradict each other, or have a value that nobody knows";

impl Waiting {
    fn note(&self, counts: &BTreeMap<PoolName, Count>, setup: &Setup) -> Option<String> {
        match &self.asks {
            Requirement::Nothing => None,
            Requirement::Trusted { pool } => {
                note(pool.as_ref().map(PoolName::as_str), counts, setup)
            }
            Requirement::Unknown => Some(CONTRADICTION.to_owned()),
        }
    }
}

impl From<&PartialObjectMeta<Pod>> for Waiting {
    fn from(pod: &PartialObjectMeta<Pod>) -> Self {
        Self {
            reference: reference(pod),
            asks: asks(pod),
        }
    }
}

/// As far as metadata tell: a pod whose selector alone says more is not told of here.
fn asks(pod: &PartialObjectMeta<Pod>) -> Requirement {
    let annotation = |key: &str| pod.annotations().get(key).map(String::as_str);
    let label = |key: &str| pod.labels().get(key).map(String::as_str);
    Requirement::read(&Words {
        annotation: annotation(keys::REQUIRE),
        annotation_pool: annotation(keys::REQUIRE_POOL),
        label: label(keys::REQUIRE),
        label_pool: label(keys::REQUIRE_POOL),
        ..Words::default()
    })
}

/// How many nodes of one pool are trusted, and why the others are not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Count {
    total: usize,
    trusted: usize,
    refused: BTreeMap<&'static str, usize>,
}

/// The count of every pool that has nodes; those that nobody has asked about yet count too.
#[must_use]
pub fn counts(snapshot: &Snapshot, setup: &Setup, now: Now) -> BTreeMap<PoolName, Count> {
    let mut counts: BTreeMap<PoolName, Count> = BTreeMap::new();
    for (_, entry) in snapshot.iter() {
        let node = entry.node.as_ref();
        let Some(pool) = node.and_then(|node| pools(setup, &node.node).0) else {
            continue;
        };
        let count = counts.entry(pool.pool.name.clone()).or_default();
        count.total += 1;
        match entry.standing.check(now) {
            Ok(()) => count.trusted += 1,
            Err(refusal) => *count.refused.entry(word(refusal)).or_default() += 1,
        }
    }
    counts
}

/// What to tell a pod that wants a node of `pool`, or of any; nothing if there is a trusted one.
#[must_use]
pub fn note(
    pool: Option<&str>,
    counts: &BTreeMap<PoolName, Count>,
    setup: &Setup,
) -> Option<String> {
    let wanted = |name: &PoolName| pool.is_none_or(|pool| pool == name.as_str());
    let names: Vec<_> = setup
        .pools
        .iter()
        .map(|it| &it.pool.name)
        .filter(|name| wanted(name))
        .collect();
    if names
        .iter()
        .any(|name| counts.get(*name).is_some_and(|count| count.trusted > 0))
    {
        return None;
    }
    if names.is_empty() {
        return Some(match pool {
            Some(pool) => format!("there is no trust pool `{pool}`"),
            None => "there is no trust pool".to_owned(),
        });
    }
    let empty = Count::default();
    let lines = names
        .iter()
        .take(3)
        .map(|name| line(name, counts.get(*name).unwrap_or(&empty)));
    Some(lines.collect::<Vec<_>>().join("; "))
}

fn line(pool: &PoolName, count: &Count) -> String {
    let mut text = format!("0 of {} nodes of pool {pool} are trusted", count.total);
    let refused = count
        .refused
        .iter()
        .map(|(word, number)| format!("{number} {word}"));
    let refused = refused.collect::<Vec<_>>().join(", ");
    if !refused.is_empty() {
        text.push_str(": ");
        text.push_str(&refused);
    }
    text
}

const fn word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Changed => "rebooted or re-created",
        Refusal::Distrusted => "distrusted",
        Refusal::Expired => "expired",
        Refusal::Failed => "untrusted",
        Refusal::NeverAttested => "never attested",
        Refusal::NotInPool | Refusal::OtherPool | Refusal::UnknownValue => "in no pool",
    }
}

fn reference(pod: &PartialObjectMeta<Pod>) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name_any()),
        namespace: pod.namespace(),
        uid: pod.uid(),
        resource_version: pod.meta().resource_version.clone(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;
