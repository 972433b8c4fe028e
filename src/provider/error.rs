//! Why a whole question has no answer, and what its asker does then.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::domain::Outcome;

/// What lies beneath an error, whatever library it comes from.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What the asker does about a question that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// Ask the same again later: the failure is not about a host.
    Retry,
    /// Ask again in halves: one host of the batch may be what it is about. Of a single host: later.
    Split,
}

/// Why a question has no answer.
///
/// Nothing here quotes what the service sent: a page that repeats the request's headers would carry
/// the secret of the service into logs and status.
#[derive(Debug, Error)]
pub enum Error {
    /// The connection ended before a reply began.
    #[error("lost the connection to `{url}` before a reply came; look at the service's own log")]
    Broken {
        /// What was asked.
        url: String,
        /// How it ended.
        source: Cause,
    },
    /// No connection.
    #[error("failed to connect to `{url}`; check its name and port, and that the service runs")]
    Connect {
        /// What was asked.
        url: String,
        /// Why.
        source: Cause,
    },
    /// A deadline passed.
    #[error(
        "gave up on `{url}`, {deadline} {limit:?}; look for a host that does not report, or set a longer timeout"
    )]
    Deadline {
        /// What was asked.
        url: String,
        /// Which.
        deadline: Deadline,
        /// How long it was, halvings included.
        limit: Duration,
    },
    /// A host's name cannot be sent; nothing was.
    #[error("failed to ask about host {host:?}; give the node another host name")]
    Host {
        /// Its first characters.
        host: String,
        /// What speaks against it.
        source: InvalidHost,
    },
    /// The service wants us to ask elsewhere.
    #[error("refused to follow a redirect (status {status}) from `{url}`; set the final URL")]
    Redirect {
        /// What was asked.
        url: String,
        /// 300 to 399.
        status: u16,
    },
    /// The service refused the request.
    #[error("`{url}` answered with status {status}; {}", advice(*.status))]
    Status {
        /// What was asked.
        url: String,
        /// 100 to 199, or 400 and above.
        status: u16,
    },
    /// No connection that can be relied on.
    #[error(
        "failed to agree on TLS with `{url}`; check the CA, the names in its certificate, and that it speaks TLS 1.2 or newer"
    )]
    Tls {
        /// What was asked.
        url: String,
        /// Why.
        source: Cause,
    },
    /// A reply came that is not in the service's language.
    #[error("failed to read the reply of `{url}`; check that the service itself answers there")]
    Unreadable {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        source: Problem,
    },
}

impl Error {
    /// What this gave for every host of the question.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Broken { .. }
            | Self::Connect { .. }
            | Self::Deadline { .. }
            | Self::Tls { .. } => Outcome::Unreachable,
            Self::Host { .. } | Self::Redirect { .. } | Self::Status { .. } => Outcome::Refused,
            Self::Unreadable { .. } => Outcome::Unreadable,
        }
    }

    /// What to do now.
    #[must_use]
    pub const fn then(&self) -> Then {
        match self {
            // One name that a server dislikes fails the whole batch with one of these.
            Self::Status {
                status: 400 | 413 | 422 | 500..,
                ..
            }
            | Self::Broken { .. }
            | Self::Deadline { .. }
            | Self::Host { .. }
            | Self::Unreadable { .. } => Then::Split,
            Self::Connect { .. }
            | Self::Redirect { .. }
            | Self::Status { .. }
            | Self::Tls { .. } => Then::Retry,
        }
    }

    /// One word of a closed set, for metrics and conditions.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Broken { .. } => "broken",
            Self::Connect { .. } => "connect",
            Self::Deadline { deadline, .. } => deadline.kind(),
            Self::Host { .. } => "host",
            Self::Redirect { .. } => "redirect",
            Self::Status { status, .. } => match status {
                401 | 403 | 407 => "unauthorized",
                404 | 405 => "not_found",
                500.. => "server_error",
                _ => "client_error",
            },
            Self::Tls { .. } => "tls",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

/// What to check after a status that refuses the request.
const fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the header and the secret that authenticate us",
        404 | 405 => "check the path: it differs between versions of the service",
        407 => "a proxy stands in between and wants to be authenticated with",
        429 => "ask less often, or with fewer requests in flight",
        400 | 413 | 422 => "check that it takes these host names, and this dialect",
        502..=504 => "it is overloaded or not running behind its proxy; look at its own log",
        500.. => "look at the service's own log; it may not take one of the host names",
        _ => "check that the service itself answers there, and its dialect",
    }
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deadline {
    /// The longest silence, that before the first byte included.
    Read,
    /// That of the whole exchange.
    Total,
}

impl Deadline {
    /// As metrics spell it.
    const fn kind(self) -> &'static str {
        match self {
            Self::Read => "deadline_read",
            Self::Total => "deadline_total",
        }
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "which sent nothing for",
            Self::Total => "which had not finished after",
        })
    }
}

/// Why a name cannot be sent to a service.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum InvalidHost {
    /// It has a character that servers refuse, or that no host name has.
    #[error("the host name has a {0:?} in it, which the service does not take")]
    Character(char),
    /// There is no name.
    #[error("the host name is empty")]
    Empty,
    /// No DNS name is as long.
    #[error("the host name is {0} characters long, which is more than a DNS name may have")]
    TooLong(usize),
}

/// What is wrong with a reply.
#[derive(Debug, Error)]
pub enum Problem {
    /// The connection ended in the middle.
    #[error("the reply ended early")]
    Cut(#[source] Cause),
    /// There is nothing in it.
    #[error("the reply is empty")]
    Empty,
    /// It is compressed, which was not asked for.
    #[error("the reply has a content encoding, which was not asked for")]
    Encoded,
    /// It holds no list of hosts where one belongs.
    #[error("the reply holds no list of hosts")]
    NoHosts,
    /// A success that no service answers with.
    #[error("the reply has status {0}, where the service's own have 200")]
    Status(u16),
    /// It is not JSON, or says one thing twice.
    #[error("the reply is not the JSON that was asked for")]
    Syntax(#[source] serde_json::Error),
    /// It is far longer than answers about these hosts could be.
    #[error("the reply is longer than {0} bytes")]
    TooLarge(usize),
}

#[cfg(test)]
mod tests;
