//! The task that writes Events, off the path of everything else: what waits is bounded, and more than
//! that is dropped and counted.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use crate::domain::{NodeName, Reason, Verdict};
use crate::telemetry::Chain;

use super::call::call;
use super::metrics::Metrics;

/// How many Events may wait.
const WAITING: usize = 1_000;

/// One Event in so long: 50 a second, so that 5,000 new nodes do not crowd out their own marks.
const PACE: Duration = Duration::from_millis(20);

/// Something to tell.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A pod waits, and no node it could run on is trusted.
    NoTrustedNode {
        /// The pod.
        pod: Box<ObjectReference>,
        /// How many nodes there are, and why none will do.
        note: String,
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
        Notice::NoTrustedNode { pod, note } => {
            let event = Event {
                type_: EventType::Warning,
                reason: "NoTrustedNode".to_owned(),
                note: Some(note),
                action: "Scheduling".to_owned(),
                secondary: None,
            };
            (event, *pod)
        }
        Notice::Verdict {
            node,
            uid,
            verdict,
            reason,
        } => verdict_event(&node, uid, verdict, reason),
    }
}

fn verdict_event(
    node: &NodeName,
    uid: Option<String>,
    verdict: Verdict,
    reason: Reason,
) -> (Event, ObjectReference) {
    let trust = ObjectReference {
        api_version: Some("trustpool.dev/v1alpha1".to_owned()),
        kind: Some("NodeTrust".to_owned()),
        name: Some(node.to_string()),
        ..ObjectReference::default()
    };
    let event = Event {
        type_: if verdict == Verdict::Trusted {
            EventType::Normal
        } else {
            EventType::Warning
        },
        reason: reason.as_str().to_owned(),
        note: Some(format!("{verdict}: {}", reason.message())),
        action: "Attesting".to_owned(),
        secondary: Some(trust),
    };
    let about = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.to_string()),
        uid,
        ..ObjectReference::default()
    };
    (event, about)
}
