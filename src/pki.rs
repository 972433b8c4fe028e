//! The certificates by which kube-scheduler and the extender know each other, in a folder of whoever sets them up.
//!
//! ```text
//!  ca.crt          the CAs that both believe        on every machine (caFile), in the Secret (ca.crt)
//!  ca.key          the key of the one that issues   nowhere else
//!  ca-next.key     the key of the one to follow     nowhere else; there only between two steps
//!  extender.crt    what the extender shows          in the Secret (tls.crt)
//!  extender.key                                     in the Secret (tls.key)
//!  scheduler.crt   what kube-scheduler shows        on every machine (certFile)
//!  scheduler.key                                    on every machine (keyFile)
//!  .lock           says who writes                  nowhere else
//! ```
//!
//! kube-scheduler reads its CA once. So a CA is replaced in three steps, and between two of them somebody has to act
//! on the machines; [`plan()`] knows from the folder which is next:
//!
//! ```text
//!  ca.crt:        A ──┬── A, B ─────────┬── A, B ─────────┬── B
//!  certificates:  A   │   A             │   B             │   B
//!                 announce          take over            drop
//!                     └ restart kube-schedulers └ distribute
//! ```

mod folder;
mod lock;
mod plan;
mod print;
mod show;
mod take;

pub use folder::{Error, Folder, State};
pub use lock::Lock;
pub use plan::{Blocked, Step, Why, Wish, plan};
pub use print::{Extender, scheduler, secret};
pub use show::{Finding, Report, report};
pub use take::{Lives, Subjects, init, take};
