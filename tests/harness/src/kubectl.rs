//! kubectl, and manifests applied through it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{ControlPlane, Identity, eventually};

/// How long one call may take: `kubectl wait` has a timeout of its own, to be kept below.
const CALL: Duration = Duration::from_secs(120);

/// How long to try again while a manifest's own custom resource definition settles.
const SETTLE: Duration = Duration::from_secs(20);

impl ControlPlane {
    /// Runs kubectl as the administrator, and returns what it printed.
    ///
    /// # Errors
    ///
    /// If it fails, with what it said.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.kubectl_as(self.admin(), arguments).await
    }

    /// Runs kubectl as a user, and returns what it printed.
    ///
    /// # Errors
    ///
    /// If it fails, with what it said.
    pub async fn kubectl_as(&self, user: &Identity, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.kubectl_command(user);
        command.args(arguments);
        let answer = timeout(CALL, command.output())
            .await
            .context("kubectl took too long");
        answer_of(answer?.context("failed to run kubectl")?, arguments)
    }

    /// The command that runs kubectl as a user, for all that is to be different: its input, plugins
    /// in its `PATH`, its standard error.
    #[must_use]
    pub fn kubectl_command(&self, user: &Identity) -> Command {
        let mut command = Command::new(self.binaries().path("kubectl"));
        command.arg("--kubeconfig").arg(user.kubeconfig());
        // Its caches go to its home directory.
        command
            .env_clear()
            .env("HOME", self.directory())
            .current_dir(self.directory());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Applies a file, or every YAML and JSON file of a folder (not of its folders), and waits until the custom
    /// resource definitions among them are served.
    ///
    /// # Errors
    ///
    /// If the API server refuses any of it.
    pub async fn apply(&self, path: &Path) -> anyhow::Result<()> {
        let path = path
            .canonicalize()
            .with_context(|| format!("no `{}`", path.display()))?;
        let path = path.to_str().context("a path that is not UTF-8")?;
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", path];
        let what = format!("`{path}` to be applied");
        // An object whose definition is applied by the same call is refused until that is served.
        let refused = eventually(SETTLE, &what, async || {
            match self.kubectl(&arguments).await {
                Err(error) if is_early(&error) => Err(error),
                outcome => Ok(outcome.err()),
            }
        });
        if let Some(error) = refused.await? {
            return Err(error);
        }
        self.definitions_served().await
    }

    /// Waits until every custom resource definition is served.
    async fn definitions_served(&self) -> anyhow::Result<()> {
        let list = self.kubectl(&["get", "crd", "--output=name"]).await?;
        if list.trim().is_empty() {
            return Ok(());
        }
        let wait = [
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd",
            "--all",
        ];
        self.kubectl(&wait).await.map(drop)
    }
}

/// Says whether kubectl failed only because a definition is not served yet.
fn is_early(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("no matches for kind")
}

/// What kubectl printed, or an error with what it said.
fn answer_of(output: Output, arguments: &[&str]) -> anyhow::Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "`kubectl {}` failed: {}",
            arguments.join(" "),
            said.trim_end()
        );
    }
    String::from_utf8(output.stdout).map_err(|error| anyhow!("kubectl printed no text: {error}"))
}
