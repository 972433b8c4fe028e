//! A certificate with its private key: as text to be kept, and as what a server shows.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};

use super::certificate::Certificate;
use super::error::Error;

/// A certificate and its private key, both as PEM.
#[derive(Clone, Eq, PartialEq)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// Its private key, PKCS#8. A secret.
    pub key: String,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// A certificate, those that lead from it to its CA, and its private key: the key is that of the certificate.
#[derive(Clone)]
pub struct Pair {
    certificate: Certificate,
    certified: Arc<CertifiedKey>,
}

impl Pair {
    /// Reads a certificate, whatever follows it in `certificate`, and its private key.
    ///
    /// # Errors
    ///
    /// One cannot be read, or they are not of each other.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| Error::Certificate)?;
        let first = chain.first().ok_or(Error::Certificate)?.clone();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::Key)?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider());
        Ok(Self {
            certificate: Certificate::read(first)?,
            certified: Arc::new(certified.map_err(|error| unfit(&error))?),
        })
    }

    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificate, and those that lead from it to its CA.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// Certificates and key as rustls takes them.
    #[must_use]
    pub fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// What it means that rustls takes no such certificate and key.
const fn unfit(error: &TlsError) -> Error {
    match error {
        TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => Error::Mismatch,
        TlsError::InvalidCertificate(_) => Error::Certificate,
        _ => Error::Key,
    }
}
