//! helm, built once by `tests/controlplane/helm/build`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::binaries::said_by;
use crate::install::project;
use crate::{ControlPlane, Identity};

/// The script that builds it, or finds what it built before.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/helm/build");

/// What the script said, asked once per process.
static HELM: OnceCell<PathBuf> = OnceCell::const_new();

/// The chart.
#[must_use]
pub fn chart() -> PathBuf {
    project("charts/trustpool")
}

/// The path of helm. Where there is none yet this takes minutes; the script's progress goes to this process's
/// standard error.
///
/// # Errors
///
/// If it could not be built.
pub async fn helm() -> anyhow::Result<&'static Path> {
    let built = HELM.get_or_try_init(|| said_by(BUILD));
    built.await.map(PathBuf::as_path)
}

/// The command that runs helm without a cluster, and with nothing of this machine's own settings for it.
///
/// # Errors
///
/// If it could not be built.
pub async fn helm_command() -> anyhow::Result<Command> {
    let mut command = Command::new(helm().await?);
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    // Nothing is kept there: no repository is added, no plugin installed.
    command.env("HOME", std::env::temp_dir().join("trustpool-helm"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

impl ControlPlane {
    /// The command that runs helm as a user.
    ///
    /// # Errors
    ///
    /// If helm could not be built.
    pub async fn helm_command(&self, user: &Identity) -> anyhow::Result<Command> {
        let mut command = helm_command().await?;
        command
            .env("HOME", self.directory())
            .current_dir(self.directory());
        command.env("KUBECONFIG", user.kubeconfig());
        Ok(command)
    }
}
