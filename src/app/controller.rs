//! The role that writes: follows what is configured, and takes part in the election; the one that leads attests,
//! records, marks, reports, and keeps the gate's certificate.

mod term;

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::keys;
use crate::certificates::Names;
use crate::clock::Clock;
use crate::controller::{Metrics, Setup, objects};
use crate::leader::{Elector, Past};
use crate::policies;
use crate::store::Reader;

use super::config::ControllerConfig;
use super::{Process, endless};

use term::Parts;

/// What `/readyz` says before everything that is configured was listed.
const NOT_LISTED: &str =
    "the watches of services, pools, Secrets, ConfigMaps and pods have not listed yet";

/// The Service by which the API server reaches the bind gate.
const SERVICE: &str = "trustpool-gate";

/// Starts the role.
///
/// # Errors
///
/// The bind gate cannot be called what it is to be called, or there is no connection to be had.
pub(super) fn start(process: &mut Process, config: ControllerConfig) -> anyhow::Result<()> {
    let (sender, setup) = watch::channel(Arc::<Setup>::default());
    let (client, clock) = (process.client.clone(), process.clock.clone());
    let namespace = process.namespace.clone();
    let policies = policies::expected(&config.expect_policies, &namespace, &config.bind_names)
        .context("failed to read the policies that this program holds")?;
    let names = names(config.bind_names, &namespace)?;
    let configured = objects::follow(client.clone(), namespace.clone(), clock.clone(), sender);
    process.tasks.spawn("setup", endless(configured));

    let past = past(process.reader.clone(), setup.clone(), clock.clone());
    let lease = (namespace.as_str(), keys::LEASE);
    let (elector, claims) = Elector::new(client, lease, identity(), past, clock.clone());
    // Before it leads, no pods are to be listed.
    let (listed, pods) = watch::channel(true);
    let parts = Parts {
        client: process.connection.fenced(claims)?,
        namespace,
        names,
        policies: policies.into(),
        reader: process.reader.clone(),
        setup: setup.clone(),
        clock,
        listed,
        metrics: Metrics::register(&mut process.registry),
    };
    let leading = lead(elector, parts, process.stop.clone());
    process.tasks.drain("leader", leading);
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

/// What this process is called in the Lease; no other one ever is, not even the next of the same pod.
fn identity() -> String {
    let host = hostname::get().unwrap_or_default();
    format!("{}_{}", host.to_string_lossy(), Uuid::new_v4())
}

/// Whether this process has seen all that a leader must know, and if so, the highest epoch of any record.
fn past(reader: Reader, setup: watch::Receiver<Arc<Setup>>, clock: Clock) -> Past {
    Box::new(move || {
        let is_ready = setup.borrow().complete && reader.ready(clock.now()).is_ok();
        let epochs = || {
            let snapshot = reader.snapshot();
            let trusts = snapshot
                .iter()
                .filter_map(|(_, entry)| entry.trust.as_ref());
            trusts.map(|trust| trust.epoch).max().unwrap_or_default()
        };
        is_ready.then(epochs)
    })
}

/// Leads whenever that can be had, until told to `stop`; then lets another one lead.
///
/// # Errors
///
/// A task of the leader ended.
async fn lead(mut elector: Elector, parts: Parts, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let Some(term) = elector.campaign(&stop).await else {
            return Ok(());
        };
        parts.metrics.leader.set(1);
        let ended = tokio::select! {
            ended = term::run(&parts, term.epoch, stop.child_token()) => Some(ended),
            // What it was doing is dropped where it stands.
            () = elector.hold() => None,
        };
        parts.metrics.leader.set(0);
        parts.metrics.forget();
        parts.listed.send_replace(true);
        if let Some(ended) = ended {
            elector.release().await;
            return ended;
        }
    }
}

#[cfg(test)]
mod tests;
