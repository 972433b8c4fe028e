//! A rule that the API server checks in CEL and our own conversions check again: the rules in a
//! cluster may be older than this program, or gone.

use std::fmt::Display;

use super::Invalid;

/// What must hold, in CEL, and what a person reads who breaks it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    cel: &'static str,
    why: &'static str,
}

impl Rule {
    /// The rule that `cel` must be true, and `why` what to do if it is not.
    pub(super) const fn new(cel: &'static str, why: &'static str) -> Self {
        Self { cel, why }
    }

    /// Says that `field`, which holds `value`, breaks the rule.
    pub(super) fn broken(self, field: &str, value: impl Display) -> Invalid {
        Invalid::new(field, value, self.why)
    }

    /// Says so unless the rule `holds`.
    pub(super) fn check(
        self,
        holds: bool,
        field: &str,
        value: impl Display,
    ) -> Result<(), Invalid> {
        if holds {
            Ok(())
        } else {
            Err(self.broken(field, value))
        }
    }
}

impl From<Rule> for kube::core::Rule {
    fn from(rule: Rule) -> Self {
        Self::from((rule.cel, rule.why))
    }
}
