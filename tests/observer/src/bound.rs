//! Invariant 1: in a strict namespace, a pod that asks is bound on an answer that counts.
//!
//! The bind gate decides between a Binding's arrival and its answer. So an answer of the service must
//! have been there when the Binding was answered, and by its arrival it must not have been too old, nor
//! followed by evidence against the host that was two seconds old.

use std::fmt;

use jiff::SignedDuration;

use crate::Run;
use crate::evidence::Answer;
use crate::facts::SLACK;
use crate::history::{Interval, Span};
use crate::places::Incarnation;
use crate::record::Bound;
use crate::report::{Invariant, Report};

/// Judges every accepted Binding.
pub(crate) fn judge(run: &Run<'_>, report: &mut Report) {
    let accepted = |bound: &&Bound| bound.refusal.is_none();
    for bound in run.record.bindings.iter().filter(accepted) {
        let span = bound.write.span;
        if !run.namespaces.is_strict(&bound.pod.namespace, span) {
            continue;
        }
        match asks(bound, run) {
            None => report.counts.strays += 1,
            Some(false) => {}
            Some(true) => {
                report.counts.binds += 1;
                if let Err(why) = right(bound, run) {
                    report.breach(Invariant::Bound, span.received, sentence(bound, &why));
                }
            }
        }
    }
}

/// Says whether the pod asked, of itself or by its namespace; none if nobody knows.
fn asks(bound: &Bound, run: &Run<'_>) -> Option<bool> {
    let span = bound.write.span;
    if run.namespaces.asks(&bound.pod.namespace, span) {
        return Some(true);
    }
    let pods = run.record.pods.about(&bound.pod, span);
    (!pods.is_empty()).then(|| pods.iter().all(|pod| pod.asks))
}

/// Looks for the answer that made it right; else says, for everything that the node may have been,
/// what was missing.
fn right(bound: &Bound, run: &Run<'_>) -> Result<(), String> {
    let places = run
        .places
        .of(&bound.node, bound.write.span, &run.facts.gate_gaps);
    let mut missing = Vec::new();
    for place in places {
        match answered(place, bound.write.span, run) {
            Ok(()) => return Ok(()),
            Err(why) => missing.push(format!("as {} since {}, {why}", place.value, place.from)),
        }
    }
    if missing.is_empty() {
        missing.push("there was no such node, or it reported no boot ID".to_owned());
    }
    Err(missing.join("; "))
}

/// Looks for an answer about one incarnation; else says what was wrong with the last one.
fn answered(place: &Interval<Incarnation>, at: Span, run: &Run<'_>) -> Result<(), String> {
    let answers = run.evidence.about(&place.value.host);
    let trusted = answers.iter().filter(|answer| answer.trusted);
    let mut last = None;
    for answer in trusted
        .rev()
        .filter(|answer| answer.answered <= at.answered)
    {
        match flaw(answer, answers, place, at, run) {
            None => return Ok(()),
            Some(flaw) => last = last.or(Some((answer, flaw))),
        }
    }
    Err(last.map_or_else(
        || "no question had been answered `trusted`".to_owned(),
        |(answer, flaw)| format!("the last {answer} {flaw}"),
    ))
}

/// Why an answer does not count.
enum Flaw<'a> {
    /// Its question was older than the incarnation.
    Foreign,
    /// A later one says otherwise.
    Revoked(&'a Answer),
    /// It is older than answers may be, by the clock that ran faster.
    Stale(SignedDuration),
}

impl fmt::Display for Flaw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("was asked for before that"),
            Self::Revoked(by) => write!(f, "was revoked by the {by}"),
            Self::Stale(age) => write!(f, "was {:.3} s old", age.as_secs_f64()),
        }
    }
}

/// Says why an answer `trusted` does not count for an incarnation at a time, if so.
fn flaw<'a>(
    answer: &Answer,
    answers: &'a [Answer],
    place: &Interval<Incarnation>,
    at: Span,
    run: &Run<'_>,
) -> Option<Flaw<'a>> {
    let unheard = run.facts.gate_gaps.unheard_since(at.received);
    let may_be_lost = |other: &Answer| run.facts.controller_gaps.may_have_lost(other.answered);
    let revokes = |other: &&Answer| {
        let later = !other.trusted && other.asked > answer.asked;
        later && other.answered < unheard && !may_be_lost(other)
    };
    let age = age(answer, at, run);
    if answer.asked < place.from {
        Some(Flaw::Foreign)
    } else if age > run.facts.validity + SLACK {
        Some(Flaw::Stale(age))
    } else {
        answers.iter().find(revokes).map(Flaw::Revoked)
    }
}

/// How old an answer was when a request came in, at the least: from question to request on the
/// clocks of those who asked and decided; but a clock that was set back lengthens nothing, so at least from answer to request in real
/// time.
fn age(answer: &Answer, at: Span, run: &Run<'_>) -> SignedDuration {
    let shown = run.facts.gate_clock.earliest(at.received);
    let simulated = shown.duration_since(answer.asked_simulated);
    simulated.max(at.received.duration_since(answer.answered))
}

/// The whole of it, for a person.
fn sentence(bound: &Bound, why: &str) -> String {
    let (pod, node) = (&bound.pod, &bound.node);
    format!(
        "{pod}, which asks, was bound to node `{node}` by {}: {why}",
        bound.write
    )
}
