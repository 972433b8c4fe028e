//! The objects of `trustpool.dev/v1alpha1`, and every name that Trustpool writes elsewhere.
//!
//! What an API server admits is said three times: as schema and CEL rules in the derived types, as
//! conversions into the domain, which do not rely on them, and as a table of objects in
//! `tests/fixtures/objects.yaml` that holds the two, and a real API server, to each other.
//!
//! `kubectl get trust` shows them all. That category is not called `trustpool`, because kubectl looks
//! for categories first: `kubectl get trustpool NAME` would ask for three kinds at once, and fail.

pub mod attestation_service;
pub mod condition;
pub mod keys;
pub mod node_trust;
pub mod trust_pool;

mod duration;
mod invalid;
mod rule;
mod schema;
mod text;
mod time;

pub use attestation_service::{AttestationService, Connection};
pub use duration::{Duration, NotADuration};
pub use invalid::{Invalid, decode};
pub use node_trust::{NodeTrust, NodeTrustStatus};
pub use schema::{crds, crds_yaml};
pub use trust_pool::{Selector, TrustPool};

#[cfg(test)]
mod tests;
