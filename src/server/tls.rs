//! What a server shows of itself: a certificate that is swapped while it serves. No connection is dropped
//! for it; those that are made from then on are shown the new one.

pub mod files;
pub mod secret;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::certificates::{self, Certificate, Pair};
use crate::domain::Now;

/// Who a server is: the certificate that it shows, with its private key. Clones share it.
#[derive(Clone, Debug)]
pub struct Identity {
    expiry: Gauge,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What is shown: the last that was good.
    pair: Option<Pair>,
    /// Why what there is now is not shown, if it is not.
    trouble: Option<String>,
}

/// How it is with what a server shows. Clients refuse what is expired, and a server without any.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// There is none.
    Absent,
    /// It has expired.
    Expired {
        /// The last second that it counted in.
        at: Timestamp,
    },
    /// Less than a sixth of its life is left: a new one was due long ago.
    Expiring {
        /// The last second that it counts in.
        at: Timestamp,
    },
    /// It counts.
    Good {
        /// The last second that it counts in.
        at: Timestamp,
    },
}

impl Identity {
    /// Shows nothing yet. When what it shows expires is told in `registry`, which is to prefix every
    /// name with `trustpool`: as seconds since 1970, and 0 while there is nothing.
    pub fn new(registry: &mut Registry) -> Self {
        let identity = Self {
            expiry: Gauge::default(),
            state: watch::Sender::default(),
        };
        registry.register_with_unit(
            "certificate_expiry",
            "When the certificate that the bind gate shows expires, since 1970; 0 if there is none",
            Unit::Seconds,
            identity.expiry.clone(),
        );
        identity
    }

    /// Shows the first certificate in `certificate` from here on, with those that follow it. If they cannot be
    /// used, what was shown before stays.
    ///
    /// # Errors
    ///
    /// They cannot be read, or the private key is not that of the certificate. Whoever has a source of
    /// them says so with [`Identity::fail`].
    pub fn show(&self, certificate: &[u8], key: &[u8]) -> Result<(), certificates::Error> {
        let pair = Pair::read(certificate, key)?;
        self.state.send_if_modified(|state| {
            state.trouble = None;
            let certificate = pair.certificate();
            let is_new = state.certificate() != Some(certificate);
            if is_new {
                let expires = certificate.not_after();
                self.expiry.set(expires.as_second());
                info!(%expires, "certificate shown from here on");
                state.pair = Some(pair);
            }
            is_new
        });
        Ok(())
    }

    /// Notes why nothing newer can be shown. What is shown stays. The same reason again is not logged again.
    pub fn fail(&self, why: String) {
        self.state.send_if_modified(|state| {
            if state.trouble.as_ref() != Some(&why) {
                let shown = if state.pair.is_some() {
                    "the last stays"
                } else {
                    "and there is none to show: nobody can connect"
                };
                warn!(why, "certificate was not taken over, {shown}");
                state.trouble = Some(why);
            }
            false
        });
    }

    /// How a server that shows it speaks TLS: 1.2 or 1.3, then HTTP/2 or HTTP/1.1 as the client likes.
    ///
    /// # Errors
    ///
    /// rustls cannot do that.
    pub fn config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let shown = Arc::new(Shown(self.state.subscribe()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A session that is resumed is shown no certificate: it would live on that of before.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// Says whether clients take what is shown.
    ///
    /// # Errors
    ///
    /// They do not: a sentence that says what is missing.
    pub fn ready(&self, now: Now) -> Result<(), String> {
        let lacks = match self.standing(now.wall) {
            Standing::Expiring { .. } | Standing::Good { .. } => return Ok(()),
            Standing::Absent => "there is no certificate to show yet".to_owned(),
            Standing::Expired { at } => format!("the certificate expired at {at}"),
        };
        Err(match self.trouble() {
            Some(trouble) => format!("{lacks}: {trouble}"),
            None => lacks,
        })
    }

    /// How it is at `now` with what is shown.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let state = self.state.borrow();
        let Some(certificate) = state.certificate() else {
            return Standing::Absent;
        };
        let at = certificate.not_after();
        let life = at.duration_since(certificate.not_before());
        let left = at.duration_since(now);
        if certificate.has_expired(now) {
            Standing::Expired { at }
        } else if left < SignedDuration::from_secs(life.as_secs() / 6) {
            Standing::Expiring { at }
        } else {
            Standing::Good { at }
        }
    }

    /// Why what there is now is not what is shown, if it is not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.state.borrow().trouble.clone()
    }
}

impl State {
    fn certificate(&self) -> Option<&Certificate> {
        self.pair.as_ref().map(Pair::certificate)
    }
}

/// What rustls asks at every handshake.
#[derive(Debug)]
struct Shown(watch::Receiver<State>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().pair.as_ref().map(Pair::certified)
    }
}

#[cfg(test)]
mod tests;
