//! A NodeTrust as it is kept.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ObjectMeta;

use crate::api::{Invalid, NodeTrust};
use crate::domain::{Orders, Record};

/// A NodeTrust, with what a write to it needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// What administrators say.
    pub orders: Orders,
    /// What is known.
    pub record: Record,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// The term of the leader that wrote it; 0 if none did.
    pub epoch: u32,
    /// The conditions that it carries.
    pub conditions: Vec<Condition>,
    /// What on it cannot be read, and is ignored.
    pub unreadable: Option<Invalid>,
    /// It was written by a later version, and cannot be read at all: its node is refused, and neither is
    /// written to.
    pub foreign: bool,
}

impl Kept {
    /// What is kept of a NodeTrust that cannot be read.
    #[must_use]
    pub fn foreign(metadata: &ObjectMeta) -> Self {
        Self {
            version: metadata.resource_version.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation,
            foreign: true,
            ..Self::default()
        }
    }
}

impl From<&NodeTrust> for Kept {
    fn from(object: &NodeTrust) -> Self {
        let status = object.status.as_ref();
        let conditions = status.map(|status| status.conditions.clone());
        Self {
            epoch: status.and_then(|status| status.epoch).unwrap_or_default(),
            orders: Orders::from(object),
            record: Record::from(object),
            version: object.metadata.resource_version.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            generation: object.metadata.generation,
            conditions: conditions.unwrap_or_default(),
            unreadable: object.attest().err(),
            foreign: false,
        }
    }
}

/// Says whether resource version `a` is later than `b`. Versions of one kind of object are compared
/// as numbers (KEP-5504; so since etcd became the only storage); others are never later.
#[must_use]
pub fn is_later(a: &str, b: &str) -> bool {
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a > b,
        (Ok(_), Err(_)) => b.is_empty(),
        _ => false,
    }
}
