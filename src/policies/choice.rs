//! What whoever installs the policies chooses about them.

use std::str::FromStr;

use http::Uri;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::Groups;

/// The policy whose Nodes are chosen, and where it says so.
const SELECTING: (&str, &str) = (
    "startup-taint.trustpool.dev",
    "/spec/matchConstraints/objectSelector",
);

/// What was chosen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    /// What is installed.
    pub groups: Groups,
    /// By which URL the API server asks the bind gate; nothing where it asks by its Service.
    pub url: Option<GateUrl>,
    /// Which Nodes are tainted from their first moment.
    pub selector: Selector,
}

/// Scheme, host and port of the bind gate, as they are written before the path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GateUrl(String);

/// Why something is no such URL.
#[derive(Debug, Error)]
#[error("must be `https://HOST:PORT`, and nothing after it")]
pub struct NoGateUrl;

/// A selector of labels, as the API server keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector(Value);

/// Why something is no selector.
#[derive(Debug, Error)]
#[error("must be JSON, with `matchLabels` and `matchExpressions` and nothing else")]
pub struct NoSelector;

impl Choice {
    /// Changes what is expected of the object `name` as was chosen.
    pub(super) fn apply(&self, name: &str, content: &mut Value) {
        if name == SELECTING.0
            && let Some(selector) = content.pointer_mut(SELECTING.1)
        {
            *selector = self.selector.0.clone();
        }
        if let Some(url) = &self.url {
            let webhooks = content.get_mut("webhooks").and_then(Value::as_array_mut);
            webhooks.into_iter().flatten().for_each(|it| url.apply(it));
        }
    }
}

impl GateUrl {
    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        let uri: Option<Uri> = self.0.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        host.trim_matches(['[', ']']).to_owned()
    }

    /// Has a webhook ask there what it would ask by its Service.
    fn apply(&self, webhook: &mut Value) {
        if let Some(client) = webhook.get_mut("clientConfig") {
            let path = client.pointer("/service/path").and_then(Value::as_str);
            *client = json!({"url": format!("{}{}", self.0, path.unwrap_or_default())});
        }
    }
}

impl FromStr for GateUrl {
    type Err = NoGateUrl;

    fn from_str(text: &str) -> Result<Self, NoGateUrl> {
        let bare = text.strip_suffix('/').unwrap_or(text);
        let uri: Uri = bare.parse().map_err(|_| NoGateUrl)?;
        let is_bare = uri.path().len() <= 1 && uri.query().is_none() && !bare.ends_with('/');
        if uri.scheme_str() == Some("https") && uri.host().is_some() && is_bare {
            Ok(Self(bare.to_owned()))
        } else {
            Err(NoGateUrl)
        }
    }
}

impl Default for Selector {
    /// Every Node.
    fn default() -> Self {
        Self(json!({}))
    }
}

impl FromStr for Selector {
    type Err = NoSelector;

    fn from_str(text: &str) -> Result<Self, NoSelector> {
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|_| NoSelector)?;
        let known = ["matchExpressions", "matchLabels"];
        if fields.keys().all(|key| known.contains(&key.as_str())) {
            Ok(Self(pruned(Value::Object(fields))))
        } else {
            Err(NoSelector)
        }
    }
}

/// Without what is empty: the API server does not keep it.
fn pruned(value: Value) -> Value {
    let is_kept = |value: &Value| *value != json!([]) && *value != json!({}) && !value.is_null();
    match value {
        Value::Array(items) => items.into_iter().map(pruned).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key, pruned(value)));
            Value::Object(fields.filter(|(_, value)| is_kept(value)).collect())
        }
        other => other,
    }
}
