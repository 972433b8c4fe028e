//! Step 5: somebody goes around the scheduler.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use trustpool::api::keys;

use crate::demo::cast::{self, VAULT};
use crate::demo::scene::Scene;
use crate::demo::screen::Screen;

/// The pod that is to be placed by hand.
const POD: &str = "ledger";

/// A user who may edit nodes, and nothing of Trustpool.
const OPERATOR: &str = "operator";

/// A Binding and a label, each by hand, each refused.
pub(super) async fn around(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    screen.step("Somebody goes around the scheduler");
    let untrusted = cast::name(cast::UNTRUSTED[0]);
    scene
        .show(screen, &format!("create namespace {VAULT}"))
        .await?;
    let label = format!("label namespace {VAULT} {}=trusted", keys::REQUIRE);
    scene.show(screen, &label).await?;
    admitted(scene, screen).await?;
    bound_by_hand(scene, screen, &untrusted).await?;
    labelled_by_hand(scene, screen, &untrusted).await
}

/// Waits until a pod is admitted: its namespace has just been made.
async fn admitted(scene: &Scene, screen: &mut Screen) -> anyhow::Result<()> {
    scene.write("ledger.yaml", &cast::ignored(POD))?;
    let account = format!("get serviceaccount default -n {VAULT}");
    let ready = crate::eventually(crate::SOON, "the namespace", async || {
        scene.quiet(&account).await.map(drop)
    });
    screen.wait("the namespace is made", ready).await?;
    scene.show(screen, "apply -f ledger.yaml").await?;
    let asks = format!("get pod {POD} -n {VAULT} -o jsonpath={{.spec.nodeSelector}}");
    let selector = scene.kubectl(screen, &asks).await?;
    screen.output(&selector);
    screen.claim(
        selector.contains(keys::TRUST),
        "a pod that says nothing asks where its namespace does",
        "written by the API server itself, and it never changes",
    )
}

async fn bound_by_hand(scene: &Scene, screen: &mut Screen, node: &str) -> anyhow::Result<()> {
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), VAULT);
    let uid = pods
        .get(POD)
        .await?
        .metadata
        .uid
        .context("a pod without a UID")?;
    scene.write("binding.json", &cast::binding(POD, &uid, node))?;
    screen.command("cat binding.json");
    screen.output(&cast::binding(POD, &uid, node));
    let line =
        format!("create --raw /api/v1/namespaces/{VAULT}/pods/{POD}/binding -f binding.json");
    let said = scene.refused(screen, &line).await?;
    let place = pods.get(POD).await?.spec.and_then(|spec| spec.node_name);
    let named = [
        node,
        "failed attestation",
        "untrusted",
        "FailedAttestation",
        "ago",
    ];
    screen.claim(
        place.is_none() && named.iter().all(|word| said.contains(word)),
        "a hand-written Binding to an untrusted node is refused, to an administrator too",
        "it names node, verdict, reason and age",
    )
}

async fn labelled_by_hand(scene: &Scene, screen: &mut Screen, node: &str) -> anyhow::Result<()> {
    let role = format!(
        "create clusterrole {OPERATOR} --verb=get,list,patch,update --resource=nodes,nodes/status"
    );
    scene.quiet(&role).await?;
    let binding =
        format!("create clusterrolebinding {OPERATOR} --clusterrole={OPERATOR} --user={OPERATOR}");
    scene.quiet(&binding).await?;
    screen.say("The same by a label, as a user who may edit nodes:");
    let other = format!("label node {node} example.com/rack=7 --as={OPERATOR}");
    scene.show(screen, &other).await?;
    let line = format!(
        "label node {node} {}=trusted --overwrite --as={OPERATOR}",
        keys::TRUST
    );
    let said = scene.refused(screen, &line).await?;
    let label = scene.labels().await?.get(node).cloned();
    screen.claim(
        label.as_deref() == Some("untrusted") && said.contains("nodes.trustpool.dev"),
        "nobody but Trustpool says that a node is trusted",
        format_args!(
            "{node} is labelled {}",
            label.as_deref().unwrap_or("nothing")
        ),
    )
}
