//! The task that fills the store: two watches, one join, one publication at a time.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{DynamicObject, WatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::api::{NodeTrust, decode};
use crate::clock::Clock;
use crate::domain::NodeName;
use crate::watch::{Event, watch};

use super::Writer;
use super::health::Sign;
use super::joined::Joined;
use super::node::{PartialNode, Tracked};
use super::trust::Kept;

/// The shortest time between two publications: each copies one pointer per node, so a burst of
/// thousands of events costs tens of copies and not thousands.
const PAUSE: Duration = Duration::from_millis(25);

/// One event of either watch.
enum Seen {
    Node(Event<(NodeName, Arc<Tracked>)>),
    Trust(Event<(NodeName, Arc<Kept>)>),
}

/// Watches Nodes and NodeTrusts and publishes what they show, for ever.
pub async fn feed(client: Client, writer: Writer, clock: Clock) {
    let nodes = watch(
        "Nodes",
        Api::<PartialNode>::all(client.clone()),
        WatchParams::default(),
    );
    let nodes = nodes.map(|event| Seen::Node(event.map(track)));
    let resource = ApiResource::erase::<NodeTrust>(&());
    let trusts = Api::<DynamicObject>::all_with(client, &resource);
    let trusts = watch("NodeTrusts", trusts, WatchParams::default())
        .map(|event| Seen::Trust(event.map(|object| keep(&object))));
    let mut events = futures::stream::select(nodes.boxed(), trusts.boxed());

    let health = writer.health();
    let mut joined = Joined::default();
    let mut publish_at: Option<Instant> = None;
    let mut earliest = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = sleep_until(publish_at.unwrap_or(earliest)), if publish_at.is_some() => {
                writer.publish(joined.snapshot());
                publish_at = None;
                earliest = Instant::now() + PAUSE;
            }
            Some(seen) = events.next() => {
                let now = clock.now();
                let (beat, sign) = match &seen {
                    Seen::Node(event) => (&health.nodes, Sign::of(event)),
                    Seen::Trust(event) => (&health.node_trusts, Sign::of(event)),
                };
                match seen {
                    Seen::Node(event) => joined.node(event, now),
                    Seen::Trust(event) => joined.trust(event, now),
                }
                match sign {
                    Sign::Listed => {
                        writer.publish(joined.snapshot());
                        beat.list(now);
                    }
                    Sign::Listing => beat.suspend(),
                    Sign::Shown => beat.beat(now),
                }
                publish_at.get_or_insert_with(|| earliest.max(Instant::now()));
            }
        }
    }
}

fn track(partial: PartialNode) -> (NodeName, Arc<Tracked>) {
    let tracked = Tracked::from(partial);
    (tracked.node.name.clone(), Arc::new(tracked))
}

/// What is kept of an object with words that are not known here: that it is there, and its orders if they
/// can be read.
fn foreign(object: &DynamicObject) -> Kept {
    let mut rest = object.clone();
    if let Some(fields) = rest.data.as_object_mut() {
        fields.remove("status");
    }
    match decode::<NodeTrust>(&rest) {
        Ok(trust) => Kept {
            foreign: true,
            ..Kept::from(&trust)
        },
        Err(_) => Kept::foreign(&object.metadata),
    }
}

/// An object that cannot be read is one of which nothing is known: its node is refused.
fn keep(object: &DynamicObject) -> (NodeName, Arc<Kept>) {
    let name = NodeName::from(object.metadata.name.clone().unwrap_or_default());
    let kept = match decode::<NodeTrust>(object) {
        Ok(trust) => Kept::from(&trust),
        Err(error) => {
            warn!(node = %name, %error, "NodeTrust cannot be read");
            foreign(object)
        }
    };
    (name, Arc::new(kept))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Record, Verdict};

    #[test]
    fn a_record_with_a_word_of_a_later_version_is_known_to_be_there_and_nothing_else() {
        let kept_of = |verdict: &str| {
            let object = json!({
                "apiVersion": "trustpool.dev/v1alpha1",
                "kind": "NodeTrust",
                "metadata": {"name": "a", "uid": "u", "resourceVersion": "7"},
                "spec": {"host": "other"},
                "status": {"verdict": verdict, "reason": "FailedAttestation", "message": "-"},
            });
            keep(&serde_json::from_value(object).unwrap()).1
        };

        let (known, later) = (kept_of("untrusted"), kept_of("half-trusted"));

        assert!(!known.foreign && known.record.verdict == Verdict::Untrusted);
        assert!(later.foreign && later.record == Record::default());
        assert_eq!(later.version, "7");
        assert_eq!(
            later.orders.host.as_deref(),
            Some("other"),
            "still its claim"
        );
    }
}
