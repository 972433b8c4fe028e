//! Slots: how many control planes run on this machine at a time, across processes.
//!
//! A control plane with a scheduler keeps about one core busy and takes half a gigabyte. Each slot
//! is a file in the cache directory, locked while it is held; the kernel lets go of the lock
//! however its holder ends.

use std::fs::{File, TryLockError, create_dir_all};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::sleep;

/// The most slots any machine has: more control planes wear down its disk, not its cores.
const MOST: usize = 3;

/// How often a waiting taker looks.
const PAUSE: Duration = Duration::from_millis(50);

/// The right to run a control plane (or, with [`Slot::all`], to run on an otherwise idle machine),
/// until dropped.
///
/// A test takes one slot, once: whoever holds one and asks for another may wait for ever.
#[derive(Debug)]
#[must_use = "a slot is given back when it is dropped"]
pub struct Slot {
    /// The locked files.
    _files: Vec<File>,
}

impl Slot {
    /// Waits for one slot.
    ///
    /// # Errors
    ///
    /// If the cache directory cannot be written.
    pub async fn take() -> anyhow::Result<Self> {
        Self::take_in(&directory()?, slots()).await
    }

    /// Waits for all slots, for a test or a measurement that needs the machine for itself.
    ///
    /// # Errors
    ///
    /// If the cache directory cannot be written.
    pub async fn all() -> anyhow::Result<Self> {
        Self::all_in(&directory()?, slots()).await
    }

    /// Waits for one of the slots in a directory.
    async fn take_in(directory: &Path, slots: usize) -> anyhow::Result<Self> {
        let turn = lock(&directory.join("turn")).await?;
        loop {
            for slot in 0..slots {
                if let Some(file) = try_lock(&path(directory, slot))? {
                    drop(turn);
                    return Ok(Self { _files: vec![file] });
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits for all slots in a directory, in order.
    ///
    /// Whoever waits for a slot holds the turn meanwhile. So a taker of all is not overtaken for
    /// ever by takers of one, and two takers of all never hold half of the slots each.
    async fn all_in(directory: &Path, slots: usize) -> anyhow::Result<Self> {
        let turn = lock(&directory.join("turn")).await?;
        let mut files = Vec::with_capacity(slots);
        for slot in 0..slots {
            files.push(lock(&path(directory, slot)).await?);
        }
        drop(turn);
        Ok(Self { _files: files })
    }
}

/// How many slots this machine has.
fn slots() -> usize {
    available_parallelism().map_or(1, |cores| cores.get().min(MOST))
}

/// The file of a slot.
fn path(directory: &Path, slot: usize) -> PathBuf {
    directory.join(format!("slot-{slot}"))
}

/// The folder of the slots, in the cache that the control plane's binaries are in too.
fn directory() -> anyhow::Result<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = variable("TRUSTPOOL_CACHE")
        .or_else(|| Some(variable("XDG_CACHE_HOME")?.join("trustpool")))
        .or_else(|| Some(variable("HOME")?.join(".cache/trustpool")));
    let Some(cache) = cache else {
        bail!("found no cache directory: set TRUSTPOOL_CACHE or HOME");
    };
    let slots = cache.join("slots");
    create_dir_all(&slots).with_context(|| format!("failed to create `{}`", slots.display()))?;
    Ok(slots)
}

/// Waits for the lock on a file.
async fn lock(path: &Path) -> anyhow::Result<File> {
    loop {
        if let Some(file) = try_lock(path)? {
            return Ok(file);
        }
        sleep(PAUSE).await;
    }
}

/// Locks a file unless someone else has.
fn try_lock(path: &Path) -> anyhow::Result<Option<File>> {
    let open = || File::options().create(true).append(true).open(path);
    let file = open().with_context(|| format!("failed to open `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("failed to lock `{}`", path.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn two_slots_are_held_by_two_and_no_third() {
        let folder = tempfile::tempdir().unwrap();
        let first = Slot::take_in(folder.path(), 2).await.unwrap();
        let _second = Slot::take_in(folder.path(), 2).await.unwrap();

        let third = timeout(MOMENT, Slot::take_in(folder.path(), 2)).await;
        assert!(third.is_err(), "a third slot was handed out");

        drop(first);
        let third = timeout(LONG, Slot::take_in(folder.path(), 2)).await;
        assert!(third.is_ok(), "a slot given back was not handed out");
    }

    #[tokio::test]
    async fn whoever_takes_all_waits_for_each_and_then_excludes_everyone() {
        let folder = tempfile::tempdir().unwrap();
        let one = Slot::take_in(folder.path(), 2).await.unwrap();

        let all = timeout(MOMENT, Slot::all_in(folder.path(), 2)).await;
        assert!(all.is_err(), "all slots were handed out while one was held");

        drop(one);
        let all = timeout(LONG, Slot::all_in(folder.path(), 2))
            .await
            .unwrap()
            .unwrap();
        let one = timeout(MOMENT, Slot::take_in(folder.path(), 2)).await;
        assert!(one.is_err(), "a slot was handed out while all were held");
        drop(all);
    }

    #[tokio::test]
    async fn takers_of_all_and_of_one_never_wait_for_each_other_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let taker = async |all: bool| {
            let slot = match all {
                true => Slot::all_in(folder.path(), 2).await.unwrap(),
                false => Slot::take_in(folder.path(), 2).await.unwrap(),
            };
            sleep(Duration::from_millis(5)).await;
            drop(slot);
        };

        let takers = (0..12).map(|taking| taker(taking % 3 == 0));
        let all_done = timeout(LONG, futures::future::join_all(takers)).await;

        assert!(all_done.is_ok());
    }
}
