//! Starts control planes, simulators and Trustpool for tests, demo and benchmarks.
//!
//! ```text
//!   Slot ── how many control planes one machine runs at a time
//!
//!   ControlPlane::builder().scheduler(…).controller_manager().kwok().start()
//!        │
//!        ├─ Process × n ── etcd, kube-apiserver, …; none outlives this program, however it ends
//!        ├─ Identity ───── a user with a client certificate: its kubeconfig and client
//!        ├─ AuditLog ───── who asked the API server for what
//!        ├─ Proxy ──────── a way to the API server that can be frozen
//!        ├─ Nodes ──────── what kubelets do: register, report, reboot
//!        └─ kubectl, apply, helm
//!
//!   Program ── starts anything else the same way: `trustpool`, `oat-simulator`
//!
//!   Setup::default().scheduler().start() ──> World: all of it, with a pool and Trustpool
//! ```
//!
//! [`demo`] plays the story of `make demo` on all of it.
//!
//! The control plane is the real one, built once by `tests/controlplane/build`. Dropping a
//! [`ControlPlane`] or a [`Process`] kills it; during a panic its last log lines are printed first.

mod audit;
pub mod bench;
mod binaries;
mod control_plane;
pub mod demo;
mod eventually;
pub mod helm;
mod identity;
pub mod install;
mod json;
mod kubectl;
mod node;
mod nodes;
mod pki;
mod port;
mod process;
mod proxy;
pub mod simulator;
mod slot;
pub mod trustpool;
pub mod world;

pub use audit::{AuditEvent, AuditLog, ObjectReference, ResponseStatus, UserInfo};
pub use binaries::{Binaries, binaries};
pub use control_plane::{Builder, ControlPlane, Extender, Part, Scheduler};
pub use eventually::eventually;
pub use identity::Identity;
pub use node::{NodeBuilder, Readiness};
pub use nodes::Nodes;
pub use pki::{Authority, KeyedCertificate};
pub use port::free_port;
pub use process::{Process, Program, Signal};
pub use proxy::Proxy;
pub use simulator::Simulator;
pub use slot::Slot;
pub use trustpool::{Addresses, Home, Role, Trustpool};
pub use world::{SOON, Setup, World};
