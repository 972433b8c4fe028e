//! Steps 6 to 8: three ways to lose trust.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;
use trustpool::api::keys;
use trustpool::domain::Verdict;

use crate::demo::cast::{self, REBOOTED, SILENCED, TURNED};
use crate::demo::look::tainted;
use crate::demo::numbers::{seconds, within};
use crate::demo::scene::Scene;
use crate::demo::screen::Screen;
use crate::demo::text::words;
use crate::{SOON, eventually};

/// How soon a node must lose its label once there is evidence against it.
const LOST: f64 = 2.0;

/// A host fails: its node is marked as soon as the service says so.
pub(super) async fn turned(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    screen.step("A host turns untrusted");
    let evidence = scene.evidence()?;
    play(scene, screen, TURNED, r#"{"verdict":"untrusted"}"#).await?;
    let look = eventually(SOON, "the node to be marked", async || {
        let asked = scene
            .service
            .answer(TURNED, Verdict::Untrusted, evidence.since());
        let (_, answered) = asked.await?;
        Ok((answered, evidence.marked(TURNED, answered)?))
    });
    let (answered, marked) = screen.wait("the next round", look).await?;
    scene
        .show(screen, &format!("get node {TURNED} -L {}", keys::TRUST))
        .await?;
    let events = format!(
        "get events --field-selector involvedObject.kind=Node,involvedObject.name={TURNED},reason=FailedAttestation"
    );
    let event = eventually(SOON, "the event", async || {
        let printed = scene.quiet(&events).await?;
        ensure!(printed.contains(TURNED), "there is none");
        Ok(())
    });
    event.await?;
    scene.show(screen, &events).await?;
    let labels = scene.labels().await?;
    let took = seconds(answered, marked);
    screen.claim(
        within(LOST, answered, marked)
            && labels.get(TURNED).is_some_and(|label| label == "untrusted"),
        "the node lost its label within 2 s of the answer",
        format_args!("{took:.2} s"),
    )?;
    let tainted = tainted(&scene.nodes().await?);
    let taint = tainted.get(TURNED).map_or("no taint", String::as_str);
    screen.claim(
        taint == cast::taint(),
        "and is tainted: nothing new is placed there",
        taint,
    )
}

/// A node boots: what was attested is gone, and so is the label, until the new boot is attested.
pub(super) async fn rebooted(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    screen.step("A node is rebooted");
    let evidence = scene.evidence()?;
    let mut watch = Watch::start(scene, screen, REBOOTED)?;
    screen.output(&watch.until("trusted").await?);
    let line = format!(
        r#"patch node {REBOOTED} --subresource=status -p '{{"status":{{"nodeInfo":{{"bootID":"another"}}}}}}'"#
    );
    scene.show(screen, &line).await?;
    screen.output(&watch.until("unknown").await?);
    screen.output(&watch.until("trusted").await?);
    let look = eventually(SOON, "the marks", async || {
        let reported = evidence.reported(REBOOTED)?;
        let lost = evidence.marked(REBOOTED, reported)?;
        let answer = scene.service.answer(REBOOTED, Verdict::Trusted, reported);
        let (asked, answered) = answer.await?;
        Ok((reported, lost, asked, evidence.marked(REBOOTED, answered)?))
    });
    let (reported, lost, asked, regained) = look.await?;
    let took = seconds(reported, lost);
    screen.claim(
        within(LOST, reported, lost),
        "its label was gone within 2 s of the report",
        format_args!("{took:.2} s"),
    )?;
    screen.claim(
        reported < asked && asked < regained,
        "it is trusted again by an answer to a question that was asked after the reboot",
        format_args!(
            "asked after {:.2} s, labelled after {:.2} s",
            seconds(reported, asked),
            seconds(reported, regained)
        ),
    )
}

/// An agent says nothing: after two rounds in which others answered, its node is unknown.
pub(super) async fn silenced(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    screen.step("An agent is silenced");
    let evidence = scene.evidence()?;
    play(scene, screen, SILENCED, r#"{"verdict":"unknown"}"#).await?;
    let look = eventually(SOON, "the node to be unknown", async || {
        let verdicts = scene.verdicts().await?;
        let verdict = verdicts.get(SILENCED).map(String::as_str);
        ensure!(verdict == Some("unknown/HostSilent"), "it is {verdict:?}");
        let (_, answered) = scene
            .service
            .answer(SILENCED, Verdict::Unknown, evidence.since())
            .await?;
        let condition = scene.conditions().await?.remove(SILENCED);
        ensure!(
            condition.as_deref() == Some("HostSilent"),
            "its condition says {condition:?}"
        );
        evidence.marked(SILENCED, answered)
    });
    let marked = screen
        .wait("two rounds without a word from it", look)
        .await?;
    scene
        .show(screen, &format!("get nodetrust {SILENCED}"))
        .await?;
    let requests = scene.service.requests().await?;
    let silent = requests.iter().filter(|entry| {
        entry.answered.is_some_and(|answered| answered <= marked)
            && crate::demo::service::gives(entry, SILENCED, Verdict::Unknown)
    });
    let rounds = silent.count();
    screen.claim(
        rounds >= 2,
        "a host that only its agent can have silenced loses its label too: it cannot hide",
        format_args!(
            "after {rounds} rounds, {:.1} s",
            seconds(evidence.since(), marked)
        ),
    )
}

/// Shows how a host's verdict is changed, and changes it.
async fn play(scene: &Scene, screen: &Screen, host: &str, body: &str) -> anyhow::Result<()> {
    screen.command(&format!(
        "curl -X PUT $SIMULATOR_ADMIN/hosts/{host} -d '{body}'"
    ));
    scene.service.put(host, body).await
}

/// `kubectl get node --watch`, line by line.
struct Watch {
    lines: Lines<BufReader<ChildStdout>>,
    /// Ends with the watch.
    _kubectl: Child,
}

impl Watch {
    fn start(scene: &Scene, screen: &Screen, node: &str) -> anyhow::Result<Self> {
        let line = format!("get node {node} -L {} --watch", keys::TRUST);
        screen.command(&format!("kubectl {line} &"));
        let mut command = scene.plane.kubectl_command(scene.plane.admin());
        command.args(words(&line)).stdout(Stdio::piped());
        let mut kubectl = command.spawn().context("failed to run kubectl")?;
        let output = kubectl.stdout.take().context("kubectl has no output")?;
        Ok(Self {
            lines: BufReader::new(output).lines(),
            _kubectl: kubectl,
        })
    }

    /// The heading, if it is next, and the first line that ends with a label; those that do not are
    /// writes of something else.
    async fn until(&mut self, label: &str) -> anyhow::Result<String> {
        let mut shown = Vec::new();
        let read = async {
            while let Some(line) = self.lines.next_line().await? {
                let last = line.split_whitespace().last();
                if last == Some(label) {
                    shown.push(line);
                    return Ok(());
                }
                if last == Some("TRUST") {
                    shown.push(line);
                }
            }
            bail!("the watch ended before the node was {label}")
        };
        let waited: Result<anyhow::Result<()>, _> = timeout(Duration::from_secs(30), read).await;
        waited.with_context(|| format!("the node was not labelled {label} within 30 s"))??;
        Ok(shown.join("\n"))
    }
}
