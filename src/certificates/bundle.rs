//! Certificates of CAs, one after another, as a client is given them to trust.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::certificate::Certificate;
use super::error::Error;

/// Certificates of CAs, each once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bundle(Vec<Certificate>);

impl Bundle {
    /// The certificates of CAs in `pem`. What cannot be read is left out, and so is what is no CA's.
    #[must_use]
    pub fn read(pem: &[u8]) -> Self {
        CertificateDer::pem_slice_iter(pem)
            .filter_map(|der| Certificate::read(der.ok()?).ok())
            .filter(Certificate::is_authority)
            .collect()
    }

    /// The certificates of CAs in `pem`, all of them.
    ///
    /// # Errors
    ///
    /// One cannot be read or is no CA's, or there is none.
    pub fn parse(pem: &[u8]) -> Result<Self, Error> {
        let mut bundle = Self::default();
        for der in CertificateDer::pem_slice_iter(pem) {
            let certificate = Certificate::read(der.map_err(|_| Error::Certificate)?)?;
            if !certificate.is_authority() {
                return Err(Error::Authority);
            }
            bundle.extend([certificate]);
        }
        if bundle.is_empty() {
            return Err(Error::Certificate);
        }
        Ok(bundle)
    }

    /// All of them as PEM: nothing between one and the next, a line feed at the end.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.iter().map(Certificate::to_pem).collect()
    }

    /// Each certificate, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether `certificate` is one of them.
    #[must_use]
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.0.contains(certificate)
    }

    /// Those that count at `now` or later.
    #[must_use]
    pub fn unexpired(&self, now: Timestamp) -> Self {
        let kept = self.iter().filter(|it| !it.has_expired(now));
        kept.cloned().collect()
    }
}

impl FromIterator<Certificate> for Bundle {
    fn from_iter<I: IntoIterator<Item = Certificate>>(certificates: I) -> Self {
        let mut bundle = Self::default();
        bundle.extend(certificates);
        bundle
    }
}

impl Extend<Certificate> for Bundle {
    /// Adds those that are not there yet.
    fn extend<I: IntoIterator<Item = Certificate>>(&mut self, certificates: I) {
        for certificate in certificates {
            if !self.contains(&certificate) {
                self.0.push(certificate);
            }
        }
    }
}

impl IntoIterator for Bundle {
    type Item = Certificate;
    type IntoIter = std::vec::IntoIter<Certificate>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
