//! What is typed to start the simulator, and what it comes to.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use axum::http::HeaderName;
use clap::Parser;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::simulator::hosts::BadFile;
use crate::simulator::{Auth, BadBlob, BadIdentity, Config, Dialect, Hosts, Identity, TimeScale};

#[cfg(test)]
mod tests;

/// Where the simulator may be tried, and what its files and ports look like.
const LONG: &str = include_str!("args/help.txt");

/// The largest file that is read: [`crate::simulator::hosts::MOST`] hosts of 160 bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Plays an OpenAttestation service whose verdicts, delays and faults you choose.
#[derive(Clone, Debug, Parser)]
#[command(name = "oat-simulator", version, after_long_help = LONG)]
pub struct Args {
    /// Where the service listens, HTTPS
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,

    /// The service's certificate and what leads to its CA, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,

    /// The private key of that certificate, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,

    /// Where verdicts and faults are set and requests are listed, plain HTTP without any
    /// authentication: keep it on a loopback address
    #[arg(long, value_name = "ADDR")]
    admin_listen: SocketAddr,

    /// A secret that every request must carry; without it none is asked for, as in stock servers
    #[arg(
        long,
        value_name = "SECRET",
        env = "OAT_SIMULATOR_AUTH_BLOB",
        hide_env_values = true
    )]
    auth_blob: Option<Secret>,

    /// The header that must carry it
    #[arg(long, value_name = "NAME", default_value = "x-auth-blob")]
    auth_header: HeaderName,

    /// The hosts that are played at first (see below); all others are unknown
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,

    /// The version that is played
    #[arg(long, value_name = "VERSION", default_value_t)]
    dialect: Dialect,

    /// What every delay is multiplied by
    #[arg(
        long,
        value_name = "FACTOR",
        default_value = "1.0",
        allow_negative_numbers = true
    )]
    time_scale: TimeScale,

    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or `trustpool=debug,hyper=info`
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
}

/// What was typed for `--auth-blob`; `Debug` hides it.
#[derive(Clone)]
struct Secret(String);

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why the simulator cannot start as typed; names the flag and, unless it is secret, the value.
#[derive(Debug, Error)]
pub enum Error {
    /// `--auth-blob`.
    #[error("failed to use the value of --auth-blob")]
    AuthBlob(#[source] BadBlob),
    /// A file cannot be read.
    #[error("failed to read {flag} `{}`", path.display())]
    File {
        /// Its flag.
        flag: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `--hosts`: the file is no list of hosts.
    #[error("failed to understand --hosts `{}`", path.display())]
    Hosts {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<BadFile>,
    },
    /// `--tls-cert` and `--tls-key`: the files are no certificate and key.
    #[error("failed to use --tls-cert `{}` and --tls-key `{}`", cert.display(), key.display())]
    Identity {
        /// The path of the certificate.
        cert: PathBuf,
        /// The path of the key.
        key: PathBuf,
        /// Why.
        #[source]
        source: BadIdentity,
    },
    /// An address cannot be listened on.
    #[error("failed to listen on {flag} `{address}`")]
    Listen {
        /// Its flag.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `--log`: no filter.
    #[error("failed to understand --log `{filter}`")]
    Log {
        /// What was typed.
        filter: String,
        /// Why.
        #[source]
        source: ParseError,
    },
}

impl Args {
    /// What is logged.
    ///
    /// # Errors
    ///
    /// It is no filter.
    pub fn filter(&self) -> Result<EnvFilter, Error> {
        EnvFilter::try_new(&self.log).map_err(|source| Error::Log {
            filter: self.log.clone(),
            source,
        })
    }

    /// Reads the files and opens both ports.
    ///
    /// # Errors
    ///
    /// The first flag whose value cannot be used.
    pub fn config(self) -> Result<Config, Error> {
        let identity = identity(&self.tls_cert, &self.tls_key)?;
        let hosts = self.hosts.as_deref().map(hosts).transpose()?;
        let auth = self
            .auth_blob
            .map(|Secret(blob)| Auth::new(self.auth_header, &blob))
            .transpose()
            .map_err(Error::AuthBlob)?;
        Ok(Config {
            admin: listen("--admin-listen", self.admin_listen)?,
            auth,
            dialect: self.dialect,
            hosts: hosts.unwrap_or_default(),
            identity,
            service: listen("--listen", self.listen)?,
            time_scale: self.time_scale,
        })
    }
}

/// The identity in two files.
fn identity(cert: &Path, key: &Path) -> Result<Identity, Error> {
    let chain = contents("--tls-cert", cert)?;
    let secret = contents("--tls-key", key)?;
    Identity::from_pem(chain.as_bytes(), secret.as_bytes()).map_err(|source| Error::Identity {
        cert: cert.to_owned(),
        key: key.to_owned(),
        source,
    })
}

/// The hosts in a file.
fn hosts(path: &Path) -> Result<Hosts, Error> {
    let yaml = contents("--hosts", path)?;
    yaml.parse().map_err(|source| Error::Hosts {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// The text in a file, if it is not too large.
fn contents(flag: &'static str, path: &Path) -> Result<String, Error> {
    let read = fs::metadata(path).and_then(|file| {
        if file.len() > LARGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        fs::read_to_string(path)
    });
    read.map_err(|source| Error::File {
        flag,
        path: path.to_owned(),
        source,
    })
}

/// Opens a port.
fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|source| Error::Listen {
        flag,
        address,
        source,
    })
}
