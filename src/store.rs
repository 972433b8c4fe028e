//! The joined view of Nodes and NodeTrusts, and what Namespaces say: one writer, many readers, one snapshot at a
//! time.

mod feed;
mod health;
mod joined;
pub mod node;
mod rules;
mod snapshot;
mod trust;

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::Now;

pub use feed::feed;
pub use health::{Beat, Health, NotReady, SILENCE, Watched};
pub use node::{PartialNode, Tracked};
pub use rules::{NamespaceRule, Rules, RulesWriter, follow_rules, rules};
pub use snapshot::{ByName, Entry, Snapshot};
pub use trust::{Kept, is_later};

/// Makes the two ends of a store.
#[must_use]
pub fn channel() -> (Writer, Reader) {
    let (sender, snapshot) = watch::channel(Arc::default());
    let health = Arc::new(Health::default());
    (
        Writer {
            sender,
            health: Arc::clone(&health),
        },
        Reader { snapshot, health },
    )
}

/// The end that publishes.
#[derive(Debug)]
pub struct Writer {
    sender: watch::Sender<Arc<Snapshot>>,
    health: Arc<Health>,
}

impl Writer {
    /// Publishes a snapshot to every reader.
    pub fn publish(&self, snapshot: Snapshot) {
        self.sender.send_replace(Arc::new(snapshot));
    }

    /// What each watch reports its signs of life to.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }
}

/// The end that reads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    health: Arc<Health>,
}

impl Reader {
    /// The newest snapshot: never waits, never blocks the writer for longer than a pointer's copy.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// The newest snapshot, which then counts as seen by [`Self::changed`].
    #[must_use]
    pub fn take(&mut self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow_and_update())
    }

    /// Waits for a snapshot that was not taken yet.
    ///
    /// # Errors
    ///
    /// The writer is gone.
    pub async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.snapshot.changed().await
    }

    /// Says whether the snapshot may be decided from: both watches have listed, and neither was
    /// silent for [`SILENCE`].
    ///
    /// # Errors
    ///
    /// Which watch is not there, or stale.
    pub fn ready(&self, now: Now) -> Result<(), NotReady> {
        self.health.ready(now)
    }
}
