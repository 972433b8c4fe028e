//! What may happen in a walk.

use jiff::SignedDuration;

/// What the labels of a namespace say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// `require: audit`.
    Audit,
    /// `gate: open`.
    Open,
    /// `require: trusted`, and the pool.
    Pinned,
    /// Nothing.
    Plain,
    /// `require: trusted`.
    Required,
    /// `require: trusted`, `gate: open`.
    RequiredOpen,
    /// `gate: strict`.
    Strict,
}

/// A role of Trustpool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    Controller,
    Gate,
}

/// Where a role runs during a leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// In this process: its clock can be moved.
    Here,
    /// As one of its own: it can be killed and frozen.
    Process,
}

/// Who looks for a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheduler {
    /// kube-scheduler with the extender.
    Default,
    /// Nobody: a tenant binds it by hand, if anybody does.
    Nobody,
    /// kube-scheduler as it comes.
    Second,
}

/// How a Binding is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// To `pods/NAME/binding`.
    Pod,
    /// To `pods/NAME/binding`, without the pod's UID.
    PodWithoutUid,
    /// To `bindings`.
    Bindings,
}

/// What somebody does to a Node who should not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Sets the trust label, or takes it off.
    Label(Option<&'static str>),
    /// Takes off every taint.
    Untaint,
    /// Adds our taint.
    Taint,
    /// Writes a verdict into the NodeTrust.
    Verdict,
    /// Takes the pool label off.
    Pool,
}

/// One step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// The roles stop, the clocks are right again, and the roles start, each in its place.
    Leg { controller: Place, gate: Place },
    /// A tenant creates a pod.
    Pod {
        space: &'static str,
        asks: bool,
        scheduler: Scheduler,
    },
    /// A tenant creates a pod, and binds it by hand.
    HandBind {
        space: &'static str,
        asks: bool,
        node: &'static str,
        way: Way,
    },
    /// A tenant binds an older pod by hand: so many before the last.
    Rebind { back: usize, node: &'static str },
    /// What the service says of a host from now on.
    Play {
        node: &'static str,
        verdict: &'static str,
    },
    /// What goes wrong with the service from now on.
    Fault(&'static str),
    /// A kubelet reports another boot.
    Reboot(&'static str),
    /// A Node is deleted, and comes back at once, as another boot or with the same.
    Recreate { node: &'static str, rebooted: bool },
    /// A Node is deleted.
    Remove(&'static str),
    /// It comes back, if it is not there.
    Return(&'static str),
    /// The kubelet is silent, or heard again.
    Heartbeats { node: &'static str, heard: bool },
    /// An administrator does it.
    Vandal { node: &'static str, deed: Deed },
    /// The kubelet tries it, with a heartbeat.
    Kubelet { node: &'static str, deed: Deed },
    /// An administrator deletes a NodeTrust.
    Forget(&'static str),
    /// An administrator labels a namespace.
    Relabel { space: &'static str, rule: Rule },
    /// A role is killed.
    Kill(Who),
    /// It is started, if it does not run.
    Start(Who),
    /// A role's process stands still.
    Freeze(Who),
    /// It goes on.
    Thaw(Who),
    /// The gate's connections to the API server stand still.
    FreezeWatches,
    /// They go on.
    ThawWatches,
    /// The clock of the service and of the roles in this process is so far off from now on.
    Clock(SignedDuration),
}
