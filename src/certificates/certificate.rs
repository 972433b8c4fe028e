//! One certificate, read.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};
use pem::{EncodeConfig, LineEnding};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::domain::time::after;

use super::error::Error;
use super::names::Names;

/// A certificate, as far as decisions need it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    called: BTreeSet<String>,
    der: CertificateDer<'static>,
    is_authority: bool,
    names: Option<Names>,
    not_after: Timestamp,
    not_before: Timestamp,
}

impl Certificate {
    /// Reads the certificate `der`.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn read(der: CertificateDer<'static>) -> Result<Self, Error> {
        let (rest, read) = X509Certificate::from_der(&der).map_err(|_| Error::Certificate)?;
        if !rest.is_empty() {
            return Err(Error::Certificate);
        }
        let (is_authority, names) = (read.is_ca(), names(&read));
        let called = called(&read);
        let not_after = moment(read.validity().not_after)?;
        let not_before = moment(read.validity().not_before)?;
        Ok(Self {
            called,
            der,
            is_authority,
            names,
            not_after,
            not_before,
        })
    }

    /// Reads the first certificate in `pem`.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        Self::read(CertificateDer::from_pem_slice(pem).map_err(|_| Error::Certificate)?)
    }

    /// The certificate as PEM: lines of 64 characters, each ended by a line feed, the last too.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
        pem::encode_config(&pem::Pem::new("CERTIFICATE", &*self.der), config)
    }

    /// The certificate as DER.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Says whether it may sign others.
    #[must_use]
    pub const fn is_authority(&self) -> bool {
        self.is_authority
    }

    /// The DNS names and IP addresses that it is for; nothing if there is none.
    #[must_use]
    pub const fn names(&self) -> Option<&Names> {
        self.names.as_ref()
    }

    /// What it says that it is, as it is written: its common name, if it has one alone, its DNS names and its URIs.
    pub fn called(&self) -> impl Iterator<Item = &str> {
        self.called.iter().map(String::as_str)
    }

    /// Says whether it is that of `name`, exactly so.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.called.contains(name)
    }

    /// Its SHA-256, in hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = digest(&SHA256, &self.der);
        let bytes = digest.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    /// The last second that it counts in.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The first second that it counts in.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Says whether it no longer counts.
    #[must_use]
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }

    /// When two thirds of its life are over: time to have another.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        after(
            self.not_before,
            SignedDuration::from_secs(life.as_secs() / 3 * 2),
        )
    }

    /// Says whether a client that trusts `authority` alone would at `now` take this for a server's
    /// certificate, whatever the server is called.
    ///
    /// This is what rustls asks of every handshake.
    #[must_use]
    pub fn is_signed_by(&self, authority: &Self, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        let Some(now) = unix(now) else {
            return false;
        };
        let algorithms = default_provider().signature_verification_algorithms.all;
        roots.add(authority.der.clone()).is_ok()
            && ParsedCertificate::try_from(&self.der).is_ok_and(|it| {
                verify_server_cert_signed_by_trust_anchor(&it, &roots, &[], now, algorithms).is_ok()
            })
    }

    /// Says whether a server that believes `authority` alone would at `now` take this for a client's.
    #[must_use]
    pub fn is_clients_of(&self, authority: &Self, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        let Some(now) = unix(now) else {
            return false;
        };
        let provider = Arc::new(default_provider());
        roots.add(authority.der.clone()).is_ok()
            && WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .is_ok_and(|it| it.verify_client_cert(&self.der, &[], now).is_ok())
    }
}

fn names(read: &X509Certificate<'_>) -> Option<Names> {
    let names = read.subject_alternative_name().ok()??;
    let names = names.value.general_names.iter().filter_map(name);
    Names::found(names.collect::<BTreeSet<_>>())
}

/// The time as rustls takes it; nothing before 1970.
fn unix(at: Timestamp) -> Option<UnixTime> {
    let seconds = u64::try_from(at.as_second()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

fn called(read: &X509Certificate<'_>) -> BTreeSet<String> {
    let common: Vec<_> = read.subject().iter_common_name().collect();
    let common = match common.as_slice() {
        [name] => name.as_str().ok(),
        // Which of several is meant, nobody agrees on.
        _ => None,
    };
    let names = read.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|it| &it.value.general_names);
    let names = names.filter_map(|name| match *name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some(name),
        _ => None,
    });
    common.into_iter().chain(names).map(str::to_owned).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match *name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    four().or_else(|_| sixteen()).ok()
}

fn moment(time: ASN1Time) -> Result<Timestamp, Error> {
    Timestamp::from_second(time.timestamp()).map_err(|_| Error::Certificate)
}
