//! What a namespace may say about trust, and who may take it back.

use trustpool_harness::install::project;
use trustpool_harness::{SOON, Slot, eventually};

use crate::policy::{policed, refused, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_legal_when_it_is_written_and_taken_back_by_whoever_may_relax() {
    let _slot = Slot::take().await.unwrap();
    let plane = policed().await.unwrap();
    let everything = "get,list,create,update,patch,delete";
    let resources = "namespaces,namespaces/status,namespaces/finalize";
    let owner = user(&plane, "owner", everything, resources).await.unwrap();
    let relaxes = user(&plane, "relaxes", everything, resources)
        .await
        .unwrap();
    let role = [
        "create",
        "clusterrole",
        "relaxing",
        "--verb=relax",
        "--resource=trustpools.trustpool.dev",
    ];
    plane.kubectl(&role).await.unwrap();
    let binding = [
        "create",
        "clusterrolebinding",
        "relaxing",
        "--clusterrole=relaxing",
        "--user=relaxes",
    ];
    plane.kubectl(&binding).await.unwrap();
    let label = |namespace: &'static str, labels: &[&'static str]| {
        let mut arguments = vec![
            "label",
            "--overwrite",
            "--dry-run=server",
            "namespace",
            namespace,
        ];
        arguments.extend(labels);
        arguments
    };

    let illegal = [
        (
            "trustpool.dev/require=yes",
            "`yes`: it must be `trusted` or `audit`",
        ),
        (
            "trustpool.dev/require=",
            "``: it must be `trusted` or `audit`",
        ),
        (
            "trustpool.dev/gate=Strict",
            "`Strict`: it must be `strict` or `open`",
        ),
        (
            "trustpool.dev/pool=No_pool",
            "`No_pool`, which is no name of a TrustPool",
        ),
    ];
    for (value, words) in illegal {
        for user in [&owner, &relaxes] {
            refused(&plane, user, &label("plain", &[value]), &[words])
                .await
                .unwrap();
        }
    }
    // From strict to less strict.
    let relaxing: [(&str, &[&str]); 6] = [
        ("asks", &["trustpool.dev/require-"]),
        ("asks", &["trustpool.dev/require=audit"]),
        ("asks", &["trustpool.dev/gate=open"]),
        ("plain", &["trustpool.dev/gate=open"]),
        ("asks-pinned", &["trustpool.dev/pool-"]),
        ("asks-pinned", &["trustpool.dev/pool=q"]),
    ];
    for (namespace, labels) in relaxing {
        let words = ["user `owner`", "`relax` on trustpools.trustpool.dev"];
        refused(&plane, &owner, &label(namespace, labels), &words)
            .await
            .unwrap();
        plane
            .kubectl_as(&relaxes, &label(namespace, labels))
            .await
            .unwrap();
    }
    let tightening: [(&str, &[&str]); 5] = [
        (
            "plain",
            &[
                "trustpool.dev/require=trusted",
                "trustpool.dev/pool=p",
                "trustpool.dev/gate=strict",
            ],
        ),
        ("plain", &["trustpool.dev/require=audit"]),
        ("audits", &["trustpool.dev/require=trusted"]),
        ("asks", &["trustpool.dev/pool=p"]),
        ("asks", &["example.com/other=label"]),
    ];
    for (namespace, labels) in tightening {
        plane
            .kubectl_as(&owner, &label(namespace, labels))
            .await
            .unwrap();
    }
    through_every_door(&plane, &owner).await.unwrap();
    what_is_empty_is_not_absent(&plane, &owner).await.unwrap();
}

/// A label from before the policies counts as the stricter one, empty or not.
async fn what_is_empty_is_not_absent(
    plane: &trustpool_harness::ControlPlane,
    owner: &trustpool_harness::Identity,
) -> anyhow::Result<()> {
    let policy = [
        "validatingadmissionpolicybinding",
        "namespaces.trustpool.dev",
    ];
    plane.kubectl(&["delete", policy[0], policy[1]]).await?;
    plane.create_namespace("early").await?;
    let empty = [
        "trustpool.dev/require=",
        "trustpool.dev/gate=",
        "trustpool.dev/pool=",
    ];
    eventually(SOON, "labels are empty", async || {
        let label = [&["label", "--overwrite", "namespace", "early"][..], &empty].concat();
        plane.kubectl(&label).await.map(drop)
    })
    .await?;
    plane.apply(&project("manifests/namespaces.yaml")).await?;
    eventually(SOON, "the policy is back", async || {
        let illegal = [
            "label",
            "--dry-run=server",
            "namespace",
            "plain",
            "trustpool.dev/gate=x",
        ];
        refused(plane, owner, &illegal, &["must be `strict`"]).await
    })
    .await?;
    for off in [
        "trustpool.dev/require-",
        "trustpool.dev/gate-",
        "trustpool.dev/pool-",
        "trustpool.dev/require=audit",
    ] {
        let label = [
            "label",
            "--overwrite",
            "--dry-run=server",
            "namespace",
            "early",
            off,
        ];
        refused(
            plane,
            owner,
            &label,
            &["`relax` on trustpools.trustpool.dev"],
        )
        .await?;
    }
    Ok(())
}

/// `namespaces/status` and `namespaces/finalize` take labels as well.
async fn through_every_door(
    plane: &trustpool_harness::ControlPlane,
    owner: &trustpool_harness::Identity,
) -> anyhow::Result<()> {
    let stripped = r#"{"metadata": {"labels": {"trustpool.dev/require": null}}}"#;
    let status = [
        "patch",
        "namespace",
        "asks",
        "--subresource=status",
        "--type=merge",
        "-p",
        stripped,
    ];
    refused(plane, owner, &status, &["may not change or remove"]).await?;
    let client = owner.client().await?;
    let body = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"asks","labels":{}},"spec":{"finalizers":["kubernetes"]}}"#;
    let request = http::Request::put("/api/v1/namespaces/asks/finalize")
        .header("content-type", "application/json")
        .body(body.as_bytes().to_vec())?;
    let answer = client.request_text(request).await;
    let error = answer
        .expect_err("finalize takes the label off")
        .to_string();
    anyhow::ensure!(error.contains("may not change or remove"), "{error}");
    let open = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"new","labels":{"trustpool.dev/gate":"open"}}}"#;
    let created = client
        .request_text(
            http::Request::post("/api/v1/namespaces")
                .header("content-type", "application/json")
                .body(open.as_bytes().to_vec())?,
        )
        .await;
    let error = created
        .expect_err("a new namespace opens its gate")
        .to_string();
    anyhow::ensure!(error.contains("open its gate"), "{error}");
    Ok(())
}
