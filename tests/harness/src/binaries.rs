//! The control plane's binaries, built once by `tests/controlplane/build`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tokio::sync::OnceCell;

/// The script that builds the binaries, or finds those it built before.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane/build");

/// What the script said, asked once per process.
static BINARIES: OnceCell<Binaries> = OnceCell::const_new();

/// The folder that holds `etcd`, `kube-apiserver`, `kube-scheduler`, `kube-controller-manager`,
/// `kubectl`, `kwok` and `kwok-stages.yaml`.
#[derive(Debug)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// The path of one of the files.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The folder itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Returns the control plane's binaries. Where there are none yet this takes minutes; the
/// script's progress goes to this process's standard error.
///
/// # Errors
///
/// If they could not be built.
pub async fn binaries() -> anyhow::Result<&'static Binaries> {
    BINARIES.get_or_try_init(build).await
}

/// Runs the script.
async fn build() -> anyhow::Result<Binaries> {
    let directory = said_by(BUILD).await?;
    Ok(Binaries { directory })
}

/// The path that a script prints, when it has built what is there.
pub(crate) async fn said_by(script: &str) -> anyhow::Result<PathBuf> {
    let mut command = Command::new(script);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command
        .output()
        .await
        .with_context(|| format!("failed to run `{script}`"))?;
    ensure!(
        output.status.success(),
        "`{script}` ended with {}; it said why above",
        output.status
    );
    let path = String::from_utf8(output.stdout).context("the build's answer is no path")?;
    Ok(PathBuf::from(path.trim_end()))
}
