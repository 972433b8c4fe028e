//! The task that keeps the certificate of the bind gate: writes the CA's Secret, the gate's Secret and the
//! `caBundle` of the webhook configuration, one after another, as [`plan()`] says.
//!
//! The gate only reads. Nothing is remembered but since when the CA is published; a new process waits for
//! that anew.

mod bundles;
mod objects;
mod write;

use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use crate::certificates::{Names, Step, plan};
use crate::clock::Clock;
use crate::domain::backoff;
use crate::telemetry::Chain;

use self::bundles::Bundles;
use self::objects::{Objects, Seen};
use self::write::{Basis, Error, Writer};

/// From one write to the next look: by then the watches have shown it. And were somebody to undo what we
/// write, it would be written once a second and no more.
const PACE: Duration = Duration::from_secs(1);

/// The longest time between two looks: should the clock be set back meanwhile, so late is what is due.
const LONGEST: Duration = Duration::from_hours(1);

/// Keeps the certificate of the bind gate. Only the leader runs it.
pub struct Certificates {
    bundles: Bundles,
    clock: Clock,
    events: BoxStream<'static, Seen>,
    names: Names,
    objects: Objects,
    writer: Writer,
}

impl Certificates {
    /// Keeps a certificate for `names`, in Secrets of `namespace`, and tells what each `caBundle` may be.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        names: Names,
        clock: Clock,
        bundles: watch::Sender<Vec<String>>,
    ) -> Self {
        let secrets = Api::namespaced(client.clone(), namespace);
        let webhooks = Api::all(client);
        Self {
            bundles: Bundles::from(bundles),
            clock,
            events: objects::events(&secrets, &webhooks),
            names,
            objects: Objects::default(),
            writer: Writer { secrets, webhooks },
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        let mut failures = 0;
        loop {
            if !self.objects.have_listed() {
                self.follow().await;
                continue;
            }
            let now = self.clock.now();
            let state = self.objects.state(now);
            let step = plan(&state, &self.names, now);
            debug!(%step, "certificates were looked at");
            if let Step::Wait { until } = step {
                failures = 0;
                self.bundles.settle(&state);
                self.wait(until).await;
            } else {
                let basis = Basis {
                    names: &self.names,
                    now: now.wall,
                    objects: &self.objects,
                    state: &state,
                };
                self.bundles.begin(&step, &state);
                let taken = self.writer.take(&step, basis).await;
                self.bundles.end(&step, &state);
                failures = taken.map_or_else(|error| failed(&error, failures), |()| 0);
                self.rest(backoff::service(failures).unsigned_abs()).await;
            }
        }
    }

    /// Follows the watches until they show something, or it is `until`.
    async fn wait(&mut self, until: Timestamp) {
        let clock = self.clock.clone();
        tokio::select! {
            () = self.follow() => {}
            () = clock.sleep_until(until) => {}
            () = sleep(LONGEST) => {}
        }
    }

    /// Follows the watches for so long, and for [`PACE`] at least.
    async fn rest(&mut self, wait: Duration) {
        let over = Instant::now() + wait.max(PACE);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(over) => return,
                () = self.follow() => {}
            }
        }
    }

    /// Follows what the watches show next. They never end.
    async fn follow(&mut self) {
        if let Some(seen) = self.events.next().await {
            self.objects.follow(seen);
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// Says that a step failed, after `failures` in a row before it. Returns how many that makes.
fn failed(error: &Error, failures: u32) -> u32 {
    let failures = failures.saturating_add(1);
    if error.is_of_another() {
        debug!(error = %Chain(error), "somebody else wrote first");
    } else {
        let wait = backoff::service(failures).unsigned_abs();
        warn!(error = %Chain(error), ?wait, "certificates could not be kept, trying again");
    }
    failures
}

#[cfg(test)]
mod tests;
