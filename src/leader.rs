//! Which of several processes may write: the one that holds a Lease (`coordination.k8s.io`).
//!
//! ```text
//!   Lease ──get──> election ──step──> elector ──create, update──> Lease
//!                  (pure, by uptime)     │
//!                                        └─> Claims ──> fence: no write leaves without a claim
//!                                                └────> the tasks of the leader start and stop
//! ```
//!
//! The rule is that of client-go: a Lease has run out when *we* have seen no change of it for as long as it
//! lasts, by a clock that nobody can set; the times that stand in it are for people. A leader counts its
//! own claim from before it asked for it, and for a shorter time, so that it has stopped before anybody else may start.
//!
//! No library was taken: those for kube compare the times that stand in the Lease with the wall clock
//! (kubert, kube-leader-election), so that a clock which is wrong makes two leaders.

mod claim;
mod election;
mod elector;
mod fence;
mod lease;

pub use claim::{Claims, Term};
pub use election::{LEASE, RENEW, RETRY};
pub use elector::{Elector, Past};
pub use fence::{Fence, Fenced};
