//! A pretend OpenAttestation service, for tests, demos, and whoever has no attestation service yet:
//! faithful enough on the wire that its real clients cannot tell. Verdicts, delays and faults are set
//! over an admin port, and every request is on record.
//!
//! ```text
//!  client ──HTTPS──> service: read ─> decide ─> wait ─> answer          admin <──HTTP── test, person
//!                               │        │                │               │
//!                            dialect   hosts, fault    journal <──────────┘
//! ```

pub mod args;
pub mod dialect;
pub mod fault;
pub mod hosts;
pub mod journal;

mod admin;
mod auth;
mod serve;
mod service;
mod simulation;
mod tls;

use std::net::TcpListener;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

pub use admin::Script;
pub use auth::{Auth, BadBlob, Header};
pub use dialect::Dialect;
pub use hosts::Hosts;
pub use serve::Error;
pub use simulation::{BadScale, TimeScale};
pub use tls::{BadIdentity, Identity};

use simulation::Simulation;

/// Everything the simulator may be told before it runs.
#[derive(Debug)]
pub struct Config {
    /// Where the admin port listens.
    pub admin: TcpListener,
    /// What clients must send; `None`: nothing, like a stock server.
    pub auth: Option<Auth>,
    /// Which version is played.
    pub dialect: Dialect,
    /// What is played at first.
    pub hosts: Hosts,
    /// Who the service port is.
    pub identity: Identity,
    /// Where the service port listens.
    pub service: TcpListener,
    /// How fast delays pass.
    pub time_scale: TimeScale,
}

/// Plays the service until `stop`; requests that are waiting then have half a second to end.
///
/// Timestamps come from `clock`; delays pass in tokio's time.
///
/// # Errors
///
/// A port cannot be served.
pub async fn run(config: Config, clock: Clock, stop: CancellationToken) -> Result<(), Error> {
    let simulation = Arc::new(Simulation::new(
        config.auth,
        clock,
        config.dialect.speech(),
        config.hosts,
        config.time_scale,
    ));
    let service = serve::service(
        config.service,
        &config.identity,
        Arc::clone(&simulation),
        &stop,
    );
    let admin = serve::admin(config.admin, simulation, &stop);
    tokio::try_join!(service, admin)?;
    Ok(())
}
