//! What the tests of this folder share: shorthands around a [`World`].

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use jiff::SignedDuration;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::Api;
use serde_json::{Value, json};
use trustpool::api::NodeTrustStatus;
use trustpool::simulator::journal::Entry;
use trustpool_harness::install::USER;
use trustpool_harness::world::asking_pod;
use trustpool_harness::{AuditEvent, AuditLog, SOON, World, eventually};

/// The default interval of a pool: moving the clock by it makes every node due.
pub const INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// The default `minInterval`, and a second for what is counted in whole ones.
pub const MIN_INTERVAL: SignedDuration = SignedDuration::from_secs(31);

/// The default validity of a verdict.
pub const VALIDITY: SignedDuration = SignedDuration::from_mins(30);

/// What a test does `usual` times is done so many times: `make soak` sets `TRUSTPOOL_STEPS` to the factor.
pub fn steps(usual: usize) -> usize {
    let factor = std::env::var_os("TRUSTPOOL_STEPS").map_or(1, |factor| {
        let factor = factor.to_str().and_then(|factor| factor.parse().ok());
        factor.expect("TRUSTPOOL_STEPS is a whole number")
    });
    usual * factor
}

/// Deadlines that a test can wait for.
pub fn impatient() -> Value {
    json!({"timeouts": {"connect": "1s", "read": "4s", "total": "4s"}})
}

/// Waits until every one of `nodes` is `verdict/Reason` by its NodeTrust.
pub async fn all_become(world: &World, nodes: &[&str], expected: &str) -> anyhow::Result<()> {
    for node in nodes {
        world.becomes(node, expected).await?;
    }
    Ok(())
}

/// Waits until every one of `nodes` carries the trust label.
pub async fn all_labelled(world: &World, nodes: &[&str], label: &str) -> anyhow::Result<()> {
    for node in nodes {
        world.labelled(node, Some(label)).await?;
    }
    Ok(())
}

/// Registers nodes whose hosts are trusted, and waits until each is labelled.
pub async fn trusted_nodes(world: &World, nodes: &[&str]) -> anyhow::Result<()> {
    for node in nodes {
        world.node(node, "trusted").await?;
    }
    all_labelled(world, nodes, "trusted").await
}

/// How long [`passing`] waits before it lets time pass again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets `time` pass, if need be again and again, until `look` succeeds: what was changed just before may
/// not have been seen yet when the first round began.
pub async fn passing(
    world: &World,
    time: SignedDuration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    eventually(SOON, what, async || {
        world.pass(time);
        eventually(PATIENCE, what, &mut look).await
    })
    .await
}

/// Takes the service away, so that what a node loses stays lost for as long as somebody looks.
pub async fn unattested(world: &World) -> anyhow::Result<()> {
    world.simulator.fault(&json!({"kind": "down"})).await
}

/// Brings the service back: `node` is attested anew after the shortest interval, and not at the next round only.
pub async fn attested(world: &World, node: &str) -> anyhow::Result<()> {
    world.simulator.fault(&json!({"kind": "none"})).await?;
    world.pass(MIN_INTERVAL);
    world.becomes(node, "trusted/Attested").await?;
    world.labelled(node, Some("trusted")).await
}

/// The status of a NodeTrust.
pub async fn status(world: &World, node: &str) -> anyhow::Result<NodeTrustStatus> {
    let trust = world.trust(node).await?;
    let status = trust.and_then(|trust| trust.status);
    status.ok_or_else(|| anyhow::anyhow!("`{node}` has no status"))
}

/// The hosts that a request asked about.
pub fn hosts(entry: &Entry) -> Vec<&str> {
    entry.hosts.iter().map(|host| host.name.as_str()).collect()
}

/// The requests that asked about `host`, oldest first.
pub async fn questions(world: &World, host: &str) -> anyhow::Result<Vec<Entry>> {
    let mut entries = world.simulator.requests().await?;
    entries.retain(|entry| hosts(entry).contains(&host));
    Ok(entries)
}

/// Moves the clock, and waits until `host` was asked about once more and answered or failed.
pub async fn asked_again(world: &World, host: &str, after: SignedDuration) -> anyhow::Result<()> {
    let before = questions(world, host).await?.len();
    world.pass(after);
    eventually(SOON, &format!("{host} is asked about again"), async || {
        let asked = questions(world, host).await?.len();
        ensure!(asked > before, "it was asked about {asked} times");
        Ok(())
    })
    .await
}

/// Lets `time` pass and waits until `node` has the verdict of a later question.
pub async fn attested_again(world: &World, node: &str, time: SignedDuration) -> anyhow::Result<()> {
    let before = status(world, node).await?.requested_at;
    world.pass(time);
    eventually(SOON, &format!("{node} is attested again"), async || {
        let now = status(world, node).await?.requested_at;
        ensure!(now > before, "its last question was at {now:?}");
        Ok(())
    })
    .await
}

/// `status/Reason: message` of a condition, from `kubectl get`.
pub async fn condition(
    world: &World,
    kind: &str,
    name: &str,
    condition: &str,
) -> anyhow::Result<String> {
    let object = world
        .plane
        .kubectl(&["get", kind, name, "--output=json"])
        .await?;
    let object: Value = serde_json::from_str(&object)?;
    let conditions = object.pointer("/status/conditions");
    let conditions = conditions.and_then(Value::as_array);
    let found = conditions
        .into_iter()
        .flatten()
        .find(|each| each.get("type") == Some(&json!(condition)));
    let found = found.ok_or_else(|| anyhow::anyhow!("{kind} `{name}` has no {condition}"))?;
    let word = |key: &str| {
        let word = found.get(key).and_then(Value::as_str);
        word.unwrap_or_default().to_owned()
    };
    let (status, reason) = (word("status"), word("reason"));
    Ok(format!("{status}/{reason}: {}", word("message")))
}

/// Waits until a condition begins with `expected` and mentions `words`.
pub async fn condition_becomes(
    world: &World,
    (kind, name, of): (&str, &str, &str),
    expected: &str,
    words: &str,
) -> anyhow::Result<()> {
    let what = format!("{of} of {kind} `{name}` is {expected}");
    eventually(SOON, &what, async || {
        condition_is(world, (kind, name, of), expected, words).await
    })
    .await
}

/// Makes sure that a condition begins with `expected` and mentions `words`.
pub async fn condition_is(
    world: &World,
    (kind, name, of): (&str, &str, &str),
    expected: &str,
    words: &str,
) -> anyhow::Result<()> {
    let now = condition(world, kind, name, of).await?;
    ensure!(now.starts_with(expected) && now.contains(words), "{now}");
    Ok(())
}

/// Waits until Trustpool knows a service or pool as it is.
pub async fn is_seen(world: &World, kind: &str, name: &str) -> anyhow::Result<()> {
    eventually(SOON, &format!("{kind} `{name}` is seen"), async || {
        let shown = ["get", kind, name, "--output=json"];
        let object: Value = serde_json::from_str(&world.plane.kubectl(&shown).await?)?;
        let of = |path| object.pointer(path).and_then(Value::as_i64);
        ensure!(of("/status/observedGeneration") == of("/metadata/generation"));
        Ok(())
    })
    .await
}

/// What `/filter` says of each of `nodes` to a pod that asks: nothing, or why not.
pub async fn refusals(world: &World, nodes: &[&str]) -> anyhow::Result<BTreeMap<String, String>> {
    filtered(world, &asking_pod("asks"), nodes).await
}

/// What `/filter` says of each of `nodes` to `pod`.
pub async fn filtered(
    world: &World,
    pod: &Value,
    nodes: &[&str],
) -> anyhow::Result<BTreeMap<String, String>> {
    let body = json!({"Pod": pod, "NodeNames": nodes});
    let (code, answer) = world.trustpool().ask("filter", &body).await?;
    ensure!(code == 200, "{code}: {answer}");
    let answer: Value = serde_json::from_str(&answer)?;
    let failed = answer
        .get("FailedAndUnresolvableNodes")
        .cloned()
        .unwrap_or_default();
    let mut said: BTreeMap<String, String> =
        serde_json::from_value::<Option<_>>(failed)?.unwrap_or_default();
    let names: Vec<String> =
        serde_json::from_value(answer.get("NodeNames").cloned().unwrap_or_default())?;
    said.extend(names.into_iter().map(|name| (name, String::new())));
    Ok(said)
}

/// Waits until `/filter` says `expected` of `node` to a pod that asks; nothing if it may go there.
pub async fn filter_says(world: &World, node: &str, expected: &str) -> anyhow::Result<()> {
    eventually(SOON, &format!("`{expected}` about {node}"), async || {
        let said = refusals(world, &[node]).await?;
        let said = said.get(node).map(String::as_str);
        ensure!(said == Some(expected), "{said:?}");
        Ok(())
    })
    .await
}

/// Trustpool's writes to a resource and subresource, in the order in which they ended.
pub fn writes(log: &AuditLog, resource: &str, sub: &str) -> anyhow::Result<Vec<AuditEvent>> {
    let mut events = log.writes_by(USER)?;
    events.retain(|event| event.is_for(resource, sub));
    events.sort_by_key(|event| event.stage_timestamp);
    Ok(events)
}

/// Waits until the log has `count` of Trustpool's writes to a resource and subresource: the line of a
/// write may come after its effect is seen.
pub async fn written(
    log: &AuditLog,
    (resource, sub): (&str, &str),
    count: usize,
) -> anyhow::Result<Vec<AuditEvent>> {
    let what = format!("{count} writes to {resource}/{sub} in the audit log");
    eventually(SOON, &what, async || {
        let written = writes(log, resource, sub)?;
        ensure!(written.len() == count, "{}", written.len());
        Ok(written)
    })
    .await
}

/// A NodeTrust's `resourceVersion`: it changes with every write.
pub async fn version(world: &World, node: &str) -> anyhow::Result<Option<String>> {
    let trust = world.trust(node).await?;
    Ok(trust.and_then(|trust| trust.resource_version()))
}

/// The time at which a NodeTrust says that its verdict was asked for.
pub async fn requested_at(world: &World, node: &str) -> anyhow::Result<Option<Timestamp>> {
    Ok(status(world, node).await?.requested_at.map(|time| time.0))
}

/// The sum of Trustpool's metric `name`, over its labels.
pub async fn metric(world: &World, name: &str) -> anyhow::Result<f64> {
    let metrics = world.trustpool().metrics().await?;
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    Ok(lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum())
}

/// Creates an object, if need be again until the API server serves its definition as it is now.
pub async fn create_soon(world: &World, object: Value) -> anyhow::Result<()> {
    eventually(SOON, "an object is admitted", async || {
        world.create(object.clone()).await?;
        Ok(())
    })
    .await
}

/// Waits for an event about `object` that mentions every one of `words`.
pub async fn told(world: &World, object: &str, reason: &str, words: &[&str]) -> anyhow::Result<()> {
    let of = format!("involvedObject.name={object},reason={reason}");
    eventually(SOON, &format!("{reason} about {object}"), async || {
        let output = "--output=jsonpath={.items[*].message}";
        let events = ["get", "events", "--field-selector", &of, output];
        let said = world.plane.kubectl(&events).await?;
        ensure!(words.iter().all(|word| said.contains(word)), "`{said}`");
        Ok(())
    })
    .await
}

/// Binds a pod to a node by hand, as kube-scheduler does, and says what the API server answered.
pub async fn bind(world: &World, namespace: &str, pod: &str, node: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
    let uid = pods.get(pod).await?.metadata.uid;
    let binding = json!({"metadata": {"name": pod, "uid": uid}});
    post_binding(
        world,
        namespace,
        &format!("pods/{pod}/binding"),
        binding,
        node,
    )
    .await
}

/// Posts a Binding with `metadata` to `path` of a namespace.
pub async fn post_binding(
    world: &World,
    namespace: &str,
    path: &str,
    mut binding: Value,
    node: &str,
) -> anyhow::Result<()> {
    if let Some(fields) = binding.as_object_mut() {
        fields.insert("apiVersion".to_owned(), json!("v1"));
        fields.insert("kind".to_owned(), json!("Binding"));
        fields.insert("target".to_owned(), json!({"kind": "Node", "name": node}));
    }
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/{path}"))
        .header("content-type", "application/json")
        .body(binding.to_string().into_bytes())?;
    world.client.request_text(request).await?;
    Ok(())
}

/// Makes a namespace with labels.
pub async fn labelled_namespace(world: &World, name: &str, labels: &[&str]) -> anyhow::Result<()> {
    world.plane.create_namespace(name).await?;
    for label in labels {
        world
            .plane
            .kubectl(&["label", "namespace", name, label])
            .await?;
    }
    Ok(())
}

/// Takes the service down, and lets so much time pass that the verdict about `node` expires.
pub async fn expire(world: &World, node: &str) -> anyhow::Result<()> {
    world.simulator.fault(&json!({"kind": "down"})).await?;
    world.pass(VALIDITY);
    world.becomes(node, "unknown/Expired").await
}

/// Waits until a pod is bound to `node`.
pub async fn lands_on(world: &World, namespace: &str, pod: &str, node: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), namespace);
    eventually(SOON * 2, &format!("{pod} is on {node}"), async || {
        let on = pods.get(pod).await?.spec.and_then(|spec| spec.node_name);
        ensure!(on.as_deref() == Some(node), "{on:?}");
        Ok(())
    })
    .await
}
