//! What a leader does in its term.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Client};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::app::endless;
use crate::app::supervisor::Supervisor;
use crate::certificates::Names;
use crate::clock::Clock;
use crate::controller::attestor::{Attestor, Progress};
use crate::controller::certificates::Certificates;
use crate::controller::events::{self, Events};
use crate::controller::forgetter::Forgetter;
use crate::controller::marker::Marker;
use crate::controller::pending::Pending;
use crate::controller::policies::Policies;
use crate::controller::recorder::Recorder;
use crate::controller::reporter::{self, Reporter};
use crate::controller::{Metrics, Setup};
use crate::policies::Expected;
use crate::store::Reader;

/// Room for NodeTrusts that are to be deleted; what does not fit waits for the next look.
const FORGETTING: usize = 16;

/// How long a leader that is told to stop goes on writing what it knows already: another one waits for it. What is
/// not written by then is asked again.
const LAST: Duration = Duration::from_secs(1);

/// What a leader is made of, in whichever term.
pub(super) struct Parts {
    /// Writes only while this process leads.
    pub client: Client,
    pub namespace: String,
    /// What the bind gate is called.
    pub names: Names,
    /// What must be in force.
    pub policies: Arc<[Expected]>,
    pub reader: Reader,
    pub setup: watch::Receiver<Arc<Setup>>,
    pub clock: Clock,
    /// Whether the pods that wait have been listed.
    pub listed: watch::Sender<bool>,
    pub metrics: Metrics,
}

/// Runs the term `epoch` until told to `stop`. Dropping it ends it at once.
///
/// # Errors
///
/// A task ended.
pub(super) async fn run(parts: &Parts, epoch: u32, stop: CancellationToken) -> anyhow::Result<()> {
    let mut tasks = Supervisor::new(stop);
    parts.start(&mut tasks, epoch);
    tasks.wait(LAST).await
}

impl Parts {
    fn start(&self, tasks: &mut Supervisor, epoch: u32) {
        let (events, notices) = Events::channel(self.metrics.clone());
        let told = events::run(self.client.clone(), notices);
        tasks.spawn("events", endless(told));
        let (bundles, known) = watch::channel(Vec::new());
        self.keep_certificates(tasks, bundles);
        self.guard_policies(tasks, &events, known);
        let progress = self.attest(tasks, &events, epoch);
        self.mark(tasks);
        self.report(tasks, &events, progress);
        self.tell_pods(tasks, events);
    }

    fn keep_certificates(&self, tasks: &mut Supervisor, bundles: watch::Sender<Vec<String>>) {
        let (client, names) = (self.client.clone(), self.names.clone());
        let clock = self.clock.clone();
        let certificates = Certificates::new(client, &self.namespace, names, clock, bundles);
        tasks.spawn("certificates", endless(certificates.run()));
    }

    fn guard_policies(
        &self,
        tasks: &mut Supervisor,
        events: &Events,
        bundles: watch::Receiver<Vec<String>>,
    ) {
        let policies = Policies {
            client: self.client.clone(),
            expected: Arc::clone(&self.policies),
            bundles,
            events: events.clone(),
            metrics: self.metrics.clone(),
        };
        tasks.spawn("policies", endless(policies.run()));
    }

    /// Starts who asks, who records what comes of it, and who forgets.
    fn attest(
        &self,
        tasks: &mut Supervisor,
        events: &Events,
        epoch: u32,
    ) -> watch::Receiver<Progress> {
        let (writes, to_write) = mpsc::unbounded_channel();
        let (written, done) = mpsc::unbounded_channel();
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        let recorder = Recorder::new(self.client.clone(), epoch, clock, metrics, events.clone());
        // Ends by itself once the attestor is gone and all it handed in is written.
        tasks.drain("recorder", async {
            recorder.run(to_write, written).await;
            Ok::<(), Infallible>(())
        });
        let (forget, forgotten) = mpsc::channel(FORGETTING);
        let forgetter = Forgetter::new(self.client.clone()).run(forgotten);
        tasks.spawn("forgetter", endless(forgetter));
        let (progress, progressed) = watch::channel(Progress::default());
        let attestor = Attestor {
            reader: self.reader.clone(),
            setup: self.setup.clone(),
            writes,
            done,
            progress,
            forget,
            events: events.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        tasks.spawn("attestor", async {
            attestor.run().await.map_err(Into::into)
        });
        progressed
    }

    fn mark(&self, tasks: &mut Supervisor) {
        let marker = Marker {
            reader: self.reader.clone(),
            setup: self.setup.clone(),
            nodes: Api::all(self.client.clone()),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        tasks.spawn("marker", async { marker.run().await.map_err(Into::into) });
    }

    fn report(&self, tasks: &mut Supervisor, events: &Events, progress: watch::Receiver<Progress>) {
        let (pools, services) = reporter::apis(&self.client);
        let reporter = Reporter {
            reader: self.reader.clone(),
            setup: self.setup.clone(),
            progress,
            pools,
            services,
            config_maps: Api::namespaced(self.client.clone(), &self.namespace),
            events: events.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        tasks.spawn("reporter", endless(reporter.run()));
    }

    fn tell_pods(&self, tasks: &mut Supervisor, events: Events) {
        self.listed.send_replace(false);
        let pending = Pending {
            pods: Api::all(self.client.clone()),
            reader: self.reader.clone(),
            setup: self.setup.clone(),
            listed: self.listed.clone(),
            events,
            clock: self.clock.clone(),
        };
        tasks.spawn("pending", endless(pending.run()));
    }
}
