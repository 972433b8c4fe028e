//! What is there, as a plan needs it: read from what two Secrets and one webhook configuration hold.

use std::fmt;
use std::iter;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::Now;

use super::authority::Authority;
use super::bundle::Bundle;
use super::certificate::Certificate;
use super::error::Error;
use super::names::Names;
use super::pair::{Pair, Pem};

/// What a Secret holds; what it does not hold is empty.
#[derive(Clone, Copy, Default)]
pub struct Stored<'a> {
    /// `tls.crt`: a certificate.
    pub certificate: &'a [u8],
    /// `tls.key`: its private key.
    pub key: &'a [u8],
    /// `ca.crt`: the CAs that go with it.
    pub authorities: &'a [u8],
}

impl fmt::Debug for Stored<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").finish_non_exhaustive()
    }
}

/// What is to be written into a Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contents {
    /// `tls.crt` and `tls.key`.
    pub pem: Pem,
    /// `ca.crt`.
    pub authorities: Bundle,
}

impl Contents {
    /// A new CA, and after it those before it.
    ///
    /// # Errors
    ///
    /// None can be made.
    pub fn make(previous: Bundle, now: Timestamp) -> Result<Self, Error> {
        let authority = Authority::make(now)?;
        let own = iter::once(authority.certificate().clone());
        Ok(Self {
            pem: authority.to_pem(),
            authorities: own.chain(previous).collect(),
        })
    }

    /// A certificate for a server with these `names`, and the CA that it is of.
    ///
    /// # Errors
    ///
    /// None can be made.
    pub fn issue(authority: &Authority, names: &Names, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            pem: authority.issue(names, now)?,
            authorities: iter::once(authority.certificate().clone()).collect(),
        })
    }
}

/// What should be in a Secret.
#[derive(Debug)]
pub enum Held<T> {
    /// There is no such Secret.
    Missing,
    /// It is there.
    Readable(T),
    /// There is something, but not that.
    Unreadable(Error),
}

impl<T> Held<T> {
    /// It, if it is there.
    pub const fn readable(&self) -> Option<&T> {
        match self {
            Self::Readable(held) => Some(held),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }

    fn read(
        stored: Option<&Stored<'_>>,
        read: impl FnOnce(&[u8], &[u8]) -> Result<T, Error>,
    ) -> Self {
        match stored.map(|it| read(it.certificate, it.key)) {
            None => Self::Missing,
            Some(Ok(held)) => Self::Readable(held),
            Some(Err(error)) => Self::Unreadable(error),
        }
    }
}

/// What clients are given to trust.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Published {
    /// Nothing that asks a server of ours: no webhook configuration, or no webhook in it.
    Absent,
    /// What an administrator gave: everything about certificates is theirs.
    Given,
    /// What we are to keep right: the `caBundle` of each webhook, PEM.
    Ours(Vec<Vec<u8>>),
}

impl Published {
    /// Says whether every client is given `authority` to trust.
    #[must_use]
    pub fn has(&self, authority: &Certificate) -> bool {
        let has = |bundle: &Vec<u8>| Bundle::read(bundle).contains(authority);
        matches!(self, Self::Ours(bundles) if bundles.iter().all(has))
    }

    /// Says whether any client is to be given something else than `pem`.
    #[must_use]
    pub fn differs_from(&self, pem: &str) -> bool {
        let differs = |bundle: &Vec<u8>| bundle != pem.as_bytes();
        matches!(self, Self::Ours(bundles) if bundles.iter().any(differs))
    }

    /// Every CA that any client is given to trust.
    #[must_use]
    pub fn authorities(&self) -> Bundle {
        match self {
            Self::Absent | Self::Given => Bundle::default(),
            Self::Ours(bundles) => {
                let read = |bundle: &Vec<u8>| Bundle::read(bundle);
                bundles.iter().flat_map(read).collect()
            }
        }
    }
}

/// What is remembered from one look to the next: the CA that issues and since when, as uptime, every
/// client has been given it to trust. A new process begins with nothing.
#[derive(Clone, Debug, Default)]
pub struct Memory(Option<(Certificate, Duration)>);

impl Memory {
    /// Since when `published` has had `authority`.
    fn look(
        &mut self,
        authority: Option<&Certificate>,
        published: &Published,
        now: Now,
    ) -> Option<Duration> {
        let authority = authority.filter(|it| published.has(it));
        let known = self.0.take().filter(|(known, _)| Some(known) == authority);
        self.0 = known.or_else(|| authority.map(|it| (it.clone(), now.uptime)));
        self.0.as_ref().map(|(_, since)| *since)
    }
}

/// What is there.
#[derive(Debug)]
pub struct State {
    /// The CA that issues.
    pub authority: Held<Authority>,
    /// `ca.crt` beside it, as it is written: itself and those before it.
    pub kept: Vec<u8>,
    /// The server's certificate.
    pub leaf: Held<Pair>,
    /// `ca.crt` beside that: the CA it is of.
    pub issuer: Bundle,
    /// What clients are given to trust.
    pub published: Published,
    /// Since when, as uptime, that has had the CA that issues, for all that is remembered; nothing while
    /// it has not.
    pub since: Option<Duration>,
}

impl State {
    /// Reads what the CA's Secret and the server's hold; nothing of one that does not exist.
    #[must_use]
    pub fn read(
        authority: Option<&Stored<'_>>,
        leaf: Option<&Stored<'_>>,
        published: Published,
        memory: &mut Memory,
        now: Now,
    ) -> Self {
        let kept = authority.map_or(&[][..], |it| it.authorities).to_vec();
        let authority = Held::read(authority, Authority::read);
        let current = authority.readable().map(Authority::certificate);
        Self {
            since: memory.look(current, &published, now),
            authority,
            kept,
            issuer: leaf.map_or_else(Bundle::default, |it| Bundle::read(it.authorities)),
            leaf: Held::read(leaf, Pair::read),
            published,
        }
    }

    /// Every CA that is known of: the one that issues first.
    #[must_use]
    pub fn authorities(&self) -> Bundle {
        let mut all = self.noted();
        all.extend(self.issuer.clone());
        all.extend(self.published.authorities());
        all
    }

    /// Every CA that was made here: the one that issues first. What is published was noted before, so what only a
    /// client was given is somebody else's; unless the note is lost, when what clients were given is all that is known.
    #[must_use]
    pub fn made(&self) -> Bundle {
        if !self.is_noted() {
            return self.authorities();
        }
        let mut made = self.noted();
        made.extend(self.issuer.clone());
        made
    }

    /// Says whether the CA that issues is noted beside itself, as it is from when it was made.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        let noted = Bundle::read(&self.kept);
        let current = self.authority.readable().map(Authority::certificate);
        current.is_some_and(|it| noted.contains(it))
    }

    fn noted(&self) -> Bundle {
        let current = self.authority.readable().map(Authority::certificate);
        let mut noted: Bundle = current.cloned().into_iter().collect();
        noted.extend(Bundle::read(&self.kept));
        noted
    }
}
