//! A moment, on both clocks.

use std::time::Duration;

use jiff::Timestamp;

/// One moment as wall time and as time since the process began.
///
/// Wall time is what records carry and what other machines agree on, roughly; it may be set back.
/// Uptime is what lengths are counted with, so that a clock set back lengthens nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Now {
    /// Monotonic, and of this process only.
    pub uptime: Duration,
    /// Wall time.
    pub wall: Timestamp,
}
