//! The folder: reading it, and writing one file of it at a time.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

use crate::certificates::{self, Authority, Bundle, Certificate, Held, Pair, Pem};

/// Certificates are for everybody.
const PUBLIC: u32 = 0o644;

/// Keys are for their owner alone.
pub(super) const SECRET: u32 = 0o600;

/// Why the folder cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// Another process writes into the folder.
    #[error("another `trustpool pki` writes into `{}`: try again when it has ended", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Files would be lost.
    #[error(
        "`{}` is there already, and it is not overwritten: give another folder, or see `trustpool pki renew`",
        path.display()
    )]
    Exists {
        /// The first of them.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error(transparent)]
    Make(#[from] certificates::Error),
    /// A file is not there.
    #[error("`{}` is not there: `trustpool pki init` makes it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is in a file is of no use.
    #[error("`{}` cannot be used", path.display())]
    Use {
        /// The file.
        path: PathBuf,
        /// Why.
        source: certificates::Error,
    },
    /// A file cannot be written.
    #[error("failed to write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A folder with certificates.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// What is in it.
#[derive(Debug)]
pub struct State {
    /// The CAs that are believed.
    pub bundle: Bundle,
    /// The one that issues: its key is there.
    pub authority: Held<Authority>,
    /// The one to follow.
    pub next: Held<Authority>,
    /// What the extender shows.
    pub extender: Held<Pair>,
    /// What kube-scheduler shows.
    pub scheduler: Held<Pair>,
    /// The files with keys that others than their owner may read.
    pub open: Vec<&'static str>,
}

impl Folder {
    pub(super) const BUNDLE: &'static str = "ca.crt";
    pub(super) const KEY: &'static str = "ca.key";
    pub(super) const NEXT_KEY: &'static str = "ca-next.key";
    pub(super) const EXTENDER: [&'static str; 2] = ["extender.crt", "extender.key"];
    pub(super) const SCHEDULER: [&'static str; 2] = ["scheduler.crt", "scheduler.key"];

    /// Every file that there may be.
    const ALL: [&'static str; 7] = [
        Self::BUNDLE,
        Self::KEY,
        Self::NEXT_KEY,
        Self::EXTENDER[0],
        Self::EXTENDER[1],
        Self::SCHEDULER[0],
        Self::SCHEDULER[1],
    ];

    /// The folder at `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of the file `name`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the folder, for its owner alone, unless it is there.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0);
        made.map_err(|source| Error::Write {
            path: self.0.clone(),
            source,
        })
    }

    /// The key of a CA that was begun and has no certificate yet: the first file that is written is there, and no
    /// other.
    ///
    /// # Errors
    ///
    /// Another file is there, or this one cannot be read.
    pub(super) fn begun(&self) -> Result<Option<Vec<u8>>, Error> {
        let is_there = |name: &&str| self.file(name).exists();
        let there: Vec<&str> = Self::ALL.into_iter().filter(is_there).collect();
        match *there {
            [] | [Self::KEY] => self.load(Self::KEY),
            [name, ..] => Err(Error::Exists {
                path: self.file(name),
            }),
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// There are no CAs, or a file cannot be read.
    pub fn read(&self) -> Result<State, Error> {
        let path = self.file(Self::BUNDLE);
        let Some(pem) = self.load(Self::BUNDLE)? else {
            return Err(Error::Missing { path });
        };
        let bundle = Bundle::parse(&pem).map_err(|source| Error::Use { path, source })?;
        let keys = [
            Self::KEY,
            Self::NEXT_KEY,
            Self::EXTENDER[1],
            Self::SCHEDULER[1],
        ];
        Ok(State {
            authority: self.authority(Self::KEY, &bundle)?,
            next: self.authority(Self::NEXT_KEY, &bundle)?,
            extender: self.pair(Self::EXTENDER)?,
            scheduler: self.pair(Self::SCHEDULER)?,
            open: keys.into_iter().filter(|key| self.is_open(key)).collect(),
            bundle,
        })
    }

    /// Writes a file whole: whoever reads it finds what it was or what it is.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<(), Error> {
        let path = self.file(name);
        let is_secret = name.ends_with(".key");
        let written = self.replace(&path, content, if is_secret { SECRET } else { PUBLIC });
        written.map_err(|source| Error::Write { path, source })
    }

    /// Writes a certificate and its key.
    pub(super) fn write_pair(&self, names: [&str; 2], pem: &Pem) -> Result<(), Error> {
        let [certificate, key] = names;
        self.write(key, &pem.key)?;
        self.write(certificate, &pem.certificate)
    }

    /// Has the next CA issue from here on.
    pub(super) fn promote(&self) -> Result<(), Error> {
        let path = self.file(Self::KEY);
        let moved = std::fs::rename(self.file(Self::NEXT_KEY), &path);
        moved.map_err(|source| Error::Write { path, source })
    }

    fn replace(&self, path: &Path, content: &str, mode: u32) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.0)?;
        file.write_all(content.as_bytes())?;
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// What is in the file `name`; nothing if it is not there.
    pub(super) fn load(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.file(name);
        match std::fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// The CA of `bundle` that the key in the file `name` is of.
    fn authority(&self, name: &str, bundle: &Bundle) -> Result<Held<Authority>, Error> {
        let Some(key) = self.load(name)? else {
            return Ok(Held::Missing);
        };
        let read = |it: &Certificate| Authority::read(it.to_pem().as_bytes(), &key);
        let mut wrong = certificates::Error::Mismatch;
        for read in bundle.iter().map(read) {
            match read {
                Ok(authority) => return Ok(Held::Readable(authority)),
                Err(error) => wrong = error,
            }
        }
        Ok(Held::Unreadable(wrong))
    }

    fn pair(&self, [certificate, key]: [&str; 2]) -> Result<Held<Pair>, Error> {
        let (certificate, key) = (self.load(certificate)?, self.load(key)?);
        if certificate.is_none() && key.is_none() {
            return Ok(Held::Missing);
        }
        let content = |file: Option<Vec<u8>>| file.unwrap_or_default();
        Ok(match Pair::read(&content(certificate), &content(key)) {
            Ok(pair) => Held::Readable(pair),
            Err(error) => Held::Unreadable(error),
        })
    }

    fn is_open(&self, name: &str) -> bool {
        let metadata = std::fs::metadata(self.file(name));
        metadata.is_ok_and(|it| it.permissions().mode() & 0o077 != 0)
    }
}
