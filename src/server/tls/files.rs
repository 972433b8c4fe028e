//! The certificate of a server, and the CAs of its clients, from files that somebody else writes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::time::sleep;

use crate::certificates;
use crate::telemetry::Chain;

use super::{Clients, Identity};

/// How often the files are read. No event of the file system is waited for: in a mounted Secret it is a
/// link to a folder that is replaced, and no write to the file is ever seen.
const PACE: Duration = Duration::from_secs(5);

/// Where a certificate and its private key are, both PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    /// The certificate, and those that lead from it to its CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where the CAs of clients are, PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientFile(pub PathBuf);

/// Why the files were not taken.
#[derive(Debug, Error)]
pub enum Error {
    /// One cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There are no CAs in it, or not only.
    #[error("`{}` cannot be used", path.display())]
    UseClients {
        /// The file.
        path: PathBuf,
        /// Why.
        source: certificates::Error,
    },
    /// What is in them is of no use, as while they are being replaced.
    #[error(
        "`{}` and `{}` cannot be used",
        files.certificate.display(),
        files.key.display()
    )]
    Use {
        /// The files.
        files: Files,
        /// Why.
        source: certificates::Error,
    },
}

impl Files {
    /// Shows what is in the files now.
    ///
    /// # Errors
    ///
    /// They are of no use, and what was shown before stays.
    pub async fn load(&self, identity: &Identity) -> Result<(), Error> {
        let certificate = read(&self.certificate).await?;
        let key = read(&self.key).await?;
        identity
            .show(&certificate, &key)
            .map_err(|source| Error::Use {
                files: self.clone(),
                source,
            })
    }

    /// Shows what is in the files, now and whenever that changes, for ever.
    pub async fn follow(self, identity: Identity) {
        loop {
            if let Err(error) = self.load(&identity).await {
                identity.fail(Chain(&error).to_string());
            }
            sleep(PACE).await;
        }
    }
}

impl ClientFile {
    /// Believes the CAs that are in the file now.
    ///
    /// # Errors
    ///
    /// It is of no use, and those that were believed before stay.
    pub async fn load(&self, clients: &Clients) -> Result<(), Error> {
        let bundle = read(&self.0).await?;
        clients
            .believe(&bundle)
            .map_err(|source| Error::UseClients {
                path: self.0.clone(),
                source,
            })
    }

    /// Believes the CAs that are in the file, now and whenever that changes, for ever.
    pub async fn follow(self, clients: Clients) {
        loop {
            if let Err(error) = self.load(&clients).await {
                clients.fail(Chain(&error).to_string());
            }
            sleep(PACE).await;
        }
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Error> {
    tokio::fs::read(path).await.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
