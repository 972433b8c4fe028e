//! The admission policies and the bind gate's webhooks as this version installs them, and in what those of a cluster
//! differ from them. Pure.
//!
//! What is expected is `manifests/`, compiled in; the chart renders the same.

mod authority;
mod choice;
mod difference;
mod group;

use serde::Deserialize;
use serde_json::{Value, json};

pub use self::choice::{Choice, GateUrl, NoGateUrl, NoSelector, Selector};
pub use self::group::{Group, Groups, NoGroup};

use self::authority::Authority;

/// The namespace that the texts name.
const NAMESPACE: &str = "trustpool-system";

/// One object that must be there.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What kind of object of `admissionregistration.k8s.io/v1`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Who sees to the CAs in it, where there are any.
    authority: Option<Authority>,
    /// Everything else in it that counts.
    content: Value,
}

/// One document of `manifests/`.
#[derive(Deserialize)]
struct Manifest {
    kind: String,
    metadata: Metadata,
    spec: Option<Value>,
    webhooks: Option<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

/// Every object that `choice` asks for, as it is where Trustpool's namespace is `namespace`.
///
/// # Errors
///
/// What was compiled in cannot be read, which a test excludes.
pub fn expected(choice: &Choice, namespace: &str) -> Result<Vec<Expected>, serde_saphyr::Error> {
    let mut found = Vec::new();
    for group in choice.groups.iter() {
        for text in group.texts() {
            let manifests = serde_saphyr::from_multiple::<Manifest>(text)?;
            let all = manifests.into_iter();
            found.extend(all.map(|manifest| manifest.chosen(group, choice, namespace)));
        }
    }
    Ok(found)
}

impl Manifest {
    fn chosen(self, group: Group, choice: &Choice, namespace: &str) -> Expected {
        let content = json!({"spec": self.spec, "webhooks": self.webhooks});
        let mut content = in_namespace(content, namespace);
        choice.apply(&self.metadata.name, &mut content);
        Expected {
            kind: self.kind,
            name: self.metadata.name,
            authority: Authority::of(group),
            content,
        }
    }
}

/// `value` with another namespace in every string. It is replaced in what was read, as a name such as `123` would be
/// read as a number.
fn in_namespace(value: Value, namespace: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(NAMESPACE, namespace)),
        Value::Array(items) => {
            let items = items.into_iter();
            items.map(|item| in_namespace(item, namespace)).collect()
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(key, value)| (key, in_namespace(value, namespace)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

impl Expected {
    /// The path of the first field in which `live`, a whole object, differs in what it does; nothing if it does what
    /// it should. What the API server adds by itself makes no difference. Where the CAs are Trustpool's own, each
    /// `caBundle` must be one of `bundles`, base64 as JSON has it; where there are none of these, it is not known.
    #[must_use]
    pub fn difference(&self, live: &Value, bundles: &[String]) -> Option<String> {
        let content = json!({"spec": live.get("spec"), "webhooks": live.get("webhooks")});
        let authority = self.authority.as_ref();
        difference::first(&self.content, &content).or_else(|| authority?.difference(live, bundles))
    }
}

#[cfg(test)]
mod tests;
