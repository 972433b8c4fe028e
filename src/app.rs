//! The process: builds each part, hands each its neighbours, and stops them all when one ends.

mod config;
mod connection;
mod controller;
mod gate;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::Clock;
use crate::domain::Now;
use crate::server::admin::{self, Admin, Condition};
use crate::server::listen::Listener;
use crate::server::serve;
use crate::store::{self, Reader};

pub use config::{Config, ControllerConfig, GateConfig};

use gate::Ports;
use supervisor::Supervisor;

/// What the parts of a process share while it is built.
struct Process {
    client: Client,
    clock: Clock,
    conditions: Vec<Condition>,
    drain: Duration,
    namespace: String,
    reader: Reader,
    registry: Registry,
    stop: CancellationToken,
    tasks: Supervisor,
}

/// Runs Trustpool until `stop` is cancelled, then drains and returns.
///
/// # Errors
///
/// It cannot start, or one of its tasks ended: the error names it.
pub async fn run(config: Config, clock: Clock, stop: CancellationToken) -> anyhow::Result<()> {
    let ports = match config.gate {
        Some(gate) => Some(Ports::take(gate).await?),
        None => None,
    };
    let admin = Listener::bind("--admin-listen", config.admin_listen).await?;
    let client = connection::client(config.kubeconfig.as_deref())
        .await
        .context("failed to set up the connection to the cluster")?;
    let (writer, reader) = store::channel();
    let mut process = Process {
        tasks: Supervisor::new(stop.clone()),
        client: client.clone(),
        clock: clock.clone(),
        conditions: Vec::new(),
        drain: config.drain,
        namespace: config.namespace,
        reader,
        registry: Registry::with_prefix("trustpool"),
        stop,
    };
    let feed = store::feed(client, writer, clock);
    process.tasks.spawn("store", endless(feed));
    if let Some(controller) = config.controller {
        controller::start(&mut process, controller)?;
    }
    if let Some(ports) = ports {
        gate::start(&mut process, ports)?;
    }
    process.run(admin).await
}

impl Process {
    /// Makes readiness depend on `condition` too.
    fn requiring(&mut self, condition: impl Fn(Now) -> Result<(), String> + Send + Sync + 'static) {
        self.conditions.push(Box::new(condition));
    }

    /// Answers on the admin port, and waits for the end.
    async fn run(mut self, listener: Listener) -> anyhow::Result<()> {
        info!(admin = %listener.address(), "listening");
        let admin = Admin::new(self.clock, self.reader, Arc::new(self.registry));
        let admin = self.conditions.into_iter().fold(admin, Admin::requiring);
        let serving = serve(listener, admin::router(admin), self.stop, self.drain);
        self.tasks.drain("admin", serving);
        let drain = self.drain.saturating_add(Duration::from_secs(1));
        self.tasks.wait(drain).await
    }
}

/// A task that ends only with the process; that it ended is all there is to say.
async fn endless(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}
