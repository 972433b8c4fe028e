//! Invariant 3: outside covered namespaces, whoever does not ask is left alone. Nobody refuses his pods
//! or Bindings in Trustpool's name, puts anything of Trustpool's into his pods, or lets Trustpool write,
//! delete or evict them.

use crate::Run;
use crate::history::Span;
use crate::pods::Subject;
use crate::record::{Bound, Creation, Touch};
use crate::report::{Invariant, Report};

/// Judges every creation, Binding and touch.
pub(crate) fn judge(run: &Run<'_>, report: &mut Report) {
    for creation in &run.record.creations {
        created(creation, run, report);
    }
    for bound in &run.record.bindings {
        bound_to(bound, run, report);
    }
    for touch in &run.record.touches {
        touched(touch, run, report);
    }
}

/// A pod that names nothing of ours is stored as it is.
fn created(creation: &Creation, run: &Run<'_>, report: &mut Report) {
    let Creation { pod, write, .. } = creation;
    if run.namespaces.may_be_covered(&pod.namespace, write.span) {
        return;
    }
    report.counts.plain_pods += 1;
    let what = match &creation.refusal {
        Some(refusal) => format!("was refused to {write}: {refusal}"),
        None if creation.marked => format!("created by {write}, was stored with something of ours"),
        None => return,
    };
    let what = format!("{pod}, which does not ask, {what}");
    report.breach(Invariant::Untouched, write.span.received, what);
}

/// Such a pod may be bound wherever somebody wants it.
fn bound_to(bound: &Bound, run: &Run<'_>, report: &mut Report) {
    let Bound { pod, write, .. } = bound;
    if !is_plain(pod, write.span, run) {
        return;
    }
    report.counts.plain_binds += 1;
    if let Some(refusal) = &bound.refusal {
        let node = &bound.node;
        let what = format!(
            "{pod}, which does not ask, was kept from node `{node}` when {write} bound it: {refusal}"
        );
        report.breach(Invariant::Untouched, write.span.received, what);
    }
}

/// Such a pod is nothing to Trustpool.
fn touched(touch: &Touch, run: &Run<'_>, report: &mut Report) {
    let Touch { pod, write, deed } = touch;
    if is_plain(pod, write.span, run) {
        let what = format!("{pod}, which does not ask, was touched by {write}: {deed}");
        report.breach(Invariant::Untouched, write.span.received, what);
    }
}

/// Says whether a pod is known, does not ask, and is in no namespace where that matters.
fn is_plain(pod: &Subject, at: Span, run: &Run<'_>) -> bool {
    let pods = run.record.pods.about(pod, at);
    !pods.is_empty()
        && pods.iter().all(|known| run.record.pods.is_plain(known, at))
        && !run.namespaces.may_be_covered(&pod.namespace, at)
}
