//! Certificates of our own: a CA, the certificate that a server shows, and when each takes the place of the
//! last. Reads no clock, talks to nobody; only the keys are chance.
//!
//! [`plan()`] keeps one promise. A server shows the certificate that it read up to a minute ago; a client
//! trusts the CAs that were published up to a minute ago; and the one verifies against the other all the
//! same, once both were set up:
//!
//! ```text
//!  CA:           ── A ──────────────────────────┐
//!                                     └─ B ─────┼──────────────────────> (two thirds of A's life)
//!  published:    ── A ─────────────────── A, B ─┼──────────────── B ───>
//!  certificate:  ── of A ── of A ── of A ───────┴ of B ── of B ────────>
//!                                         │◄ 2 m ►│◄─── a day ───►│
//! ```
//!
//! A key never appears in `Debug` output, in an error or in a log.

mod authority;
mod bundle;
mod certificate;
mod error;
mod names;
mod pair;
mod plan;
mod state;

pub use authority::{Authority, BACKDATE, LIFE, LIFE_OF_AUTHORITY, Order, Purpose};
pub use bundle::Bundle;
pub use certificate::Certificate;
pub use error::Error;
pub use names::Names;
pub use pair::{Pair, Pem};
pub use plan::{SETTLE, SUPERSEDED, Step, Why, plan};
pub use state::{Contents, Held, Memory, Published, State, Stored};
