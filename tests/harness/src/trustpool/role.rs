//! One role of Trustpool, in this process or as one of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber as _;
use trustpool::app::{Config, run};
use trustpool::clock::Clock;
use trustpool::telemetry::to_file;

use super::Home;
use crate::process::last_words;
use crate::{Process, Program, eventually};

/// What is logged.
const LOGGED: &str = "info,trustpool=debug";

/// How long it may take to be ready.
const READY: Duration = Duration::from_secs(60);

/// A running role. Dropping it stops it.
#[derive(Debug)]
pub struct Role {
    running: Running,
    admin: String,
    http: reqwest::Client,
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

impl Role {
    /// Starts it where it is at home; the first of `flags` says which role it is.
    pub(super) fn start(
        name: &str,
        config: Config,
        flags: &[String],
        home: &Home,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        match home {
            Home::Here(clock) => {
                let log = directory.join(name).with_extension("log");
                Self::here(config, clock.clone(), &log)
            }
            Home::Process(binary) => {
                let kubeconfig = config.kubeconfig.clone().unwrap_or_default();
                let program = Program::new(&format!("trustpool-{name}"), binary)
                    .args(flags)
                    .arg("--kubeconfig")
                    .arg(kubeconfig)
                    .args(["--log", LOGGED]);
                Self::process(&program, &config, directory)
            }
        }
    }

    /// Runs it in this process. Its log is `log`; should the test panic, its last lines are printed.
    fn here(config: Config, clock: Clock, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let stop = CancellationToken::new();
        let admin = format!("http://{}", config.admin_listen);
        let running = run(config, clock, stop.clone());
        let running = running.with_subscriber(to_file(file, LOGGED));
        #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
        let task = Some(tokio::task::spawn(running));
        let log = log.to_owned();
        Self::of(Running::Here { stop, task, log }, admin)
    }

    /// Runs it as a process, in `directory`.
    fn process(program: &Program, config: &Config, directory: &Path) -> anyhow::Result<Self> {
        let admin = format!("http://{}", config.admin_listen);
        let process = program.clone().start(directory)?;
        Self::of(Running::Process(Box::new(process)), admin)
    }

    fn of(running: Running, admin: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self {
            running,
            admin,
            http,
        })
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
        let answer = self
            .http
            .get(format!("{}/metrics", self.admin))
            .send()
            .await?;
        Ok(answer.error_for_status()?.text().await?)
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

    /// Waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it does not get ready.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let (url, http) = (format!("{}/readyz", self.admin), self.http.clone());
        let look = async || {
            let answer = http.get(&url).send().await?;
            let status = answer.status();
            anyhow::ensure!(status.is_success(), "{status}: {}", answer.text().await?);
            Ok(())
        };
        let answers = match &mut self.running {
            Running::Here { .. } => eventually(READY, "Trustpool is ready", look).await,
            Running::Process(process) => process.ready(READY, look).await,
        };
        match answers {
            Ok(()) => Ok(()),
            Err(error) => Err(self.why_not().await.unwrap_or(error)),
        }
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

impl Drop for Role {
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
