//! An `AdmissionReview` of a Binding, and the answer to it (`admission.k8s.io/v1`).

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Binding;
use kube::Resource;
use kube::api::{DynamicObject, ObjectMeta};
use kube::core::admission::{
    AdmissionRequest, AdmissionResponse, AdmissionReview, META_API_VERSION_V1, META_KIND,
};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// The one version that is spoken.
const V1: &str = META_API_VERSION_V1;

/// Why a body is not answered.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// It is not JSON, or not of the shape.
    #[error("the body is no AdmissionReview of a Binding")]
    Malformed(#[from] serde_json::Error),
    /// It is of another kind or version.
    #[error("the body is `{kind}` of `{version}`: it must be `{META_KIND}` of `{V1}`")]
    OtherKind {
        /// `kind`.
        kind: String,
        /// `apiVersion`.
        version: String,
    },
    /// It asks nothing.
    #[error("the AdmissionReview has no `request`")]
    NoRequest,
}

/// A Binding, as far as it is read. Nothing else: whoever may create one may write into its metadata what no
/// type here holds.
#[derive(Clone, Debug, Default, Deserialize, Resource)]
#[resource(inherit = Binding)]
struct PartialBinding {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    target: Target,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Target {
    #[serde(default)]
    name: String,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    uid: Option<String>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let read = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: read.name,
        uid: read.uid,
        ..ObjectMeta::default()
    })
}

/// The longest name or UID of anything. What is longer is none, and names nothing that is known.
const LONGEST: usize = 253;

/// Makes of what a stranger may have written something that can stand in a message and in a log: it is cut where
/// no name is so long, and does not break the line.
fn legible(mut name: String) -> String {
    if let Some((end, _)) = name.char_indices().nth(LONGEST) {
        name.truncate(end);
        name.push('…');
    }
    if name.contains(char::is_control) {
        name = name.replace(char::is_control, "\u{fffd}");
    }
    name
}

/// Which pod is to be bound to which node.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subject {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's UID; empty if the Binding does not say.
    pub uid: String,
    /// The node's name.
    pub node: String,
}

/// A review that can be answered.
#[derive(Debug)]
pub struct Review {
    /// What it is about.
    pub subject: Subject,
    request: AdmissionRequest<PartialBinding>,
}

impl Review {
    /// Reads a review.
    ///
    /// # Errors
    ///
    /// It is not one that can be answered.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let review: AdmissionReview<PartialBinding> = serde_json::from_slice(body)?;
        if review.types.kind != META_KIND || review.types.api_version != V1 {
            return Err(Unreadable::OtherKind {
                kind: review.types.kind,
                version: review.types.api_version,
            });
        }
        let request: AdmissionRequest<PartialBinding> =
            review.try_into().map_err(|_| Unreadable::NoRequest)?;
        let binding = request.object.clone().unwrap_or_default();
        let subject = Subject {
            namespace: legible(request.namespace.clone().unwrap_or_default()),
            // A POST to `bindings` names the pod in the object alone.
            pod: legible(binding.metadata.name.unwrap_or_default()),
            uid: legible(binding.metadata.uid.unwrap_or_default()),
            node: legible(binding.target.name),
        };
        Ok(Self { subject, request })
    }

    /// The answer, with what the API server is to note in its audit log.
    #[must_use]
    pub fn answer(
        &self,
        refusal: Option<String>,
        notes: HashMap<String, String>,
    ) -> AdmissionReview<DynamicObject> {
        let mut response = AdmissionResponse::from(&self.request);
        if let Some(message) = refusal {
            response = response.deny(message);
            response.result.code = 403;
            "Forbidden".clone_into(&mut response.result.reason);
        }
        response.audit_annotations = notes;
        response.into_review()
    }
}
