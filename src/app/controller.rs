//! The role that writes: attests, records, marks, reports, and keeps the gate's certificate.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::{mpsc, watch};

use crate::certificates::Names;
use crate::clock::Clock;
use crate::controller::attestor::{Attestor, Progress};
use crate::controller::certificates::Certificates;
use crate::controller::events::{self, Events};
use crate::controller::forgetter::Forgetter;
use crate::controller::marker::Marker;
use crate::controller::pending::Pending;
use crate::controller::recorder::Recorder;
use crate::controller::reporter::{self, Reporter};
use crate::controller::{Metrics, Setup, objects};
use crate::store::Reader;

use super::config::ControllerConfig;
use super::supervisor::Supervisor;
use super::{Process, endless};

/// Room for NodeTrusts that are to be deleted; what does not fit waits for the next look.
const FORGETTING: usize = 16;

/// What `/readyz` says before everything that is configured was listed.
const NOT_LISTED: &str =
    "the watches of services, pools, Secrets, ConfigMaps and pods have not listed yet";

/// The Service by which the API server reaches the bind gate.
const SERVICE: &str = "trustpool-gate";

/// Starts the role.
///
/// # Errors
///
/// The bind gate cannot be called what it is to be called.
pub(super) fn start(process: &mut Process, config: ControllerConfig) -> anyhow::Result<()> {
    let (sender, setup) = watch::channel(Arc::<Setup>::default());
    let (client, clock) = (process.client.clone(), process.clock.clone());
    let namespace = process.namespace.clone();
    let configured = objects::follow(client.clone(), namespace.clone(), clock.clone(), sender);
    process.tasks.spawn("setup", endless(configured));
    let names = names(config.bind_names, &namespace)?;
    let certificates = Certificates::new(client.clone(), &namespace, names, clock.clone());
    process
        .tasks
        .spawn("certificates", endless(certificates.run()));
    let metrics = Metrics::register(&mut process.registry);
    let pods = control(
        &mut process.tasks,
        (&client, &namespace),
        &process.reader,
        &setup,
        &clock,
        metrics,
    );
    process.requiring(move |_| {
        if setup.borrow().complete && *pods.borrow() {
            Ok(())
        } else {
            Err(NOT_LISTED.to_owned())
        }
    });
    Ok(())
}

/// What the certificate of the bind gate says. For a webhook with a Service, the API server wants the first.
fn names(more: Vec<String>, namespace: &str) -> anyhow::Result<Names> {
    let service = format!("{SERVICE}.{namespace}.svc");
    let all = [service].into_iter().chain(more);
    Names::new(all).context("the bind gate cannot be called so (`--bind-names`)")
}

/// Starts the tasks that write. Returns whether the pods that wait have been listed.
fn control(
    tasks: &mut Supervisor,
    (client, namespace): (&kube::Client, &str),
    reader: &Reader,
    setup: &watch::Receiver<Arc<Setup>>,
    clock: &Clock,
    metrics: Metrics,
) -> watch::Receiver<bool> {
    let (events, notices) = Events::channel(metrics.clone());
    tasks.spawn("events", endless(events::run(client.clone(), notices)));
    let (writes, to_write) = mpsc::unbounded_channel();
    let (written, done) = mpsc::unbounded_channel();
    let recorder = Recorder::new(
        client.clone(),
        clock.clone(),
        metrics.clone(),
        events.clone(),
    );
    // Ends by itself once the attestor is gone and all it handed in is written.
    tasks.drain("recorder", async {
        recorder.run(to_write, written).await;
        Ok::<(), Infallible>(())
    });
    let (forget, forgotten) = mpsc::channel(FORGETTING);
    tasks.spawn(
        "forgetter",
        endless(Forgetter::new(client.clone()).run(forgotten)),
    );
    let (progress, progressed) = watch::channel(Progress::default());
    let attestor = Attestor {
        reader: reader.clone(),
        setup: setup.clone(),
        writes,
        done,
        progress,
        forget,
        events: events.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    tasks.spawn("attestor", async {
        attestor.run().await.map_err(Into::into)
    });
    let marker = Marker {
        reader: reader.clone(),
        setup: setup.clone(),
        nodes: kube::Api::all(client.clone()),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    tasks.spawn("marker", async { marker.run().await.map_err(Into::into) });
    let (pools, services) = reporter::apis(client);
    let reporter = Reporter {
        reader: reader.clone(),
        setup: setup.clone(),
        progress: progressed,
        pools,
        services,
        config_maps: kube::Api::namespaced(client.clone(), namespace),
        events: events.clone(),
        clock: clock.clone(),
        metrics,
    };
    tasks.spawn("reporter", endless(reporter.run()));
    let (listed, pods) = watch::channel(false);
    let pending = Pending {
        pods: kube::Api::all(client.clone()),
        reader: reader.clone(),
        setup: setup.clone(),
        listed,
        events,
        clock: clock.clone(),
    };
    tasks.spawn("pending", endless(pending.run()));
    pods
}

#[cfg(test)]
mod tests;
