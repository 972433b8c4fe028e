//! Pods that controllers make, on a cluster whose controllers, scheduler and kubelets live.

use anyhow::ensure;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use trustpool::api::keys;
use trustpool_harness::{SOON, Setup, Slot, World, eventually};

use crate::policy::carried;
use crate::support::{labelled_namespace, trusted_nodes};

#[tokio::test(flavor = "multi_thread")]
async fn workloads_run_on_trusted_nodes_roll_out_and_complete() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"breaker": {"maxUntrusted": "100%"}});
    let setup = Setup::default()
        .scheduler()
        .controller_manager()
        .kwok()
        .pool(pool);
    let world = setup.start().await.unwrap();
    trusted_nodes(&world, &["a", "b"]).await.unwrap();
    world.node("bad", "untrusted").await.unwrap();
    world.labelled("bad", Some("untrusted")).await.unwrap();
    labelled_namespace(&world, "required", &["trustpool.dev/require=trusted"])
        .await
        .unwrap();

    a_daemon_set_runs_on_every_trusted_node_and_rolls_out(&world)
        .await
        .unwrap();
    a_job_completes(&world).await.unwrap();
    the_job_of_a_cron_job_completes(&world).await.unwrap();
    a_deployment_asks_for_each_of_its_pods(&world)
        .await
        .unwrap();
}

fn template(app: &str, image: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}},
        "spec": {"nodeSelector": {keys::TRUST: "trusted"}, "containers": [{"name": "main", "image": image}]}})
}

/// The pods of an app: node and image of each that runs.
async fn running(world: &World, app: &str) -> anyhow::Result<Vec<(String, String)>> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), "required");
    let pods = pods
        .list(&ListParams::default().labels(&format!("app={app}")))
        .await?;
    let mut running = Vec::new();
    for pod in pods {
        ensure!(
            carried(&pod).iter().all(|map| !map.is_empty()),
            "{pod:?} does not ask"
        );
        let phase = pod.status.and_then(|status| status.phase);
        let spec = pod.spec.unwrap_or_default();
        ensure!(
            spec.node_name.as_deref() != Some("bad"),
            "on a node that is not trusted"
        );
        if phase.as_deref() == Some("Running") {
            let image = spec.containers[0].image.clone().unwrap_or_default();
            running.push((spec.node_name.unwrap_or_default(), image));
        }
    }
    running.sort();
    Ok(running)
}

async fn run(world: &World, app: &str, expected: &[(&str, &str)]) -> anyhow::Result<()> {
    eventually(SOON, &format!("{app} runs"), async || {
        let running = running(world, app).await?;
        let seen: Vec<_> = running
            .iter()
            .map(|(node, image)| (node.as_str(), image.as_str()))
            .collect();
        ensure!(seen == expected, "{seen:?}");
        Ok(())
    })
    .await
}

async fn a_daemon_set_runs_on_every_trusted_node_and_rolls_out(
    world: &World,
) -> anyhow::Result<()> {
    let sets: Api<DaemonSet> = Api::namespaced(world.client.clone(), "required");
    let spec = json!({"selector": {"matchLabels": {"app": "agent"}}, "template": template("agent", "one")});
    let set = json!({"metadata": {"name": "agent"}, "spec": spec});
    sets.create(&PostParams::default(), &serde_json::from_value(set)?)
        .await?;
    run(world, "agent", &[("a", "one"), ("b", "one")]).await?;
    let next = Patch::Merge(json!({"spec": {"template": template("agent", "two")}}));
    sets.patch("agent", &PatchParams::default(), &next).await?;
    run(world, "agent", &[("a", "two"), ("b", "two")]).await
}

async fn completes(world: &World, job: &str) -> anyhow::Result<()> {
    let jobs: Api<Job> = Api::namespaced(world.client.clone(), "required");
    eventually(SOON, &format!("{job} completes"), async || {
        let status = jobs.get(job).await?.status.unwrap_or_default();
        ensure!(status.completion_time.is_some(), "{status:?}");
        Ok(())
    })
    .await
}

async fn a_job_completes(world: &World) -> anyhow::Result<()> {
    world
        .plane
        .kubectl(&["create", "job", "once", "--image=none", "-n", "required"])
        .await?;
    completes(world, "once").await
}

async fn the_job_of_a_cron_job_completes(world: &World) -> anyhow::Result<()> {
    let jobs: Api<CronJob> = Api::namespaced(world.client.clone(), "required");
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}});
    let every_minute = json!({"metadata": {"name": "often"}, "spec": {"schedule": "* * * * *",
        "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"template": pod}}}});
    jobs.create(
        &PostParams::default(),
        &serde_json::from_value(every_minute)?,
    )
    .await?;
    // Its controller makes up for the minutes that it missed, and starts at once.
    let missed = world.clock.wall() - SignedDuration::from_mins(2);
    let missed = Patch::Merge(json!({"status": {"lastScheduleTime": missed}}));
    jobs.patch_status("often", &PatchParams::default(), &missed)
        .await?;
    eventually(SOON, "a job of its own completes", async || {
        let status = jobs.get("often").await?.status.unwrap_or_default();
        ensure!(status.last_successful_time.is_some(), "{status:?}");
        Ok(())
    })
    .await
}

async fn a_deployment_asks_for_each_of_its_pods(world: &World) -> anyhow::Result<()> {
    let deploy = [
        "create",
        "deployment",
        "web",
        "--image=none",
        "--replicas=4",
        "-n",
        "required",
    ];
    world.plane.kubectl(&deploy).await?;
    eventually(SOON, "four pods run", async || {
        let running = running(world, "web").await?;
        ensure!(running.len() == 4, "{running:?}");
        Ok(())
    })
    .await
}
