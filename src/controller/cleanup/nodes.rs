//! What is taken off Nodes, and what is put back.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::Value;
use tracing::{info, warn};

use crate::call::call;
use crate::controller::marker::patch;
use crate::store::PartialNode;
use crate::store::node::Tracked;

use super::marks::{Cleaned, Done, Taken, change, no_condition};
use super::needs::Needs;
use super::pages::Pages;
use super::{Error, failed, gone};

/// How many Nodes are cleaned at a time.
const CONCURRENCY: usize = 16;

/// How often a Node is read anew when others write it.
const CONFLICTS: u32 = 8;

/// Who cleans Nodes.
#[derive(Debug)]
pub struct Cleaner {
    /// Nodes.
    pub nodes: Api<PartialNode>,
    /// Pods of every namespace.
    pub pods: Api<Pod>,
    /// Whether labels go where pods need them, too.
    pub every_label: bool,
}

impl Cleaner {
    /// Cleans every Node, and returns how many of them keep a label.
    ///
    /// # Errors
    ///
    /// The API server refuses something: the rest is as it was.
    pub async fn clean(&self) -> Result<usize, Error> {
        let mut done = Done::default();
        let cleaned = self.take_off(&mut done).await;
        // What was taken is looked at again whatever came after it: nobody else would remember.
        let back = self.put_back(&done.taken).await;
        cleaned?;
        Ok(done.kept + back?)
    }

    /// Takes off what is to go, page by page; a page comes to its end even if a Node of it cannot be cleaned.
    async fn take_off(&self, done: &mut Done) -> Result<(), Error> {
        let mut pages = Pages::new(ListParams::default());
        while let Some(page) = pages.next(&self.nodes, "list Nodes").await? {
            let nodes = stream::iter(page).map(|node| self.clean_one(Tracked::from(node)));
            let cleaned: Vec<_> = nodes.buffer_unordered(CONCURRENCY).collect().await;
            let mut first = Ok(());
            for one in cleaned {
                match one {
                    Ok(one) => done.note(one),
                    Err(error) => first = first.and(Err(error)),
                }
            }
            first?;
            info!(
                nodes = done.nodes,
                labelled = done.kept,
                "Nodes are clean so far"
            );
        }
        Ok(())
    }

    async fn clean_one(&self, mut node: Tracked) -> Result<Cleaned, Error> {
        let name = node.node.name.to_string();
        let keep = self.needs(&node).await?;
        let mut cleaned = Cleaned::new(&name, &node, keep);
        let failed = failed(format!("clean Node `{name}`"));
        let params = PatchParams::default();
        for _ in 0..CONFLICTS {
            let change = change(&node, keep);
            if change.is_empty() {
                break;
            }
            let patch = Patch::Merge(patch::marks(&change, &node));
            match call(self.nodes.patch(&name, &params, &patch)).await {
                Err(error) if error.is_missing() => return Ok(cleaned),
                Err(error) if !error.is_conflict() => return Err(failed(error)),
                Err(_) => {}
                Ok(_) => cleaned.take(&node, &change),
            }
            let fresh = call(self.nodes.get(&name)).await.map_err(&failed)?;
            node = Tracked::from(fresh);
        }
        if node.node.carried.condition.is_some() {
            let patch = Patch::Strategic(no_condition());
            let written = call(self.nodes.patch_status(&name, &params, &patch)).await;
            written.map(drop).or_else(gone).map_err(&failed)?;
        }
        Ok(cleaned)
    }

    /// Which of its labels the pods on a Node need, as it is right before they are taken off.
    async fn needs(&self, node: &Tracked) -> Result<Needs, Error> {
        let carried = &node.node.carried;
        if self.every_label || carried.trust.is_none() && carried.pool.is_none() {
            return Ok(Needs::default());
        }
        let here = ListParams::default().fields(&format!("spec.nodeName={}", node.node.name));
        let mut needs = Needs::default();
        let mut pages = Pages::new(here);
        while let Some(page) = pages.next(&self.pods, "list pods of a Node").await? {
            let nodes = Needs::of_nodes(&page);
            needs = nodes.into_values().fold(needs, Needs::and);
        }
        Ok(needs)
    }

    /// Gives labels back to Nodes on which by now a pod runs that needs them: it was bound by somebody who had not
    /// seen yet that they went. Returns how many Nodes that are.
    async fn put_back(&self, taken: &BTreeMap<String, Taken>) -> Result<usize, Error> {
        if taken.is_empty() || self.every_label {
            return Ok(0);
        }
        let mut back = BTreeMap::new();
        let mut pages = Pages::new(ListParams::default());
        while let Some(page) = pages.next(&self.pods, "list pods").await? {
            for (node, needs) in Needs::of_nodes(&page) {
                let known: &mut Needs = back.entry(node).or_default();
                *known = known.and(needs);
            }
        }
        let mut count = 0;
        for (name, needs) in back {
            if let Some(patch) = taken.get(&name).and_then(|taken| taken.back(needs)) {
                self.give(&name, &patch).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    async fn give(&self, node: &str, patch: &Value) -> Result<(), Error> {
        let patch = Patch::Merge(patch);
        let given = call(self.nodes.patch(node, &PatchParams::default(), &patch)).await;
        match given {
            // Another Node of that name has no such pod.
            Err(error) if error.is_of_another() => Ok(()),
            Err(error) => Err(failed(format!("give Node `{node}` its labels back"))(error)),
            Ok(_) => {
                warn!(
                    node,
                    "a pod came that selects labels of this Node: they are back"
                );
                Ok(())
            }
        }
    }
}
