//! The attestation service of a test: the simulator, in this process, behind real TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trustpool::clock::Clock;
use trustpool::simulator::args::Args;
use trustpool::simulator::journal::{Entry, Page};

use crate::{Authority, eventually, free_port};

/// What every request must carry: a canary that must appear nowhere. Its last word has letters that no
/// hexadecimal number has, so that no UUID is taken for it.
pub const AUTH_BLOB: &str = "canary-auth-blob-zorkmid";

/// A running simulator. Dropping it stops it.
#[derive(Debug)]
pub struct Simulator {
    ca: String,
    service: SocketAddr,
    admin: SocketAddr,
    arguments: Vec<String>,
    clock: Clock,
    http: reqwest::Client,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Simulator {
    /// Starts one on free ports, with its files in `directory` and its times from `clock`.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn start(directory: &Path, clock: Clock) -> anyhow::Result<Self> {
        let authority = Authority::new("attestation service")?;
        let pair = authority.server(&["localhost", "127.0.0.1"])?;
        let file = |name: &str, content: &str| -> anyhow::Result<String> {
            let path = directory.join(name);
            std::fs::write(&path, content)
                .with_context(|| format!("failed to write `{}`", path.display()))?;
            Ok(path.display().to_string())
        };
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (service, admin) = (address(free_port()?), address(free_port()?));
        let arguments = [
            "oat-simulator",
            "--listen",
            &service.to_string(),
            "--admin-listen",
            &admin.to_string(),
            "--tls-cert",
            &file("oat.crt", &pair.certificate)?,
            "--tls-key",
            &file("oat.key", &pair.key)?,
            "--auth-blob",
            AUTH_BLOB,
        ];
        let mut simulator = Self {
            ca: authority.certificate(),
            service,
            admin,
            arguments: arguments.map(str::to_owned).to_vec(),
            clock,
            http: reqwest::Client::builder().no_proxy().build()?,
            running: None,
        };
        simulator.up().await?;
        Ok(simulator)
    }

    /// Starts it (again), on the same ports and with no host played.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn up(&mut self) -> anyhow::Result<()> {
        let config = Args::try_parse_from(&self.arguments)?.config()?;
        let stop = CancellationToken::new();
        let run = trustpool::simulator::run(config, self.clock.clone(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
        let task = tokio::task::spawn(async move { run.await.map_err(anyhow::Error::from) });
        self.running = Some(Running { stop, task });
        eventually(
            Duration::from_secs(10),
            "the simulator answers",
            async || {
                Ok(self
                    .http
                    .get(self.url("livez"))
                    .send()
                    .await?
                    .error_for_status()?)
            },
        )
        .await?;
        Ok(())
    }

    /// Stops it: connections are refused.
    ///
    /// # Errors
    ///
    /// If it panicked.
    pub async fn down(&mut self) -> anyhow::Result<()> {
        if let Some(Running { stop, task }) = self.running.take() {
            stop.cancel();
            task.await??;
        }
        Ok(())
    }

    /// The CA that signed its certificate, PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Where the service is.
    #[must_use]
    pub fn service(&self) -> String {
        format!("https://localhost:{}", self.service.port())
    }

    /// What it answers about a host: `trusted`, `untrusted`, `unknown`, or `hang`.
    ///
    /// # Errors
    ///
    /// If it refuses.
    pub async fn play(&self, host: &str, verdict: &str) -> anyhow::Result<()> {
        let body = json!({"verdict": verdict, "delay": "0s"});
        self.put(&format!("hosts/{host}"), &body).await
    }

    /// What it answers about a host, and how long that takes, such as `2s`.
    ///
    /// # Errors
    ///
    /// If it refuses.
    pub async fn play_slowly(&self, host: &str, verdict: &str, delay: &str) -> anyhow::Result<()> {
        let body = json!({"verdict": verdict, "delay": delay});
        self.put(&format!("hosts/{host}"), &body).await
    }

    /// What goes wrong: `none`, `down`, `hang`, `garbage`, `truncate`, or a status.
    ///
    /// # Errors
    ///
    /// If it refuses.
    pub async fn fault(&self, fault: &Value) -> anyhow::Result<()> {
        self.put("fault", fault).await
    }

    /// Its journal, as it serves it.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read.
    pub async fn journal(&self) -> anyhow::Result<String> {
        let page = self.http.get(self.url("requests")).send().await?;
        Ok(page.error_for_status()?.text().await?)
    }

    /// Every request so far, oldest first.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read.
    pub async fn requests(&self) -> anyhow::Result<Vec<Entry>> {
        let page: Page = serde_json::from_str(&self.journal().await?)?;
        Ok(page
            .requests
            .iter()
            .map(|entry| Entry::clone(entry))
            .collect())
    }

    async fn put(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self.http.put(self.url(path)).json(body).send().await?;
        let status = answer.status();
        anyhow::ensure!(
            status.is_success(),
            "PUT {path}: {status} {}",
            answer.text().await?
        );
        Ok(())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.admin)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }
}
