//! What a Node should carry of ours, and how that differs from what it carries.

use super::breaker::Breaker;
use super::pool::{OnExpiry, Pool, Taint};
use super::{Carried, Reason, Record, Verdict};

/// The label value that opens a node to pods that ask.
const TRUSTED: &str = "trusted";

/// What to write on a Node. `None` leaves a thing as it is; `Some(None)` takes it off.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Change {
    /// The trust label.
    pub trust: Option<Option<Verdict>>,
    /// The pool label.
    pub pool: Option<Option<String>>,
    /// The taint's value.
    pub taint: Option<Option<Verdict>>,
    /// Take off the taint of a new node.
    pub lift: bool,
}

impl Change {
    /// Says whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Says whether the change takes trust from the node: such changes are written first.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        let gains = self.trust == Some(Some(Verdict::Trusted));
        !gains && (self.trust.is_some() || matches!(self.taint, Some(Some(_))))
    }

    /// Says whether the change takes the label away that opens a node which has the label `carried`.
    #[must_use]
    pub fn sheds(&self, carried: Option<&str>) -> bool {
        let trusted = carried == Some(TRUSTED);
        trusted && self.trust.is_some_and(|to| to != Some(Verdict::Trusted))
    }
}

/// How `carried` must change for a node with `record`, in `pool`, as far as `breaker` allows.
///
/// A node that was never asked about carries nothing. A node outside every pool keeps its marks only
/// if there is evidence against it.
#[must_use]
pub fn change(record: &Record, pool: Option<&Pool>, breaker: Breaker, carried: &Carried) -> Change {
    let label = label(record, pool, breaker, carried);
    let wanted_pool = label
        .and(record.pool.as_ref())
        .map(|pool| pool.as_str().to_owned());
    let taint = taint(record, pool, breaker, carried);
    Change {
        trust: differs(label.map(Verdict::as_str), carried.trust.as_deref()).then_some(label),
        pool: differs(wanted_pool.as_deref(), carried.pool.as_deref()).then_some(wanted_pool),
        taint: differs(taint.map(Verdict::as_str), carried.taint.as_deref()).then_some(taint),
        lift: carried.unattested && is_lifted(record, pool, taint),
    }
}

/// The status and reason of the condition that a node with `record` should carry; `None` if it
/// should not be touched.
#[must_use]
pub fn condition(record: &Record, carried: &Carried) -> Option<(&'static str, Reason)> {
    if is_blank(record) && carried.condition.is_none() {
        return None;
    }
    let status = match record.verdict {
        Verdict::Trusted => "True",
        Verdict::Unknown => "Unknown",
        Verdict::Untrusted => "False",
    };
    Some((status, record.reason))
}

/// Says whether nothing is to be said about the node: never asked about, or in no pool.
fn is_blank(record: &Record) -> bool {
    record.verdict == Verdict::Unknown
        && match record.reason {
            Reason::NotInPool => true,
            Reason::NeverAttested => record.last_attempt.is_none(),
            _ => false,
        }
}

fn label(
    record: &Record,
    pool: Option<&Pool>,
    breaker: Breaker,
    carried: &Carried,
) -> Option<Verdict> {
    let shows_trust = carried.trust.as_deref() == Some(TRUSTED);
    let keeps = shows_trust && keeps_trust_label(record, pool, breaker);
    if keeps {
        return Some(Verdict::Trusted);
    }
    (!is_blank(record)).then_some(record.verdict)
}

/// An expiry is the service's fault and takes no label by default; behind an open breaker nothing
/// but evidence does.
fn keeps_trust_label(record: &Record, pool: Option<&Pool>, breaker: Breaker) -> bool {
    let Some(pool) = pool else { return false };
    record.verdict == Verdict::Unknown
        && (breaker == Breaker::Open
            || (record.reason == Reason::Expired && pool.on_expiry == OnExpiry::Keep))
}

fn taint(
    record: &Record,
    pool: Option<&Pool>,
    breaker: Breaker,
    carried: &Carried,
) -> Option<Verdict> {
    let has_taint = carried.taint.is_some();
    let Some(pool) = pool else {
        // Distrust outlives the pool, and so does the taint it earned.
        return (has_taint && record.verdict == Verdict::Untrusted).then_some(Verdict::Untrusted);
    };
    let wanted = match record.verdict {
        Verdict::Trusted => Taint::None,
        Verdict::Unknown if is_blank(record) => Taint::None,
        Verdict::Unknown => pool.taint_unknown,
        Verdict::Untrusted => pool.taint_untrusted,
    };
    let allowed = has_taint || (breaker == Breaker::Closed && !pool.dry_run);
    (wanted == Taint::NoSchedule && allowed).then_some(record.verdict)
}

/// Says whether a node is not to be tainted as new any more: nobody wants that, or it has a verdict, and with an
/// untrusted one the taint that its pool wants for it; `taint` is what it is to have.
fn is_lifted(record: &Record, pool: Option<&Pool>, taint: Option<Verdict>) -> bool {
    let Some(pool) = pool.filter(|pool| pool.startup_taint && !pool.dry_run) else {
        return true;
    };
    match record.verdict {
        Verdict::Trusted => true,
        Verdict::Unknown => false,
        Verdict::Untrusted => pool.taint_untrusted == Taint::None || taint.is_some(),
    }
}

fn differs(wanted: Option<&str>, carried: Option<&str>) -> bool {
    wanted != carried
}

#[cfg(test)]
mod tests;
