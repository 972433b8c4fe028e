//! Tenants: they create pods that ask and pods that do not, and bind them by hand to whatever they like.

use std::collections::VecDeque;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use trustpool::api::keys;
use trustpool_harness::World;

use super::step::{Scheduler, Way};
use crate::policy::user;

/// The scheduler without an extender.
pub const SECOND: &str = "second";

/// How many pods there are at a time.
const MOST: usize = 40;

/// A tenant with his pods. What he is refused is no matter here: the observer reads it in the log.
pub struct Tenant {
    client: Client,
    admin: Client,
    /// Namespace and name, oldest first.
    pods: VecDeque<(&'static str, String)>,
    created: usize,
    /// Requests that nobody waits for.
    open: JoinSet<()>,
}

impl Tenant {
    /// One who may do what a tenant needs, and create Bindings.
    pub async fn new(world: &World) -> anyhow::Result<Self> {
        let resources = "pods,pods/binding,bindings";
        let tenant = user(&world.plane, "tenant", "create,get", resources).await?;
        Ok(Self {
            client: tenant.client().await?,
            admin: world.client.clone(),
            pods: VecDeque::new(),
            created: 0,
            open: JoinSet::new(),
        })
    }

    /// Creates a pod.
    pub fn pod(&mut self, space: &'static str, asks: bool, scheduler: Scheduler) {
        let pod = self.next(space, asks, scheduler);
        let pods = self.pods_in(space);
        self.open.spawn(async move {
            drop(pods.create(&PostParams::default(), &pod).await);
        });
    }

    /// Creates a pod and binds it.
    pub fn hand_bind(&mut self, space: &'static str, asks: bool, node: &'static str, way: Way) {
        let pod = self.next(space, asks, Scheduler::Nobody);
        let (pods, client) = (self.pods_in(space), self.client.clone());
        self.open.spawn(async move {
            if let Ok(pod) = pods.create(&PostParams::default(), &pod).await {
                drop(bind(&client, space, &pod, node, way).await);
            }
        });
    }

    /// Binds a pod that there is already: so many before the last.
    pub fn rebind(&mut self, back: usize, node: &'static str) {
        let Some((space, name)) = self.pods.iter().rev().nth(back).cloned() else {
            return;
        };
        let (pods, client) = (self.pods_in(space), self.client.clone());
        self.open.spawn(async move {
            if let Ok(pod) = pods.get(&name).await {
                drop(bind(&client, space, &pod, node, Way::Pod).await);
            }
        });
    }

    /// The name of the pod that was created last.
    pub fn last(&self) -> Option<&(&'static str, String)> {
        self.pods.back()
    }

    /// Waits for every request.
    pub async fn settle(&mut self) {
        while self.open.join_next().await.is_some() {}
    }

    fn pods_in(&self, space: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), space)
    }

    /// A pod to be; one too many makes room.
    fn next(&mut self, space: &'static str, asks: bool, scheduler: Scheduler) -> Arc<Pod> {
        while self.open.try_join_next().is_some() {}
        self.created += 1;
        let name = format!("pod-{}", self.created);
        let pod = pod(&name, asks, scheduler);
        self.pods.push_back((space, name));
        if self.pods.len() > MOST
            && let Some((space, name)) = self.pods.pop_front()
        {
            let pods: Api<Pod> = Api::namespaced(self.admin.clone(), space);
            self.open.spawn(async move {
                drop(
                    pods.delete(&name, &DeleteParams::default().grace_period(0))
                        .await,
                );
            });
        }
        Arc::new(serde_json::from_value(pod).unwrap())
    }
}

fn pod(name: &str, asks: bool, scheduler: Scheduler) -> Value {
    let scheduler = match scheduler {
        Scheduler::Default => "default-scheduler",
        Scheduler::Nobody => "nobody",
        Scheduler::Second => SECOND,
    };
    let annotations = if asks {
        json!({keys::REQUIRE: "trusted"})
    } else {
        json!({})
    };
    json!({
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "schedulerName": scheduler,
            "containers": [{"name": "main", "image": "none"}],
        },
    })
}

async fn bind(client: &Client, space: &str, pod: &Pod, node: &str, way: Way) -> kube::Result<()> {
    let name = pod.name_any();
    let uid = (way != Way::PodWithoutUid).then(|| pod.uid()).flatten();
    let path = match way {
        Way::Pod | Way::PodWithoutUid => format!("pods/{name}/binding"),
        Way::Bindings => "bindings".to_owned(),
    };
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding",
        "metadata": {"name": name, "namespace": space, "uid": uid},
        "target": {"kind": "Node", "name": node},
    });
    let request = http::Request::post(format!("/api/v1/namespaces/{space}/{path}"))
        .header("content-type", "application/json")
        .body(binding.to_string().into_bytes())
        .unwrap();
    client.request_text(request).await.map(drop)
}
