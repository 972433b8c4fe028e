//! A control plane's directory, removed with it, or by the next one if it was killed.

use std::fs::{File, read_dir, remove_dir_all, rename};
use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;

/// What the names of these directories begin with.
const PREFIX: &str = "trustpool-control-plane-";

/// A file in each directory that is locked as long as its control plane is there.
const ALIVE: &str = "alive";

/// A temporary directory.
#[derive(Debug)]
pub(super) struct Directory {
    temporary: TempDir,
    /// The locked file.
    _alive: File,
}

impl Directory {
    /// Makes a directory, and removes those that killed processes have left.
    pub(super) fn new() -> anyhow::Result<Self> {
        let temporary = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let temporary = temporary.context("failed to make a directory for the control plane")?;
        let path = temporary.path();
        // Locked before it has its name, so that nobody finds it unlocked.
        let new = path.join("new");
        let alive = File::create_new(&new).context("failed to make the directory's lock")?;
        alive.lock().context("failed to lock the directory")?;
        rename(&new, path.join(ALIVE)).context("failed to name the directory's lock")?;
        if let Some(parent) = path.parent() {
            sweep(parent)?;
        }
        Ok(Self {
            temporary,
            _alive: alive,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Removes it.
    pub(super) fn close(self) -> anyhow::Result<()> {
        self.temporary
            .close()
            .context("failed to remove the control plane's directory")
    }
}

/// Removes the directories without a living control plane.
fn sweep(parent: &Path) -> anyhow::Result<()> {
    let entries = read_dir(parent).context("failed to look for directories left behind")?;
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && is_abandoned(&entry.path()) {
            // Another process may be removing it at the same time, and that is as well.
            drop(remove_dir_all(entry.path()));
        }
    }
    Ok(())
}

/// Says whether nobody holds a directory's lock any more.
fn is_abandoned(directory: &Path) -> bool {
    let alive = File::open(directory.join(ALIVE));
    alive.is_ok_and(|alive| alive.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_that_nobody_holds_are_swept() {
        let held = Directory::new().unwrap();
        let Directory {
            temporary,
            _alive: lock,
        } = Directory::new().unwrap();
        let path = temporary.keep();
        drop(lock);

        let next = Directory::new().unwrap();

        assert!(!path.exists());
        assert!(held.path().exists() && next.path().exists());
    }
}
