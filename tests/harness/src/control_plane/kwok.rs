//! kwok, which plays the kubelets of all nodes.

use std::fs::read_to_string;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{ControlPlane, MASTERS, Part, START, files};
use crate::{Program, free_port};

/// The stages as kwok reads them here.
const STAGES: &str = "kwok-stages.yaml";

/// The stage that makes a node Ready which is not.
const INITIALIZE: &str = "node-initialize";

impl ControlPlane {
    /// Starts kwok, and returns when it listens.
    ///
    /// # Errors
    ///
    /// If it ends, or does not listen in time: with its last log lines.
    pub async fn start_kwok(&mut self) -> anyhow::Result<()> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let identity = self.user("kwok", &[MASTERS])?;
        files::write_one(self.directory(), STAGES, &self.stages()?)?;
        let program = Program::new("kwok", &self.binaries.path("kwok"))
            .arg("--kubeconfig")
            .arg(identity.kubeconfig())
            .arg(format!("--server-address={address}"))
            .args([
                "--manage-all-nodes=true",
                "--node-lease-duration-seconds=40",
            ])
            .arg(format!("--config={STAGES}"));
        self.parts
            .insert(Part::Kwok, program.start(self.directory())?);
        let look = async || Ok(TcpStream::connect(&address).await.map(drop)?);
        self.part(Part::Kwok)?.ready(START, look).await
    }

    /// kwok's own stages, but for one thing: a node that has run once is left as it is. Else kwok
    /// would make every node Ready again that a test has made `NotReady`.
    fn stages(&self) -> anyhow::Result<String> {
        let path = self.binaries.path(STAGES);
        let failed = || format!("failed to read `{}`", path.display());
        let content = read_to_string(&path).with_context(failed)?;
        let mut stages: Vec<Value> = serde_saphyr::from_multiple(&content).with_context(failed)?;
        let selector = stages.iter_mut().find_map(initial_selector);
        selector
            .with_context(|| format!("`{}` has no `{INITIALIZE}`", path.display()))?
            .push(json!({"key": ".status.phase", "operator": "NotIn", "values": ["Running"]}));
        Ok(stages
            .iter()
            .map(|stage| format!("---\n{stage}\n"))
            .collect())
    }
}

/// The conditions under which a stage applies, if it is the one that makes nodes Ready.
fn initial_selector(stage: &mut Value) -> Option<&mut Vec<Value>> {
    let is_initial = stage
        .pointer("/metadata/name")
        .is_some_and(|name| name == INITIALIZE);
    let selector = stage.pointer_mut("/spec/selector/matchExpressions")?;
    selector.as_array_mut().filter(|_| is_initial)
}
