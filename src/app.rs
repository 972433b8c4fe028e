//! The process: builds each part, hands each its neighbours, and stops them all when one ends.

mod config;
mod supervisor;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::Clock;
use crate::controller::attestor::{Attestor, Progress};
use crate::controller::events::{self, Events};
use crate::controller::forgetter::Forgetter;
use crate::controller::marker::Marker;
use crate::controller::pending::Pending;
use crate::controller::recorder::Recorder;
use crate::controller::reporter::{self, Reporter};
use crate::controller::{self, Setup, objects};
use crate::server::admin::{self, Admin};
use crate::server::extender::{self, Extender};
use crate::server::listen::{Listener, loopback};
use crate::server::{self, serve};
use crate::store::{self, Reader};

pub use config::Config;

use supervisor::Supervisor;

/// Room for NodeTrusts that are to be deleted; what does not fit waits for the next look.
const FORGETTING: usize = 16;

/// Runs Trustpool until `stop` is cancelled, then drains and returns.
///
/// # Errors
///
/// It cannot start, or one of its tasks ended: the error names it.
pub async fn run(config: Config, clock: Clock, stop: CancellationToken) -> anyhow::Result<()> {
    let extender = loopback(config.extender_listen)?;
    let extender = Listener::bind("--extender-listen", extender).await?;
    let admin = Listener::bind("--admin-listen", config.admin_listen).await?;
    let client = client(&config)
        .await
        .context("failed to set up the connection to the cluster")?;
    let mut registry = Registry::with_prefix("trustpool");
    let counted = controller::Metrics::register(&mut registry);
    let served = server::metrics::Metrics::register(&mut registry);
    let registry = Arc::new(registry);

    let (writer, reader) = store::channel();
    let (sender, setup) = watch::channel(Arc::<Setup>::default());
    let mut tasks = Supervisor::new(stop.clone());
    tasks.spawn(
        "store",
        endless(store::feed(client.clone(), writer, clock.clone())),
    );
    let namespace = config.namespace.clone();
    let configured = objects::follow(client.clone(), namespace, clock.clone(), sender);
    tasks.spawn("setup", endless(configured));
    let pods = control(&mut tasks, &client, &reader, &setup, &clock, counted);
    let drain = config.drain;
    let state = Extender::new(clock.clone(), reader.clone(), served);
    info!(extender = %extender.address(), admin = %admin.address(), "listening");
    tasks.drain(
        "extender",
        serve(extender, extender::router(state), stop.clone(), drain),
    );
    let complete = move |_| {
        if setup.borrow().complete && *pods.borrow() {
            Ok(())
        } else {
            Err(NOT_LISTED.to_owned())
        }
    };
    let state = Admin::new(clock, reader, registry).requiring(complete);
    tasks.drain("admin", serve(admin, admin::router(state), stop, drain));
    tasks
        .wait(drain.saturating_add(Duration::from_secs(1)))
        .await
}

/// What `/readyz` says before everything that is configured was listed.
const NOT_LISTED: &str =
    "the watches of services, pools, Secrets, ConfigMaps and pods have not listed yet";

/// Starts the tasks that write. Returns whether the pods that wait have been listed.
fn control(
    tasks: &mut Supervisor,
    client: &Client,
    reader: &Reader,
    setup: &watch::Receiver<Arc<Setup>>,
    clock: &Clock,
    metrics: controller::Metrics,
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

/// A task that ends only with the process; that it ended is all there is to say.
async fn endless(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}

/// The connection to the cluster. kube's own retries are off: they repeat a write minutes later,
/// when it may not be ours to make any more; every caller looks again before it tries again.
async fn client(config: &Config) -> anyhow::Result<Client> {
    let mut connection = match &config.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .map_err(without_content)
                .with_context(|| format!("failed to read `--kubeconfig {}`", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::infer()
            .await
            .map_err(without_content)
            .context(
                "found no cluster: not in a pod, and no kubeconfig that can be used; name one with \
             `--kubeconfig`",
            )?,
    };
    connection.default_retry = false;
    Ok(Client::try_from(connection)?)
}

/// Why no kubeconfig can be used; `error`, or what it comes from, is kube's. A parser quotes what it could
/// not read, and there may be a token in it: that is left out.
fn without_content(error: impl Error + Send + Sync + 'static) -> anyhow::Error {
    let error = anyhow::Error::new(error);
    let kubeconfig = error.chain().find_map(|it| it.downcast_ref());
    if matches!(kubeconfig, Some(KubeconfigError::Parse(_))) {
        return anyhow!("the file cannot be read as the YAML of a kubeconfig");
    }
    error
}

#[cfg(test)]
mod tests;
