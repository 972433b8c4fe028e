//! The task that writes Events, off the path of everything else: what waits is bounded, and more than
//! that is dropped and counted.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, ObjectReference};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::api::NodeTrust;
use crate::domain::breaker::Breaker;
use crate::domain::{NodeName, Reason, Verdict};
use crate::telemetry::Chain;

use super::metrics::Metrics;
use super::policies::State;
use crate::call::call;

/// How many Events may wait.
const WAITING: usize = 1_000;

/// One Event in so long: 50 a second, so that 5,000 new nodes do not crowd out their own marks.
const PACE: Duration = Duration::from_millis(20);

/// Something to tell.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A pool's breaker opened, or closed.
    Breaker {
        /// The pool.
        pool: Box<ObjectReference>,
        /// What it is now.
        breaker: Breaker,
    },
    /// Something that an administrator wrote on a NodeTrust cannot be read, and is ignored.
    Ignored {
        /// The NodeTrust.
        trust: Box<ObjectReference>,
        /// What is wrong.
        note: String,
    },
    /// A pod waits, and no node it could run on is trusted.
    NoTrustedNode {
        /// The pod.
        pod: Box<ObjectReference>,
        /// How many nodes there are, and why none will do.
        note: String,
    },
    /// A policy, its binding or the webhook configuration was found in another state.
    Policy {
        /// The object.
        policy: Box<ObjectReference>,
        /// What it is now.
        state: State,
    },
    /// A policy, its binding or the webhook configuration is as it should be, and was not for a moment.
    Restored {
        /// The object.
        policy: Box<ObjectReference>,
        /// Which one it was before, and which it is.
        versions: String,
    },
    /// A node has another verdict.
    Verdict {
        /// The node.
        node: NodeName,
        /// Its UID, where it is known.
        uid: Option<String>,
        /// What it has now.
        verdict: Verdict,
        /// Why.
        reason: Reason,
        /// Why, in a sentence.
        message: String,
    },
}

/// Where notices go in. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct Events {
    sender: mpsc::Sender<Notice>,
    metrics: Metrics,
}

impl Events {
    /// Makes the two ends.
    #[must_use]
    pub fn channel(metrics: Metrics) -> (Self, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender, metrics }, receiver)
    }

    /// Hands in a notice, or drops it if too many wait.
    pub fn send(&self, notice: Notice) {
        if self.sender.try_send(notice).is_err() {
            self.metrics.events_dropped.inc();
        }
    }
}

/// Writes what comes in, until nothing more does.
pub async fn run(client: Client, mut notices: mpsc::Receiver<Notice>) {
    let reporter = Reporter {
        controller: "trustpool.dev/controller".to_owned(),
        instance: None,
    };
    let recorder = Recorder::new(client, reporter);
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while let Some(notice) = notices.recv().await {
        pace.tick().await;
        let (event, about) = event(notice);
        if let Err(error) = call(recorder.publish(&event, &about)).await {
            debug!(reason = event.reason, error = %Chain(&error), "event could not be written");
        }
    }
}

/// The Event of a notice, and what it is about.
fn event(notice: Notice) -> (Event, ObjectReference) {
    match notice {
        Notice::Breaker { pool, breaker } => (breaker_event(breaker), *pool),
        Notice::Ignored { trust, note } => {
            let event = warning("InvalidAnnotation", "Attesting", format!("ignored: {note}"));
            (event, *trust)
        }
        Notice::NoTrustedNode { pod, note } => (warning("NoTrustedNode", "Scheduling", note), *pod),
        Notice::Policy { policy, state } => (policy_event(&state), *policy),
        Notice::Restored { policy, versions } => {
            let note = format!("{RESTORED} ({versions})");
            (warning("PolicyRestored", "Guarding", note), *policy)
        }
        Notice::Verdict {
            node,
            uid,
            verdict,
            reason,
            message,
        } => {
            let event = Event {
                type_: if verdict == Verdict::Trusted {
                    EventType::Normal
                } else {
                    EventType::Warning
                },
                secondary: Some(reference::<NodeTrust>(node.as_str(), None)),
                ..warning(
                    reason.as_str(),
                    "Attesting",
                    format!("{verdict}: {message}"),
                )
            };
            (event, reference::<Node>(node.as_str(), uid))
        }
    }
}

fn breaker_event(breaker: Breaker) -> Event {
    match breaker {
        Breaker::Open => warning("BreakerOpen", "Marking", OPEN.to_owned()),
        Breaker::Closed => Event {
            type_: EventType::Normal,
            ..warning("BreakerClosed", "Marking", CLOSED.to_owned())
        },
    }
}

fn policy_event(state: &State) -> Event {
    let told = |reason: &str, note: &str| warning(reason, "Guarding", note.to_owned());
    match state {
        State::Altered(path) => told(
            "PolicyAltered",
            &format!(
                "{path} is not as this version of Trustpool installs it: what it guards may be open"
            ),
        ),
        State::InForce => Event {
            type_: EventType::Normal,
            ..told(
                "PolicyInForce",
                "it is again as this version of Trustpool installs it",
            )
        },
        State::Missing => told("PolicyMissing", "it is not there: what it guards is open"),
    }
}

/// What the Event says when a breaker opens.
const OPEN: &str = "more trust was lost at once than breaker.maxUntrusted allows: no node is tainted \
                    for it; it may be the service, the network, or an attacker's doing";

/// What the Event says when a breaker closes.
const CLOSED: &str = "no more trust is lost than the pool allows: taints follow the verdicts again";

/// What the Event says when a policy was away for a moment.
const RESTORED: &str = "it was altered or deleted and is again as this version of Trustpool installs it: what it \
                        guards may have been open for a moment";

fn warning(reason: &str, action: &str, note: String) -> Event {
    Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    }
}

/// Names a cluster-scoped object.
#[must_use]
pub fn reference<K: Resource<DynamicType = ()>>(
    name: &str,
    uid: Option<String>,
) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: Some(name.to_owned()),
        uid,
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;
