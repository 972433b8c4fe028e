//! What the observer found.

use std::fmt;

use jiff::Timestamp;

/// What must hold, always. The numbers are those of the design.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Invariant {
    /// A pod that asks is bound on an answer that counts.
    Bound = 1,
    /// Only an answer grants.
    Granted = 2,
    /// Who does not ask is left alone.
    Untouched = 3,
    /// A kubelet grants nothing.
    Kubelet = 5,
}

/// Something that must never have happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// What did not hold.
    pub invariant: Invariant,
    /// When the request came in that broke it: real time, by the API server.
    pub at: Timestamp,
    /// Who did what to what, which audit event it is, and what was missing.
    pub what: String,
}

/// How much was judged. A run in which nothing was proves nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Accepted bindings of pods that ask, in strict namespaces (invariant 1).
    pub binds: usize,
    /// Accepted bindings in strict namespaces of pods whose creation the log does not have. Nobody knows
    /// whether they asked.
    pub strays: usize,
    /// Times that Trustpool turned a label or a verdict to `trusted` (invariant 2).
    pub grants: usize,
    /// Creations of pods that do not ask, outside covered namespaces (invariant 3).
    pub plain_pods: usize,
    /// Bindings of such pods (invariant 3).
    pub plain_binds: usize,
    /// Writes by kubelets to Nodes and NodeTrusts that succeeded (invariant 5).
    pub kubelet_writes: usize,
}

/// What came of an observation.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// What must never have happened, oldest first. Empty if all is well.
    pub violations: Vec<Violation>,
    /// How much was judged.
    pub counts: Counts,
}

impl Report {
    /// Enters something that must never have happened.
    pub(crate) fn breach(&mut self, invariant: Invariant, at: Timestamp, what: String) {
        self.violations.push(Violation {
            invariant,
            at,
            what,
        });
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bound => "invariant 1 (bound)",
            Self::Granted => "invariant 2 (only an answer grants)",
            Self::Untouched => "invariant 3 (others untouched)",
            Self::Kubelet => "invariant 5 (a kubelet grants nothing)",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            invariant,
            at,
            what,
        } = self;
        write!(f, "{at}: {invariant}: {what}")
    }
}

impl fmt::Display for Report {
    /// Every violation on a line of its own, then what was judged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        write!(f, "{:?}", self.counts)
    }
}
