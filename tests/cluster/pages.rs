//! Kubernetes 1.33 as it comes: an API server without streaming lists, and the roles that the chart makes for it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use trustpool_harness::helm::{chart, helm_command};
use trustpool_harness::install::{GATE, NAMESPACE, USER};
use trustpool_harness::{AuditEvent, Proxy, SOON, Setup, Slot, World, eventually};

use crate::attack::{create, refused, silent, waits};
use crate::support::{bind, filter_says, labelled_namespace, refusals, trusted_nodes};

/// More than fit on one page.
const MANY: usize = 520;

/// Sorted behind all of them.
const LAST: &str = "zz";

/// As long as a watch may be silent, and the listing after it.
const HEARD: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn without_streaming_lists_all_is_known_that_is_to_be_known() {
    let _slot = Slot::take().await.unwrap();
    let setup = Setup::default().api_server_flag("--feature-gates=WatchList=false");
    let mut world = setup.prepare().await.unwrap();
    as_below_1_34(&world).await.unwrap();
    many_namespaces(&world).await.unwrap();
    let server = world.plane.server().strip_prefix("https://");
    let proxy = Proxy::start(server.unwrap().parse().unwrap())
        .await
        .unwrap();
    let users = &mut world.users;
    for user in [&mut users.controller, &mut users.gate] {
        *user = user.through(proxy.address()).unwrap();
    }

    world.run().await.unwrap();
    trusted_nodes(&world, &["good", "soon-gone"]).await.unwrap();
    world.node("bad", "untrusted").await.unwrap();
    world.labelled("bad", Some("untrusted")).await.unwrap();
    what_is_asked_is_answered(&world).await.unwrap();
    what_went_unseen_is_noticed(&world, &proxy).await.unwrap();
    nobody_was_forbidden_anything(&world).unwrap();
}

/// Applies the roles for Kubernetes 1.33 over those of `manifests`.
async fn as_below_1_34(world: &World) -> anyhow::Result<()> {
    let mut command = helm_command().await?;
    command.args(["template", "trustpool"]).arg(chart());
    command.args(["--namespace", NAMESPACE, "--kube-version", "1.33.0"]);
    command.args(["--show-only", "templates/rbac.yaml"]);
    let output = command.output().await?;
    ensure!(output.status.success(), "{output:?}");
    let file = world.plane.directory().join("rbac-1.33.yaml");
    std::fs::write(&file, output.stdout)?;
    world.plane.apply(&file).await
}

/// The last one asks for every pod in it.
async fn many_namespaces(world: &World) -> anyhow::Result<()> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let names = (0..MANY).map(|number| format!("many-{number}"));
    let made = stream::iter(names).map(async |name| {
        let namespace: Value = json!({"metadata": {"name": name}});
        let namespace = serde_json::from_value(namespace)?;
        namespaces
            .create(&PostParams::default(), &namespace)
            .await?;
        anyhow::Ok(())
    });
    made.buffer_unordered(32).try_collect::<Vec<_>>().await?;
    world.plane.create_namespace(LAST).await?;
    create(world, LAST, silent("silent")).await?;
    let labels = ["trustpool.dev/require=trusted", "trustpool.dev/pool=other"];
    let label = ["label", "namespace", LAST, labels[0], labels[1]];
    world.plane.kubectl(&label).await?;
    labelled_namespace(world, "strict", &["trustpool.dev/gate=strict"]).await
}

/// The filter knows the nodes, and the bind gate which pool the last of the namespaces asks for.
async fn what_is_asked_is_answered(world: &World) -> anyhow::Result<()> {
    for (node, expected) in [
        ("good", ""),
        ("soon-gone", ""),
        ("bad", "node(s) failed attestation"),
    ] {
        filter_says(world, node, expected).await?;
    }
    create(world, "strict", waits("asks")).await?;
    eventually(SOON, "the gate refuses", async || {
        let outcome = bind(world, "strict", "asks", "bad").await;
        refused(outcome, &["node `bad` will not do", "verdict untrusted"])
    })
    .await?;
    bind(world, "strict", "asks", "good").await?;
    let outcome = bind(world, LAST, "silent", "good").await;
    refused(outcome, &["node(s) were in another trust pool"])
}

/// Nothing comes through until the silence is noticed and everything is listed anew.
async fn what_went_unseen_is_noticed(world: &World, proxy: &Proxy) -> anyhow::Result<()> {
    proxy.freeze();
    world.nodes.delete("soon-gone").await?;
    world.node("late", "trusted").await?;
    eventually(HEARD, "a Node is gone and another is known", async || {
        let said = refusals(world, &["soon-gone", "late"]).await?;
        let gone = said.get("soon-gone").is_some_and(|it| it.contains("never"));
        ensure!(gone && said["late"].is_empty(), "{said:?}");
        Ok(())
    })
    .await?;
    world.labelled("late", Some("trusted")).await?;
    proxy.thaw();
    Ok(())
}

/// Every watch was refused its streaming list, read its pages, and may do all that it did.
fn nobody_was_forbidden_anything(world: &World) -> anyhow::Result<()> {
    let mut events = world.plane.audit().events()?;
    events.retain(|event| [GATE, USER].contains(&event.user.username.as_str()));
    let of = |verb, code| -> BTreeSet<_> {
        let found = events.iter().filter(|it| it.verb == verb);
        let found = found.filter(|it| it.response_status.code == code);
        found
            .map(|it| (&it.user.username, &it.object_ref.resource))
            .collect()
    };
    let (refused, listed) = (of("watch", 422), of("list", 200));
    ensure!(refused == listed && listed.len() == 12, "{listed:?}");
    let forbidden = |event: &&AuditEvent| event.response_status.code == 403;
    let forbidden = events.iter().find(forbidden);
    ensure!(forbidden.is_none(), "{forbidden:?}");
    Ok(())
}
