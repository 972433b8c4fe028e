//! A look at what changed finds all that a look at everything finds.

mod rows;
mod unreadable;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::api::Selector;
use crate::api::trust_pool::NodeSelector;
use crate::domain::pool::{OnExpiry, Share, Taint, TrustAgain};
use crate::domain::{Carried, Node, Orders, Pool, Readiness, Record, Standing};
use crate::store::Tracked;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Something that happens between two looks.
#[derive(Clone, Debug)]
enum Happening {
    /// Time passes, in seconds.
    Pass(i64),
    /// A Node is there, in this state.
    Node(&'static str, Readiness, &'static str),
    /// A Node is gone.
    Gone(&'static str),
    /// An administrator writes a NodeTrust: a host, and a reason to distrust.
    Order(&'static str, Option<&'static str>, bool),
    /// Somebody deletes a NodeTrust.
    Deleted(&'static str),
    /// The service answers.
    Answer(&'static str, bool),
    /// Every write that waits goes through and is seen, or fails.
    Written(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    let name = || select(NAMES.to_vec());
    let readiness = select(vec![Readiness::Ready, Readiness::Ready, Readiness::Silent]);
    prop_oneof![
        (1_i64..700).prop_map(Happening::Pass),
        (name(), readiness, select(vec!["1", "2"]))
            .prop_map(|(name, ready, boot)| Happening::Node(name, ready, boot)),
        name().prop_map(Happening::Gone),
        (name(), option::of(name()), any::<bool>())
            .prop_map(|(name, host, distrust)| Happening::Order(name, host, distrust)),
        name().prop_map(Happening::Deleted),
        (name(), any::<bool>()).prop_map(|(name, good)| Happening::Answer(name, good)),
        any::<bool>().prop_map(Happening::Written),
    ]
}

fn pool() -> PoolSetup {
    let pool = Pool {
        name: "default".into(),
        created: Timestamp::UNIX_EPOCH,
        service: "oat".into(),
        validity: SignedDuration::from_mins(30),
        interval: SignedDuration::from_mins(5),
        min_interval: SignedDuration::from_secs(30),
        silent_after: 2,
        taint_untrusted: Taint::NoSchedule,
        taint_unknown: Taint::None,
        on_expiry: OnExpiry::Keep,
        max_untrusted: Share::Percent(20),
        trust_again: TrustAgain::Verdicts(1),
        startup_taint: false,
        dry_run: false,
        paused: false,
    };
    let selector = Selector::try_from(&NodeSelector::default()).unwrap();
    PoolSetup { pool, selector }
}

fn setup() -> Arc<Setup> {
    Arc::new(Setup {
        complete: true,
        pools: vec![pool()],
        ..Setup::default()
    })
}

fn node(name: &str, readiness: Readiness, boot: &str) -> Arc<Tracked> {
    let node = Node {
        name: name.into(),
        uid: "u".to_owned(),
        labels: BTreeMap::new(),
        readiness,
        boot_id: boot.to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        carried: Carried::default(),
    };
    Arc::new(Tracked {
        node,
        version: String::new(),
        taints: Vec::new(),
    })
}

/// One attestor with what it sees.
struct World {
    cases: Cases,
    nodes: Snapshot,
    /// Looks at everything every time.
    thorough: bool,
    setup: Arc<Setup>,
    writes: Vec<Write>,
    now: Timestamp,
    version: u64,
}

impl World {
    fn new(thorough: bool) -> Self {
        Self {
            cases: Cases::default(),
            nodes: Snapshot::default(),
            thorough,
            setup: setup(),
            writes: Vec::new(),
            now: Timestamp::from_second(1_000_000).unwrap(),
            version: 1,
        }
    }

    /// Puts an entry of which `change` made something else in the place of the old one.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut Entry)) {
        let old = self.nodes.entry(name).map(|entry| Entry::clone(entry));
        let mut entry = old.unwrap_or_else(|| Entry::from(Standing::missing()));
        change(&mut entry);
        if entry.node.is_none() && entry.trust.is_none() {
            self.nodes.remove(&name.into());
        } else {
            self.nodes.put(name.into(), entry);
        }
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Pass(seconds) => self.now += SignedDuration::from_secs(seconds),
            Happening::Node(name, readiness, boot) => {
                self.change(name, |entry| entry.node = Some(node(name, readiness, boot)));
            }
            Happening::Gone(name) => self.change(name, |entry| entry.node = None),
            Happening::Order(name, host, distrust) => {
                let version = self.next_version();
                self.change(name, |entry| {
                    let mut kept = entry.trust.as_deref().cloned().unwrap_or_default();
                    kept.version = version;
                    kept.orders = Orders {
                        host: host.map(str::to_owned),
                        distrust: distrust.then(|| "stolen".to_owned()),
                        ..Orders::default()
                    };
                    entry.trust = Some(Arc::new(kept));
                });
            }
            Happening::Deleted(name) => self.change(name, |entry| entry.trust = None),
            Happening::Answer(name, good) => self.answer(name, good),
            Happening::Written(true) => self.write(),
            Happening::Written(false) => {
                for Write { name, .. } in std::mem::take(&mut self.writes) {
                    self.cases.written(Done { name, kept: None });
                }
            }
        }
    }

    fn answer(&mut self, name: &str, good: bool) {
        let name = NodeName::from(name);
        let Some(case) = self.cases.cases.get_mut(&name) else {
            return;
        };
        let Some(asked) = case.kept.record.incarnation.clone() else {
            return;
        };
        // There is no service here whose nodes could be asked about.
        case.askable = Some("default".into());
        let outcome = if good {
            Outcome::Trusted
        } else {
            Outcome::Untrusted
        };
        let answer = Answer {
            outcome,
            asked,
            requested_at: self.now,
            evidence_at: None,
        };
        let write = self.cases.answer(&name, answer, &pool(), self.now);
        self.writes.extend(write);
    }

    /// Writes what waits, and shows it in the watch.
    fn write(&mut self) {
        for Write {
            name, base, change, ..
        } in std::mem::take(&mut self.writes)
        {
            let entry = self.nodes.entry(name.as_str());
            let there = entry.and_then(|entry| entry.trust.clone());
            let base = there.unwrap_or(base);
            let kept = Arc::new(Kept {
                record: change.apply(&base, self.now),
                version: self.next_version(),
                ..Kept::clone(&base)
            });
            self.change(name.as_str(), |entry| entry.trust = Some(Arc::clone(&kept)));
            self.cases.written(Done {
                name,
                kept: Some(kept),
            });
        }
    }

    /// Looks, and returns who is to be written and what is believed of whom.
    fn look(&mut self) -> (Vec<String>, BTreeMap<String, (Record, Orders)>) {
        if self.thorough {
            self.setup = setup();
        }
        let mut writes = self.cases.look(&self.nodes, &self.setup, self.now);
        writes.sort_by(|a, b| a.name.cmp(&b.name));
        let names = writes.iter().map(|write| write.name.to_string()).collect();
        self.writes.extend(writes);
        let believed = |(name, case): (&NodeName, &Case)| {
            let Kept { record, orders, .. } = &*case.kept;
            (name.to_string(), (record.clone(), orders.clone()))
        };
        (names, self.cases.cases.iter().map(believed).collect())
    }
}

proptest! {
    #[test]
    fn a_look_at_what_changed_finds_what_a_look_at_everything_finds(
        happenings in vec(vec(happening(), 0..4), 1..24),
    ) {
        let (mut quick, mut thorough) = (World::new(false), World::new(true));
        for happenings in happenings {
            for happening in &happenings {
                quick.happen(happening);
                thorough.happen(happening);
            }

            prop_assert_eq!(quick.look(), thorough.look(), "after {:?}", happenings);
        }
    }
}
