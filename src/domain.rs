//! What is decided, and how: pure functions over plain values. Nothing here waits, reads a clock or
//! knows Kubernetes' types.
//!
//! ```text
//!  Node, Orders ──> observe ─┐                       ┌─> select   (may this pod run there?)
//!  Answer ────────> answer ──┼─> Record ─> Standing ─┤
//!  end of round ──> silent ──┘      │                └─> refusal, with its reason
//!                                   ├─> plan     (whom to ask next, in which batches, when to wake)
//!                                   └─> mark     (what the Node should carry)
//! ```
//!
//! A [`Record`] is what is known of one node; [`transition`] holds the only functions that change
//! one. Everything downstream reads records.

pub mod agenda;
pub mod backoff;
pub mod breaker;
pub mod due;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod mark;
pub mod node;
pub mod plan;
pub mod pool;
pub mod record;
pub mod requirement;
pub mod select;
pub mod standing;
pub mod tally;
pub mod time;
pub mod transition;
pub mod verdict;

pub use node::{Carried, Incarnation, Node, NodeName, Readiness};
pub use pool::{Pool, PoolName, Service, ServiceName};
pub use record::{Hold, Orders, Record};
pub use requirement::Requirement;
pub use select::Refusal;
pub use standing::Standing;
pub use time::Now;
pub use verdict::{Outcome, Reason, Verdict};
