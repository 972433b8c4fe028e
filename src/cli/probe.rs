//! `trustpool probe`: asks a process on the same machine how it is.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::server::socket::ask;

use super::run::duration;

/// Ask a process on this machine whether it is ready, or lives: for the probes of a kubelet.
///
/// It is asked on its --admin-socket, which no other shares: two gates on one machine may share their ports while one
/// takes over from the other.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool probe --admin-socket /run/trustpool/admin.sock /readyz")]
pub struct Probe {
    /// What to ask for: /readyz, /livez or /metrics.
    #[arg(value_name = "PATH", default_value = "/readyz")]
    what: String,
    /// The socket of the process.
    #[arg(long, value_name = "FILE", env = "TRUSTPOOL_ADMIN_SOCKET")]
    admin_socket: PathBuf,
    /// How long it may take.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    timeout: Duration,
}

impl Probe {
    /// Prints the answer.
    ///
    /// # Errors
    ///
    /// There is none, or not a good one.
    #[expect(clippy::print_stdout, reason = "this is what was asked for")]
    pub(super) async fn run(self) -> anyhow::Result<()> {
        print!(
            "{}",
            ask(&self.admin_socket, &self.what, self.timeout).await?
        );
        Ok(())
    }
}
