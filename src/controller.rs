//! The tasks that attest nodes and mark them. Only the process that leads runs them ([`crate::leader`]).
//!
//! ```text
//!  AttestationService, TrustPool, Secret ──watch──> setup ──┐
//!  Node, NodeTrust ──watch──> store ────────────────────────┼──> attestor ──> recorder ──> NodeTrust
//!                               │                           │    (plan, ask, judge)           │
//!                               └──> marker ──> Node        └──> reporter ──> status, metrics │
//!                                      ▲                                                      │
//!                                      └──────────────── store <──watch───────────────────────┘
//! ```
//!
//! The attestor never writes the store: every replica, this one too, learns a verdict by watching
//! its NodeTrust. A Node is marked from the store alone, and so only after the record was written.

pub mod attestor;
pub mod certificates;
pub mod cleanup;
pub mod events;
pub mod forgetter;
pub mod marker;
pub mod membership;
pub mod metrics;
pub mod objects;
pub mod pending;
pub mod policies;
pub mod recorder;
pub mod reporter;
pub mod setup;
pub mod status;

#[cfg(test)]
pub(crate) mod fixture;

pub use metrics::Metrics;
pub use setup::Setup;
