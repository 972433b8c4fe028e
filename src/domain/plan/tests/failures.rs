//! What holds of every plan while requests fail, whoever is to blame.
//!
//! A *question* about a node is the request that its being due led to, and, if that failed, the
//! *search* for a culprit: the halves in which the node is asked about again. A question is *taken
//! back* if its last request failed and told nothing about the node: the service was to blame. A service is in *doubt* from a failure it is
//! to blame for, or from the fifth failure in a row, until it answers.

use proptest::prelude::*;

use super::*;

/// The shortest interval of the pool, in seconds, and the wait of a host that failed alone once.
const MIN_INTERVAL: i64 = 30;
const ALONE: i64 = 60;

/// How many seconds are simulated.
const LENGTH: i64 = 900;

/// So many failures in a row do not put a service in doubt, if it is to blame for none.
const PATIENT: usize = 4;

/// How a request ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Answered(Outcome),
    Failed(Blame),
}

/// One request about one node, once it is over.
#[derive(Clone, Debug)]
struct Request {
    at: i64,
    halvings: u32,
    hosts: usize,
    taken_back: bool,
    failed_alone: bool,
}

/// A service as its failures tell.
#[derive(Debug, Default)]
struct Doubt {
    in_a_row: usize,
    doubted: bool,
    failed_at: Option<i64>,
    in_flight: usize,
}

/// A pool of nodes, the requests of which end as a script says.
struct Run {
    world: World,
    script: std::vec::IntoIter<(i64, End)>,
    /// When which batch ends, how, and when it was sent.
    under_way: Vec<(i64, End, i64, Batch)>,
    asked: HashMap<NodeName, Vec<Request>>,
    doubt: Doubt,
}

impl Run {
    fn new(nodes: usize, script: Vec<(i64, End)>) -> Self {
        Self {
            world: World::of(vec![new_record(0); nodes]),
            script: script.into_iter(),
            under_way: Vec::new(),
            asked: HashMap::new(),
            doubt: Doubt::default(),
        }
    }

    fn reboot(&mut self, node: usize, now: i64) {
        let known = self.world.nodes.len();
        self.world.nodes[node % known].1 = new_record(now);
    }

    /// Does what is to be done at `now`, and says when to look again.
    fn look(&mut self, now: i64) -> i64 {
        let all = std::mem::take(&mut self.under_way);
        let (over, left) = all.into_iter().partition(|(end, ..)| *end <= now);
        self.under_way = left;
        for (_, end, sent, batch) in over {
            self.end(&batch, end, sent, now);
        }
        let plan = self.world.plan(at(now));
        for batch in plan.start {
            self.world
                .agenda
                .begin(&batch, !plan.wait.is_empty(), at(now));
            self.begin(batch, now);
        }
        let ends = self.under_way.iter().map(|(end, ..)| *end);
        ends.fold(plan.next.duration_since(at(0)).as_secs(), i64::min)
    }

    fn begin(&mut self, batch: Batch, now: i64) {
        let doubt = &mut self.doubt;
        if doubt.doubted {
            assert_eq!(doubt.in_flight, 0, "one at a time while in doubt");
            let rested = doubt.failed_at.is_none_or(|failed| now > failed);
            assert!(
                rested,
                "a service in doubt is left alone for a second after each failure"
            );
        }
        doubt.in_flight += 1;
        for item in &batch.items {
            let request = Request {
                at: now,
                halvings: batch.halvings,
                hosts: batch.items.len(),
                taken_back: false,
                failed_alone: false,
            };
            let asked = self.asked.entry(item.name.clone()).or_default();
            asked.push(request);
        }
        let good = (1, End::Answered(Outcome::Trusted));
        let (latency, end) = self.script.next().unwrap_or(good);
        self.under_way.push((now + latency, end, now, batch));
    }

    fn end(&mut self, batch: &Batch, end: End, sent: i64, now: i64) {
        self.doubt.in_flight -= 1;
        match end {
            End::Answered(outcome) => {
                let in_flight = self.doubt.in_flight;
                self.doubt = Doubt {
                    in_flight,
                    ..Doubt::default()
                };
                self.world.answer(batch, outcome);
                self.record(batch, outcome, sent);
            }
            End::Failed(blame) => self.fail(batch, blame, now),
        }
    }

    /// A `trusted` answer counts for the boot that was asked about.
    fn record(&mut self, batch: &Batch, outcome: Outcome, sent: i64) {
        let nodes = self.world.nodes.iter_mut();
        for (_, record) in nodes.filter(|(name, _)| batch.items.iter().any(|it| it.name == *name)) {
            if outcome == Outcome::Trusted && record.incarnation_seen_at <= Some(at(sent)) {
                *record = trusted_record(sent);
            }
        }
    }

    fn fail(&mut self, batch: &Batch, blame: Blame, now: i64) {
        self.doubt.in_a_row += 1;
        self.doubt.doubted |= blame == Blame::Service || self.doubt.in_a_row > PATIENT;
        if self.doubt.doubted {
            self.doubt.failed_at = Some(now);
        }
        let alone = batch.items.len() == 1;
        for item in &batch.items {
            let asked = self.asked.get_mut(&item.name).unwrap();
            let question = asked.iter().rposition(|it| it.halvings == 0).unwrap();
            let taken_back = blame == Blame::Service;
            for request in &mut asked[question..] {
                request.taken_back = taken_back;
            }
            let blamed = alone && !taken_back && !self.doubt.doubted;
            asked.last_mut().unwrap().failed_alone = blamed;
        }
        self.world.agenda.failed(batch, blame, at(now));
    }
}

fn any_end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Answered(Outcome::Trusted)),
        1 => Just(End::Answered(Outcome::Untrusted)),
        1 => Just(End::Answered(Outcome::HostPending)),
        1 => Just(End::Answered(Outcome::HostTimeout)),
        4 => Just(End::Failed(Blame::Hosts)),
        1 => Just(End::Failed(Blame::Service)),
    ]
}

/// How many nodes there are, how requests end and after how many seconds, and who is rebooted when.
type Story = (usize, Vec<(i64, End)>, Vec<(i64, usize)>);

fn any_story() -> impl Strategy<Value = Story> {
    let script = proptest::collection::vec((1..20_i64, any_end()), 0..80);
    let reboots = proptest::collection::vec((0..LENGTH, 0..40_usize), 0..30);
    (1..40_usize, script, reboots)
}

/// The requests about each node, in order.
fn requests((nodes, script, reboots): Story) -> HashMap<NodeName, Vec<Request>> {
    let mut run = Run::new(nodes, script);
    let mut look_at = 0;
    for now in 0..LENGTH {
        let rebooted = reboots.iter().filter(|(second, _)| *second == now);
        for (_, node) in rebooted {
            run.reboot(*node, now);
            look_at = now;
        }
        if look_at == now {
            look_at = run.look(now);
        }
    }
    run.asked
}

/// How often a batch of `hosts` can be halved until each stands alone.
const fn halvings(hosts: usize) -> u32 {
    hosts.next_power_of_two().trailing_zeros()
}

/// No question begins within `minInterval` of the last request of the last question that was not
/// taken back, nor within a minute of it if its host failed alone.
fn rests(requests: &[Request]) -> bool {
    let begins = requests.iter().enumerate();
    begins
        .filter(|(_, it)| it.halvings == 0)
        .all(|(number, it)| {
            let before = requests[..number].iter().rfind(|it| !it.taken_back);
            let rest = |before: &Request| {
                if before.failed_alone {
                    ALONE
                } else {
                    MIN_INTERVAL
                }
            };
            before.is_none_or(|before| it.at - before.at >= rest(before))
        })
}

/// A question is one request, and one more for each halving of its batch, until the node stands
/// alone at the latest: with batches of 20, at most six in all.
fn is_a_search(question: &[Request]) -> bool {
    let batch = question[0].hosts;
    question.len() <= 1 + halvings(batch) as usize
        && (0..).zip(question).all(|(level, request)| {
            request.halvings == level && request.hosts <= batch.div_ceil(1 << level)
        })
}

proptest! {
    /// While a service is in doubt it is asked one thing at a time, too, and nothing in the second
    /// after a failure that it is to blame for: [`Run::begin`] sees to that.
    #[test]
    fn invariant_9_a_node_is_asked_once_per_interval_but_for_searches_and_doubts(
        story in any_story()
    ) {
        for (name, requests) in requests(story) {
            prop_assert!(rests(&requests), "{} has no rest: {:?}", name, requests);
            for question in requests.chunk_by(|_, next| next.halvings > 0) {
                prop_assert!(is_a_search(question), "{}: {:?}", name, question);
            }
        }
    }
}
