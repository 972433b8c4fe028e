//! Trusted compute pools for Kubernetes.
//!
//! Nodes are attested by a service that compares their TPM measurements with known good values.
//! Pods that ask for trust run on attested nodes only. The modules, lowest first; each imports those
//! below its own line alone:
//!
//! | | |
//! |---|---|
//! | [`domain`], [`telemetry`] | what is decided, and how: pure; logs |
//! | [`certificates`], [`policies`], [`clock`] | certificates of our own, and when to replace them; policies, and in what they differ: pure; the time |
//! | [`api`], [`call`], [`watch`] | the objects of `trustpool.dev`; one request to the API server; list-and-watch |
//! | [`leader`], [`provider`], [`store`] | which process may write; who is asked about hosts; the joined view of Nodes and NodeTrusts |
//! | [`controller`], [`server`], [`simulator`] | attest and mark; answer the scheduler; play a service |
//! | [`app`] | builds each part, hands each its neighbours, supervises |
//! | [`cli`] | what was typed, and what is meant |
//!
//! Start with [`domain`]: [`domain::transition`] is the state table, [`domain::plan`] says whom to
//! ask next, [`domain::select`] is the answer that every gate gives. [`controller`] has a picture of
//! how a verdict travels.

pub mod api;
pub mod app;
pub mod call;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod domain;
pub mod leader;
pub mod pki;
pub mod policies;
pub mod provider;
pub mod server;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod watch;
