//! Taking a step: which files are written, in which order. Wherever it is cut short, the next `renew` goes on.

use std::iter;

use jiff::{SignedDuration, Timestamp};

use crate::certificates::{Authority, Bundle, Certificate, Held, Names, Order, Pair, Pem, Purpose};
use crate::domain::time::floor;

use super::folder::{Error, Folder, State};
use super::plan::Step;

/// How long what is made lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lives {
    /// A CA.
    pub authority: SignedDuration,
    /// A certificate, never longer than its CA.
    pub certificate: SignedDuration,
}

/// Whom certificates are for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subjects {
    /// How the extender is reached.
    pub extender: Names,
    /// Who asks it; [`Subjects::CLIENT`] if nobody else is named.
    pub scheduler: Option<String>,
}

impl Subjects {
    /// The name of the extender by which kube-scheduler checks its certificate.
    pub const SERVER: &'static str = "trustpool-extender";

    /// Who kube-scheduler is.
    pub const CLIENT: &'static str = "system:kube-scheduler";

    /// How every extender is reached.
    pub const EVERYWHERE: [&'static str; 4] = ["127.0.0.1", "::1", "localhost", Self::SERVER];

    /// With those of the certificates that are there: the extender keeps its names and gets those of `self` as well;
    /// who asks it stays who it was, unless `self` names another.
    #[must_use]
    pub fn kept(self, state: &State) -> Self {
        let extender = state.extender.readable().map(Pair::certificate);
        let names = extender.and_then(Certificate::names);
        let all = self
            .extender
            .iter()
            .chain(names.into_iter().flat_map(Names::iter));
        let extender = Names::new(all).unwrap_or_else(|_| self.extender.clone());
        let scheduler = state.scheduler.readable().map(Pair::certificate);
        let scheduler = scheduler.and_then(|it| it.called().next());
        Self {
            extender,
            scheduler: self.scheduler.or_else(|| scheduler.map(str::to_owned)),
        }
    }
}

/// Makes a CA and both certificates in a folder that has none of them, or goes on where that was cut short before
/// the CA was whole: nobody has a certificate of it yet, and its key is kept.
///
/// # Errors
///
/// One of the files is there, another process writes into the folder, or something cannot be made or written.
pub fn init(
    folder: &Folder,
    subjects: &Subjects,
    lives: Lives,
    now: Timestamp,
) -> Result<(), Error> {
    folder.prepare()?;
    let _lock = folder.lock()?;
    let authority = match folder.begun()? {
        Some(key) => make_of(&key, folder, lives, now)?,
        None => make(lives, now)?,
    };
    let Pem { certificate, key } = authority.to_pem();
    folder.write(Folder::KEY, &key)?;
    folder.write(Folder::BUNDLE, &certificate)?;
    issue(folder, &authority, subjects, lives, now)
}

/// Takes `step`, which [`super::plan()`] found for `state`.
///
/// # Errors
///
/// Something cannot be made or written.
pub fn take(
    step: &Step,
    folder: &Folder,
    state: &State,
    subjects: &Subjects,
    lives: Lives,
    now: Timestamp,
) -> Result<(), Error> {
    let authority = || key_of(&state.authority, folder, Folder::KEY);
    match step {
        Step::Announce(_) => {
            let next = make(lives, now)?;
            // The key first: a key that no CA is of is no CA, and is made anew.
            folder.write(Folder::NEXT_KEY, &next.to_pem().key)?;
            let mut bundle = state.bundle.clone();
            bundle.extend([next.certificate().clone()]);
            folder.write(Folder::BUNDLE, &bundle.to_pem())
        }
        Step::Drop => {
            let own = iter::once(authority()?.certificate().clone());
            folder.write(Folder::BUNDLE, &own.collect::<Bundle>().to_pem())
        }
        Step::Issue(_) => issue(folder, authority()?, subjects, lives, now),
        Step::TakeOver => {
            let next = key_of(&state.next, folder, Folder::NEXT_KEY)?;
            issue(folder, next, subjects, lives, now)?;
            folder.promote()
        }
    }
}

fn key_of<'a>(
    held: &'a Held<Authority>,
    folder: &Folder,
    name: &str,
) -> Result<&'a Authority, Error> {
    let path = folder.file(name);
    held.readable().ok_or(Error::Missing { path })
}

fn make(lives: Lives, now: Timestamp) -> Result<Authority, Error> {
    Ok(Authority::named(&name(now), lives.authority, now)?)
}

/// The same, of a key that there is.
fn make_of(key: &[u8], folder: &Folder, lives: Lives, now: Timestamp) -> Result<Authority, Error> {
    let made = Authority::of_key(key, &name(now), lives.authority, now);
    made.map_err(|source| Error::Use {
        path: folder.file(Folder::KEY),
        source,
    })
}

fn name(now: Timestamp) -> String {
    format!("trustpool extender CA {}", floor(now))
}

fn issue(
    folder: &Folder,
    authority: &Authority,
    subjects: &Subjects,
    lives: Lives,
    now: Timestamp,
) -> Result<(), Error> {
    let server = Order {
        common_name: Subjects::SERVER,
        names: Some(&subjects.extender),
        purpose: Purpose::Server,
        life: lives.certificate,
    };
    let client = Order {
        common_name: subjects.scheduler.as_deref().unwrap_or(Subjects::CLIENT),
        names: None,
        purpose: Purpose::Client,
        life: lives.certificate,
    };
    folder.write_pair(Folder::EXTENDER, &authority.sign(&server, now)?)?;
    folder.write_pair(Folder::SCHEDULER, &authority.sign(&client, now)?)
}

#[cfg(test)]
pub(super) mod tests;
