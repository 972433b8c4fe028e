//! The role that only reads: answers kube-scheduler and the API server.

use anyhow::Context;
use axum::Router;
use tracing::info;

use crate::server::bind::{self, Bind};
use crate::server::extender::{self, Extender};
use crate::server::listen::{Listener, loopback};
use crate::server::tls::files::Files;
use crate::server::tls::{Identity, secret};
use crate::server::{self, serve};
use crate::store::{follow_rules, rules};

use super::config::GateConfig;
use super::{Process, endless};

/// Its ports, which nobody answers on yet.
#[derive(Debug)]
pub(super) struct Ports {
    config: GateConfig,
    extender: Listener,
    bind: Listener,
}

impl Ports {
    /// Takes them.
    ///
    /// # Errors
    ///
    /// One cannot be had.
    pub(super) async fn take(config: GateConfig) -> Result<Self, server::Error> {
        let address = loopback(config.extender_listen)?;
        let extender = Listener::bind("--extender-listen", address).await?;
        let bind = Listener::bind("--bind-listen", config.bind_listen).await?;
        Ok(Self {
            config,
            extender,
            bind,
        })
    }
}

/// Starts the role on its `ports`.
///
/// # Errors
///
/// TLS cannot be spoken.
pub(super) fn start(process: &mut Process, ports: Ports) -> anyhow::Result<()> {
    let Ports {
        config,
        extender,
        bind,
    } = ports;
    info!(extender = %extender.address(), bind = %bind.address(), "listening");
    let (clock, reader) = (process.clock.clone(), process.reader.clone());
    let metrics = server::metrics::Metrics::register(&mut process.registry);
    let state = Extender::new(clock.clone(), reader.clone(), metrics);
    answer(process, "extender", extender, extender::router(state));

    let (writer, rules) = rules();
    let followed = follow_rules(process.client.clone(), writer, clock.clone());
    process.tasks.spawn("namespaces", endless(followed));
    let metrics = bind::Metrics::register(&mut process.registry);
    let state = Bind::new(
        clock,
        reader,
        rules.clone(),
        process.client.clone(),
        metrics,
    );
    let identity = Identity::new(&mut process.registry);
    let bind = bind.over_tls(identity.config().context("failed to set up TLS")?);
    answer(process, "bind", bind, bind::router(state));
    show(process, config.certificate, identity.clone());
    process.requiring(move |now| rules.ready(now).map_err(|error| error.to_string()));
    process.requiring(move |now| identity.ready(now));
    Ok(())
}

fn answer(process: &mut Process, name: &'static str, listener: Listener, router: Router) {
    let serving = serve(listener, router, process.stop.clone(), process.drain);
    process.tasks.drain(name, serving);
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
