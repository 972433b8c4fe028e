//! One call to the API server: its deadline, and what an error means for the caller.

use std::time::Duration;

use thiserror::Error;
use tokio::time::timeout;

/// How long any call but a watch may take. kube's client itself has no limit.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why a write was not sent.
#[derive(Clone, Copy, Debug, Error)]
#[error("this process does not lead any more, so it writes nothing")]
pub struct Deposed;

/// Why a call failed.
#[derive(Debug, Error)]
pub enum Error {
    /// It was not made.
    #[error(transparent)]
    Deposed(#[from] Deposed),
    /// The API server refused it, or could not be reached.
    #[error("the API server refused")]
    Refused(#[source] kube::Error),
    /// No answer in time.
    #[error("the API server did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

impl Error {
    /// Says whether somebody else wrote the object first, or it is not what it was: read it again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// Says whether the object is gone.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.code() == Some(404)
    }

    /// Says whether somebody else wrote, made or deleted the object first: no wait helps, a look does.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        self.is_conflict() || self.is_missing()
    }

    /// A word for metrics.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self.code() {
            Some(404) => "missing",
            Some(409) => "conflict",
            Some(403) => "forbidden",
            _ if self.is_of_deposed() => "deposed",
            _ => "error",
        }
    }

    /// Says whether it was not sent since this process does not lead any more.
    fn is_of_deposed(&self) -> bool {
        match self {
            Self::Deposed(_) => true,
            Self::Refused(kube::Error::Service(source)) => source.is::<Deposed>(),
            Self::Refused(_) | Self::Timeout(_) => false,
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(kube::Error::Api(status)) => Some(status.code),
            Self::Deposed(_) | Self::Refused(_) | Self::Timeout(_) => None,
        }
    }
}

/// Waits for `call`, at most 5 seconds.
///
/// # Errors
///
/// The call failed, or took too long.
pub async fn call<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    within(DEADLINE, call).await
}

/// Waits for `call`, at most for so long.
///
/// # Errors
///
/// The call failed, or took too long.
pub async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match timeout(deadline, call).await {
        Ok(result) => result.map_err(Error::Refused),
        Err(_) => Err(Error::Timeout(deadline)),
    }
}
