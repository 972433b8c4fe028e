//! A control plane for one test: etcd and kube-apiserver, and whichever other parts it needs.

mod api_server;
mod builder;
mod controller_manager;
mod directory;
mod etcd;
mod files;
mod kwok;
mod scheduler;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Config};

pub use self::builder::Builder;
use self::directory::Directory;
pub use self::scheduler::{Extender, Scheduler};
use crate::{AuditLog, Authority, Binaries, Identity, Nodes, Process, eventually};

/// How long a part may take to be ready, on a machine that is busy with something else.
const START: Duration = Duration::from_secs(90);

/// The group that may do everything.
const MASTERS: &str = "system:masters";

/// A program of the control plane, in the order in which they end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// kube-scheduler.
    Scheduler,
    /// The kube-scheduler beside it.
    SecondScheduler,
    /// kube-controller-manager.
    ControllerManager,
    /// kwok, which plays every node's kubelet.
    Kwok,
    /// kube-apiserver.
    ApiServer,
    /// etcd.
    Etcd,
}

/// A running control plane on 127.0.0.1, with a directory of its own. Dropping it kills every part
/// and removes the directory.
#[derive(Debug)]
pub struct ControlPlane {
    /// What runs. Before `directory`, so that nothing writes when that is removed.
    parts: BTreeMap<Part, Process>,
    binaries: &'static Binaries,
    /// Signs every certificate, of servers and users.
    authority: Authority,
    /// The URL of the API server.
    server: String,
    /// In `system:masters`, and what the harness itself uses.
    admin: Identity,
    /// Where the scheduler serves its metrics, once it was started.
    scheduler_port: Option<u16>,
    /// Certificates, kubeconfigs, configuration, data and logs.
    directory: Directory,
}

impl ControlPlane {
    /// Says what to start: etcd and kube-apiserver, until more is asked for.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The URL of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The directory with everything of this control plane: certificates, kubeconfigs, logs. Other
    /// programs of the same test can run in it too.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The binaries that it runs.
    #[must_use]
    pub const fn binaries(&self) -> &'static Binaries {
        self.binaries
    }

    /// The CA that signed the API server's certificate and those of all users.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The API server's audit log.
    #[must_use]
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(&self.directory().join(api_server::AUDIT_LOG))
    }

    /// A user who may do everything.
    #[must_use]
    pub const fn admin(&self) -> &Identity {
        &self.admin
    }

    /// A client that may do everything.
    ///
    /// # Errors
    ///
    /// If the kubeconfig cannot be read.
    pub async fn client(&self) -> anyhow::Result<Client> {
        self.admin.client().await
    }

    /// A user with up to two groups beside `system:authenticated`. Who has no role may do next to
    /// nothing.
    ///
    /// # Errors
    ///
    /// If the certificate or kubeconfig cannot be made.
    pub fn user(&self, user: &str, groups: &[&str]) -> anyhow::Result<Identity> {
        let certificate = self.authority.client(user, groups)?;
        let ca = self.authority.certificate();
        Identity::write(user, &certificate, &self.server, &ca, self.directory())
    }

    /// The kubelet of a node, as which Node authorization and NodeRestriction apply.
    ///
    /// # Errors
    ///
    /// If the certificate or kubeconfig cannot be made.
    pub fn kubelet(&self, node: &str) -> anyhow::Result<Identity> {
        self.user(&format!("system:node:{node}"), &["system:nodes"])
    }

    /// What makes nodes and changes them, as an administrator.
    ///
    /// # Errors
    ///
    /// If the kubeconfig cannot be read.
    pub async fn nodes(&self) -> anyhow::Result<Nodes> {
        Ok(Nodes::new(self.client().await?))
    }

    /// One of the parts, to stop it, kill it or read its log.
    ///
    /// # Errors
    ///
    /// If it was not started.
    pub fn part(&mut self, part: Part) -> anyhow::Result<&mut Process> {
        self.parts
            .get_mut(&part)
            .with_context(|| format!("{part:?} was not started"))
    }

    /// Makes a namespace that pods can be created in at once.
    ///
    /// # Errors
    ///
    /// If the API server refuses.
    pub async fn create_namespace(&self, name: &str) -> anyhow::Result<()> {
        let client = self.client().await?;
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let created = namespaces.create(&PostParams::default(), &namespace).await;
        created.with_context(|| format!("failed to create namespace `{name}`"))?;
        self.default_service_account(&client, name).await
    }

    /// Ends every part in order (SIGTERM), waits for each, and removes the directory.
    ///
    /// # Errors
    ///
    /// If a part had to be killed.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        while let Some((part, mut process)) = self.parts.pop_first() {
            process
                .stop()
                .await
                .with_context(|| format!("failed to stop {part:?}"))?;
        }
        self.directory.close()
    }

    /// Sees to a namespace's `default` service account, without which no pod is admitted: waits for
    /// the controller manager's, or makes one where none runs.
    async fn default_service_account(&self, client: &Client, space: &str) -> anyhow::Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), space);
        if self.parts.contains_key(&Part::ControllerManager) {
            let what = format!("the default ServiceAccount of namespace `{space}`");
            let look = async || Ok(accounts.get("default").await.map(drop)?);
            return eventually(START, &what, look).await;
        }
        let metadata = ObjectMeta {
            name: Some("default".to_owned()),
            ..ObjectMeta::default()
        };
        let account = ServiceAccount {
            metadata,
            ..ServiceAccount::default()
        };
        match accounts.create(&PostParams::default(), &account).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => created
                .map(drop)
                .context("failed to create the default ServiceAccount"),
        }
    }

    /// A client without credentials for a part's own server, such as the scheduler's.
    fn client_of(&self, port: u16) -> anyhow::Result<Client> {
        let mut config = Config::new(format!("https://127.0.0.1:{port}").parse()?);
        config.root_cert = Some(vec![self.authority.der()]);
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }
}

/// Gets a page such as `/readyz` or `/metrics`.
async fn page(client: &Client, path: &str) -> anyhow::Result<String> {
    let request = http::Request::get(path).body(Vec::new())?;
    Ok(client.request_text(request).await?)
}
