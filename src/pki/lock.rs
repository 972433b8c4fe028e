//! One command at a time writes into a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

use super::folder::{Error, Folder, SECRET};

/// The right to write into a folder. The system takes it back when it is dropped, or its process ends however.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Folder {
    /// The file that is locked. It stays: one that was removed could be locked twice.
    pub(super) const LOCK: &'static str = ".lock";

    /// Takes the right to write into this folder, without waiting.
    ///
    /// # Errors
    ///
    /// There is no such folder, another process writes into it, or the file system has no locks.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.file(Self::LOCK);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false);
        let locked = match options.mode(SECRET).open(&path) {
            Ok(file) => file.try_lock().map(|()| Lock { _file: file }),
            Err(error) => Err(TryLockError::Error(error)),
        };
        locked.map_err(|error| match error {
            TryLockError::WouldBlock => Error::Busy {
                path: self.path().to_owned(),
            },
            TryLockError::Error(source) => Error::Write { path, source },
        })
    }
}
