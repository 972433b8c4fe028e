//! No write leaves a process that does not lead.

use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::{Method, Request};
use tower::{BoxError, Layer, Service};

use crate::call::Deposed;

use super::Claims;

/// Lets requests through that read, and those that write as long as this process leads. It is asked at the
/// last moment before a request is sent, and so a process that was stopped in the middle of its work writes nothing
/// more when it goes on.
#[derive(Clone, Debug)]
pub struct Fence(Claims);

impl Fence {
    /// Lets writes through as `claims` say.
    #[must_use]
    pub const fn new(claims: Claims) -> Self {
        Self(claims)
    }
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        let claims = self.0.clone();
        Fenced { claims, inner }
    }
}

/// What is behind a [`Fence`].
#[derive(Clone, Debug)]
pub struct Fenced<S> {
    claims: Claims,
    inner: S,
}

impl<B, S> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<S::Future, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let reads = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS
        );
        if reads || self.claims.term().is_some() {
            Either::Left(self.inner.call(request))
        } else {
            Either::Right(ready(Err(Deposed.into())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower::{ServiceExt, service_fn};

    use crate::clock::Clock;
    use crate::leader::Term;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_leader_writes_and_everybody_reads() {
        let (sender, claims) = Claims::new(Clock::system());
        let server = service_fn(async |_: Request<()>| Ok::<_, BoxError>(()));
        let fenced = Fence::new(claims).layer(server);
        let passes = async |method: &Method| {
            let request = Request::builder().method(method).body(()).unwrap();
            fenced.clone().oneshot(request).await.is_ok()
        };
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

        for method in &writes {
            assert!(!passes(method).await, "{method} by one that never led");
        }
        let until = Duration::from_secs(6);
        sender.send_replace(Some(Term { epoch: 1, until }));
        for method in &writes {
            assert!(passes(method).await, "{method} by the leader");
        }
        tokio::time::advance(until).await;
        for method in &writes {
            assert!(!passes(method).await, "{method} by one that led");
        }
        assert!(passes(&Method::GET).await);
    }
}
