//! What the API server was asked to write: the part of the audit log that the judgement needs.

use std::io::BufRead;

use anyhow::Context as _;

use crate::Facts;
use crate::audit::Event;
use crate::history::{Histories, Write};
use crate::objects::{Any, Binding, Namespace, Node, OURS, Pod, Trust};
use crate::pods::{Pods, Subject};

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) bindings: Vec<Bound>,
    pub(crate) creations: Vec<Creation>,
    pub(crate) intrusions: Vec<Intrusion>,
    pub(crate) namespaces: Histories<Namespace>,
    pub(crate) nodes: Histories<Node>,
    pub(crate) pods: Pods,
    pub(crate) touches: Vec<Touch>,
    pub(crate) trusts: Histories<Trust>,
}

/// A pod was to be bound to a node: by a Binding, or by a creation that named the node.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) pod: Subject,
    pub(crate) node: String,
    pub(crate) write: Write,
    /// What the client was told if it was refused.
    pub(crate) refusal: Option<String>,
}

/// A pod was to be created that names nothing of Trustpool's.
#[derive(Debug)]
pub(crate) struct Creation {
    pub(crate) pod: Subject,
    pub(crate) write: Write,
    /// What the client was told if it was refused.
    pub(crate) refusal: Option<String>,
    /// Something of Trustpool's is in the stored pod.
    pub(crate) marked: bool,
}

/// Trustpool wrote, deleted or evicted a pod.
#[derive(Debug)]
pub(crate) struct Touch {
    pub(crate) pod: Subject,
    pub(crate) write: Write,
    /// Such as `create pods/eviction`.
    pub(crate) deed: String,
}

/// A kubelet wrote a `NodeTrust`.
#[derive(Debug)]
pub(crate) struct Intrusion {
    pub(crate) trust: String,
    pub(crate) write: Write,
    /// Such as `patch nodetrusts/status`.
    pub(crate) deed: String,
}

impl Record {
    /// Reads a log line by line.
    pub(crate) fn read(mut log: impl BufRead, facts: &Facts) -> anyhow::Result<Self> {
        let mut record = Self::default();
        let mut line = Vec::new();
        for number in 1_u64.. {
            line.clear();
            log.read_until(b'\n', &mut line)
                .context("failed to read the audit log")?;
            if line.pop() != Some(b'\n') {
                break;
            }
            let entered = Event::read(&line).and_then(|event| record.enter(&event, facts));
            entered.with_context(|| format!("line {number} of the audit log"))?;
        }
        Ok(record)
    }

    /// Enters an event.
    fn enter(&mut self, event: &Event<'_>, facts: &Facts) -> anyhow::Result<()> {
        if !event.is_write() {
            return Ok(());
        }
        let object = &event.object_ref;
        match (object.resource.as_ref(), object.subresource.as_ref()) {
            ("nodes", "" | "status") if event.succeeded() => self.nodes.enter(event),
            ("namespaces", "" | "status") if event.succeeded() => self.namespaces.enter(event),
            ("nodetrusts", "" | "status") if event.succeeded() => self.trust(event),
            ("pods", "binding") | ("bindings", "") => self.binding(event),
            ("pods", _) => self.pod(event, facts),
            _ => Ok(()),
        }
    }

    fn trust(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        if is_kubelet(event.user()) {
            self.intrusions.push(Intrusion {
                trust: event.object_ref.name.clone().into_owned(),
                write: event.write(),
                deed: deed(event),
            });
        }
        self.trusts.enter(event)
    }

    fn binding(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        if event.verb != "create" || is_dull(event) {
            return Ok(());
        }
        let binding: Binding = event.request()?;
        let uid = binding.metadata.uid;
        let mut pod = subject(event, (!uid.is_empty()).then_some(uid));
        if pod.name.is_empty() {
            pod.name = binding.metadata.name;
        }
        self.bindings.push(Bound {
            pod,
            node: binding.target.name,
            write: event.write(),
            refusal: refusal(event),
        });
        Ok(())
    }

    fn pod(&mut self, event: &Event<'_>, facts: &Facts) -> anyhow::Result<()> {
        if event.creates() {
            return self.creation(event);
        }
        if !event.succeeded() {
            return Ok(());
        }
        if matches!(event.verb.as_ref(), "patch" | "update")
            && matches!(event.object_ref.subresource.as_ref(), "" | "status")
        {
            self.pods.note(&event.response()?, event);
        }
        if facts.accounts.contains(event.user()) {
            self.touch(event)?;
        }
        Ok(())
    }

    fn creation(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        if is_dull(event) {
            return Ok(());
        }
        let mut pod = subject(event, None);
        if event.succeeded() {
            let stored: Pod = event.response()?;
            pod.name.clone_from(&stored.metadata.name);
            pod.uid = Some(stored.metadata.uid.clone());
            self.pods.enter(&stored, event)?;
            self.placed(&stored, &pod, event);
        }
        if event.sent()?.contains(OURS) {
            return Ok(());
        }
        self.creations.push(Creation {
            pod,
            write: event.write(),
            refusal: refusal(event),
            marked: event.succeeded() && event.answer()?.contains(OURS),
        });
        Ok(())
    }

    /// A pod that was created on a node has been bound there, by whoever created it.
    fn placed(&mut self, stored: &Pod, pod: &Subject, event: &Event<'_>) {
        if !stored.spec.node_name.is_empty() && !stored.is_mirror() {
            self.bindings.push(Bound {
                pod: pod.clone(),
                node: stored.spec.node_name.clone(),
                write: event.write(),
                refusal: None,
            });
        }
    }

    fn touch(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        let mut pods = vec![subject(event, None)];
        if event.verb == "deletecollection" {
            let deleted: Any = event.response()?;
            let items = deleted.items.into_iter();
            let each = items.map(|item| Subject {
                name: item.metadata.name,
                ..subject(event, Some(item.metadata.uid))
            });
            pods = each.collect();
        }
        self.touches.extend(pods.into_iter().map(|pod| Touch {
            pod,
            write: event.write(),
            deed: deed(event),
        }));
        Ok(())
    }
}

/// Says whether a user is a kubelet.
pub(crate) fn is_kubelet(user: &str) -> bool {
    user.starts_with("system:node:")
}

/// The pod that a request was about.
fn subject(event: &Event<'_>, uid: Option<String>) -> Subject {
    Subject {
        namespace: event.object_ref.namespace.clone().into_owned(),
        name: event.object_ref.name.clone().into_owned(),
        uid,
    }
}

/// What was asked, in words.
fn deed(event: &Event<'_>) -> String {
    let (verb, object) = (&event.verb, &event.object_ref);
    match object.subresource.as_ref() {
        "" => format!("{verb} {}", object.resource),
        part => format!("{verb} {}/{part}", object.resource),
    }
}

/// Says whether a request failed without Trustpool's doing, or before its object was read.
fn is_dull(event: &Event<'_>) -> bool {
    !event.succeeded() && (refusal(event).is_none() || event.sent().is_err())
}

/// What the client was told, if Trustpool had a part in the refusal: the message names it, and not only
/// because the pod, its namespace or the user is named after it.
fn refusal(event: &Event<'_>) -> Option<String> {
    let message = event.response_status.message.as_ref();
    let object = &event.object_ref;
    let names = [
        object.namespace.as_ref(),
        object.name.as_ref(),
        event.user(),
    ];
    let names = names.into_iter().filter(|name| name.contains("trustpool"));
    let bare = names.fold(message.to_lowercase(), |text, name| text.replace(name, ""));
    (!event.succeeded() && bare.contains("trustpool")).then(|| message.to_owned())
}
