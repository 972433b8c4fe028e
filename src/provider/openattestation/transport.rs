//! One request and its reply: every wait has an end, every reply a longest length.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use reqwest::header::CONTENT_ENCODING;
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::time::timeout;

use crate::provider::openattestation::Timeouts;
use crate::provider::{Deadline, Error, Problem};

/// The bounds of one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// What is asked, for errors.
    pub url: &'a str,
    /// How long each part may take. Connecting has its own bound in the client.
    pub timeouts: Timeouts,
    /// How many bytes of body are read.
    pub limit: usize,
}

impl Exchange<'_> {
    /// Sends `request` and reads the body of its reply, if that is a success.
    pub async fn run(&self, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let total = self.timeouts.total;
        timeout(total, self.talk(request))
            .await
            .unwrap_or_else(|_| Err(self.late(Deadline::Total, total)))
    }

    async fn talk(&self, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let sent = self.listen(request.send()).await?;
        let response = sent.map_err(|error| self.classify(error))?;
        self.admit(&response)?;
        self.body(response).await
    }

    /// Waits as long as the service may be silent. reqwest has such a deadline too, but for all
    /// requests of a client alike.
    async fn listen<T>(&self, next: impl Future<Output = T>) -> Result<T, Error> {
        let read = self.timeouts.read;
        timeout(read, next)
            .await
            .map_err(|_| self.late(Deadline::Read, read))
    }

    /// Says whether the body is worth reading. 200 is the only success that a server sends.
    fn admit(&self, response: &Response) -> Result<(), Error> {
        let status = response.status();
        let code = status.as_u16();
        let url = self.url.to_owned();
        if status.is_redirection() {
            return Err(Error::Redirect { url, status: code });
        }
        if !status.is_success() {
            return Err(Error::Status { url, status: code });
        }
        if status != StatusCode::OK {
            return Err(self.unreadable(Problem::Status(code)));
        }
        let encoding = response.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(self.unreadable(Problem::Encoded));
        }
        Ok(())
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = self
            .listen(response.chunk())
            .await?
            .map_err(|error| self.unreadable(Problem::Cut(error.without_url().into())))?
        {
            if chunk.len() > self.limit.saturating_sub(body.len()) {
                return Err(self.unreadable(Problem::TooLarge(self.limit)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The error of a reply with this problem.
    pub fn unreadable(&self, problem: Problem) -> Error {
        Error::Unreadable {
            url: self.url.to_owned(),
            source: problem,
        }
    }

    fn late(&self, deadline: Deadline, limit: Duration) -> Error {
        Error::Deadline {
            url: self.url.to_owned(),
            deadline,
            limit,
        }
    }

    /// Names what kept a reply from beginning.
    fn classify(&self, error: reqwest::Error) -> Error {
        let url = self.url.to_owned();
        let connect = error.is_connect();
        let tls = is_tls(&error);
        let source = error.without_url().into();
        match (tls, connect) {
            (true, _) => Error::Tls { url, source },
            (false, true) => Error::Connect { url, source },
            (false, false) => Error::Broken { url, source },
        }
    }
}

/// Says whether TLS lies beneath `error`.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        cause = beneath(error);
    }
    false
}

/// What lies beneath `error`. An [`io::Error`] passes itself off as what it holds, so that its
/// source is that of the error within; connectors put one into another.
fn beneath<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a (dyn std::error::Error + 'static)> {
    let held = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match held {
        Some(held) => Some(held),
        None => error.source(),
    }
}
