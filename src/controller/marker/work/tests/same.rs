//! A look at what changed finds all that a look at everything finds.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use super::{at, entry, setup};
use crate::domain::Verdict;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Something that happens between two looks.
#[derive(Clone, Debug)]
enum Happening {
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A node is there, in this state.
    Node(
        &'static str,
        Verdict,
        Option<&'static str>,
        Option<&'static str>,
    ),
    /// A Node is gone, its NodeTrust stays.
    Gone(&'static str),
    /// Nothing is left of a node.
    Removed(&'static str),
    /// The oldest write under way is over, and went through or not.
    Finish(bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    let name = || select(NAMES.to_vec());
    let verdict = select(vec![Verdict::Trusted, Verdict::Untrusted, Verdict::Unknown]);
    let trust = option::of(select(vec!["trusted", "untrusted"]));
    let condition = option::of(select(vec!["True", "False"]));
    let node = (name(), verdict, trust, condition);
    prop_oneof![
        (1_u64..1_500).prop_map(Happening::Pass),
        node.prop_map(|(name, verdict, trust, condition)| {
            Happening::Node(name, verdict, trust, condition)
        }),
        name().prop_map(Happening::Gone),
        name().prop_map(Happening::Removed),
        any::<bool>().prop_map(Happening::Finish),
    ]
}

/// One marker with what it sees.
struct World {
    work: Work,
    nodes: Snapshot,
    setup: Arc<Setup>,
    /// Looks at everything every time.
    thorough: bool,
    running: Vec<Job>,
    millis: u64,
}

impl World {
    fn new(thorough: bool) -> Self {
        Self {
            work: Work::default(),
            nodes: Snapshot::default(),
            setup: setup(),
            thorough,
            running: Vec::new(),
            millis: 0,
        }
    }

    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Pass(millis) => self.millis += millis,
            Happening::Node(name, verdict, trust, condition) => {
                let entry = entry(name, verdict, trust, condition);
                self.nodes.put(name.into(), entry);
            }
            Happening::Gone(name) => {
                let old = self.nodes.entry(name).map(|entry| Entry::clone(entry));
                if let Some(old) = old {
                    self.nodes.put(name.into(), Entry { node: None, ..old });
                }
            }
            Happening::Removed(name) => self.nodes.remove(&name.into()),
            Happening::Finish(well) if !self.running.is_empty() => {
                let job = self.running.remove(0);
                let version = well.then(|| "1".to_owned());
                self.work.finish(&job, version, at(self.millis).uptime);
            }
            Happening::Finish(_) => {}
        }
    }

    /// Looks, and returns when to look again and what is to be written.
    fn look(&mut self) -> (Option<Duration>, Vec<(String, Mark)>) {
        if self.thorough {
            self.setup = setup();
        }
        let again = self.work.look(&self.nodes, &self.setup, at(self.millis));
        let mut jobs: Vec<_> = std::iter::from_fn(|| self.work.pop()).collect();
        // Nodes are looked at in no order; only two conditions are written at a time.
        jobs.retain(|job| {
            let condition = job.mark.is_condition();
            if condition {
                self.work.finish(job, None, at(self.millis).uptime);
            }
            !condition
        });
        jobs.sort_by(|a, b| a.name.cmp(&b.name));
        self.running.extend(jobs.iter().cloned());
        let written = jobs.into_iter().map(|job| (job.name.to_string(), job.mark));
        (again, written.collect())
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
