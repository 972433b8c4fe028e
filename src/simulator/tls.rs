//! The certificate and key of the service port.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// Who the service port is; `Debug` hides it.
#[derive(Clone)]
pub struct Identity(Arc<ServerConfig>);

/// Why a certificate and a key make no [`Identity`].
#[derive(Debug, Error)]
pub enum BadIdentity {
    /// The certificates cannot be read.
    #[error("failed to read the certificate as PEM")]
    Certificate(#[source] pem::Error),
    /// The key cannot be read.
    #[error("failed to read the private key as PEM")]
    Key(#[source] pem::Error),
    /// There is no certificate.
    #[error("there is no certificate in the PEM")]
    NoCertificate,
    /// Both are there and cannot be used.
    #[error("failed to use the certificate with the private key")]
    Unusable(#[source] rustls::Error),
}

impl Identity {
    /// From a chain and its private key, both PEM, the leaf first.
    ///
    /// # Errors
    ///
    /// One is missing or unreadable, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, BadIdentity> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(BadIdentity::Certificate)?;
        if chain.is_empty() {
            return Err(BadIdentity::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(BadIdentity::Key)?;
        // Named here, so that a library's user need not install one for the process.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(BadIdentity::Unusable)?;
        // No server of this kind ever spoke HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// As rustls takes it.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_make_an_identity_and_nothing_else_does() {
        let mine = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (mine.cert.pem(), mine.signing_key.serialize_pem());
        let other = other.signing_key.serialize_pem();
        let cases = [
            (chain.as_str(), key.as_str(), None),
            ("", &key, Some("there is no certificate in the PEM")),
            (&chain, "", Some("failed to read the private key as PEM")),
            (
                &chain,
                &other,
                Some("failed to use the certificate with the private key"),
            ),
        ];
        for (chain, key, expected) in cases {
            let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes());

            let error = identity.err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected);
        }
    }
}
