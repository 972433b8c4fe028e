//! Signals, sent without unsafe code.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// What a process can be told by the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// SIGCONT: run again after [`Signal::Stop`].
    Continue,
    /// SIGINT: what Ctrl-C sends.
    Interrupt,
    /// SIGKILL: end at once, as after a loss of power.
    Kill,
    /// SIGSTOP: hang, with all connections open, until [`Signal::Continue`].
    Stop,
    /// SIGTERM: end in an orderly way.
    Terminate,
}

impl Signal {
    /// Its name for `kill -s`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONT",
            Self::Interrupt => "INT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Terminate => "TERM",
        }
    }

    /// Sends it through the shell's own `kill`, which needs no package.
    pub(super) fn send(self, process: u32) -> anyhow::Result<()> {
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            r#"kill -s "$0" "$1""#,
            self.name(),
            &process.to_string(),
        ]);
        let output = command.output().context("failed to run `/bin/sh`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "failed to send {self:?} to process {process}: {said}"
        );
        Ok(())
    }
}
