//! Who may connect: clients whose certificate is of a CA that is believed, and says one name.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, OtherError,
    RootCertStore, SignatureScheme,
};
use thiserror::Error;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::certificates::{Bundle, Certificate, Error};
use crate::domain::Now;

/// The clients of a server. Clones share what is believed.
#[derive(Clone, Debug)]
pub struct Clients {
    expiry: Gauge,
    name: Arc<str>,
    state: watch::Sender<State>,
    turnover: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// The CAs that are believed: the last that could be read.
    bundle: Bundle,
    /// Why what there is now is not believed, if it is not.
    trouble: Option<String>,
    /// What checks a chain against them; nothing while there is none.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl Clients {
    /// Believes nobody yet; later those whose certificate says `name`. When the first of the CAs expires is told
    /// by `expiry`.
    #[must_use]
    pub fn named(name: &str, expiry: Gauge) -> Self {
        Self {
            expiry,
            name: name.into(),
            state: watch::Sender::default(),
            turnover: watch::Sender::default(),
        }
    }

    /// Believes the CAs in `pem` from here on, and no others. If one cannot be read, those from before stay: what
    /// is half written must not end anybody's connection.
    ///
    /// # Errors
    ///
    /// One cannot be read or is no CA's, or there is none.
    pub fn believe(&self, pem: &[u8]) -> Result<(), Error> {
        let bundle = Bundle::parse(pem)?;
        let verifier = verifier(&bundle)?;
        let mut is_less = false;
        self.state.send_if_modified(|state| {
            state.trouble = None;
            if state.bundle == bundle {
                return false;
            }
            is_less = state.bundle.iter().any(|it| !bundle.contains(it));
            let first = bundle.iter().map(Certificate::not_after).min();
            self.expiry.set(first.map_or(0, Timestamp::as_second));
            info!(
                cas = bundle.len(),
                first_expires = first.map(tracing::field::display),
                "CAs of clients believed from here on"
            );
            state.bundle = bundle;
            state.verifier = Some(verifier);
            true
        });
        // After the state: whoever hears of it finds it.
        if is_less {
            self.turnover.send_modify(|turns| *turns += 1);
        }
        Ok(())
    }

    /// Notes why nothing newer can be believed. The same reason again is not logged again.
    pub fn fail(&self, why: String) {
        self.state.send_if_modified(|state| {
            if state.trouble.as_ref() != Some(&why) {
                let believed = if state.verifier.is_some() {
                    "the last stay"
                } else {
                    "and there are none: nobody can connect"
                };
                warn!(why, "CAs of clients were not taken over, {believed}");
                state.trouble = Some(why);
            }
            false
        });
    }

    /// What rustls asks about every client.
    #[must_use]
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(Verifier {
            name: Arc::clone(&self.name),
            state: self.state.subscribe(),
        })
    }

    /// Changes whenever a CA is believed no longer.
    #[must_use]
    pub fn turnover(&self) -> watch::Receiver<u64> {
        self.turnover.subscribe()
    }

    /// Says whether anybody can be believed.
    ///
    /// # Errors
    ///
    /// Nobody can: a sentence that says what is missing.
    pub fn ready(&self, now: Now) -> Result<(), String> {
        let state = self.state.borrow();
        let lacks = if state.bundle.is_empty() {
            "there is no CA of clients yet"
        } else if state.bundle.unexpired(now.wall).is_empty() {
            "every CA of clients has expired"
        } else {
            return Ok(());
        };
        Err(match &state.trouble {
            Some(trouble) => format!("{lacks}: {trouble}"),
            None => lacks.to_owned(),
        })
    }
}

fn verifier(bundle: &Bundle) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in bundle.iter() {
        let added = roots.add(certificate.der().clone());
        added.map_err(|_| Error::Certificate)?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .build()
        .map_err(|_| Error::Certificate)
}

/// A client that is believed to be who it is, and may not ask.
#[derive(Debug, Error)]
#[error("it does not say `{expected}`")]
struct OtherName {
    expected: Arc<str>,
}

/// Checks the chain as rustls does, then the name.
struct Verifier {
    name: Arc<str>,
    state: watch::Receiver<State>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Verifier {
    /// None: Go sends no certificate at all where its own is not of one of these, and nobody could be told why
    /// it was refused.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let verifier = self.state.borrow().verifier.clone();
        let verifier = verifier.ok_or(CertificateError::UnknownIssuer)?;
        let verified = verifier.verify_client_cert(certificate, others, now)?;
        let read = Certificate::read(certificate.clone().into_owned())
            .map_err(|_| CertificateError::BadEncoding)?;
        if read.is_called(&self.name) {
            return Ok(verified);
        }
        let expected = Arc::clone(&self.name);
        let other = OtherError(Arc::new(OtherName { expected }));
        Err(CertificateError::Other(other).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
