//! Everything that runs in the demo, and how a user looks at it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use kube::Client;
use tokio::time::{sleep, timeout};
use trustpool::clock::Clock;

use super::cast;
use super::evidence::Evidence;
use super::screen::Screen;
use super::service::Service;
use super::text::{distinct, words};
use crate::install::{Users, install, install_policies, install_webhook, project};
use crate::{Addresses, ControlPlane, Extender, Part, Scheduler, Slot, Trustpool, binaries};

/// How many log lines of each program are shown when a claim is false.
const LAST_WORDS: usize = 12;

/// How long to wait for a slot before a word is said about it.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often to look whether Trustpool is ready: far more often than anything here is measured.
const GLANCE: Duration = Duration::from_millis(5);

/// What runs.
pub(super) struct Scene {
    /// Trustpool, once it was started.
    pub(super) trustpool: Option<Trustpool>,
    /// Its part of this machine.
    _slot: Slot,
    /// The attestation service.
    pub(super) service: Service,
    /// Kubernetes; after the others, because they log to its directory.
    pub(super) plane: ControlPlane,
    /// An administrator.
    pub(super) client: Client,
    users: Users,
    at: Addresses,
    /// This machine's time.
    pub(super) clock: Clock,
}

impl Scene {
    /// Starts everything but Trustpool, with sixty nodes.
    pub(super) async fn start(screen: &mut Screen) -> anyhow::Result<Self> {
        binaries().await?;
        let slot = slot(screen).await?;
        screen.restart_clock();
        let at = Addresses::free()?;
        let extender = Extender::new(&at.url_prefix());
        let plane = ControlPlane::builder()
            .controller_manager()
            .kwok()
            .scheduler(Scheduler::default().extender(extender));
        let plane = screen.wait("starting Kubernetes", plane.start()).await?;
        let simulator = program("oat-simulator")?;
        let service = Service::start(&simulator, plane.directory(), &cast::hosts()?).await?;
        let nodes = plane.nodes().await?;
        let all = cast::nodes();
        let prepared = async { tokio::try_join!(installed(&plane, at), nodes.create_all(&all)) };
        let (users, ()) = screen.wait("registering 60 nodes", prepared).await?;
        Ok(Self {
            trustpool: None,
            _slot: slot,
            service,
            client: plane.client().await?,
            plane,
            users,
            at,
            clock: Clock::system(),
        })
    }

    /// Starts Trustpool, and returns when all its watches had listed.
    pub(super) async fn run_trustpool(&mut self, screen: &Screen) -> anyhow::Result<Timestamp> {
        let binary = program("trustpool")?;
        let commands = [
            (
                "controller",
                &self.users.controller,
                self.at.controller_flags().join(" "),
            ),
            ("gate", &self.users.gate, self.at.gate_flags().join(" ")),
        ];
        for (role, user, flags) in commands {
            let kubeconfig = user.kubeconfig().display();
            screen.command(&format!(
                "trustpool {role} --kubeconfig {kubeconfig} {flags} &"
            ));
        }
        let (started, listed) = tokio::try_join!(
            Trustpool::process(&binary, &self.plane, &self.users, self.at),
            self.listed(),
        )?;
        self.trustpool = Some(started);
        Ok(listed)
    }

    /// Waits for `/readyz`; returns when it first said yes.
    async fn listed(&self) -> anyhow::Result<Timestamp> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        for address in [self.at.controller_admin, self.at.admin] {
            let url = format!("http://{address}/readyz");
            // Bounded by `Trustpool::process`, which waits for more.
            while !listed(&http, &url).await {
                sleep(GLANCE).await;
            }
        }
        Ok(self.clock.wall())
    }

    /// Shows a kubectl command, runs it, and returns what it printed.
    pub(super) async fn kubectl(&self, screen: &Screen, line: &str) -> anyhow::Result<String> {
        screen.command(&format!("kubectl {line}"));
        self.quiet(line).await
    }

    /// Shows a kubectl command that is to be refused, and returns what it said.
    pub(super) async fn refused(&self, screen: &Screen, line: &str) -> anyhow::Result<String> {
        screen.command(&format!("kubectl {line}"));
        let words = words(line);
        let mut command = self.plane.kubectl_command(self.plane.admin());
        let output = command.args(words).output().await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        screen.output(&said);
        ensure!(!output.status.success(), "`kubectl {line}` was not refused");
        Ok(said)
    }

    /// Runs a kubectl command, and returns what it printed.
    pub(super) async fn quiet(&self, line: &str) -> anyhow::Result<String> {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.plane.kubectl(&words).await
    }

    /// Shows a kubectl command and what it prints, rows that repeat left out.
    pub(super) async fn show(&self, screen: &Screen, line: &str) -> anyhow::Result<()> {
        let printed = self.kubectl(screen, line).await?;
        screen.output(&distinct(&printed));
        Ok(())
    }

    /// Writes a manifest into the directory that kubectl runs in.
    pub(super) fn write(&self, file: &str, manifest: &str) -> anyhow::Result<()> {
        let path = self.plane.directory().join(file);
        std::fs::write(&path, manifest)
            .with_context(|| format!("failed to write `{}`", path.display()))
    }

    /// The version of Kubernetes.
    pub(super) async fn version(&self) -> anyhow::Result<String> {
        Ok(self.client.apiserver_version().await?.git_version)
    }

    /// What is recorded from now on.
    pub(super) fn evidence(&self) -> anyhow::Result<Evidence> {
        Evidence::from_now(&self.plane.audit(), &self.clock)
    }

    /// Where everything is, by name.
    pub(super) fn addresses(&self) -> Vec<(&'static str, String)> {
        let admin = self.plane.admin().kubeconfig();
        vec![
            ("KUBECONFIG", admin.display().to_string()),
            (
                "KUBECTL",
                self.plane.binaries().path("kubectl").display().to_string(),
            ),
            ("AUDIT_LOG", self.plane.audit().path().display().to_string()),
            ("CONTROLLER_LOG", self.trustpool_log().display().to_string()),
            ("SIMULATOR", self.service.url()),
            ("SIMULATOR_ADMIN", self.service.admin()),
            ("EXTENDER", format!("http://{}", self.at.extender)),
            ("METRICS", format!("http://{}/metrics", self.at.admin)),
            ("STOP", format!("'kill {}'", std::process::id())),
        ]
    }

    /// The file with everything that the controller printed.
    fn trustpool_log(&self) -> PathBuf {
        self.plane.directory().join("trustpool-controller.log")
    }

    /// Shows the last log lines of everything that may know why a claim was false.
    pub(super) fn last_words(&mut self, screen: &Screen) {
        let show = |name: &str, tail: String| {
            screen.say(&format!("\nthe last lines of {name}:"));
            screen.output(&tail);
        };
        for process in self.trustpool.iter_mut().flat_map(Trustpool::processes) {
            show(process.name(), process.tail(LAST_WORDS));
        }
        show("oat-simulator", self.service.tail(LAST_WORDS));
        for part in [Part::Scheduler, Part::ApiServer] {
            if let Ok(process) = self.plane.part(part) {
                show(process.name(), process.tail(LAST_WORDS));
            }
        }
    }
}

/// What an administrator installs.
async fn installed(plane: &ControlPlane, at: Addresses) -> anyhow::Result<Users> {
    let users = install(plane).await?;
    install_policies(plane).await?;
    install_webhook(plane, at.bind).await?;
    plane
        .apply(&project("manifests/optional/extender.yaml"))
        .await?;
    Ok(users)
}

/// Says whether all watches of a role have listed: then it is ready, or lacks its certificate alone.
async fn listed(http: &reqwest::Client, url: &str) -> bool {
    let Ok(answer) = http.get(url).send().await else {
        return false;
    };
    let ready = answer.status().is_success();
    ready
        || answer
            .text()
            .await
            .is_ok_and(|said| said.contains("certificate"))
}

/// Takes a slot, and says so if others have them all.
async fn slot(screen: &Screen) -> anyhow::Result<Slot> {
    match timeout(PATIENCE, Slot::take()).await {
        Ok(slot) => slot,
        Err(_) => {
            screen
                .wait(
                    "other control planes on this machine come first",
                    Slot::take(),
                )
                .await
        }
    }
}

/// A program that was built beside this one.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let demo = std::env::current_exe().context("failed to find this program")?;
    let path = demo.with_file_name(name);
    ensure!(
        path.is_file(),
        "there is no `{}`: run `make demo`, which builds it",
        path.display()
    );
    Ok(path)
}
