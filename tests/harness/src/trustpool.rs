//! Trustpool in a test: in this process, so that its clock can be moved, or as a process of its own,
//! so that it can be killed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber as _;
use trustpool::app::{Config, run};
use trustpool::clock::Clock;
use trustpool::telemetry::to_file;

use crate::install::NAMESPACE;
use crate::process::last_words;
use crate::{ControlPlane, Identity, Process, Program, eventually, free_port};

/// What is logged.
const LOGGED: &str = "info,trustpool=debug";

/// How long it may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// A running Trustpool. Dropping it stops it.
#[derive(Debug)]
pub struct Trustpool {
    config: Config,
    http: reqwest::Client,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Here {
        stop: CancellationToken,
        task: Option<JoinHandle<anyhow::Result<()>>>,
        log: PathBuf,
    },
    Process(Box<Process>),
}

/// The addresses on which a Trustpool is to listen, known before it starts.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Where kube-scheduler asks.
    pub extender: SocketAddr,
    /// Where health and metrics are.
    pub admin: SocketAddr,
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
            admin: free()?,
        })
    }

    /// The prefix under which kube-scheduler asks.
    #[must_use]
    pub fn url_prefix(&self) -> String {
        format!("http://{}", self.extender)
    }
}

impl Trustpool {
    /// Runs it in this process, and waits until it is ready. Its log is `trustpool.log` in the control
    /// plane's directory; should the test panic, its last lines are printed.
    ///
    /// # Errors
    ///
    /// If it does not get ready.
    pub async fn here(
        plane: &ControlPlane,
        user: &Identity,
        at: Addresses,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let config = config(user, at);
        let log = plane.directory().join("trustpool.log");
        let file = File::options().create(true).append(true).open(&log)?;
        let stop = CancellationToken::new();
        let running = run(config.clone(), clock, stop.clone());
        let running = running.with_subscriber(to_file(file, LOGGED));
        #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
        let task = Some(tokio::task::spawn(running));
        Self::ready(config, Running::Here { stop, task, log }).await
    }

    /// Runs `binary`, and waits until it is ready. Its log is `trustpool.log` in the control plane's
    /// directory.
    ///
    /// # Errors
    ///
    /// If it does not get ready.
    pub async fn process(
        binary: &Path,
        plane: &ControlPlane,
        user: &Identity,
        at: Addresses,
    ) -> anyhow::Result<Self> {
        let config = config(user, at);
        let kubeconfig = user.kubeconfig().display().to_string();
        let program = Program::new("trustpool", binary)
            .args(["run", "--kubeconfig", &kubeconfig, "--log", LOGGED])
            .args(["--extender-listen", &at.extender.to_string()])
            .args(["--admin-listen", &at.admin.to_string()]);
        let process = program.start(plane.directory())?;
        Self::ready(config, Running::Process(Box::new(process))).await
    }

    /// Where kube-scheduler asks.
    #[must_use]
    pub const fn extender(&self) -> SocketAddr {
        self.config.extender_listen
    }

    /// The process, where it is one.
    pub fn as_process(&mut self) -> Option<&mut Process> {
        match &mut self.running {
            Running::Here { .. } => None,
            Running::Process(process) => Some(process),
        }
    }

    /// Its metrics, as text.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        let url = format!("http://{}/metrics", self.config.admin_listen);
        Ok(self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }

    /// Posts to the extender, and returns status and answer.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn ask(&self, verb: &str, body: &serde_json::Value) -> anyhow::Result<(u16, String)> {
        let url = format!("http://{}/{verb}", self.config.extender_listen);
        let answer = self.http.post(url).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Stops it in order, and waits.
    ///
    /// # Errors
    ///
    /// If it failed before, or does not stop.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        match &mut self.running {
            Running::Here { stop, task, .. } => {
                stop.cancel();
                match task.take() {
                    Some(task) => task.await?,
                    None => Ok(()),
                }
            }
            Running::Process(process) => process.stop().await.map(drop),
        }
    }

    async fn ready(config: Config, running: Running) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut trustpool = Self {
            config,
            http,
            running,
        };
        let url = format!("http://{}/readyz", trustpool.config.admin_listen);
        let http = trustpool.http.clone();
        let look = async || {
            let answer = http.get(&url).send().await?;
            let status = answer.status();
            anyhow::ensure!(status.is_success(), "{status}: {}", answer.text().await?);
            Ok(())
        };
        let answers = match &mut trustpool.running {
            Running::Here { .. } => eventually(READY, "Trustpool is ready", look).await,
            Running::Process(process) => process.ready(READY, look).await,
        };
        if let Err(error) = answers {
            return Err(trustpool.why_not().await.unwrap_or(error));
        }
        Ok(trustpool)
    }

    /// What it ended with, if it ended.
    async fn why_not(&mut self) -> Option<anyhow::Error> {
        let Running::Here { task, .. } = &mut self.running else {
            return None;
        };
        let ended = task.take_if(|task| task.is_finished())?.await;
        let error = match ended {
            Ok(Ok(())) => anyhow::anyhow!("it ended"),
            Ok(Err(error)) => error,
            Err(error) => error.into(),
        };
        Some(error.context("Trustpool is not running"))
    }
}

impl Drop for Trustpool {
    #[expect(clippy::print_stderr, reason = "it is what a failed test shows")]
    fn drop(&mut self) {
        if let Running::Here { stop, log, .. } = &self.running {
            stop.cancel();
            if std::thread::panicking() {
                eprintln!("{}", last_words(log));
            }
        }
    }
}

fn config(user: &Identity, at: Addresses) -> Config {
    Config {
        kubeconfig: Some(user.kubeconfig().to_owned()),
        namespace: NAMESPACE.to_owned(),
        extender_listen: at.extender,
        admin_listen: at.admin,
        drain: Duration::from_secs(10),
    }
}
