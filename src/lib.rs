//! Trusted compute pools for Kubernetes.
pub mod api;
pub mod clock;
pub mod domain;
pub mod server;
pub mod store;
pub mod telemetry;
