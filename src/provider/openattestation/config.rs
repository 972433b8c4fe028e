//! What must be known to ask a service, and the check that it can be used.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use thiserror::Error;

use crate::clock::Clock;
use crate::provider::Cause;

/// Headers that are the exchange's own.
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How long a connection may idle. Tomcat as it is shipped closes one after 20 s; a request sent at
/// that moment would be lost.
const IDLE: Duration = Duration::from_secs(10);

/// How to reach one service.
#[derive(Clone)]
pub struct Config {
    /// Where it is: `https`, without credentials, query or fragment.
    pub url: String,
    /// What follows the URL, up to `PollHosts`; slashes at its ends make no difference.
    pub path: String,
    /// The only certificates it may be vouched for by: PEM, text around them allowed, as in what
    /// `openssl s_client` prints. A self-signed certificate vouches for itself.
    pub roots: Vec<u8>,
    /// A header to authenticate with. No stock server looks at one.
    pub auth: Option<Auth>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How far its clock may be from ours.
    pub max_skew: SignedDuration,
    /// Our own.
    pub clock: Clock,
}

impl fmt::Debug for Config {
    // A bundle of roots may, by mistake, hold a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("path", &self.path)
            .field("auth", &self.auth)
            .field("timeouts", &self.timeouts)
            .field("max_skew", &self.max_skew)
            .finish_non_exhaustive()
    }
}

/// A header that authenticates us.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Its name: `x-auth-blob` for Nova, `Auth_blob` or `Auth-blob` for OpenAttestation's manuals.
    pub header: String,
    /// Its value.
    pub value: Secret,
}

/// Bytes that are never printed.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl From<Vec<u8>> for Secret {
    fn from(value: Vec<u8>) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How long to wait for a service; none is zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next byte: the longest silence, that before the first byte included.
    pub read: Duration,
    /// For everything.
    pub total: Duration,
}

impl Timeouts {
    /// What a batch may take that was halved so often. Connecting keeps its own time, since that
    /// does not depend on how many hosts are asked about; the total bounds it all the same.
    #[must_use]
    pub fn halved(self, halvings: u32) -> Self {
        let parts = 1_u32.checked_shl(halvings).unwrap_or(u32::MAX);
        Self {
            connect: self.connect,
            read: self.read / parts,
            total: self.total / parts,
        }
    }
}

/// Why a [`Config`] cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The header's name is none.
    #[error("failed to use `{header}` as a header's name")]
    Header {
        /// The name.
        header: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// The path holds more than a path.
    #[error("failed to use path `{path}`: it must not hold `?` or `#`")]
    Path {
        /// The path.
        path: String,
    },
    /// The header is one that every request has, or that frames it.
    #[error("failed to use `{header}` to authenticate: requests need it for themselves")]
    Reserved {
        /// The name.
        header: String,
    },
    /// There is nothing to verify the service with.
    #[error("failed to find a certificate among the roots: they must hold one in PEM")]
    RootsMissing,
    /// A certificate cannot be read.
    #[error("failed to read the certificates of the roots")]
    RootsUnreadable {
        /// Why.
        source: Cause,
    },
    /// The secret is empty, or has a character that no header can carry.
    #[error(
        "failed to put the secret into header `{header}`: it is empty, or has a line break or another control character, perhaps at its end"
    )]
    Secret {
        /// The header's name.
        header: String,
    },
    /// A timeout is zero.
    #[error("failed to use timeout `{timeout}`: it is zero")]
    Timeout {
        /// Which.
        timeout: &'static str,
    },
    /// The URL is none. It is not shown: it may hold a password.
    #[error("failed to read the URL")]
    Url {
        /// What is wrong with it.
        source: Cause,
    },
    /// The URL holds what it must not.
    #[error("failed to use the URL: {problem}")]
    UrlRefused {
        /// What.
        problem: &'static str,
    },
}

impl ConfigError {
    /// Says whether the certificates of the roots are at fault.
    #[must_use]
    pub const fn is_of_roots(&self) -> bool {
        matches!(self, Self::RootsMissing | Self::RootsUnreadable { .. })
    }
}

impl Config {
    /// The URL that is asked, with one slash between any two of its parts.
    pub(super) fn endpoint(&self) -> Result<Url, ConfigError> {
        let mut url = Url::parse(&self.url).map_err(|source| ConfigError::Url {
            source: source.into(),
        })?;
        if let Some(problem) = problem(&url) {
            return Err(ConfigError::UrlRefused { problem });
        }
        if self.path.contains(['?', '#']) {
            let path = self.path.clone();
            return Err(ConfigError::Path { path });
        }
        let mut path = String::new();
        let segments = url.path().split('/').chain(self.path.split('/'));
        for segment in segments
            .chain(["PollHosts"])
            .filter(|part| !part.is_empty())
        {
            path.push('/');
            path.push_str(segment);
        }
        url.set_path(&path);
        Ok(url)
    }

    /// The header that authenticates us, if there is one, marked so that nothing prints its value.
    pub(super) fn auth_headers(&self) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        let Some(auth) = &self.auth else {
            return Ok(headers);
        };
        let header = auth.header.clone();
        let name: HeaderName = header.parse().map_err(|source| ConfigError::Header {
            header: header.clone(),
            source: Cause::from(source),
        })?;
        if RESERVED.contains(&name.as_str()) {
            return Err(ConfigError::Reserved { header });
        }
        match HeaderValue::from_bytes(&auth.value.0) {
            Ok(mut value) if !value.is_empty() => {
                value.set_sensitive(true);
                headers.insert(name, value);
                Ok(headers)
            }
            _ => Err(ConfigError::Secret { header }),
        }
    }

    /// A client that trusts the given roots alone, goes nowhere but where it is told and keeps
    /// nothing but open connections.
    pub(super) fn client(&self) -> Result<Client, ConfigError> {
        for (timeout, value) in [
            ("connect", self.timeouts.connect),
            ("read", self.timeouts.read),
            ("total", self.timeouts.total),
        ] {
            if value.is_zero() {
                return Err(ConfigError::Timeout { timeout });
            }
        }
        let roots = Certificate::from_pem_bundle(&self.roots).map_err(unreadable)?;
        if roots.is_empty() {
            return Err(ConfigError::RootsMissing);
        }
        Client::builder()
            .connect_timeout(self.timeouts.connect)
            .https_only(true)
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .redirect(Policy::none())
            .referer(false)
            .tls_certs_only(roots)
            .user_agent(concat!("trustpool/", env!("CARGO_PKG_VERSION")))
            .build()
            // All else is constant.
            .map_err(unreadable)
    }
}

fn unreadable(error: reqwest::Error) -> ConfigError {
    ConfigError::RootsUnreadable {
        source: error.into(),
    }
}

/// What a URL holds that it must not.
fn problem(url: &Url) -> Option<&'static str> {
    if url.scheme() != "https" {
        return Some("it must begin with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("it must not hold a user or a password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("it must not hold `?` or `#`");
    }
    None
}

#[cfg(test)]
mod tests;
