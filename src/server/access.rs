//! Who may read metrics where not everybody may: whoever the API server knows by the token they bring, and lets `get`
//! `/metrics`. Nothing is remembered, so that a token that was revoked is worth nothing at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use crate::telemetry::Chain;

/// What one must be let to `get`.
pub const PATH: &str = "/metrics";

/// How many are asked about at once: whoever reaches the port may make us ask.
const AT_ONCE: usize = 4;

/// How long the API server may take for both questions.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest token that is asked about, in bytes; those of service accounts have about a thousand.
const LONGEST: usize = 16 * 1024;

/// Asks the API server who may.
#[derive(Clone)]
pub struct Access {
    client: Client,
    slots: Arc<Semaphore>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// Why somebody is not answered.
#[derive(Debug, Eq, PartialEq)]
enum Refusal {
    /// It is not known who it is.
    Unknown,
    /// It is known, and may not.
    Forbidden,
    /// The API server did not say.
    Unsaid,
    /// Too many ask.
    Busy,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match self {
            Self::Unknown => {
                let challenge = [(WWW_AUTHENTICATE, "Bearer")];
                let said = "bring a token that the API server knows: `Authorization: Bearer …`\n";
                (StatusCode::UNAUTHORIZED, challenge, said).into_response()
            }
            Self::Forbidden => {
                let said = "this account may not `get` the non-resource URL /metrics: bind it to ClusterRole trustpool-metrics-reader\n";
                (StatusCode::FORBIDDEN, said).into_response()
            }
            Self::Unsaid => {
                let said = "the API server did not say who may read this\n";
                (unavailable, said).into_response()
            }
            Self::Busy => (unavailable, "too many ask at once\n").into_response(),
        }
    }
}

impl Access {
    /// Asks by `client`, who must be let `create` token reviews and subject access reviews.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            slots: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    async fn decide(&self, token: &str) -> Result<(), Refusal> {
        let _slot = self.slots.try_acquire().map_err(|_| Refusal::Busy)?;
        match timeout(PATIENCE, self.ask(token)).await {
            Ok(Ok(decision)) => decision,
            Ok(Err(error)) => {
                warn!(error = %Chain(&error), "failed to ask who may read metrics");
                Err(Refusal::Unsaid)
            }
            Err(_) => Err(Refusal::Unsaid),
        }
    }

    async fn ask(&self, token: &str) -> kube::Result<Result<(), Refusal>> {
        let spec = TokenReviewSpec {
            token: Some(token.to_owned()),
            ..TokenReviewSpec::default()
        };
        let review = TokenReview {
            spec,
            ..TokenReview::default()
        };
        let params = PostParams::default();
        let review = Api::all(self.client.clone())
            .create(&params, &review)
            .await?;
        let Some(user) = known(review) else {
            return Ok(Err(Refusal::Unknown));
        };
        let review = Api::all(self.client.clone())
            .create(&params, &question(user))
            .await?;
        Ok(is_allowed(&review).then_some(()).ok_or(Refusal::Forbidden))
    }
}

/// Lets through whoever may read.
pub async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    let decision = match bearer(request.headers()) {
        Some(token) => access.decide(token).await,
        None => Err(Refusal::Unknown),
    };
    match decision {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The token in the header (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let is_one = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    (is_one && token.len() <= LONGEST).then_some(token)
}

/// Who it is, if the API server says so without a doubt.
fn known(review: TokenReview) -> Option<UserInfo> {
    let status = review.status?;
    let is_sure = status.authenticated == Some(true) && status.error.is_none();
    status.user.filter(|_| is_sure)
}

/// Whether `user` may.
fn question(user: UserInfo) -> SubjectAccessReview {
    let what = NonResourceAttributes {
        path: Some(PATH.to_owned()),
        verb: Some("get".to_owned()),
    };
    let spec = SubjectAccessReviewSpec {
        extra: user.extra,
        groups: user.groups,
        non_resource_attributes: Some(what),
        uid: user.uid,
        user: user.username,
        ..SubjectAccessReviewSpec::default()
    };
    SubjectAccessReview {
        spec,
        ..SubjectAccessReview::default()
    }
}

/// Whether the answer is yes, and no authorizer says no.
fn is_allowed(review: &SubjectAccessReview) -> bool {
    let status = review.status.as_ref();
    status.is_some_and(|status| status.allowed && status.denied != Some(true))
}

#[cfg(test)]
mod tests;
