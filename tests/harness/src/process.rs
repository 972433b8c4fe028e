//! Child processes that do not outlive this one, however it ends.
//!
//! Each child leads a process group of its own, so that Ctrl-C reaches only us, and in that group
//! a small shell reads from a pipe whose other end only we hold. When we are gone (returned,
//! panicked, killed) the kernel closes our end, and the shell kills the group.

mod log;
mod program;
mod signal;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::time::sleep;

use crate::eventually;
pub use program::Program;
pub use signal::Signal;

/// How many of its last log lines a process shows when something fails.
const LAST_WORDS: usize = 40;

/// How long [`Process::stop`] waits for a process to end before it kills it.
const GRACE: Duration = Duration::from_secs(10);

/// How often to look whether a process has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// A running child process. Dropping it kills it and everything it started.
#[derive(Debug)]
pub struct Process {
    /// What it runs, kept to start it again.
    program: Program,
    /// Where it runs and logs.
    directory: PathBuf,
    /// The process itself: the program, not the shell that minds it.
    child: Child,
    /// Our end of the pipe; closing it kills the group.
    leash: Option<ChildStdin>,
}

impl Process {
    /// The name it was started under.
    #[must_use]
    pub fn name(&self) -> &str {
        self.program.name()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file with everything it printed, by all its runs.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.program.log(&self.directory)
    }

    /// The last lines it printed.
    #[must_use]
    pub fn tail(&self, lines: usize) -> String {
        log::tail(&self.log(), lines)
    }

    /// Returns how it ended, or `None` while it runs.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let ended = self.child.try_wait();
        ended.with_context(|| format!("failed to ask whether `{}` has ended", self.name()))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If it has ended already.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        // A process that was waited for has no id any more, and ours must not hit another's.
        if let Some(status) = self.ended()? {
            bail!(
                "cannot send SIG{} to `{}`: it ended with {status}",
                signal.name(),
                self.name()
            );
        }
        signal.send(self.id())
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    ///
    /// If it runs beyond the deadline.
    pub async fn wait(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("`{}` to end", self.name());
        eventually(deadline, &what, async || self.ended()?.context("it runs")).await
    }

    /// Asks it to end (SIGTERM), waits, and kills it if it has not ended within 10 s.
    ///
    /// # Errors
    ///
    /// If it had to be killed, with its last log lines.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::Terminate)?;
        let ended = self.wait(GRACE).await;
        if ended.is_err() {
            self.kill()?;
        }
        ended.with_context(|| last_words(&self.log()))
    }

    /// Kills it (SIGKILL) and everything it started.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.end()
            .with_context(|| format!("failed to kill `{}`", self.name()))
    }

    /// Kills it if it still runs, and starts the same program again.
    ///
    /// # Errors
    ///
    /// If it cannot be killed or started.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        *self = self.program.start(&self.directory)?;
        Ok(())
    }

    /// Waits until `look` succeeds, which says that the process is ready.
    ///
    /// # Errors
    ///
    /// If that does not come about within the deadline, or at once if the process ends: with its
    /// last log lines.
    pub async fn ready(
        &mut self,
        deadline: Duration,
        look: impl AsyncFnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let what = format!("`{}` to be ready", self.name());
        let outcome = tokio::select! {
            ready = eventually(deadline, &what, look) => ready,
            error = self.unexpected_end() => Err(error),
        };
        outcome.with_context(|| last_words(&self.log()))
    }

    /// Waits for a line with `text` in its log, and returns that line.
    ///
    /// # Errors
    ///
    /// If there is none within the deadline, or at once if the process ends: with its last log
    /// lines.
    pub async fn prints(&mut self, text: &str, deadline: Duration) -> anyhow::Result<String> {
        let log = self.log();
        let mut found = String::new();
        let look = async || {
            found = log::line(&log, text)?.with_context(|| format!("no line with `{text}`"))?;
            Ok(())
        };
        self.ready(deadline, look).await?;
        Ok(found)
    }

    /// Waits until the process has ended, and says so.
    async fn unexpected_end(&mut self) -> anyhow::Error {
        loop {
            match self.ended() {
                Ok(None) => sleep(PAUSE).await,
                Ok(Some(status)) => return anyhow!("`{}` ended with {status}", self.name()),
                Err(error) => return error,
            }
        }
    }

    /// Kills the group and waits for the program to be gone.
    fn end(&mut self) -> io::Result<()> {
        // This is what makes the shell kill the group; killing the program directly only spares
        // waiting for the shell to wake.
        drop(self.leash.take());
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

/// The last lines of the log at `path`, under a heading.
pub(crate) fn last_words(path: &Path) -> String {
    let lines = log::tail(path, LAST_WORDS);
    format!("the last lines of `{}`:\n{lines}\n", path.display())
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "it is what a failed test shows")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", last_words(&self.log()));
        }
        if let Err(error) = self.end() {
            eprintln!("failed to kill `{}`: {error}", self.name());
        }
    }
}

#[cfg(test)]
mod tests;
