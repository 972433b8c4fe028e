//! Whom the API server believes when it asks the bind gate: who chooses the CAs, and whether they are what was chosen.
//!
//! Who it is has to be told from outside. The webhook configuration says it too, and whoever may write a foreign
//! `caBundle` there may write that it was given.

use serde_json::Value;

use super::Group;

/// The annotation by which the webhook configuration says that the CAs are given, and its value.
const GIVEN: (&str, &str) = ("trustpool.dev/ca-bundle", "given");

/// Who sees to the CAs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authority {
    /// An administrator, or a tool of theirs.
    Given,
    /// Trustpool.
    Own,
}

impl Authority {
    /// Who sees to those in the objects of `group`, if there are any.
    pub const fn of(group: Group) -> Option<Self> {
        match group {
            Group::Webhook => Some(Self::Own),
            Group::WebhookGiven => Some(Self::Given),
            _ => None,
        }
    }

    /// The path of the first field of `live` that says something else.
    pub fn difference(self, live: &Value, bundles: &[String]) -> Option<String> {
        let (key, given) = GIVEN;
        let annotation = live
            .get("metadata")
            .and_then(|it| it.get("annotations")?.get(key)?.as_str());
        let says = if annotation == Some(given) {
            Self::Given
        } else {
            Self::Own
        };
        if says != self {
            return Some(format!("metadata.annotations[{key}]"));
        }
        (self == Self::Own).then(|| foreign(live, bundles))?
    }
}

/// The path of the first `caBundle` that is none of `bundles`.
fn foreign(live: &Value, bundles: &[String]) -> Option<String> {
    let webhooks = live.get("webhooks").and_then(Value::as_array)?;
    let is_foreign = |webhook: &Value| {
        let bundle = webhook.pointer("/clientConfig/caBundle");
        let bundle = bundle.and_then(Value::as_str).unwrap_or_default();
        !bundles.iter().any(|known| known == bundle)
    };
    let at = webhooks.iter().position(is_foreign);
    at.filter(|_| !bundles.is_empty())
        .map(|at| format!("webhooks[{at}].clientConfig.caBundle"))
}
