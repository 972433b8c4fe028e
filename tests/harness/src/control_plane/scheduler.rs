//! kube-scheduler, as it is or with an extender.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{ControlPlane, Part, START, files, page};
use crate::install::project;
use crate::json::merge;
use crate::{Program, free_port};

/// How the scheduler is configured.
#[derive(Clone, Debug, Default)]
pub struct Scheduler {
    /// None for the one that pods get which name none.
    name: Option<String>,
    extender: Option<Extender>,
    percentage_of_nodes_to_score: Option<u32>,
    /// Its whole configuration, but for what differs in every test.
    printed: Option<Value>,
    /// As whom it runs, with its own profiles and leader election; [`USER`] without them if nobody is named.
    user: Option<String>,
}

/// As whom kube-scheduler runs.
const USER: &str = "system:kube-scheduler";

impl Scheduler {
    /// Another one beside the default one, for pods with this `schedulerName`.
    #[must_use]
    pub fn second(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// Configured as `trustpool pki scheduler` prints it.
    #[must_use]
    pub fn as_printed(configuration: Value) -> Self {
        Self {
            printed: Some(configuration),
            ..Self::default()
        }
    }

    /// Another one beside the default one, configured as a manifest has it in every way, which runs as `user`.
    #[must_use]
    pub fn deployed(user: &str, configuration: Value) -> Self {
        Self {
            user: Some(user.to_owned()),
            ..Self::as_printed(configuration)
        }
    }

    /// Asks an extender about pods that ask for trust.
    #[must_use]
    pub fn extender(mut self, extender: Extender) -> Self {
        self.extender = Some(extender);
        self
    }

    /// Looks at this many percent of the nodes for each pod.
    #[must_use]
    pub const fn percentage_of_nodes_to_score(mut self, percentage: u32) -> Self {
        self.percentage_of_nodes_to_score = Some(percentage);
        self
    }

    /// The file's content: that of `manifests/optional/scheduler.yaml`, with what differs here. The scheduler's own
    /// limit of 50 requests a second would hide whatever a benchmark wants to see.
    fn configuration(&self, kubeconfig: &Path) -> anyhow::Result<Value> {
        let mut file = match &self.printed {
            Some(printed) => printed.clone(),
            None => self.shown()?,
        };
        let client = json!({"kubeconfig": kubeconfig, "qps": 1000, "burst": 2000});
        merge(&mut file, &json!({"clientConnection": client}));
        if self.user.is_none() {
            let alone = json!({
                "leaderElection": {"leaderElect": false},
                "profiles": [{"schedulerName": self.name}],
            });
            merge(&mut file, &alone);
        }
        if let Some(percentage) = self.percentage_of_nodes_to_score {
            merge(&mut file, &json!({"percentageOfNodesToScore": percentage}));
        }
        Ok(file)
    }

    /// What the project shows, with its own extender.
    fn shown(&self) -> anyhow::Result<Value> {
        let text = std::fs::read_to_string(project("manifests/optional/scheduler.yaml"))?;
        let mut file: Value = serde_saphyr::from_str(&text)?;
        let shown = file.pointer("/extenders/0").cloned();
        let shown = shown.context("scheduler.yaml has no extender")?;
        let own = self.extender.iter().map(|it| it.configuration(&shown));
        let own: Vec<Value> = own.collect();
        merge(&mut file, &json!({"extenders": own}));
        Ok(file)
    }

    const fn part(&self) -> Part {
        if self.name.is_some() || self.user.is_some() {
            Part::SecondScheduler
        } else {
            Part::Scheduler
        }
    }

    /// What its log is called, and its configuration.
    fn program(&self) -> String {
        match (&self.name, self.part()) {
            (Some(name), _) => format!("kube-scheduler-{name}"),
            (None, Part::Scheduler) => "kube-scheduler".to_owned(),
            (None, _) => "kube-scheduler-deployed".to_owned(),
        }
    }
}

/// An extender over plain HTTP, asked about pods that ask for `trustpool.dev/trust`.
#[derive(Clone, Debug)]
pub struct Extender {
    url_prefix: String,
    node_cache_capable: bool,
}

impl Extender {
    /// An extender at `http://…`, without the verb. It gets names of nodes, unless
    /// [`Self::full_nodes`] is called.
    #[must_use]
    pub fn new(url_prefix: &str) -> Self {
        let url_prefix = url_prefix.to_owned();
        Self {
            url_prefix,
            node_cache_capable: true,
        }
    }

    /// Sends it whole Node objects instead of names.
    #[must_use]
    pub const fn full_nodes(mut self) -> Self {
        self.node_cache_capable = false;
        self
    }

    /// Its part of the scheduler's configuration: what the project shows, with what differs here.
    fn configuration(&self, shown: &Value) -> Value {
        let mut extender = shown.clone();
        merge(
            &mut extender,
            &json!({
                "urlPrefix": self.url_prefix,
                "enableHTTPS": false,
                "tlsConfig": null,
                "nodeCacheCapable": self.node_cache_capable,
            }),
        );
        extender
    }
}

impl ControlPlane {
    /// Starts a kube-scheduler, and returns when it is ready.
    ///
    /// # Errors
    ///
    /// If it ends, or is not ready in time: with its last log lines.
    pub async fn start_scheduler(&mut self, scheduler: &Scheduler) -> anyhow::Result<()> {
        let port = free_port()?;
        let identity = self.user(scheduler.user.as_deref().unwrap_or(USER), &[])?;
        let configuration = scheduler.configuration(identity.kubeconfig())?.to_string();
        let (part, name) = (scheduler.part(), scheduler.program());
        // JSON is YAML.
        let file = format!("{name}.json");
        files::write_one(self.directory(), &file, &configuration)?;
        let program = Program::new(&name, &self.binaries.path("kube-scheduler"))
            .arg(format!("--config={file}"))
            .args(flags())
            .arg(format!("--secure-port={port}"));
        self.parts.insert(part, program.start(self.directory())?);
        if part == Part::Scheduler {
            self.scheduler_port = Some(port);
        }
        let client = self.client_of(port)?;
        let look = async || page(&client, "/readyz").await.map(drop);
        self.part(part)?.ready(START, look).await
    }

    /// The scheduler's metrics, as Prometheus' text.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub async fn scheduler_metrics(&self) -> anyhow::Result<String> {
        let port = self
            .scheduler_port
            .context("the scheduler was not started")?;
        page(&self.client_of(port)?, "/metrics")
            .await
            .context("failed to read its metrics")
    }
}

/// The flags that are always the same.
fn flags() -> [String; 4] {
    [
        "--bind-address=127.0.0.1".to_owned(),
        format!("--tls-cert-file={}", files::SERVING_CERTIFICATE),
        format!("--tls-private-key-file={}", files::SERVING_KEY),
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics".to_owned(),
    ]
}
