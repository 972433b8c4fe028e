//! The pods whose creation the log has, by UID and by name.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::audit::Event;
use crate::history::Span;
use crate::objects::{OURS, Pod};

/// Every pod.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    by_uid: BTreeMap<String, Known>,
    /// UIDs by namespace and name, in the order of the log.
    by_name: BTreeMap<(String, String), Vec<String>>,
    /// Since when a pod asks that may not have asked at first.
    late: BTreeMap<String, Timestamp>,
}

/// What is known of one pod.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// When it was created.
    pub(crate) created: Span,
    /// It asked for trust as it was first stored.
    pub(crate) asks: bool,
    /// Whoever created it named nothing of Trustpool's.
    pub(crate) plain: bool,
    uid: String,
}

/// Which pod a request was about: by UID, or whichever had the name at that time.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
}

impl Pods {
    /// Enters a pod that was created.
    pub(crate) fn enter(&mut self, pod: &Pod, event: &Event<'_>) -> anyhow::Result<()> {
        let uid = &pod.metadata.uid;
        let known = Known {
            created: event.span(),
            asks: pod.asks(),
            plain: !event.sent()?.contains(OURS),
            uid: uid.clone(),
        };
        self.by_uid.insert(uid.clone(), known);
        let namespace = event.object_ref.namespace.clone().into_owned();
        let name = (namespace, pod.metadata.name.clone());
        self.by_name.entry(name).or_default().push(uid.clone());
        Ok(())
    }

    /// Notes what a pod was after a write.
    pub(crate) fn note(&mut self, pod: &Pod, event: &Event<'_>) {
        if pod.asks() {
            let at = event.span().received;
            let uid = pod.metadata.uid.clone();
            let since = self.late.entry(uid).or_insert(at);
            *since = at.min(*since);
        }
    }

    /// The pods that a request at that time may have been about: one, unless it gave no UID and the name
    /// changed hands meanwhile. None if the log has no creation of such a pod.
    pub(crate) fn about(&self, subject: &Subject, at: Span) -> Vec<&Known> {
        if let Some(uid) = &subject.uid {
            return self.by_uid.get(uid).into_iter().collect();
        }
        let name = (subject.namespace.clone(), subject.name.clone());
        let uids = self.by_name.get(&name).into_iter().flatten();
        let pods = uids.filter_map(|uid| self.by_uid.get(uid));
        let mut pods: Vec<_> = pods
            .filter(|pod| pod.created.received <= at.answered)
            .collect();
        let before = pods.iter().map(|pod| pod.created.answered);
        let last = before.filter(|&created| created <= at.received).max();
        pods.retain(|pod| last.is_none_or(|last| pod.created.answered >= last));
        pods
    }

    /// Says whether a pod never asked for anything until the end of a span.
    pub(crate) fn is_plain(&self, pod: &Known, at: Span) -> bool {
        let late = self.late.get(&pod.uid);
        pod.plain && late.is_none_or(|&late| late > at.answered)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            name,
            uid,
        } = self;
        let uid = uid.as_deref().unwrap_or("not given");
        write!(f, "pod `{namespace}/{name}` (UID {uid})")
    }
}
