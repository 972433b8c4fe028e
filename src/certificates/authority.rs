//! A CA of our own, and what it issues.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use x509_parser::time::ASN1Time;

use crate::domain::time::{after, floor};

use super::certificate::Certificate;
use super::error::Error;
use super::names::Names;
use super::pair::{Pair, Pem};

/// How long a CA lives. A new one takes over after two thirds: 243 days.
pub const LIFE_OF_AUTHORITY: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How long a server's certificate lives. A new one takes over after two thirds, so that 30 days remain
/// for whatever stands in the way. The last that a CA issues, in 243 days, ends before the CA does: 333.
pub const LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// How much earlier than it was made a certificate counts: so far may a client's clock be behind.
pub const BACKDATE: SignedDuration = SignedDuration::from_hours(1);

/// A CA with its private key, ECDSA on P-256.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is to be.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Its common name.
    pub common_name: &'a str,
    /// The DNS names and IP addresses that it is for.
    pub names: Option<&'a Names>,
    /// What it is shown for.
    pub purpose: Purpose,
    /// How long it lives, never longer than the CA.
    pub life: SignedDuration,
}

/// What a certificate is shown for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// By a client, to a server.
    Client,
    /// By a server, to its clients.
    Server,
}

impl Authority {
    /// Makes a CA that signs certificates, no other CAs, and lives [`LIFE_OF_AUTHORITY`].
    ///
    /// # Errors
    ///
    /// The system has no randomness, or `now` is not of the years that a certificate can name.
    pub fn make(now: Timestamp) -> Result<Self, Error> {
        let name = format!("trustpool CA {}", floor(now));
        Self::named(&name, LIFE_OF_AUTHORITY, now)
    }

    /// The same, called `name` and with another `life`.
    ///
    /// # Errors
    ///
    /// The same, also of the end of its life.
    pub fn named(name: &str, life: SignedDuration, now: Timestamp) -> Result<Self, Error> {
        Self::certified(make_key()?, name, life, now)
    }

    /// The same, of a private key that there is.
    ///
    /// # Errors
    ///
    /// The same, but for the randomness; or the key cannot be read.
    pub fn of_key(
        key: &[u8],
        name: &str,
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, Error> {
        Self::certified(read_key(key)?, name, life, now)
    }

    fn certified(
        key: KeyPair,
        name: &str,
        life: SignedDuration,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let mut params = parameters(name, now, after(now, life))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(Error::Make)?;
        Ok(Self {
            certificate: Certificate::read(certificate.into())?,
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads a CA's certificate and private key.
    ///
    /// # Errors
    ///
    /// One cannot be read, they are not of each other, or the certificate is not a CA's.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let pair = Pair::read(certificate, key)?;
        let certificate = pair.certificate().clone();
        if !certificate.is_authority() {
            return Err(Error::Authority);
        }
        let issuer = Issuer::from_ca_cert_der(certificate.der(), read_key(key)?);
        Ok(Self {
            issuer: issuer.map_err(|_| Error::Certificate)?,
            certificate,
        })
    }

    /// Issues a certificate for a server with these `names`, with a key of its own. It lives [`LIFE`],
    /// never longer than the CA.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn issue(&self, names: &Names, now: Timestamp) -> Result<Pem, Error> {
        let order = Order {
            common_name: "trustpool",
            names: Some(names),
            purpose: Purpose::Server,
            life: LIFE,
        };
        self.sign(&order, now)
    }

    /// Issues what `order` says, with a key of its own.
    ///
    /// # Errors
    ///
    /// The system has no randomness, or its life ends in a year that a certificate cannot name.
    pub fn sign(&self, order: &Order<'_>, now: Timestamp) -> Result<Pem, Error> {
        let end = after(now, order.life).min(self.certificate.not_after());
        let mut params = parameters(order.common_name, now, end)?;
        let names = order.names.into_iter().flat_map(Names::iter);
        let names: Vec<String> = names.map(str::to_owned).collect();
        let alternatives = CertificateParams::new(names).map_err(Error::Make)?;
        params.subject_alt_names = alternatives.subject_alt_names;
        params.extended_key_usages = vec![match order.purpose {
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = make_key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(Error::Make)?;
        Ok(Pem {
            certificate: Certificate::read(certificate.into())?.to_pem(),
            key: key.serialize_pem(),
        })
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its certificate and private key, to be kept.
    #[must_use]
    pub fn to_pem(&self) -> Pem {
        Pem {
            certificate: self.certificate.to_pem(),
            key: self.issuer.key().serialize_pem(),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

fn make_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Make)
}

fn read_key(pem: &[u8]) -> Result<KeyPair, Error> {
    let pem = std::str::from_utf8(pem).map_err(|_| Error::Key)?;
    KeyPair::from_pem(pem).map_err(|_| Error::Key)
}

/// A certificate called `name`, made `now`, that counts until `end`; otherwise to be filled in.
fn parameters(name: &str, now: Timestamp, end: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let start = now.saturating_sub(BACKDATE).unwrap_or(Timestamp::MIN);
    // rcgen takes the times of the crate `time`, and x509-parser has them too.
    let time = |at: Timestamp| ASN1Time::from_timestamp(at.as_second());
    let time = |at| time(at).map_err(|_| Error::Make(rcgen::Error::Time));
    params.not_before = time(start)?.to_datetime();
    params.not_after = time(end)?.to_datetime();
    Ok(params)
}

#[cfg(test)]
mod tests;
