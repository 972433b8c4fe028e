//! What to run, and starting it on a leash.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::Process;

/// The shell that becomes the program, after it has left another shell behind that reads from the
/// pipe and kills the group at its end. So our child is the program itself: its id, its status.
///
/// File descriptor 3, because the standard input of a background job is `/dev/null`.
const LEASH: &str = r#"
exec 3<&0
(trap '' HUP INT TERM; read -r line <&3; kill -s KILL 0) &
exec "$@" 3<&- </dev/null
"#;

/// Variables of our own environment that every program gets; all others are kept from it, so that
/// a test does not depend on who runs it.
const INHERITED: [&str; 4] = ["LANG", "PATH", "RUST_BACKTRACE", "TMPDIR"];

/// A program with its arguments and environment.
#[derive(Clone, Debug)]
pub struct Program {
    /// What its log and its errors are called.
    name: String,
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Program {
    /// A program without arguments, under a name that is unique in its directory.
    #[must_use]
    pub fn new(name: &str, path: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it. `directory` is its working directory and home, and holds its log, `NAME.log`.
    ///
    /// # Errors
    ///
    /// If the log or the process cannot be made. A path that cannot be run is seen later, as a
    /// process that ended with status 126 or 127 and says why in its log.
    pub fn start(&self, directory: &Path) -> anyhow::Result<Process> {
        let mut command = self.command(directory)?;
        let mut child = command
            .spawn()
            .with_context(|| format!("failed to start `{self:?}`"))?;
        let leash = child.stdin.take();
        Ok(Process {
            program: self.clone(),
            directory: directory.to_owned(),
            child,
            leash,
        })
    }

    /// The file with what it prints when it runs in a directory.
    pub(super) fn log(&self, directory: &Path) -> PathBuf {
        directory.join(&self.name).with_extension("log")
    }

    /// The command that starts it on its leash.
    fn command(&self, directory: &Path) -> anyhow::Result<Command> {
        let path = self.log(directory);
        let open = File::options().create(true).append(true).open(&path);
        let log = open.with_context(|| format!("failed to open `{}`", path.display()))?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LEASH, &self.name])
            .arg(&self.path)
            .args(&self.arguments);
        command
            .current_dir(directory)
            .process_group(0)
            .env_clear()
            .env("HOME", directory);
        command.envs(
            INHERITED
                .iter()
                .filter_map(|name| Some((*name, std::env::var_os(name)?))),
        );
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::piped())
            .stderr(log.try_clone()?)
            .stdout(log);
        Ok(command)
    }
}
