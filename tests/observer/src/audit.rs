//! One line of the audit log, with its objects unread until somebody asks for them.

use std::borrow::Cow;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::history::{Span, Write};

/// The verbs that change something.
const WRITES: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// One event of `audit.k8s.io/v1`: the fields that are needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event<'a> {
    /// Names the request.
    #[serde(rename = "auditID", borrow)]
    audit_id: Cow<'a, str>,
    /// `ResponseComplete` for a request that has ended, or `Panic`.
    #[serde(borrow)]
    stage: Cow<'a, str>,
    /// What was asked.
    #[serde(borrow)]
    pub(crate) verb: Cow<'a, str>,
    /// Path and query.
    #[serde(rename = "requestURI", borrow)]
    uri: Cow<'a, str>,
    /// Who asked.
    #[serde(borrow)]
    user: User<'a>,
    /// About what.
    #[serde(borrow, default)]
    pub(crate) object_ref: ObjectRef<'a>,
    /// How it ended.
    #[serde(borrow, default)]
    pub(crate) response_status: Ending<'a>,
    /// When the API server had its head.
    request_received_timestamp: Timestamp,
    /// When the API server had answered.
    stage_timestamp: Timestamp,
    /// What was sent.
    #[serde(borrow, default)]
    request_object: Option<&'a RawValue>,
    /// What was answered.
    #[serde(borrow, default)]
    response_object: Option<&'a RawValue>,
}

/// Who asked.
#[derive(Debug, Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    username: Cow<'a, str>,
}

/// About what. Empty where it does not apply.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ObjectRef<'a> {
    #[serde(borrow)]
    pub(crate) resource: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) subresource: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) namespace: Cow<'a, str>,
    /// Empty for generated names and collections.
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
}

/// How a request ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ending<'a> {
    /// The HTTP status.
    pub(crate) code: u16,
    /// What the client was told, on failure.
    #[serde(borrow)]
    pub(crate) message: Cow<'a, str>,
    /// What was deleted, where that is not the answer itself.
    #[serde(borrow)]
    pub(crate) details: Details<'a>,
}

/// What was deleted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Details<'a> {
    #[serde(borrow)]
    pub(crate) uid: Cow<'a, str>,
}

impl<'a> Event<'a> {
    /// Reads a line.
    pub(crate) fn read(line: &'a [u8]) -> anyhow::Result<Self> {
        serde_json::from_slice(line).context("this is no audit event")
    }

    /// Says whether the request has ended and was to change something, not just to rehearse it.
    pub(crate) fn is_write(&self) -> bool {
        let query = self.uri.split_once('?').map_or("", |(_, query)| query);
        let rehearsal = query.split('&').any(|pair| pair.starts_with("dryRun="));
        self.stage != "ResponseStarted" && WRITES.contains(&self.verb.as_ref()) && !rehearsal
    }

    /// Says whether the API server did what was asked.
    pub(crate) const fn succeeded(&self) -> bool {
        self.response_status.code / 100 == 2
    }

    /// Says whether an object came to be, if it succeeded: by POST, or by a server-side apply.
    pub(crate) fn creates(&self) -> bool {
        let applied = self.verb == "patch" && self.response_status.code == 201;
        self.object_ref.subresource.is_empty() && (self.verb == "create" || applied)
    }

    /// Who asked.
    pub(crate) fn user(&self) -> &str {
        &self.user.username
    }

    /// When it was with the API server.
    pub(crate) const fn span(&self) -> Span {
        Span {
            received: self.request_received_timestamp,
            answered: self.stage_timestamp,
        }
    }

    /// Who, when, and which event.
    pub(crate) fn write(&self) -> Write {
        Write {
            audit_id: self.audit_id.clone().into_owned(),
            creates: self.creates(),
            span: self.span(),
            users: vec![self.user().to_owned()],
        }
    }

    /// What was sent, unread.
    pub(crate) fn sent(&self) -> anyhow::Result<&'a str> {
        let sent = self.request_object.map(RawValue::get);
        sent.with_context(|| self.lacks("requestObject"))
    }

    /// What was answered, unread.
    pub(crate) fn answer(&self) -> anyhow::Result<&'a str> {
        let answer = self.response_object.map(RawValue::get);
        answer.with_context(|| self.lacks("responseObject"))
    }

    /// What was answered.
    pub(crate) fn response<T: Deserialize<'a>>(&self) -> anyhow::Result<T> {
        let failed = || format!("event {} has an unreadable responseObject", self.audit_id);
        serde_json::from_str(self.answer()?).with_context(failed)
    }

    /// What was sent.
    pub(crate) fn request<T: Deserialize<'a>>(&self) -> anyhow::Result<T> {
        let failed = || format!("event {} has an unreadable requestObject", self.audit_id);
        serde_json::from_str(self.sent()?).with_context(failed)
    }

    /// What to say of a log that was written under another policy.
    fn lacks(&self, field: &str) -> String {
        let (id, resource) = (&self.audit_id, &self.object_ref.resource);
        format!(
            "event {id} has no {field}: let the audit policy log {resource} at `RequestResponse`"
        )
    }
}
