//! The attestation service of the demo: the simulator as a process, over TLS and with a secret.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};
use trustpool::domain::Verdict;
use trustpool::simulator::Script;
use trustpool::simulator::hosts::Host;
use trustpool::simulator::journal::{Entry, Page};

use super::text::words;
use crate::simulator::AUTH_BLOB;
use crate::{Authority, Process, Program, free_port};

/// How long the simulator may take to answer.
const START: Duration = Duration::from_secs(10);

/// The file of the hosts that are played, in the simulator's directory.
const HOSTS: &str = "hosts.json";

/// The file of the secret that every request must carry, in the same directory.
const SECRET: &str = "auth-blob";

/// A simulator.
#[derive(Debug)]
pub(super) struct Service {
    process: Process,
    /// How a user would start it.
    line: String,
    ca: String,
    service: SocketAddr,
    admin: SocketAddr,
    hosts: PathBuf,
    http: reqwest::Client,
}

impl Service {
    /// Starts `binary` with its files in `directory`, playing `hosts`.
    pub(super) async fn start(
        binary: &Path,
        directory: &Path,
        hosts: &[Host],
    ) -> anyhow::Result<Self> {
        let authority = Authority::new("attestation service")?;
        let pair = authority.server(&["localhost", "127.0.0.1"])?;
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (service, admin) = (address(free_port()?), address(free_port()?));
        let [path, secret] = [HOSTS, SECRET].map(|file| directory.join(file));
        let [certificate, key] = ["oat.crt", "oat.key"].map(|file| directory.join(file));
        write(&certificate, &pair.certificate)?;
        write(&key, &pair.key)?;
        write(&secret, AUTH_BLOB)?;
        // JSON is YAML.
        write(&path, &serde_json::to_string(hosts)?)?;
        let line = format!(
            "--listen {service} --tls-cert {} --tls-key {} --admin-listen {admin} --hosts {}",
            certificate.display(),
            key.display(),
            path.display()
        );
        let program = Program::new("oat-simulator", binary)
            .args(words(&line))
            .env("OAT_SIMULATOR_AUTH_BLOB", AUTH_BLOB);
        let mut simulator = Self {
            process: program.start(directory)?,
            line: format!(
                "OAT_SIMULATOR_AUTH_BLOB=$(cat {}) oat-simulator {line}",
                secret.display()
            ),
            ca: authority.certificate(),
            service,
            admin,
            hosts: path,
            http: reqwest::Client::builder().no_proxy().build()?,
        };
        simulator.ready().await?;
        Ok(simulator)
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// How a user would start it: the secret is in a file, and goes to its environment.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// The CA that signed its certificate, PEM.
    pub(super) fn ca(&self) -> &str {
        &self.ca
    }

    /// Where it is asked.
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.service.port())
    }

    /// Where it is told what to play.
    pub(super) fn admin(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Plays a verdict for a host, at once. `body` is what a person would send.
    pub(super) async fn put(&self, host: &str, body: &str) -> anyhow::Result<()> {
        let url = format!("{}/hosts/{host}", self.admin());
        let request = self.http.put(url).body(body.to_owned());
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "PUT hosts/{host}: {status} {}",
            answer.text().await?
        );
        Ok(())
    }

    /// From now on every host answers at once.
    pub(super) async fn hurry(&self) -> anyhow::Result<()> {
        for host in self.played().await? {
            let Value::Object(mut rule) = serde_json::to_value(&host)? else {
                continue;
            };
            rule.remove("name");
            rule.insert("delay".to_owned(), json!("0s"));
            self.put(host.name.as_str(), &Value::Object(rule).to_string())
                .await?;
        }
        Ok(())
    }

    /// Every request that it has had since it was started.
    pub(super) async fn requests(&self) -> anyhow::Result<Vec<Entry>> {
        let url = format!("{}/requests", self.admin());
        let page = self.http.get(url).send().await?.error_for_status()?;
        let page: Page = page.json().await?;
        Ok(page
            .requests
            .iter()
            .map(|entry| Entry::clone(entry))
            .collect())
    }

    /// The first answer that gave `host` this verdict, to a question asked after `since`: when it
    /// was asked, and when answered.
    pub(super) async fn answer(
        &self,
        host: &str,
        verdict: Verdict,
        since: Timestamp,
    ) -> anyhow::Result<(Timestamp, Timestamp)> {
        let requests = self.requests().await?;
        requests
            .iter()
            .filter(|entry| entry.asked >= since && gives(entry, host, verdict))
            .find_map(|entry| Some((entry.asked, entry.answered?)))
            .with_context(|| format!("the service has not called {host} {verdict} yet"))
    }

    /// When it first called a host trusted since it was started.
    pub(super) async fn first_trusted(&self) -> anyhow::Result<Timestamp> {
        let requests = self.requests().await?;
        let good = requests.iter().filter(|entry| {
            let mut verdicts = entry.hosts.iter().map(|asked| asked.verdict);
            verdicts.any(|verdict| verdict == Some(Verdict::Trusted))
        });
        good.filter_map(|entry| entry.answered)
            .min()
            .context("the service has given no verdict yet")
    }

    /// Ends it (SIGTERM).
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let played = serde_json::to_string(&self.played().await?)?;
        write(&self.hosts, &played)?;
        self.process.stop().await.map(drop)
    }

    /// Starts it again, playing the same as when it was stopped.
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.restart()?;
        self.ready().await
    }

    /// The last lines it printed.
    pub(super) fn tail(&self, lines: usize) -> String {
        self.process.tail(lines)
    }

    async fn played(&self) -> anyhow::Result<Vec<Host>> {
        let url = format!("{}/hosts", self.admin());
        let script = self.http.get(url).send().await?.error_for_status()?;
        Ok(script.json::<Script>().await?.hosts)
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let (http, url) = (self.http.clone(), format!("{}/livez", self.admin()));
        let look = async || {
            http.get(&url).send().await?.error_for_status()?;
            Ok(())
        };
        self.process.ready(START, look).await
    }
}

/// Says whether an entry holds this verdict on a host.
pub(super) fn gives(entry: &Entry, host: &str, verdict: Verdict) -> bool {
    entry
        .hosts
        .iter()
        .any(|asked| asked.name.as_str() == host && asked.verdict == Some(verdict))
}

/// Says whether an entry is about a host.
pub(super) fn asks(entry: &Entry, host: &str) -> bool {
    entry.hosts.iter().any(|asked| asked.name.as_str() == host)
}

/// Writes a file.
fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("failed to write `{}`", path.display()))
}
