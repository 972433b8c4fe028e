//! Invariant 5: a kubelet grants nothing. Whatever it writes leaves the labels of its Node and the
//! taints on it, as far as they are Trustpool's, as they were; and it writes no `NodeTrust`.
//!
//! A taint may be added: a kubelet that registers brings those it was told to. What was there stays.

use crate::Run;
use crate::history::Change;
use crate::objects::Node;
use crate::record::is_kubelet;
use crate::report::{Invariant, Report};

/// Judges every write by a kubelet.
pub(crate) fn judge(run: &Run<'_>, report: &mut Report) {
    for intrusion in &run.record.intrusions {
        report.counts.kubelet_writes += 1;
        let (trust, write) = (&intrusion.trust, &intrusion.write);
        let what = format!(
            "NodeTrust `{trust}` was written by {write}: {}",
            intrusion.deed
        );
        report.breach(Invariant::Kubelet, write.span.received, what);
    }
    for name in run.record.nodes.names() {
        for change in run.record.nodes.changes(name) {
            written(name, &change, report);
        }
    }
}

/// Judges one write of a Node.
fn written(name: &str, change: &Change<'_, Node>, report: &mut Report) {
    let write = change.write;
    let by_kubelet = write.users.iter().all(|user| is_kubelet(user));
    let Some(after) = change.after.filter(|_| by_kubelet) else {
        return;
    };
    report.counts.kubelet_writes += 1;
    if let Some(what) = difference(change.before, after, write.creates) {
        let what = format!("node `{name}` was written by {write}: {what}");
        report.breach(Invariant::Kubelet, write.span.received, what);
    }
}

/// What a write changed that it must not; nothing, if nobody knows what was there before.
fn difference(before: Option<&Node>, after: &Node, created: bool) -> Option<String> {
    let before = before.filter(|before| before.machine.uid == after.machine.uid);
    let Some(before) = before else {
        let brought = created && !after.labels.is_empty();
        return brought.then(|| format!("it brought the labels {:?}", after.labels));
    };
    if before.labels != after.labels {
        let (before, after) = (&before.labels, &after.labels);
        return Some(format!("the labels were {before:?} and became {after:?}"));
    }
    let gone = |taint: &&[String; 3]| !after.taints.contains(taint);
    let gone = before.taints.iter().find(gone)?;
    Some(format!("the taint {gone:?} is gone"))
}
