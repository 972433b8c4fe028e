//! The role that only reads: answers kube-scheduler and the API server.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::server::bind::{self, Bind};
use crate::server::extender::{self, Extender};
use crate::server::listen::{Listener, loopback};
use crate::server::tls::files::Files;
use crate::server::tls::{Clients, Expiries, Identity, secret};
use crate::server::{self, serve};
use crate::store::{follow_rules, rules};

use super::config::{BindConfig, ExtenderConfig, ExtenderTls, GateConfig};
use super::{Process, endless};

/// The names of its ports, as `/readyz` and logs have them.
const BIND: &str = "bind gate";
const EXTENDER: &str = "extender";

/// Those of its ports that it serves, which nobody answers on yet, and what is to be known of each.
#[derive(Debug)]
pub(super) struct Ports {
    extender: Option<(Port, Option<ExtenderTls>)>,
    bind: Option<(Port, Option<Files>)>,
}

/// An address that is ours; it is listened on once `opening` is cancelled.
#[derive(Debug)]
struct Port {
    listener: Listener,
    opening: CancellationToken,
}

impl Ports {
    /// Takes them.
    ///
    /// # Errors
    ///
    /// One cannot be had.
    pub(super) fn take(config: GateConfig) -> Result<Self, server::Error> {
        let extender = config.extender.map(take_extender).transpose()?;
        let bind = config.bind.map(take_bind).transpose()?;
        Ok(Self { extender, bind })
    }
}

fn take_extender(config: ExtenderConfig) -> Result<(Port, Option<ExtenderTls>), server::Error> {
    let address = match config.tls {
        None => loopback(config.listen)?,
        Some(_) => config.listen,
    };
    Ok((Port::take("--extender-listen", address)?, config.tls))
}

fn take_bind(config: BindConfig) -> Result<(Port, Option<Files>), server::Error> {
    let port = Port::take("--bind-listen", config.listen)?;
    Ok((port, config.certificate))
}

impl Port {
    fn take(flag: &'static str, address: SocketAddr) -> Result<Self, server::Error> {
        let opening = CancellationToken::new();
        let listener = Listener::reserve(flag, address, opening.clone())?;
        Ok(Self { listener, opening })
    }
}

/// Starts the role on its `ports`; nothing is started that only a port needs which is not among them.
///
/// # Errors
///
/// TLS cannot be spoken.
pub(super) fn start(process: &mut Process, ports: Ports) -> anyhow::Result<()> {
    let expiries = process.expiries.clone();
    if let Some((port, tls)) = ports.extender {
        start_extender(process, port, tls, &expiries)?;
    }
    if let Some((port, files)) = ports.bind {
        start_bind(process, port, files, &expiries)?;
    }
    Ok(())
}

fn start_extender(
    process: &mut Process,
    port: Port,
    tls: Option<ExtenderTls>,
    expiries: &Expiries,
) -> anyhow::Result<()> {
    let metrics = server::metrics::Metrics::register(&mut process.registry);
    let state = Extender::new(process.clock.clone(), process.reader.clone(), metrics);
    let port = match tls {
        None => port,
        Some(tls) => secure(process, port, tls, expiries)?,
    };
    answer(process, EXTENDER, port, extender::router(state));
    Ok(())
}

/// Has the extender speak TLS, with those alone who may ask.
fn secure(
    process: &mut Process,
    port: Port,
    tls: ExtenderTls,
    expiries: &Expiries,
) -> anyhow::Result<Port> {
    let identity = Identity::new(expiries.of(Expiries::EXTENDER));
    let clients = Clients::named(&tls.name, expiries.of(Expiries::EXTENDER_CLIENTS));
    let config = identity.config_for(&clients);
    let config = config.context("failed to set up TLS of the extender")?;
    mind(process, EXTENDER, &identity);
    let shown = tls.files.follow(identity.clone());
    process.tasks.spawn("extender certificate", endless(shown));
    let believed = tls.clients.follow(clients.clone());
    process.tasks.spawn("extender clients", endless(believed));
    process.requiring_for(EXTENDER, move |now| of(EXTENDER, identity.ready(now)));
    let asked = clients.clone();
    process.requiring_for(EXTENDER, move |now| of(EXTENDER, asked.ready(now)));
    let listener = port.listener.over_mutual_tls(config, clients);
    Ok(Port { listener, ..port })
}

fn start_bind(
    process: &mut Process,
    port: Port,
    files: Option<Files>,
    expiries: &Expiries,
) -> anyhow::Result<()> {
    let (client, clock) = (process.client.clone(), process.clock.clone());
    let (writer, rules) = rules();
    let followed = follow_rules(client.clone(), writer, clock.clone());
    process.tasks.spawn("namespaces", endless(followed));
    let metrics = bind::Metrics::register(&mut process.registry);
    let state = Bind::new(
        clock,
        process.reader.clone(),
        rules.clone(),
        client,
        metrics,
    );
    let identity = Identity::new(expiries.of(Expiries::BIND));
    let config = identity.config().context("failed to set up TLS")?;
    let listener = port.listener.over_tls(config);
    answer(
        process,
        BIND,
        Port { listener, ..port },
        bind::router(state),
    );
    mind(process, BIND, &identity);
    show(process, files, identity.clone());
    process.requiring_for(BIND, move |now| {
        rules.ready(now).map_err(|error| error.to_string())
    });
    process.requiring_for(BIND, move |now| of(BIND, identity.ready(now)));
    Ok(())
}

/// Says whose certificates lack something.
fn of(port: &str, ready: Result<(), String>) -> Result<(), String> {
    ready.map_err(|lacks| format!("{port}: {lacks}"))
}

fn answer(process: &mut Process, name: &'static str, port: Port, router: Router) {
    info!(address = %port.listener.address(), "address of the {name} taken");
    process.opening(name, port.opening, port.listener.opened());
    let serving = serve(port.listener, router, process.stop.clone(), process.drain);
    process.tasks.drain(name, serving);
}

/// Has what `identity` shows at `port` looked after.
fn mind(process: &mut Process, port: &'static str, identity: &Identity) {
    let minding = identity.clone().mind(port, process.clock.clone());
    process.tasks.spawn("expiry", endless(minding));
}

/// Follows what the bind gate is to show.
fn show(process: &mut Process, files: Option<Files>, identity: Identity) {
    if let Some(files) = files {
        let followed = files.follow(identity);
        process.tasks.spawn("certificate", endless(followed));
    } else {
        let (client, namespace) = (process.client.clone(), process.namespace.clone());
        let followed = secret::follow(client, namespace, identity);
        process.tasks.spawn("certificate", endless(followed));
    }
}
