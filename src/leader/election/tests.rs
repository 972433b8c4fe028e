//! Tables of single decisions, and whole elections with clocks, networks and stops of all kinds.

mod simulation;

use proptest::prelude::*;

use super::*;

use simulation::{Candidate, Turn, run};

const ME: &str = "me";

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn record(holder: &str, version: &str) -> Record {
    Record {
        holder: holder.to_owned(),
        epoch: 4,
        length: LEASE,
        version: version.to_owned(),
    }
}

fn write(epoch: u32, over: &str) -> Step {
    let over = over.to_owned();
    Step::Write { epoch, over }
}

/// One that saw `record` at second 0.
fn seen(record: Option<Record>) -> Election {
    let mut election = Election::new(ME.to_owned());
    election.saw(record, s(0));
    election
}

#[test]
fn a_lease_is_taken_when_nothing_was_seen_of_it_for_as_long_as_it_lasts() {
    let other = || Some(record("other", "1"));
    let long = |length| {
        let length = s(length);
        Some(Record {
            length,
            ..record("other", "1")
        })
    };
    let free = || Some(record("", "1"));
    let mine = Some(record(ME, "1"));
    let table = [
        (other(), Some(0), 0, Step::Follow(RETRY)),
        (other(), Some(0), 8, Step::Follow(s(1))),
        (other(), Some(0), 9, write(5, "1")),
        (other(), Some(7), 9, write(8, "1")),
        (other(), None, 9, Step::Follow(RETRY)),
        (long(0), Some(0), 8, Step::Follow(s(1))),
        (long(20), Some(0), 19, Step::Follow(s(1))),
        (long(20), Some(0), 20, write(5, "1")),
        (long(86_400), Some(0), 60, write(5, "1")),
        (free(), Some(0), 0, write(5, "1")),
        (mine, Some(0), 0, write(5, "1")),
        (free(), Some(5), 8, Step::Follow(s(1))),
        (free(), Some(5), 9, write(6, "1")),
        (None, Some(3), 0, Step::Create),
        (None, None, 0, Step::Create),
    ];
    for (lease, past, second, expected) in table {
        let mut election = seen(lease.clone());

        let step = election.decide(past, s(second));

        assert_eq!(step, expected, "{lease:?}, {past:?}, second {second}");
    }
}

#[test]
fn another_version_starts_the_count_anew_and_the_same_does_not() {
    let mut election = seen(Some(record("other", "1")));
    election.saw(Some(record("other", "1")), s(5));
    assert_eq!(election.decide(Some(0), s(9)), write(5, "1"));

    election.saw(Some(record("other", "2")), s(9));
    assert_eq!(election.decide(Some(0), s(17)), Step::Follow(s(1)));
    assert_eq!(election.decide(Some(0), s(18)), write(5, "2"));
}

#[test]
fn a_leader_counts_from_before_it_asked_and_renews_in_the_same_epoch() {
    let mut election = seen(None);
    election.wrote(record(ME, "1"), s(10), s(12));

    let term = Term {
        epoch: 4,
        until: s(16),
    };
    assert_eq!(election.term(s(15)), Some(term));
    assert_eq!(election.decide(Some(3), s(15)), write(4, "1"));
    assert_eq!(election.term(s(16)), None);
    assert_eq!(election.decide(Some(9), s(16)), write(10, "1"));
}

#[test]
fn who_sees_that_another_one_leads_or_that_the_lease_is_gone_leads_no_more() {
    for lease in [Some(record("other", "2")), Some(record("", "2")), None] {
        let mut election = seen(None);
        election.wrote(record(ME, "1"), s(0), s(0));
        election.saw(Some(record(ME, "1")), s(1));
        assert!(election.term(s(1)).is_some());

        election.saw(lease, s(1));

        assert_eq!(election.term(s(1)), None);
    }
}

#[test]
fn what_may_have_changed_is_looked_at_before_anything_else() {
    let mut election = Election::new(ME.to_owned());
    assert_eq!(election.decide(Some(0), s(0)), Step::Look);
    election.wrote(record(ME, "1"), s(0), s(0));
    election.doubt();
    assert_eq!(election.decide(Some(0), s(1)), Step::Look);
}

#[test]
fn a_leader_that_sees_nothing_of_the_cluster_any_more_lets_another_one_lead() {
    let mut election = seen(None);
    election.wrote(record(ME, "1"), s(0), s(0));
    assert_eq!(election.decide(None, s(1)), write(4, "1"));
    election.wrote(record(ME, "2"), s(28), s(28));
    assert_eq!(election.decide(Some(0), s(29)), write(4, "2"));
    assert_eq!(election.decide(None, s(30)), write(4, "2"));
    election.wrote(record(ME, "3"), s(59), s(59));
    assert_eq!(election.decide(None, s(59)), write(4, "3"));

    assert_eq!(election.decide(None, s(60)), Step::Follow(RETRY));

    assert_eq!(election.term(s(60)), None);
}

#[test]
fn a_leader_that_finds_a_record_of_a_later_term_begins_one_after_it() {
    let mut election = seen(None);
    election.wrote(record(ME, "1"), s(0), s(0));
    assert_eq!(election.decide(Some(4), s(1)), write(4, "1"));

    assert_eq!(election.decide(Some(7), s(1)), write(8, "1"));

    assert_eq!(election.term(s(1)), None, "the one it was in is over");
}

#[test]
fn who_saw_a_lease_that_is_gone_knows_its_epoch_though_no_record_tells() {
    let mut election = seen(Some(record("other", "1")));
    election.saw(None, s(1));
    assert_eq!(election.decide(Some(0), s(1)), Step::Create);

    let made = Record {
        epoch: 0,
        ..record("", "2")
    };
    election.saw(Some(made), s(1));

    assert_eq!(election.decide(Some(0), s(9)), Step::Follow(s(1)));
    assert_eq!(election.decide(Some(0), s(10)), write(5, "2"));
}

fn turn() -> impl Strategy<Value = Turn> {
    // Mostly as it should be, sometimes far longer than any deadline: a process that is stopped, a network that stalls.
    let delay = || prop_oneof![9 => 0_u64..50, 2 => 0_u64..3_000, 1 => 0_u64..40_000];
    (delay(), delay(), delay(), prop::bool::weighted(0.1)).prop_map(
        |(rest, there, back, is_lost)| Turn {
            rest,
            there,
            back,
            is_lost,
        },
    )
}

fn candidate() -> impl Strategy<Value = Candidate> {
    // Clocks differ by any offset, and run up to a fifth too fast or too slow: 1.2 / 0.8 = 9 / 6.
    let turns = prop::collection::vec(turn(), 1..120);
    (0_u64..1_000_000, 81_u64..120, turns).prop_map(|(offset, rate, turns)| Candidate {
        offset,
        rate,
        turns,
    })
}

proptest! {
    #[test]
    fn never_two_leaders_for_one_observed_history(
        candidates in prop::collection::vec(candidate(), 2..5),
        deleted in prop::option::of(0_u64..200_000),
    ) {
        let terms = run(&candidates, deleted);

        for (at, one) in terms.iter().enumerate() {
            for other in terms.iter().skip(at + 1).filter(|other| other.candidate != one.candidate) {
                let apart = one.until <= other.from || other.until <= one.from;
                prop_assert!(apart, "two leaders at once: {one:?} and {other:?}");
                prop_assert_ne!(one.epoch, other.epoch, "one epoch for two: {:?} and {:?}", one, other);
            }
        }
    }
}

#[test]
fn somebody_leads_most_of_the_time() {
    let turns = vec![
        Turn {
            rest: 5,
            there: 5,
            back: 5,
            is_lost: false
        };
        100
    ];
    let candidate = |offset| Candidate {
        offset,
        rate: 100,
        turns: turns.clone(),
    };

    let terms = run(&[candidate(0), candidate(77)], None);

    let led: u64 = terms.iter().map(|term| term.until - term.from).sum();
    assert!(led > 100_000, "{led} ms: {terms:?}");
}
