//! The kinds of samples.

use std::fmt;

use crate::{Extender, Scheduler};

use super::pods::Kind;

/// What is sampled once in each round.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Case {
    /// Pods that do not ask; nothing of Trustpool.
    PlainFloor,
    /// Pods that do not ask; all of Trustpool.
    Plain,
    /// Pods that ask; all of Trustpool, and kube-scheduler scores 2 % of the nodes.
    AskingSmall,
    /// Pods that ask; all of Trustpool.
    Asking,
    /// Pods that ask; nothing of Trustpool, and an extender that gives every node back.
    AskingFloor,
    /// Pods with the selector; nothing of Trustpool.
    BindFloor,
    /// Pods with the selector in a covered namespace; all of Trustpool but the extender.
    Bind,
}

/// The order of a round: each case is next to its floor, and what is installed changes seldom.
pub const ROUND: [Case; 7] = [
    Case::PlainFloor,
    Case::Plain,
    Case::AskingSmall,
    Case::Asking,
    Case::AskingFloor,
    Case::BindFloor,
    Case::Bind,
];

/// What is there of Trustpool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Installed {
    /// Nothing but its definitions, which nobody reads.
    Nothing,
    /// Policies, webhook, both roles.
    Gates,
    /// And the policies that route pods to the extender.
    GatesAndExtender,
}

/// How much of the nodes the small sample is, in percent.
const SMALL: u32 = 2;

impl Case {
    /// What there has to be of Trustpool.
    #[must_use]
    pub const fn installed(self) -> Installed {
        match self {
            Self::PlainFloor | Self::AskingFloor | Self::BindFloor => Installed::Nothing,
            Self::Plain | Self::AskingSmall | Self::Asking => Installed::GatesAndExtender,
            Self::Bind => Installed::Gates,
        }
    }

    /// Which pods.
    #[must_use]
    pub const fn pods(self) -> Kind {
        match self {
            Self::PlainFloor | Self::Plain => Kind::Plain,
            Self::AskingSmall | Self::Asking | Self::AskingFloor => Kind::Routed,
            Self::BindFloor | Self::Bind => Kind::Selecting,
        }
    }

    /// How kube-scheduler is configured, where Trustpool's extender and the prepared one have these
    /// prefixes.
    #[must_use]
    pub fn scheduler(self, ours: &str, prepared: &str) -> Scheduler {
        let scheduler = Scheduler::default();
        match self {
            Self::PlainFloor | Self::BindFloor | Self::Bind => scheduler,
            Self::Plain | Self::Asking => scheduler.extender(Extender::new(ours)),
            Self::AskingSmall => scheduler
                .extender(Extender::new(ours))
                .percentage_of_nodes_to_score(SMALL),
            Self::AskingFloor => scheduler.extender(Extender::new(prepared)),
        }
    }

    /// Whether Trustpool is to be asked about each pod: filter, bind.
    #[must_use]
    pub const fn is_asked(self) -> [bool; 2] {
        match self {
            Self::PlainFloor | Self::AskingFloor | Self::BindFloor | Self::Plain => [false; 2],
            Self::AskingSmall | Self::Asking => [true, false],
            Self::Bind => [false, true],
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainFloor => "pods that do not ask, no Trustpool",
            Self::Plain => "pods that do not ask",
            Self::AskingSmall => "pods that ask, 2 % of the nodes scored",
            Self::Asking => "pods that ask",
            Self::AskingFloor => "pods that ask, prepared answers",
            Self::BindFloor => "pods with the selector alone",
            Self::Bind => "pods with the selector, and the bind gate",
        })
    }
}
