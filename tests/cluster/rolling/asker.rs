//! Asks the filter about every node without rest, as kube-scheduler may: on connections that last, and on a new one
//! for each question.

use std::fmt;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use trustpool_harness::World;
use trustpool_harness::world::asking_pod;

use super::NODES;

/// From one question to the next.
const PAUSE: Duration = Duration::from_millis(20);

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two who ask, until it ends.
pub struct Asker {
    stop: CancellationToken,
    askers: JoinSet<Answers>,
}

/// What they were answered.
#[derive(Debug, Default)]
pub struct Answers {
    right: usize,
    wrong: Vec<String>,
    failed: Vec<String>,
    late: usize,
}

impl Asker {
    /// Begins. The nodes that are to be named are `trusted`.
    pub fn start(world: &World, trusted: &[String]) -> anyhow::Result<Self> {
        let url = format!("https://{}/filter", world.addresses.extender);
        let folder = world.plane.directory().join("pki");
        let read = |file: &str| std::fs::read(folder.join(file));
        let pair = [read("scheduler.crt")?, read("scheduler.key")?].concat();
        let ca = reqwest::Certificate::from_pem(&read("ca.crt")?)?;
        let stop = CancellationToken::new();
        let mut askers = JoinSet::new();
        // How many connections are kept.
        for kept in [1, 0] {
            let client = reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(kept)
                .timeout(PATIENCE)
                .tls_certs_only([ca.clone()])
                .identity(reqwest::Identity::from_pem(&pair)?);
            // A connection of HTTP/2 is kept whatever is said of the pool.
            let client = if kept == 0 {
                client.http1_only()
            } else {
                client
            };
            let client = client.build()?;
            askers.spawn(ask(client, url.clone(), trusted.to_owned(), stop.clone()));
        }
        Ok(Self { stop, askers })
    }

    /// Ends it.
    pub async fn end(mut self) -> Answers {
        self.stop.cancel();
        let mut all = Answers::default();
        while let Some(answers) = self.askers.join_next().await {
            let Answers {
                right,
                wrong,
                failed,
                late,
            } = answers.unwrap();
            all.late += late;
            all.right += right;
            all.wrong.extend(wrong);
            all.failed.extend(failed);
        }
        all
    }
}

impl Answers {
    /// Says whether all were that came in time, and there were some.
    pub fn are_right(&self) -> anyhow::Result<()> {
        ensure!(self.wrong.is_empty(), "wrong: {:?}", self.wrong.first());
        ensure!(self.failed.is_empty(), "failed: {:?}", self.failed.first());
        ensure!(self.right > 500, "only {}", self.right);
        Ok(())
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            right,
            wrong,
            failed,
            late,
        } = self;
        let (wrong, failed) = (wrong.len(), failed.len());
        write!(
            f,
            "asked beside it: {right} right answers, {wrong} wrong, {failed} failed, {late} late"
        )
    }
}

async fn ask(
    client: reqwest::Client,
    url: String,
    trusted: Vec<String>,
    stop: CancellationToken,
) -> Answers {
    let nodes: Vec<String> = (0..NODES).map(|it| format!("node-{it:02}")).collect();
    let body = json!({"Pod": asking_pod("asks"), "NodeNames": nodes});
    let (expected, mut answers) = (json!(trusted), Answers::default());
    while !stop.is_cancelled() {
        match answer(&client, &url, &body).await {
            Ok(answer) if answer["NodeNames"] == expected => answers.right += 1,
            Ok(answer) => answers.wrong.push(answer.to_string()),
            Err(error) if error.is_timeout() => answers.late += 1,
            Err(error) => answers.failed.push(format!("{error:?}")),
        }
        sleep(PAUSE).await;
    }
    answers
}

async fn answer(client: &reqwest::Client, url: &str, body: &Value) -> reqwest::Result<Value> {
    let answer = client.post(url).json(body).send().await?;
    answer.error_for_status()?.json().await
}
