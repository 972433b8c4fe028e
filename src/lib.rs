//! Trusted compute pools for Kubernetes.
pub mod api;
pub mod clock;
pub mod domain;
pub mod provider;
pub mod simulator;
pub mod store;
pub mod telemetry;
