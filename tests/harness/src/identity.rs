//! Users of an API server, each with a client certificate, a kubeconfig and clients.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use k8s_openapi::ByteString;
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::pki::KeyedCertificate;

/// A user of the API server.
#[derive(Clone, Debug)]
pub struct Identity {
    user: String,
    kubeconfig: PathBuf,
}

impl Identity {
    /// Writes a user's kubeconfig into a directory. `ca` is the certificate of the server's CA.
    pub(crate) fn write(
        user: &str,
        certificate: &KeyedCertificate,
        server: &str,
        ca: &str,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let file = format!("{}.kubeconfig", user.replace(['/', ':'], "-"));
        let kubeconfig = directory.join(file);
        let content = content(user, certificate, server, ca).to_string();
        std::fs::write(&kubeconfig, content)
            .with_context(|| format!("failed to write `{}`", kubeconfig.display()))?;
        Ok(Self {
            user: user.to_owned(),
            kubeconfig,
        })
    }

    /// The user's name, as audit events have it.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The file with everything a client needs to be this user.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The same user, who reaches the API server through `address`.
    ///
    /// # Errors
    ///
    /// If the kubeconfig cannot be read or written.
    pub fn through(&self, address: SocketAddr) -> anyhow::Result<Self> {
        let failed = || format!("failed to change the kubeconfig of `{}`", self.user);
        let text = std::fs::read(&self.kubeconfig).with_context(failed)?;
        let mut content: Value = serde_json::from_slice(&text).with_context(failed)?;
        let server = content.pointer_mut("/clusters/0/cluster/server");
        *server.with_context(failed)? = json!(format!("https://{address}"));
        let kubeconfig = self.kubeconfig.with_extension("through.kubeconfig");
        std::fs::write(&kubeconfig, content.to_string()).with_context(failed)?;
        Ok(Self {
            user: self.user.clone(),
            kubeconfig,
        })
    }

    /// A client that is this user and sends every request once. It belongs to the runtime that it
    /// was made in.
    ///
    /// # Errors
    ///
    /// If the kubeconfig cannot be read.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let failed = || format!("failed to make a client for `{}`", self.user);
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).with_context(failed)?;
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .with_context(failed)?;
        config.default_retry = false;
        Client::try_from(config).with_context(failed)
    }
}

/// A kubeconfig with one cluster, one user and one context, complete in itself.
fn content(user: &str, certificate: &KeyedCertificate, server: &str, ca: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "test",
            "cluster": {"server": server, "certificate-authority-data": base64(ca)},
        }],
        "users": [{
            "name": user,
            "user": {
                "client-certificate-data": base64(&certificate.certificate),
                "client-key-data": base64(&certificate.key),
            },
        }],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    })
}

/// Bytes as a kubeconfig has them.
fn base64(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}
