//! Trustpool in a test: its two roles, each as its own user, in this process, so that its clock can be moved, or
//! as processes of their own, so that they can be killed.

mod role;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use trustpool::app::{
    BindConfig, Config, ControllerConfig, ExtenderConfig, ExtenderTls, GateConfig,
};
use trustpool::clock::Clock;
use trustpool::policies::Choice;
use trustpool::server::tls::files::{ClientFile, Files};

use crate::install::{NAMESPACE, Users};
use crate::{ControlPlane, Identity, Process, free_port};

pub use role::Role;

/// A running Trustpool. Dropping it stops it.
#[derive(Debug)]
pub struct Trustpool {
    /// The role that writes.
    pub controller: Role,
    /// The role that answers.
    pub gate: Role,
    at: Addresses,
    http: reqwest::Client,
}

/// Where a role is to run.
#[derive(Clone, Debug)]
pub enum Home {
    /// In this process, at the times of a clock.
    Here(Clock),
    /// As a process of this binary.
    Process(PathBuf),
}

/// The addresses on which a Trustpool is to listen, known before it starts.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Where kube-scheduler asks.
    pub extender: SocketAddr,
    /// Where the API server asks.
    pub bind: SocketAddr,
    /// Where health and metrics of the gate are.
    pub admin: SocketAddr,
    /// Where health and metrics of the controller are.
    pub controller_admin: SocketAddr,
}

impl Addresses {
    /// Free ones.
    ///
    /// # Errors
    ///
    /// If there is no free port.
    pub fn free() -> anyhow::Result<Self> {
        let free = || Ok::<_, anyhow::Error>(SocketAddr::from(([127, 0, 0, 1], free_port()?)));
        Ok(Self {
            extender: free()?,
            bind: free()?,
            admin: free()?,
            controller_admin: free()?,
        })
    }

    /// The prefix under which kube-scheduler asks.
    #[must_use]
    pub fn url_prefix(&self) -> String {
        format!("http://{}", self.extender)
    }

    /// The flags of the controller.
    #[must_use]
    pub fn controller_flags(&self) -> [String; 2] {
        [
            format!("--admin-listen={}", self.controller_admin),
            format!("--bind-url=https://{}", self.bind),
        ]
    }

    /// The flags of the gate.
    #[must_use]
    pub fn gate_flags(&self) -> [String; 3] {
        [
            format!("--admin-listen={}", self.admin),
            format!("--extender-listen={}", self.extender),
            format!("--bind-listen={}", self.bind),
        ]
    }
}

impl Trustpool {
    /// Runs both roles in this process, and waits until they are ready. Their logs are `controller.log` and
    /// `gate.log` in the control plane's directory; should the test panic, the last lines are printed.
    ///
    /// # Errors
    ///
    /// If they do not get ready.
    pub async fn here(
        plane: &ControlPlane,
        users: &Users,
        at: Addresses,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        Self::start(plane, users, at, &Home::Here(clock)).await
    }

    /// Runs both roles as processes of `binary`, and waits until they are ready.
    ///
    /// # Errors
    ///
    /// If they do not get ready.
    pub async fn process(
        binary: &Path,
        plane: &ControlPlane,
        users: &Users,
        at: Addresses,
    ) -> anyhow::Result<Self> {
        Self::start(plane, users, at, &Home::Process(binary.to_owned())).await
    }

    async fn start(
        plane: &ControlPlane,
        users: &Users,
        at: Addresses,
        home: &Home,
    ) -> anyhow::Result<Self> {
        let directory = plane.directory();
        let mut controller =
            Role::controller("controller", &users.controller, at, home, directory)?;
        let mut gate = Role::gate("gate", &users.gate, at, home, directory)?;
        controller.ready().await?;
        gate.ready().await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            controller,
            gate,
            at,
            http,
        })
    }

    /// Where kube-scheduler asks.
    #[must_use]
    pub const fn extender(&self) -> SocketAddr {
        self.at.extender
    }

    /// The processes, where they are some: controller, then gate.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        [&mut self.controller, &mut self.gate]
            .into_iter()
            .filter_map(Role::as_process)
    }

    /// The metrics of both roles, as text.
    ///
    /// # Errors
    ///
    /// If one does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self.controller.metrics().await? + &self.gate.metrics().await?)
    }

    /// Posts to the extender, and returns status and answer.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn ask(&self, verb: &str, body: &serde_json::Value) -> anyhow::Result<(u16, String)> {
        let url = format!("http://{}/{verb}", self.at.extender);
        let answer = self.http.post(url).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Stops both roles in order, and waits.
    ///
    /// # Errors
    ///
    /// If one failed before, or does not stop.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.controller.stop().await?;
        self.gate.stop().await
    }
}

impl Role {
    /// Starts a replica of the role that writes, without waiting for it. Its files are in `directory`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn controller(
        name: &str,
        user: &Identity,
        at: Addresses,
        home: &Home,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let policies = Choice {
            url: Some(format!("https://{}", at.bind).parse()?),
            ..Choice::default()
        };
        let controller = ControllerConfig {
            policies,
            ..ControllerConfig::default()
        };
        let config = Config {
            controller: Some(controller),
            ..config(user, at.controller_admin)
        };
        let flags = [&["controller".to_owned()], &at.controller_flags()[..]].concat();
        Self::start(name, config, &flags, home, directory)
    }

    /// Starts a replica of the role that answers, without waiting for it. Its files are in `directory`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn gate(
        name: &str,
        user: &Identity,
        at: Addresses,
        home: &Home,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        Self::any_gate(name, user, at, None, home, directory)
    }

    /// The same with an extender over mutual TLS, by the certificates that `trustpool pki` made in `folder`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn secured_gate(
        user: &Identity,
        at: Addresses,
        folder: &Path,
        home: &Home,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        Self::any_gate("gate", user, at, Some(folder), home, directory)
    }

    fn any_gate(
        name: &str,
        user: &Identity,
        at: Addresses,
        folder: Option<&Path>,
        home: &Home,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let tls = folder.map(extender_tls);
        let mut flags = at.gate_flags().to_vec();
        flags.extend(tls.iter().flat_map(tls_flags));
        let gate = GateConfig {
            extender: Some(ExtenderConfig {
                listen: at.extender,
                tls,
            }),
            bind: Some(BindConfig {
                listen: at.bind,
                certificate: None,
            }),
            shutdown_delay: Duration::ZERO,
        };
        let config = Config {
            gate: Some(gate),
            ..config(user, at.admin)
        };
        let flags = [&["gate".to_owned()][..], &flags].concat();
        Self::start(name, config, &flags, home, directory)
    }
}

fn extender_tls(folder: &Path) -> ExtenderTls {
    ExtenderTls {
        files: Files {
            certificate: folder.join("extender.crt"),
            key: folder.join("extender.key"),
        },
        clients: ClientFile(folder.join("ca.crt")),
        name: "system:kube-scheduler".to_owned(),
    }
}

fn tls_flags(tls: &ExtenderTls) -> [String; 3] {
    let Files { certificate, key } = &tls.files;
    [
        ("--extender-tls-cert", certificate),
        ("--extender-tls-key", key),
        ("--extender-client-ca", &tls.clients.0),
    ]
    .map(|(flag, file)| format!("{flag}={}", file.display()))
}

fn config(user: &Identity, admin: SocketAddr) -> Config {
    Config {
        kubeconfig: Some(user.kubeconfig().to_owned()),
        namespace: NAMESPACE.to_owned(),
        admin_listen: admin,
        admin_socket: None,
        metrics: None,
        drain: Duration::from_secs(10),
        controller: None,
        gate: None,
    }
}
