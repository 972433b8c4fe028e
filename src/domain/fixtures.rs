//! Values that tests of the domain begin with.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::pool::{OnExpiry, Share, Taint, TrustAgain};
use super::{Carried, Node, Pool, Readiness};

/// So many seconds after a moment that tests call 0.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

/// A pool with the defaults of the API.
pub(crate) fn pool() -> Pool {
    Pool {
        name: "default".into(),
        created: at(0),
        service: "oat".into(),
        validity: SignedDuration::from_mins(30),
        interval: SignedDuration::from_mins(5),
        min_interval: SignedDuration::from_secs(30),
        silent_after: 2,
        taint_untrusted: Taint::NoSchedule,
        taint_unknown: Taint::None,
        on_expiry: OnExpiry::Keep,
        max_untrusted: Share::Percent(20),
        trust_again: TrustAgain::Verdicts(2),
        startup_taint: false,
        dry_run: false,
        paused: false,
    }
}

/// A Ready node `a` that carries nothing of ours.
pub(crate) fn node() -> Node {
    Node {
        name: "a".into(),
        uid: "u".to_owned(),
        labels: BTreeMap::new(),
        readiness: Readiness::Ready,
        boot_id: "b".to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        carried: Carried::default(),
    }
}
