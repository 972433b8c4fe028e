//! The port of metrics, where not everybody may read them.

use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::server::listen::Listener;
use crate::server::tls::files::Files;
use crate::server::tls::{Expiries, Identity};
use crate::server::{self, serve};

use super::config::MetricsConfig;
use super::endless;
use super::supervisor::Supervisor;

/// Its name in logs.
const METRICS: &str = "metrics";

/// A port that nobody answers on yet.
#[derive(Debug)]
pub(super) struct MetricsPort {
    listener: Listener,
    certificate: Files,
}

impl MetricsPort {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// It cannot be had.
    pub(super) fn take(config: MetricsConfig) -> Result<Self, server::Error> {
        Ok(Self {
            listener: Listener::bind("--metrics-listen", config.listen)?,
            certificate: config.certificate,
        })
    }

    /// Answers by `router` until told to stop. The process is ready without: what measures it must not stop it.
    ///
    /// # Errors
    ///
    /// TLS cannot be spoken.
    pub(super) fn serve(
        self,
        tasks: &mut Supervisor,
        router: Router,
        clock: Clock,
        expiries: &Expiries,
        (stop, drain): (&CancellationToken, Duration),
    ) -> Result<(), rustls::Error> {
        let identity = Identity::new(expiries.of(Expiries::METRICS));
        let listener = self.listener.over_tls(identity.config()?);
        let followed = self.certificate.follow(identity.clone());
        tasks.spawn("metrics certificate", endless(followed));
        tasks.spawn("expiry", endless(identity.mind(METRICS, clock)));
        let serving = serve(listener, router, stop.clone(), drain);
        tasks.drain(METRICS, serving);
        Ok(())
    }
}
