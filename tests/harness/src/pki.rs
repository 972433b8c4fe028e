//! A certificate authority for one test, and the certificates it issues.

use anyhow::{Context as _, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// The object identifier of an organization, for the second group of a user: rcgen keeps one value
/// per attribute type, and takes this for another type than its own `OrganizationName`.
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, both as PEM.
#[derive(Clone, Debug)]
pub struct KeyedCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    ///
    /// If no key can be made.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = parameters(name, Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("failed to make a key")?;
        let issuer = CertifiedIssuer::self_signed(params, key);
        Ok(Self {
            issuer: issuer.with_context(|| format!("failed to make the CA `{name}`"))?,
        })
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Its certificate, as DER.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// Issues a certificate for a server with these DNS names and IP addresses.
    ///
    /// # Errors
    ///
    /// If a name is neither.
    pub fn server(&self, names: &[&str]) -> anyhow::Result<KeyedCertificate> {
        let name = names.first().copied().unwrap_or("server");
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = parameters(name, names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// Issues a certificate for a user of Kubernetes with up to two groups.
    ///
    /// # Errors
    ///
    /// If there are more groups.
    pub fn client(&self, user: &str, groups: &[&str]) -> anyhow::Result<KeyedCertificate> {
        let types = [
            DnType::OrganizationName,
            DnType::CustomDnType(ORGANIZATION.to_vec()),
        ];
        ensure!(
            groups.len() <= types.len(),
            "`{user}` has more than two groups: {groups:?}"
        );
        let mut params = parameters(user, Vec::new())?;
        for (attribute, &group) in types.into_iter().zip(groups) {
            params.distinguished_name.push(attribute, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// Signs a certificate for a new key.
    fn issue(&self, mut params: CertificateParams) -> anyhow::Result<KeyedCertificate> {
        let key = KeyPair::generate().context("failed to make a key")?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("failed to sign")?;
        Ok(KeyedCertificate {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A certificate with a common name and alternative names, otherwise to be filled in.
fn parameters(name: &str, alternatives: Vec<String>) -> anyhow::Result<CertificateParams> {
    let params = CertificateParams::new(alternatives);
    let mut params = params.with_context(|| format!("failed to name a certificate `{name}`"))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
