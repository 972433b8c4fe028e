//! The process: builds each part, hands each its neighbours, and stops them all when one ends.

pub mod check;
pub mod cleanup;
mod config;
mod connection;
mod controller;
mod gate;
mod metrics;
mod supervisor;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::Now;
use crate::server::access::Access;
use crate::server::admin::{self, Admin};
use crate::server::listen::Listener;
use crate::server::readiness::{For, Readiness};
use crate::server::serve;
use crate::server::socket::Socket;
use crate::server::tls::Expiries;
use crate::store::{self, Reader};

pub use config::{
    BindConfig, Config, ControllerConfig, ExtenderConfig, ExtenderTls, GateConfig, MetricsConfig,
};

use connection::Connection;

use gate::Ports;
use metrics::MetricsPort;
use supervisor::Supervisor;

/// What is said when there is no way to the cluster.
const UNCONNECTED: &str = "failed to set up the connection to the cluster";

/// What the parts of a process share while it is built.
struct Process {
    client: Client,
    clock: Clock,
    connection: Connection,
    drain: Duration,
    expiries: Expiries,
    namespace: String,
    /// Ports that open once what they need is there.
    openings: Vec<(&'static str, CancellationToken)>,
    reader: Reader,
    readiness: Readiness,
    registry: Registry,
    stop: CancellationToken,
    tasks: Supervisor,
}

/// Runs Trustpool until `told` to stop, then drains and returns.
///
/// # Errors
///
/// It cannot start, or one of its tasks ended: the error names it.
pub async fn run(config: Config, clock: Clock, told: CancellationToken) -> anyhow::Result<()> {
    let delay = config.gate.as_ref().map(|gate| gate.shutdown_delay);
    let ports = match config.gate {
        Some(gate) => Some(Ports::take(gate)?),
        None => None,
    };
    let admin = Listener::bind("--admin-listen", config.admin_listen)?;
    let socket = config.admin_socket.as_deref().map(Socket::bind);
    let socket = socket.transpose()?;
    let metrics = config.metrics.map(MetricsPort::take).transpose()?;
    let connection = Connection::find(config.kubeconfig.as_deref());
    let connection = connection.await.context(UNCONNECTED)?;
    let client = connection.client().context(UNCONNECTED)?;
    let (writer, reader) = store::channel();
    let stop = CancellationToken::new();
    let readiness = readiness(clock.clone(), reader.clone(), told.clone(), stop.clone());
    let mut registry = Registry::with_prefix("trustpool");
    let mut process = Process {
        tasks: Supervisor::new(stop.clone()),
        client: client.clone(),
        clock: clock.clone(),
        connection,
        drain: config.drain,
        expiries: Expiries::register(&mut registry),
        namespace: config.namespace,
        openings: Vec::new(),
        reader,
        readiness,
        registry,
        stop: stop.clone(),
    };
    let ending = end(told, delay.unwrap_or_default(), stop);
    process.tasks.spawn("end", ending);
    let feed = store::feed(client, writer, clock);
    process.tasks.spawn("store", endless(feed));
    if let Some(controller) = config.controller {
        controller::start(&mut process, controller)?;
    }
    if let Some(ports) = ports {
        gate::start(&mut process, ports)?;
    }
    process.run(admin, socket, metrics).await
}

/// What every process is ready by: its watches are alive, and it is not about to end.
fn readiness(
    clock: Clock,
    reader: Reader,
    told: CancellationToken,
    stop: CancellationToken,
) -> Readiness {
    let mut readiness = Readiness::new(clock);
    readiness.require(For::Process, move |_| {
        if told.is_cancelled() || stop.is_cancelled() {
            return Err("told to stop".to_owned());
        }
        Ok(())
    });
    readiness.require(For::All, move |now| {
        reader.ready(now).map_err(|error| error.to_string())
    });
    readiness
}

/// Stops everything `delay` after it was `told` to: whoever sends requests may hear of the end a moment later.
async fn end(
    told: CancellationToken,
    delay: Duration,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    told.cancelled().await;
    sleep(delay).await;
    stop.cancel();
    Ok(())
}

impl Process {
    /// Makes readiness depend on `condition` too, and every port wait for it.
    fn requiring(&mut self, condition: impl Fn(Now) -> Result<(), String> + Send + Sync + 'static) {
        self.readiness.require(For::All, condition);
    }

    /// Makes readiness depend on `condition` too, and `port` wait for it.
    fn requiring_for(
        &mut self,
        port: &'static str,
        condition: impl Fn(Now) -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.readiness.require(For::Port(port), condition);
    }

    /// Cancels `opening` once all that `port` needs is there, and is not ready before it is `opened`.
    fn opening(
        &mut self,
        port: &'static str,
        opening: CancellationToken,
        opened: CancellationToken,
    ) {
        self.openings.push((port, opening));
        self.readiness.require(For::Process, move |_| {
            if opened.is_cancelled() {
                return Ok(());
            }
            Err(format!("the port of the {port} is not open yet"))
        });
    }

    /// Answers on the admin port, and on that of metrics if there is one, and waits for the end.
    async fn run(
        mut self,
        listener: Listener,
        socket: Option<Socket>,
        metrics: Option<MetricsPort>,
    ) -> anyhow::Result<()> {
        let readiness = Arc::new(self.readiness);
        for (port, opening) in self.openings {
            let opens = Arc::clone(&readiness).open(port, opening);
            self.tasks.spawn("opening", endless(opens));
        }
        let admin = Arc::new(Admin::new(readiness, self.registry));
        let router = match metrics {
            None => admin::router(&admin),
            Some(port) => {
                let access = Access::new(self.client);
                let metrics = admin::guarded(&admin, access);
                let started = port.serve(
                    &mut self.tasks,
                    metrics,
                    self.clock,
                    &self.expiries,
                    (&self.stop, self.drain),
                );
                started.context("failed to set up TLS of metrics")?;
                admin::health(&admin)
            }
        };
        if let Some(socket) = socket {
            let serving = socket.serve(router.clone());
            let serving = async { serving.await.map_err(anyhow::Error::from) };
            self.tasks.spawn("admin socket", serving);
        }
        let serving = serve(listener, router, self.stop, self.drain);
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
