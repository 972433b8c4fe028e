//! Why a certificate cannot be read or made.

use thiserror::Error;

/// Why a certificate or key cannot be read or made. Says nothing of what was there instead: it may be a key.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Error {
    /// What should be a CA's certificate is another's.
    #[error("the certificate is not that of a CA")]
    Authority,
    /// There is no certificate, or one that is none.
    #[error("there is no certificate in PEM that can be read")]
    Certificate,
    /// There is no private key, or one that is none.
    #[error("there is no private key in PEM that can be read")]
    Key,
    /// No key could be made, or nothing signed with it.
    #[error("failed to make a certificate")]
    Make(#[source] rcgen::Error),
    /// The key is another certificate's, as while the two of them are being replaced.
    #[error("the private key is not that of the certificate")]
    Mismatch,
    /// A name that no certificate can have.
    #[error("`{name}` is neither a DNS name nor an IP address")]
    Name {
        /// The name.
        name: String,
    },
    /// No name at all: nobody would accept the certificate.
    #[error("a certificate needs a name")]
    Nameless,
}
