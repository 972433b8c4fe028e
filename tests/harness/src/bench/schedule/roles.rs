//! Trustpool as it is installed: two processes, as two users.

use std::net::SocketAddr;
use std::path::Path;

use crate::{Identity, Process, Program, World};

use super::arena::START;

/// The two roles. Dropping them kills them.
#[derive(Debug)]
pub struct Roles {
    /// The one that writes.
    pub controller: Process,
    /// The one that answers.
    pub gate: Process,
    /// Where health and metrics of the gate are.
    admin: SocketAddr,
}

impl Roles {
    /// Starts both, and waits until they are ready.
    ///
    /// # Errors
    ///
    /// If one does not get ready: with its last log lines.
    pub async fn start(binary: &Path, world: &World) -> anyhow::Result<Self> {
        let (at, users) = (world.addresses, &world.users);
        let role = |role: &str, user: &Identity| {
            let kubeconfig = format!("--kubeconfig={}", user.kubeconfig().display());
            Program::new(&format!("trustpool-{role}"), binary).args([role, &kubeconfig])
        };
        let controller = role("controller", &users.controller).args(at.controller_flags());
        let gate = role("gate", &users.gate).args(at.gate_flags());
        let directory = world.plane.directory();
        let mut roles = Self {
            controller: controller.start(directory)?,
            gate: gate.start(directory)?,
            admin: at.admin,
        };
        ready(&mut roles.controller, at.controller_admin).await?;
        ready(&mut roles.gate, at.admin).await?;
        Ok(roles)
    }

    /// The gate's metrics, as text.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        page(self.admin, "metrics").await
    }

    /// Stops both in order.
    ///
    /// # Errors
    ///
    /// If one has to be killed.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.controller.stop().await?;
        self.gate.stop().await?;
        Ok(())
    }
}

async fn ready(process: &mut Process, admin: SocketAddr) -> anyhow::Result<()> {
    let look = async || page(admin, "readyz").await.map(drop);
    process.ready(START, look).await
}

async fn page(admin: SocketAddr, page: &str) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(format!("http://{admin}/{page}")).send().await?;
    Ok(answer.error_for_status()?.text().await?)
}
