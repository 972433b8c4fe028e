//! A service that answers, and not to the question: nothing that it says grants or revokes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::{Json, State};
use axum::routing::post;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use trustpool::clock::Clock;
use trustpool::domain::Outcome;
use trustpool_harness::{Authority, NodeBuilder, SOON, Setup, Slot, World, eventually, free_port};

use crate::support::{INTERVAL, attested_again, filter_says, status, steps};

/// Makes the answer to a question about hosts, at a time in milliseconds.
type Lie = fn(&[String], i64) -> Value;

/// A service that says whatever it was told to.
struct Liar {
    url: String,
    ca: String,
    tongue: Arc<Tongue>,
    _tasks: JoinSet<()>,
}

struct Tongue {
    clock: Clock,
    lie: Mutex<Lie>,
}

fn truth(hosts: &[String], now: i64) -> Value {
    let hosts = hosts.iter().map(|host| entry(host, "trusted", now));
    json!({"hosts": hosts.collect::<Vec<_>>()})
}

fn entry(host: &str, level: &str, vtime: i64) -> Value {
    json!({"host_name": host, "trust_lvl": level, "vtime": vtime})
}

/// Each of these is no verdict about `a`, whether `a` has one already or not, but this outcome. No two
/// neighbours have the same: so each is recorded.
fn lies() -> [(&'static str, Lie, Outcome); 8] {
    const HOUR: i64 = 3_600_000;
    [
        (
            "nothing at all",
            |_, _| json!({"hosts": []}),
            Outcome::Missing,
        ),
        (
            "twice",
            |hosts, now| {
                let both =
                    |host: &String| [entry(host, "trusted", now), entry(host, "untrusted", now)];
                json!({"hosts": hosts.iter().flat_map(both).collect::<Vec<_>>()})
            },
            Outcome::Duplicate,
        ),
        (
            "about somebody else",
            |_, now| json!({"hosts": [entry("stranger", "untrusted", now)]}),
            Outcome::Missing,
        ),
        (
            "with a level that there is not",
            |hosts, now| {
                let hosts = hosts.iter().map(|host| entry(host, "Untrusted", now));
                json!({"hosts": hosts.collect::<Vec<_>>()})
            },
            Outcome::UnknownLevel,
        ),
        (
            "in another case",
            |hosts, now| {
                let hosts = hosts.iter().map(|it| it.to_uppercase());
                let hosts = hosts.map(|host| entry(&host, "untrusted", now));
                json!({"hosts": hosts.collect::<Vec<_>>()})
            },
            Outcome::Missing,
        ),
        (
            "of an hour ago",
            |hosts, now| truth(hosts, now - HOUR),
            Outcome::Stale,
        ),
        (
            "of the future",
            |hosts, now| truth(hosts, now + HOUR),
            Outcome::Future,
        ),
        (
            "of another shape",
            |_, _| json!({"hosts": "untrusted"}),
            Outcome::Unreadable,
        ),
    ]
}

impl Liar {
    async fn start(clock: Clock) -> anyhow::Result<Self> {
        let authority = Authority::new("liar")?;
        let pair = authority.server(&["localhost", "127.0.0.1"])?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let tongue = Arc::new(Tongue {
            clock,
            lie: Mutex::new(truth),
        });
        let router = Router::new()
            .route("/AttestationService/resources/PollHosts", post(answer))
            .with_state(Arc::clone(&tongue));
        let tls = RustlsConfig::from_pem(pair.certificate.into(), pair.key.into()).await?;
        let handle = Handle::new();
        let server = axum_server::bind_rustls(address, tls).handle(handle.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            server
                .serve(router.into_make_service())
                .await
                .expect("the liar serves");
        });
        handle
            .listening()
            .await
            .context("the liar does not listen")?;
        Ok(Self {
            url: format!("https://localhost:{}", address.port()),
            ca: authority.certificate(),
            tongue,
            _tasks: tasks,
        })
    }

    fn says(&self, lie: Lie) {
        *self.tongue.lie.lock().unwrap() = lie;
    }
}

async fn answer(State(tongue): State<Arc<Tongue>>, Json(question): Json<Value>) -> Json<Value> {
    let hosts = question.get("hosts").cloned().unwrap_or_default();
    let hosts: Vec<String> = serde_json::from_value(hosts).unwrap_or_default();
    let lie = *tongue.lie.lock().unwrap();
    Json(lie(&hosts, tongue.clock.wall().as_millisecond()))
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_2_an_answer_to_another_question_neither_grants_nor_revokes() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().prepare().await.unwrap();
    let liar = Liar::start(world.clock.clone()).await.unwrap();
    believe(&world, &liar).await.unwrap();
    world.nodes.create(&NodeBuilder::new("a")).await.unwrap();
    let [first, ..] = lies();
    liar.says(first.1);
    world.run().await.unwrap();

    for (what, lie, outcome) in lies() {
        let lied = lied_to(&world, &liar, lie, outcome).await;
        lied.with_context(|| format!("an answer {what}")).unwrap();
        let now = world.verdict("a").await.unwrap();
        assert_eq!(now, "unknown/NeverAttested", "an answer {what}");
        filter_says(&world, "a", "node(s) were never attested")
            .await
            .unwrap();
    }
    liar.says(truth);
    world.pass(INTERVAL * 4);
    world.labelled("a", Some("trusted")).await.unwrap();
    for (what, lie, outcome) in lies().into_iter().cycle().take(steps(lies().len())) {
        let before = status(&world, "a").await.unwrap();
        let lied = lied_to(&world, &liar, lie, outcome).await;
        lied.with_context(|| format!("an answer {what}")).unwrap();
        let now = status(&world, "a").await.unwrap();
        assert_eq!(now.verdict.as_str(), "trusted", "{what}");
        assert_eq!(now.expires_at, before.expires_at, "{what}");
        liar.says(truth);
        attested_again(&world, "a", INTERVAL * 2).await.unwrap();
    }
}

/// Has the world's service be the liar.
async fn believe(world: &World, liar: &Liar) -> anyhow::Result<()> {
    let ca = json!({"data": {"ca.crt": liar.ca}});
    let ca = ca.to_string();
    let system = ["-n", "trustpool-system", "patch", "configmap", "oat-ca"];
    let patch = [&system[..], &["--type=merge", "-p", &ca]].concat();
    world.plane.kubectl(&patch).await?;
    let url = json!({"spec": {"openAttestation": {"url": liar.url}}});
    world.change("ats", "oat", url).await
}

/// Has a question about `a` answered by a lie, and waits until the record holds what came of it: whatever
/// else the lie did to the record was done in the same write.
async fn lied_to(world: &World, liar: &Liar, lie: Lie, outcome: Outcome) -> anyhow::Result<()> {
    liar.says(lie);
    world.pass(INTERVAL * 2);
    eventually(SOON, &format!("{outcome:?} is recorded"), async || {
        let attempt = status(world, "a").await?.last_attempt;
        let recorded = attempt.map(|attempt| attempt.outcome);
        ensure!(recorded == Some(outcome), "{recorded:?}");
        Ok(())
    })
    .await
}
