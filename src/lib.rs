//! Trusted compute pools for Kubernetes.
//!
//! Nodes are attested by a service that compares their TPM measurements with known good values.
//! Pods that ask for trust run on attested nodes only. The modules, lowest first; each imports those
//! below its own line alone:
//!
//! | | |
//! |---|---|
//! | [`domain`], [`telemetry`] | what is decided, and how: pure; logs |
//! | [`certificates`], [`clock`] | certificates of our own, and when to replace them: pure; the time |
//! | [`api`], [`watch`] | the objects of `trustpool.dev`; list-and-watch |
//! | [`provider`], [`store`] | who is asked about hosts; the joined view of Nodes and NodeTrusts |
//! | [`controller`], [`server`], [`simulator`] | attest and mark; answer the scheduler; play a service |
//! | [`app`] | builds each part, hands each its neighbours, supervises |
//! | [`cli`] | what was typed, and what is meant |
//!
//! Start with [`domain`]: [`domain::transition`] is the state table, [`domain::plan`] says whom to
//! ask next, [`domain::select`] is the answer that every gate gives. [`controller`] has a picture of
//! how a verdict travels.

pub mod api;
pub mod app;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod domain;
pub mod provider;
pub mod server;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod watch;
