//! What the two sides are given: a Secret for the extender, a configuration for kube-scheduler.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::certificates::Held;

use super::folder::{Error, Folder};
use super::take::Subjects;

/// The configuration of kube-scheduler, with words in place of what differs.
const SCHEDULER: &str = include_str!("scheduler.yaml");

/// How kube-scheduler reaches the extender and the API server.
#[derive(Clone, Copy, Debug)]
pub struct Extender<'a> {
    /// `https://…`, without the verb.
    pub url: &'a str,
    /// The folder with certificates, on the machine of kube-scheduler.
    pub folder: &'a Path,
    /// The kubeconfig of kube-scheduler.
    pub kubeconfig: &'a Path,
}

/// The Secret `name` with what the extender shows and the CAs that it believes, as YAML. The key of the CA is not
/// in it.
///
/// # Errors
///
/// Something is not there, or is of no use.
pub fn secret(folder: &Folder, namespace: &str, name: &str) -> Result<String, Error> {
    let state = folder.read()?;
    let [certificate, key] = Folder::EXTENDER;
    let files = [
        ("ca.crt", Folder::BUNDLE),
        ("tls.crt", certificate),
        ("tls.key", key),
    ];
    let mut data = BTreeMap::new();
    for (entry, file) in files {
        let path = folder.file(file);
        let content = folder.load(file)?.ok_or(Error::Missing { path })?;
        data.insert(entry.to_owned(), ByteString(content));
    }
    if let Held::Unreadable(source) = state.extender {
        let path = folder.file(certificate);
        return Err(Error::Use { path, source });
    }
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(data),
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    };
    let path = folder.path().to_owned();
    // Base64 that is folded comes back with spaces in it.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(&secret, options).map_err(|error| Error::Write {
        path,
        source: std::io::Error::other(error),
    })
}

/// The configuration of a kube-scheduler that asks the extender, as YAML.
#[must_use]
pub fn scheduler(extender: Extender<'_>) -> String {
    let [certificate, key] = Folder::SCHEDULER;
    let file = |name: &str| quoted(&extender.folder.join(name));
    SCHEDULER
        .replace("$KUBECONFIG", &quoted(extender.kubeconfig))
        .replace("$URL", &json!(extender.url).to_string())
        .replace("$SERVER", Subjects::SERVER)
        .replace("$CA", &file(Folder::BUNDLE))
        .replace("$CERTIFICATE", &file(certificate))
        .replace("$KEY", &file(key))
}

/// A path as YAML has it: plain where that can be read, quoted elsewhere.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.starts_with('/') && text.chars().all(is_plain) {
        return text;
    }
    Value::String(text).to_string()
}

#[cfg(test)]
mod tests;
