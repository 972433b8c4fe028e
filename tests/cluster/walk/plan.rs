//! What happens, step by step. It follows from the seed alone, and trouble that lasts ends by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::chance::Chance;
use super::step::{Deed, Place, Rule, Scheduler, Step, Way, Who};

/// The nodes, and the names of their hosts.
pub const NODES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// The namespaces, by the rule that they start with and come back to.
pub const SPACES: [(&str, Rule); 5] = [
    ("strict", Rule::Strict),
    ("required", Rule::Required),
    ("pinned", Rule::Pinned),
    ("open", Rule::Open),
    ("plain", Rule::Plain),
];

/// How long trouble lasts as a rule, in steps, of which a second has about six.
const LASTS: (usize, usize) = (4, 50);

/// How long it lasts if it is to outlast every answer.
const LONG: (usize, usize) = (75, 110);

/// After how many steps a node should be known for what it is, while answers from before still count.
const KNOWN: (usize, usize) = (16, 40);

/// How long a leg is, in steps.
const LEG: (usize, usize) = (50, 80);

/// The longest pause after a step.
const PAUSE: usize = 250;

/// The steps of one walk, each with the pause after it; without end.
#[derive(Debug)]
pub struct Plan {
    chance: Chance,
    number: usize,
    /// What ends, and when.
    ends: BTreeMap<usize, Vec<Step>>,
    next_leg: usize,
    controller: Place,
    gate: Place,
    /// The node that something befell last: the one that a pod must not get to.
    suspect: &'static str,
}

impl Plan {
    pub const fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            number: 0,
            ends: BTreeMap::new(),
            next_leg: 0,
            controller: Place::Here,
            gate: Place::Here,
            suspect: "a",
        }
    }

    fn step(&mut self) -> Step {
        if self.number >= self.next_leg {
            return self.leg();
        }
        if let Some(step) = self.ended() {
            return step;
        }
        match self.chance.below(100) {
            0..18 => self.pod(),
            18..40 => self.hand_bind(),
            40..50 => self.rebind(),
            50..60 => self.play(),
            60..70 => self.node(),
            70..75 => self.deed(),
            75..80 => self.relabel(),
            80..83 => Step::Forget(self.a_node()),
            83..85 => self.fault(),
            _ => self.trouble(),
        }
    }

    fn leg(&mut self) -> Step {
        self.next_leg = self.number + self.chance.between(LEG.0, LEG.1);
        self.controller = self.chance.of(&[Place::Here, Place::Process]);
        self.gate = self.chance.of(&[Place::Here, Place::Process]);
        Step::Leg {
            controller: self.controller,
            gate: self.gate,
        }
    }

    /// The next of the ends that are due.
    fn ended(&mut self) -> Option<Step> {
        let mut due = self.ends.first_entry()?;
        if *due.key() > self.number {
            return None;
        }
        let step = due.get_mut().pop();
        if due.get().is_empty() {
            due.remove();
        }
        step
    }

    /// Has a step follow after so many steps.
    fn later(&mut self, (from, to): (usize, usize), step: Step) {
        let at = self.number + self.chance.between(from, to);
        self.ends.entry(at).or_default().push(step);
    }

    /// A step that lasts, and ends with another one.
    fn lasting(&mut self, step: Step, end: Step) -> Step {
        self.later(LASTS, end);
        step
    }

    /// Has somebody send a pod that asks to a node that will not do, after so many steps.
    fn trap(&mut self, after: (usize, usize), node: &'static str) {
        let space = self.chance.of(&["strict", "required", "pinned"]);
        let bind = Step::HandBind {
            space,
            asks: true,
            node,
            way: Way::Pod,
        };
        self.later(after, bind);
    }

    fn a_node(&mut self) -> &'static str {
        self.suspect = self.chance.of(&NODES);
        self.suspect
    }

    /// Where a pod is to go: as often as not where it must not.
    fn a_goal(&mut self) -> &'static str {
        let any = self.chance.of(&NODES);
        self.chance.of(&[any, self.suspect])
    }

    fn a_space(&mut self) -> (&'static str, Rule) {
        self.chance.of(&SPACES)
    }

    /// Where a pod is to be, and whether it asks: most do, but where nobody has to.
    fn asker(&mut self) -> (&'static str, bool) {
        let (space, rule) = match self.chance.below(4) {
            0 => ("plain", Rule::Plain),
            _ => self.a_space(),
        };
        let plain = if rule == Rule::Plain { 2 } else { 5 };
        (space, self.chance.below(plain) > 0)
    }

    fn pod(&mut self) -> Step {
        let schedulers = [Scheduler::Default, Scheduler::Default, Scheduler::Second];
        let (space, asks) = self.asker();
        Step::Pod {
            space,
            asks,
            scheduler: self.chance.of(&schedulers),
        }
    }

    fn hand_bind(&mut self) -> Step {
        let ways = [
            Way::Pod,
            Way::Pod,
            Way::Pod,
            Way::Bindings,
            Way::PodWithoutUid,
        ];
        let (space, asks) = self.asker();
        Step::HandBind {
            space,
            asks,
            node: self.a_goal(),
            way: self.chance.of(&ways),
        }
    }

    fn rebind(&mut self) -> Step {
        Step::Rebind {
            back: self.chance.below(12),
            node: self.a_goal(),
        }
    }

    fn play(&mut self) -> Step {
        let node = self.a_node();
        let good = Step::Play {
            node,
            verdict: "trusted",
        };
        if self.chance.one_in(3) {
            return good;
        }
        let verdict = self
            .chance
            .of(&["untrusted", "untrusted", "unknown", "hang"]);
        self.trap(KNOWN, node);
        self.lasting(Step::Play { node, verdict }, good)
    }

    fn fault(&mut self) -> Step {
        let kind = self
            .chance
            .of(&["down", "hang", "garbage", "truncate", "status"]);
        if self.chance.one_in(2) {
            return self.lasting(Step::Fault(kind), Step::Fault("none"));
        }
        self.later(LONG, Step::Fault("none"));
        for node in NODES {
            self.trap(LONG, node);
        }
        Step::Fault(kind)
    }

    fn node(&mut self) -> Step {
        let node = self.a_node();
        self.trap(KNOWN, node);
        match self.chance.below(12) {
            0..5 => Step::Reboot(node),
            5..8 => Step::Recreate {
                node,
                rebooted: !self.chance.one_in(3),
            },
            8..10 => self.lasting(Step::Remove(node), Step::Return(node)),
            _ => {
                let heard = |heard| Step::Heartbeats { node, heard };
                self.lasting(heard(false), heard(true))
            }
        }
    }

    fn deed(&mut self) -> Step {
        let deeds = [
            Deed::Label(Some("trusted")),
            Deed::Label(Some("trusted")),
            Deed::Label(Some("untrusted")),
            Deed::Label(None),
            Deed::Untaint,
            Deed::Taint,
            Deed::Verdict,
            Deed::Pool,
        ];
        let (node, deed) = (self.a_node(), self.chance.of(&deeds));
        if deed == Deed::Verdict || self.chance.one_in(2) {
            Step::Kubelet { node, deed }
        } else {
            Step::Vandal { node, deed }
        }
    }

    fn relabel(&mut self) -> Step {
        let (space, usual) = self.a_space();
        let rules = [
            Rule::Audit,
            Rule::Open,
            Rule::Pinned,
            Rule::Plain,
            Rule::Required,
            Rule::RequiredOpen,
            Rule::Strict,
        ];
        let rule = self.chance.of(&rules);
        let relabel = |rule| Step::Relabel { space, rule };
        self.lasting(relabel(rule), relabel(usual))
    }

    /// Something that befalls Trustpool itself.
    fn trouble(&mut self) -> Step {
        let who = self.chance.of(&[Who::Controller, Who::Gate]);
        let place = match who {
            Who::Controller => self.controller,
            Who::Gate => self.gate,
        };
        match self.chance.below(8) {
            0..3 => self.without(who, Step::Kill(who), Step::Start(who)),
            3..6 if place == Place::Process => {
                self.without(who, Step::Freeze(who), Step::Thaw(who))
            }
            // A clock of the service that is not the controller's would make its answers count for nothing.
            3..6 if self.controller == Place::Here => {
                let hour = self.chance.of(&[1, -1]);
                let right = Step::Clock(SignedDuration::ZERO);
                self.lasting(Step::Clock(SignedDuration::from_hours(hour)), right)
            }
            _ => self.lasting(Step::FreezeWatches, Step::ThawWatches),
        }
    }

    /// A role does nothing for a while. While that is the controller, a node becomes another one.
    fn without(&mut self, who: Who, step: Step, end: Step) -> Step {
        if who == Who::Gate {
            return self.lasting(step, end);
        }
        for _ in 0..2 {
            let node = self.a_node();
            self.later((1, 4), Step::Reboot(node));
            self.trap(KNOWN, node);
            self.trap(LONG, node);
        }
        let lasts = self.chance.of(&[KNOWN, KNOWN, LONG]);
        self.later(lasts, end);
        step
    }
}

impl Iterator for Plan {
    type Item = (Step, Duration);

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        self.number += 1;
        let pause = self.chance.below(PAUSE);
        Some((step, Duration::from_millis(u64::try_from(pause).unwrap())))
    }
}

#[test]
fn a_walk_follows_from_its_seed_and_every_trouble_ends() {
    let walk = |seed| Plan::new(seed).take(1_000).collect::<Vec<_>>();
    assert_eq!(walk(7), walk(7));
    assert_ne!(walk(7), walk(8));

    let count = |wanted: &Step| walk(7).iter().filter(|(step, _)| step == wanted).count();
    let (frozen, thawed) = (count(&Step::FreezeWatches), count(&Step::ThawWatches));
    assert!(
        0 < thawed && thawed <= frozen && frozen <= thawed + 3,
        "{frozen} {thawed}"
    );
}
