//! The files that the parts read: certificates and keys.

use std::path::Path;

use anyhow::Context as _;
use rcgen::KeyPair;

use crate::{Authority, KeyedCertificate};

/// The CA's certificate.
pub(super) const CA: &str = "ca.crt";

/// The certificate of every server.
pub(super) const SERVING_CERTIFICATE: &str = "serving.crt";

/// Its key.
pub(super) const SERVING_KEY: &str = "serving.key";

/// The key that signs the tokens of service accounts.
pub(super) const TOKEN_KEY: &str = "service-accounts.key";

/// The key that checks them.
pub(super) const TOKEN_PUBLIC_KEY: &str = "service-accounts.pub";

/// Writes them all.
pub(super) fn write(
    directory: &Path,
    authority: &Authority,
    serving: &KeyedCertificate,
) -> anyhow::Result<()> {
    let tokens = KeyPair::generate().context("failed to make a key for service accounts")?;
    let files = [
        (CA, authority.certificate()),
        (SERVING_CERTIFICATE, serving.certificate.clone()),
        (SERVING_KEY, serving.key.clone()),
        (TOKEN_KEY, tokens.serialize_pem()),
        (TOKEN_PUBLIC_KEY, tokens.public_key_pem()),
    ];
    files
        .iter()
        .try_for_each(|(name, content)| write_one(directory, name, content))
}

/// Writes one file.
pub(super) fn write_one(directory: &Path, name: &str, content: &str) -> anyhow::Result<()> {
    let path = directory.join(name);
    std::fs::write(&path, content).with_context(|| format!("failed to write `{}`", path.display()))
}
