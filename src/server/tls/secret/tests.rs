//! What the Secret holds, and what becomes of it.

use std::convert::Infallible;

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::certificates::Pem;
use crate::server::tls::tests::{identity, made, shown};

use super::*;

/// A watch, whose lines are sent here.
fn watched(identity: &Identity, tasks: &mut JoinSet<()>) -> mpsc::UnboundedSender<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut once = Some(receiver);
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default();
        assert!(query.contains("fieldSelector=metadata.name%3Dtrustpool-gate-tls"));
        let path = "/api/v1/namespaces/trustpool-system/secrets";
        assert_eq!(request.uri().path(), path);
        let lines = futures::stream::unfold(once.take().unwrap(), async |mut lines| {
            let line: String = lines.recv().await?;
            Some((Ok::<_, Infallible>(line), lines))
        });
        let body = axum::body::Body::from_stream(lines);
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let client = Client::new(service, "default");
    let namespace = "trustpool-system".to_owned();
    tasks.spawn(follow(client, namespace, identity.clone()));
    sender
}

fn line(kind: &str, pem: &Pem) -> String {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    let object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "trustpool-gate-tls", "resourceVersion": "1"},
        "data": {"tls.crt": bytes(&pem.certificate), "tls.key": bytes(&pem.key)},
    });
    event(kind, &object)
}

fn listed() -> String {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {
        "resourceVersion": "1",
        "annotations": {"k8s.io/initial-events-end": "true"},
    }});
    event("BOOKMARK", &object)
}

fn event(kind: &str, object: &Value) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#) + "\n"
}

/// Lets the task read what was sent.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_secret_is_shown_until_something_better_is() {
    let (identity, mut tasks) = (identity(), JoinSet::new());
    let events = watched(&identity, &mut tasks);
    let (first, second) = (made(0), made(0));
    let missing = Some("there is no Secret `trustpool-system/trustpool-gate-tls`");
    let send = async |line| {
        events.send(line).unwrap();
        settle().await;
        (shown(&identity), identity.trouble())
    };

    let (none, trouble) = send(listed()).await;
    assert_eq!((none, trouble.as_deref()), (None, missing));

    let now = send(line("ADDED", &first)).await;
    assert_eq!(now, (Some(first.certificate.clone()), None));

    let broken = Pem {
        key: first.key.clone(),
        ..second.clone()
    };
    let (stays, trouble) = send(line("MODIFIED", &broken)).await;
    assert_eq!(stays.as_ref(), Some(&first.certificate));
    let unfit = "Secret `trustpool-system/trustpool-gate-tls`: the private key is not that of the certificate";
    assert_eq!(trouble.as_deref(), Some(unfit));

    let now = send(line("MODIFIED", &second)).await;
    assert_eq!(now, (Some(second.certificate.clone()), None));

    let (stays, trouble) = send(line("DELETED", &second)).await;
    assert_eq!(
        (stays, trouble.as_deref()),
        (Some(second.certificate), missing)
    );
}
