//! What is being done, on standard error: the table alone goes to standard output.

use tokio::time::Instant;

/// Says what is being done, and how long after the start.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Progress {
    /// Says `what`.
    #[expect(clippy::print_stderr, reason = "it is no part of the result")]
    pub fn say(&self, what: &str) {
        eprintln!("[{:5.1} s] {what}", self.seconds());
    }

    /// How long it has been.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}
