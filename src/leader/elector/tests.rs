//! What becomes of the Lease when a candidate is told to stop.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// How long the server takes for a write.
const LATENCY: Duration = Duration::from_secs(1);

/// A server with one Lease, that nobody holds.
#[derive(Clone)]
struct Server {
    lease: Arc<Mutex<Value>>,
    /// Nobody hears that the Lease was taken.
    is_unheard: bool,
}

impl Server {
    fn new(is_unheard: bool) -> Self {
        let lease = json!({"metadata": {"name": "l", "resourceVersion": "1"},
            "spec": {"holderIdentity": "", "leaseTransitions": 1, "leaseDurationSeconds": 1}});
        Self {
            lease: Arc::new(Mutex::new(lease)),
            is_unheard,
        }
    }

    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        lease["spec"]["holderIdentity"].as_str().unwrap().to_owned()
    }

    fn candidate(&self) -> Elector {
        let server = self.clone();
        let service = tower::service_fn(move |request| server.clone().answer(request));
        let client = Client::new(service, "default");
        let past: Past = Box::new(|| Some(0));
        Elector::new(
            client,
            ("default", "l"),
            "me".to_owned(),
            past,
            Clock::system(),
        )
        .0
    }

    async fn answer(
        self,
        request: Request<Body>,
    ) -> Result<Response<axum::body::Body>, Infallible> {
        let (head, body) = request.into_parts();
        if head.method == Method::PUT {
            sleep(LATENCY).await;
            let body = body.collect().await.unwrap().to_bytes();
            let is_taken = self.put(serde_json::from_slice(&body).unwrap());
            if is_taken && self.is_unheard {
                std::future::pending::<()>().await;
            }
        }
        let lease = self.lease.lock().unwrap().to_string();
        Ok(Response::new(axum::body::Body::from(lease)))
    }

    /// Keeps a Lease, and says whether somebody holds it then.
    fn put(&self, mut new: Value) -> bool {
        let mut lease = self.lease.lock().unwrap();
        let version = &lease["metadata"]["resourceVersion"];
        assert_eq!(&new["metadata"]["resourceVersion"], version, "as known");
        let next: u32 = version.as_str().unwrap().parse().unwrap();
        new["metadata"]["resourceVersion"] = json!((next + 1).to_string());
        *lease = new;
        lease["spec"]["holderIdentity"] != ""
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_told_to_stop_leaves_the_lease_to_others() {
    for is_unheard in [false, true] {
        let server = Server::new(is_unheard);
        let (mut candidate, stop) = (server.candidate(), CancellationToken::new());

        let told = async {
            sleep(LATENCY / 2).await;
            assert_eq!(server.holder(), "", "the request is under way");
            stop.cancel();
        };
        let (term, ()) = tokio::join!(candidate.campaign(&stop), told);

        assert_eq!(term, None);
        let version = server.lease.lock().unwrap()["metadata"]["resourceVersion"].clone();
        assert_eq!(version, "3", "it was taken, and given back");
        assert_eq!(server.holder(), "", "unheard: {is_unheard}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_was_told_before_does_not_take_the_lease() {
    let server = Server::new(false);
    let stop = CancellationToken::new();
    stop.cancel();

    assert_eq!(server.candidate().campaign(&stop).await, None);

    assert_eq!(
        server.lease.lock().unwrap()["metadata"]["resourceVersion"],
        "1"
    );
}
