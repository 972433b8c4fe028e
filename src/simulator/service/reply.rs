//! An answer as HTTP, whole or cut off.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use futures::StreamExt;
use futures::stream;

use crate::simulator::dialect::Answer;
use crate::simulator::fault::Fault;

/// Puts an answer as HTTP.
pub(super) fn reply(answer: Answer, fault: Fault) -> Response<Body> {
    let length = answer.body.len();
    let body = if fault == Fault::Truncate {
        halved(&answer.body)
    } else {
        Body::from(answer.body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(allow) = answer.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

/// The first half of a body, and then a failure, on which the connection is closed.
fn halved(body: &Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    let cut = stream::once(async {
        // The half is sent only when nothing more is ready; a failure at once would take it along.
        tokio::task::yield_now().await;
        Err(io::Error::other("cut off by order of the admin port"))
    });
    Body::from_stream(stream::iter([Ok(half)]).chain(cut))
}
