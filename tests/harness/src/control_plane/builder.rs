//! Saying which parts to start, and starting them.

use std::collections::BTreeMap;

use super::api_server::Audit;
use super::directory::Directory;
use super::{ControlPlane, MASTERS, Scheduler, api_server, files};
use crate::{Authority, Identity, binaries, free_port};

/// Which parts to start.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing starts before `start`"]
pub struct Builder {
    schedulers: Vec<Scheduler>,
    audit: Audit,
    controller_manager: bool,
    kwok: bool,
    api_server: Vec<String>,
}

impl Builder {
    /// Starts kube-scheduler too. If its extender is to start after the API server, use
    /// [`ControlPlane::start_scheduler`] instead. May be called again with one of another name.
    pub fn scheduler(mut self, scheduler: Scheduler) -> Self {
        self.schedulers.push(scheduler);
        self
    }

    /// Has the API server write the objects that `trustpool-observer` needs into its audit log.
    pub const fn observed(mut self) -> Self {
        self.audit = Audit::Observed;
        self
    }

    /// Starts kube-controller-manager too: service accounts, taints by condition, daemon sets,
    /// deployments, taint eviction, garbage collection.
    pub const fn controller_manager(mut self) -> Self {
        self.controller_manager = true;
        self
    }

    /// Starts kwok too, which plays the kubelets of all nodes: heartbeats, and pods that run at
    /// once.
    pub const fn kwok(mut self) -> Self {
        self.kwok = true;
        self
    }

    /// Adds a flag to kube-apiserver's own.
    pub fn api_server_flag(mut self, flag: &str) -> Self {
        self.api_server.push(flag.to_owned());
        self
    }

    /// Starts the parts, and returns when each is ready.
    ///
    /// # Errors
    ///
    /// If the binaries cannot be built, or a part ends or is not ready in time: with its last log
    /// lines.
    pub async fn start(self) -> anyhow::Result<ControlPlane> {
        let mut control_plane = prepare().await?;
        let etcd = control_plane.spawn_etcd()?;
        control_plane.spawn_api_server(&etcd, self.audit, &self.api_server)?;
        control_plane.api_server_ready().await?;
        if self.controller_manager {
            control_plane.start_controller_manager(self.kwok).await?;
        }
        let client = control_plane.client().await?;
        control_plane
            .default_service_account(&client, "default")
            .await?;
        if self.kwok {
            control_plane.start_kwok().await?;
        }
        for scheduler in &self.schedulers {
            control_plane.start_scheduler(scheduler).await?;
        }
        Ok(control_plane)
    }
}

/// Makes a control plane of which nothing runs yet.
async fn prepare() -> anyhow::Result<ControlPlane> {
    let binaries = binaries().await?;
    let directory = Directory::new()?;
    let authority = Authority::new("control-plane-ca")?;
    let serving = authority.server(&api_server::NAMES)?;
    let server = format!("https://127.0.0.1:{}", free_port()?);
    let admin = authority.client("admin", &[MASTERS])?;
    let ca = authority.certificate();
    let admin = Identity::write("admin", &admin, &server, &ca, directory.path())?;
    files::write(directory.path(), &authority, &serving)?;
    Ok(ControlPlane {
        parts: BTreeMap::new(),
        binaries,
        authority,
        server,
        admin,
        scheduler_port: None,
        directory,
    })
}
