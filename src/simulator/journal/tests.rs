//! What the journal keeps, and what it says it lost.

use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn entry(hosts: &[&str]) -> Entry {
    Entry {
        seq: 0,
        asked: at(0),
        answered: None,
        peer: ([127, 0, 0, 1], 1).into(),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: Vec::new(),
        hosts: hosts
            .iter()
            .map(|name| Asked {
                name: name.parse().unwrap(),
                verdict: None,
            })
            .collect(),
        fault: Kind::None,
        status: None,
    }
}

fn numbers(page: &Page) -> Vec<u64> {
    page.requests.iter().map(|entry| entry.seq).collect()
}

#[test]
fn a_request_that_ends_shows_when_and_with_what() {
    let journal = Journal::default();
    let seq = journal.open(entry(&["a", "a", "b"]));
    let before = journal.page(0);

    let verdicts = vec![Verdict::Trusted, Verdict::Trusted, Verdict::Unknown];
    journal.close(
        seq,
        Ending {
            answered: at(2),
            status: 200,
            verdicts: verdicts.clone(),
        },
    );

    let mut expected = Entry {
        seq: 1,
        ..entry(&["a", "a", "b"])
    };
    assert_eq!(*before.requests[0], expected, "a page does not change");
    expected.answered = Some(at(2));
    expected.status = Some(200);
    for (asked, verdict) in expected.hosts.iter_mut().zip(verdicts) {
        asked.verdict = Some(verdict);
    }
    assert_eq!(*journal.page(0).requests[0], expected);
}

#[test]
fn a_request_without_verdicts_shows_none() {
    let journal = Journal::default();
    let seq = journal.open(entry(&["a"]));

    journal.close(
        seq,
        Ending {
            answered: at(1),
            status: 503,
            verdicts: Vec::new(),
        },
    );

    assert_eq!(journal.page(0).requests[0].hosts, entry(&["a"]).hosts);
}

#[test]
fn the_newest_are_kept_and_the_dropped_are_counted() {
    let journal = Journal::within(2, usize::MAX);
    for _ in 0..5 {
        journal.open(entry(&[]));
    }
    journal.close(
        1,
        Ending {
            answered: at(1),
            status: 200,
            verdicts: Vec::new(),
        },
    );

    let page = journal.page(0);

    assert_eq!(
        (page.dropped, page.last, numbers(&page)),
        (3, 5, vec![4, 5])
    );
}

#[test]
fn a_page_starts_after_the_number_given() {
    let journal = Journal::within(3, usize::MAX);
    assert_eq!(journal.page(0).last, 0);
    for _ in 0..5 {
        journal.open(entry(&[]));
    }
    let cases: [(u64, &[u64]); 6] = [
        (0, &[3, 4, 5]),
        (2, &[3, 4, 5]),
        (3, &[4, 5]),
        (5, &[]),
        (6, &[]),
        (u64::MAX, &[]),
    ];
    for (since, expected) in cases {
        assert_eq!(numbers(&journal.page(since)), expected, "since {since}");
    }
}

proptest! {
    #[test]
    fn no_journal_outgrows_its_bounds_or_miscounts(
        most in 0usize..5,
        heaviest in 0usize..3_000,
        names in proptest::collection::vec(proptest::collection::vec("[a-z]{1,300}", 0..4), 0..20),
    ) {
        let journal = Journal::within(most, heaviest);
        for names in &names {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            journal.open(entry(&names));
        }

        let page = journal.page(0);

        let kept: usize = page.requests.iter().map(|entry| weight(entry)).sum();
        prop_assert!(page.requests.len() <= most && kept <= heaviest);
        prop_assert_eq!(kept, journal.book().weight);
        prop_assert_eq!(page.dropped + page.requests.len() as u64, page.last);
        prop_assert_eq!(page.last, names.len() as u64);
    }
}
