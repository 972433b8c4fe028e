//! The simulator over real sockets: what needs a connection to be seen.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode, Version};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use trustpool::clock::Clock;
use trustpool::simulator::{Auth, Config, Dialect, Error, Identity, TimeScale, run};

/// Longer than any step takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running simulator, and a client that trusts it.
struct Playing {
    service: String,
    admin: String,
    client: Client,
    stop: CancellationToken,
    running: JoinSet<Result<(), Error>>,
}

impl Playing {
    fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let chain = made.cert.pem();
        let ((service, service_at), (admin, admin_at)) = (port(), port());
        let stop = CancellationToken::new();
        let config = Config {
            admin,
            auth: Some(Auth::new("x-auth-blob".parse().unwrap(), "canary").unwrap()),
            dialect: Dialect::V2,
            hosts: "- {name: node1, verdict: trusted}".parse().unwrap(),
            identity: Identity::from_pem(
                chain.as_bytes(),
                made.signing_key.serialize_pem().as_bytes(),
            )
            .unwrap(),
            service,
            time_scale: TimeScale::default(),
        };
        let mut running = JoinSet::new();
        running.spawn(run(config, Clock::system(), stop.clone()));
        let root = Certificate::from_pem(chain.as_bytes()).unwrap();
        Self {
            service: format!("https://localhost:{}", service_at.port()),
            admin: format!("http://{admin_at}"),
            client: Client::builder()
                .no_proxy()
                .tls_certs_only([root])
                .build()
                .unwrap(),
            stop,
            running,
        }
    }

    async fn poll(&self, hosts: &[&str]) -> reqwest::Result<Response> {
        self.client
            .post(format!(
                "{}/AttestationService/resources/PollHosts",
                self.service
            ))
            .header("x-auth-blob", "canary")
            .json(&json!({ "count": hosts.len(), "hosts": hosts }))
            .send()
            .await
    }

    async fn put(&self, path: &str, body: Value) {
        let url = format!("{}{path}", self.admin);
        let response = self.client.put(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path} {body}");
    }

    async fn requests(&self) -> Vec<Value> {
        let url = format!("{}/requests", self.admin);
        let page: Value = self
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        page["requests"].as_array().unwrap().clone()
    }

    /// Waits until `count` requests are on record.
    async fn asked(&self, count: usize) {
        let seen = async { while self.requests().await.len() < count {} };
        timeout(PATIENCE, seen).await.unwrap();
    }

    /// Stops the simulator; says how long that took.
    async fn stopped(&mut self) -> Duration {
        let told = Instant::now();
        self.stop.cancel();
        let ended = timeout(PATIENCE, self.running.join_next()).await.unwrap();
        ended.unwrap().unwrap().unwrap();
        told.elapsed()
    }
}

fn port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn levels(response: Response) -> Vec<String> {
    let body: Value = response.json().await.unwrap();
    let hosts = body["hosts"].as_array().unwrap().iter();
    hosts
        .map(|host| host["trust_lvl"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_client_is_answered_over_tls_and_the_admin_port_changes_the_answers() {
    let mut playing = Playing::start();

    let response = playing.poll(&["node1", "ghost"]).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(levels(response).await, ["trusted", "unknown"]);
    playing
        .put("/hosts/ghost", json!({"verdict": "untrusted"}))
        .await;
    let response = playing.poll(&["node1", "ghost"]).await.unwrap();
    assert_eq!(levels(response).await, ["trusted", "untrusted"]);

    let requests = playing.requests().await;
    let verdicts: Vec<_> = requests
        .iter()
        .map(|entry| &entry["hosts"][1]["verdict"])
        .collect();
    assert_eq!(verdicts, ["unknown", "untrusted"]);
    let peer: SocketAddr = requests[0]["peer"].as_str().unwrap().parse().unwrap();
    assert!(peer.ip().is_loopback());
    assert!(!json!(requests).to_string().contains("canary"));
    playing.stopped().await;
}

#[tokio::test]
async fn a_service_that_is_down_answers_nobody_and_comes_back() {
    let mut playing = Playing::start();
    let open = playing.poll(&["node1"]).await.unwrap();
    assert_eq!(levels(open).await, ["trusted"]);
    playing
        .put("/hosts/stuck", json!({"verdict": "hang"}))
        .await;

    let (hanging, ()) = tokio::join!(timeout(PATIENCE, playing.poll(&["stuck"])), async {
        playing.asked(2).await;
        playing.put("/fault", json!({"kind": "down"})).await;
    });
    let down = playing.poll(&["node1"]).await;
    playing.put("/fault", json!({"kind": "none"})).await;
    let up = playing.poll(&["node1"]).await.unwrap();

    assert!(hanging.unwrap().unwrap_err().is_request());
    assert!(down.unwrap_err().is_connect());
    assert_eq!(levels(up).await, ["trusted"]);
    let requests = playing.requests().await;
    assert_eq!(
        requests.len(),
        3,
        "no refused connection is on record: {requests:?}"
    );
    playing.stopped().await;
}

#[tokio::test]
async fn a_truncated_answer_begins_well_and_breaks_off() {
    let mut playing = Playing::start();
    playing.put("/fault", json!({"kind": "truncate"})).await;

    let mut response = playing.poll(&["node1"]).await.unwrap();

    assert_eq!(response.status(), StatusCode::OK);
    let declared = usize::try_from(response.content_length().unwrap()).unwrap();
    let half = response.chunk().await.unwrap().unwrap();
    assert_eq!(half.len(), declared / 2);
    response.chunk().await.unwrap_err();
    playing.stopped().await;
}

#[tokio::test]
async fn a_hanging_request_holds_neither_the_next_one_nor_the_stop() {
    let mut playing = Playing::start();
    playing.put("/fault", json!({"kind": "hang"})).await;
    let mut hanging = Box::pin(playing.poll(&["node1"]));
    tokio::select! {
        ended = &mut hanging => panic!("answered: {ended:?}"),
        () = playing.asked(1) => {}
    }
    playing.put("/fault", json!({"kind": "none"})).await;
    let next = playing.poll(&["node1"]).await.unwrap();
    assert_eq!(levels(next).await, ["trusted"]);

    let requests = playing.requests().await;
    assert_eq!(requests[0]["answered"], Value::Null);
    assert_eq!(
        requests[0]["hosts"],
        json!([{"name": "node1", "verdict": null}])
    );
    drop(hanging);

    let client = playing.client.clone();
    let url = format!("{}/AttestationService/resources/PollHosts", playing.service);
    playing.put("/fault", json!({"kind": "hang"})).await;
    let ask = client
        .post(url)
        .header("x-auth-blob", "canary")
        .json(&json!({"hosts": ["node1"]}));
    let mut clients = JoinSet::new();
    clients.spawn(ask.send());
    playing.asked(3).await;
    assert!(playing.stopped().await < Duration::from_secs(1));
    clients.join_next().await.unwrap().unwrap().unwrap_err();
}

#[test]
fn the_program_explains_itself_and_names_what_it_cannot_do() {
    let program = || Command::new(env!("CARGO_BIN_EXE_oat-simulator"));
    let help = program().arg("--help").output().unwrap();
    let refused = program().args(["--dialect", "1.6"]).output().unwrap();
    let required = ["--listen", "--admin-listen", "--tls-cert", "--tls-key"];
    let values = ["127.0.0.1:0", "127.0.0.1:0", "/nowhere/crt", "/nowhere/key"];
    let given = required
        .iter()
        .zip(values)
        .flat_map(|(flag, value)| [*flag, value]);
    let broken = program().args(given).output().unwrap();

    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for part in [
        "oat-simulator --listen 127.0.0.1:8443",
        "- name: node1",
        "--time-scale",
    ] {
        assert!(help.contains(part), "{help}");
    }
    assert_eq!(refused.status.code(), Some(2));
    let refused = String::from_utf8(refused.stderr).unwrap();
    assert!(
        refused.contains("dialect `1.6` is not simulated yet; use `2.x`"),
        "{refused}"
    );
    assert_eq!(broken.status.code(), Some(1));
    let broken = String::from_utf8(broken.stderr).unwrap();
    let expected = "error: failed to read --tls-cert `/nowhere/crt`: ";
    assert!(broken.starts_with(expected), "{broken}");
    assert_eq!(broken.lines().count(), 1, "{broken}");
}
