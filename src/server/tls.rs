//! What a server shows of itself: a certificate that is swapped while it serves. No connection is dropped
//! for it; those that are made from then on are shown the new one. And whom it answers: everybody, or [`Clients`].

mod clients;
mod expiry;
pub mod files;
pub mod secret;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WantsServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::certificates::{self, Certificate, Pair};
use crate::clock::Clock;
use crate::domain::Now;

pub use clients::Clients;
pub use expiry::Expiries;

/// How often it is looked whether a certificate has come near its end.
const LOOK: Duration = Duration::from_mins(1);

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
    /// It does not count yet: it was made by a clock that is ahead of this one.
    Early {
        /// The first second that it counts in.
        at: Timestamp,
    },
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
    /// Shows nothing yet. When what it shows expires is told by `expiry`.
    #[must_use]
    pub fn new(expiry: Gauge) -> Self {
        Self {
            expiry,
            state: watch::Sender::default(),
        }
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
            let is_new = state.pair.as_ref().map(Pair::chain) != Some(pair.chain());
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

    /// How a server that shows it speaks TLS with everybody: 1.2 or 1.3, then HTTP/2 or HTTP/1.1 as the client likes.
    ///
    /// # Errors
    ///
    /// rustls cannot do that.
    pub fn config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let config = builder()?.with_no_client_auth();
        Ok(self.shown(config))
    }

    /// The same with `clients` alone: with nobody else a handshake succeeds.
    ///
    /// # Errors
    ///
    /// rustls cannot do that.
    pub fn config_for(&self, clients: &Clients) -> Result<Arc<ServerConfig>, rustls::Error> {
        let config = builder()?.with_client_cert_verifier(clients.verifier());
        Ok(self.shown(config))
    }

    fn shown(&self, config: ConfigBuilder<ServerConfig, WantsServerCert>) -> Arc<ServerConfig> {
        let shown = Arc::new(Shown(self.state.subscribe()));
        let mut config = config.with_cert_resolver(shown);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A session that is resumed is shown no certificate and shows none: it would live on what was believed before.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Arc::new(config)
    }

    /// Logs, for ever, when what `which` shows has expired, or should have been replaced long ago.
    pub async fn mind(self, which: &'static str, clock: Clock) {
        let mut state = self.state.subscribe();
        let mut before = None;
        loop {
            let standing = self.standing(clock.wall());
            if before != Some(standing) {
                standing.log(which);
                before = Some(standing);
            }
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return },
                () = sleep(LOOK) => {}
            }
        }
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
            Standing::Early { at } => format!("the certificate does not count before {at}"),
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
        if now < certificate.not_before() {
            let at = certificate.not_before();
            Standing::Early { at }
        } else if certificate.has_expired(now) {
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

impl Standing {
    fn log(self, which: &'static str) {
        match self {
            Self::Absent | Self::Good { .. } => {}
            Self::Early { at } => {
                warn!(which, %at, "the certificate does not count yet: clients refuse it");
            }
            Self::Expired { at } => {
                warn!(which, %at, "the certificate has expired: clients refuse it");
            }
            Self::Expiring { at } => {
                warn!(which, %at, "the certificate expires soon, and nobody replaced it");
            }
        }
    }
}

fn builder() -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, rustls::Error> {
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
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
