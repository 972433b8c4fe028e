//! Which step follows, for every folder there can be.

use crate::certificates::{Authority, Bundle, Names, Order, Purpose};
use crate::pki::Subjects;

use super::*;

const DAY: i64 = 24 * 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// A CA made at `day`, which lives a hundred days.
fn authority(day: i64) -> Authority {
    Authority::named("a CA", days(100), at(day * DAY)).unwrap()
}

fn copy(authority: &Authority) -> Held<Authority> {
    let pem = authority.to_pem();
    Held::Readable(Authority::read(pem.certificate.as_bytes(), pem.key.as_bytes()).unwrap())
}

/// A certificate of `authority` made at `day`, which lives thirty days.
fn pair(authority: &Authority, purpose: Purpose, day: i64) -> Held<Pair> {
    let names = Names::new(Subjects::EVERYWHERE).unwrap();
    let order = Order {
        common_name: "x",
        names: Some(&names),
        purpose,
        life: days(30),
    };
    let pem = authority.sign(&order, at(day * DAY)).unwrap();
    Held::Readable(Pair::read(pem.certificate.as_bytes(), pem.key.as_bytes()).unwrap())
}

/// A folder where `issuing` issues, `made` that of certificates, at `day`.
fn folder(bundle: &[&Authority], issuing: &Authority, made: &Authority, day: i64) -> State {
    let certificates = bundle.iter().map(|it| it.certificate().clone());
    State {
        bundle: certificates.collect::<Bundle>(),
        authority: copy(issuing),
        next: Held::Missing,
        extender: pair(made, Purpose::Server, day),
        scheduler: pair(made, Purpose::Client, day),
        open: Vec::new(),
    }
}

const NOTHING: Wish = Wish {
    authority: false,
    done: false,
    wait: None,
};
const DONE: Wish = Wish {
    done: true,
    ..NOTHING
};
const CA: Wish = Wish {
    authority: true,
    ..NOTHING
};

fn blocked(next: &'static str) -> Result<Step, Blocked> {
    Err(Blocked::NotDone { next })
}

#[test]
fn a_folder_at_rest_gets_new_certificates_and_a_ca_that_is_old_a_successor() {
    let a = authority(0);
    let table = [
        (NOTHING, 1, Ok(Step::Issue(Why::Asked))),
        (NOTHING, 25, Ok(Step::Issue(Why::Old))),
        (CA, 1, Ok(Step::Announce(Why::Asked))),
        // What is due at once goes first; the CA can wait.
        (CA, 25, Ok(Step::Issue(Why::Old))),
        (DONE, 1, Err(Blocked::NothingToDo)),
        (NOTHING, 70, Ok(Step::Announce(Why::Old))),
        (NOTHING, 101, Ok(Step::Announce(Why::Old))),
    ];
    for (wish, day, expected) in table {
        let state = folder(&[&a], &a, &a, 0);
        assert_eq!(
            plan(&state, wish, at(day * DAY)),
            expected,
            "{wish:?} {day}"
        );
    }
}

#[test]
fn the_next_ca_takes_over_when_it_is_believed_everywhere() {
    let (a, b) = (authority(0), authority(1));
    let hours = |hours| Wish {
        wait: Some(SignedDuration::from_hours(hours)),
        ..NOTHING
    };
    let table = [
        (NOTHING, 2, blocked("take over with the new CA")),
        (CA, 2, blocked("take over with the new CA")),
        (DONE, 2, Ok(Step::TakeOver)),
        (hours(24), 2, Ok(Step::TakeOver)),
        (hours(25), 2, blocked("take over with the new CA")),
        // Certificates must not end for want of a word.
        (NOTHING, 25, Ok(Step::Issue(Why::Old))),
        // Nothing is believed any more that could be lost.
        (NOTHING, 101, Ok(Step::TakeOver)),
    ];
    for (wish, day, expected) in table {
        let mut state = folder(&[&a, &b], &a, &a, 0);
        state.next = copy(&b);
        assert_eq!(
            plan(&state, wish, at(day * DAY)),
            expected,
            "{wish:?} {day}"
        );
    }
}

#[test]
fn the_old_ca_is_dropped_when_nobody_shows_a_certificate_of_it() {
    let (a, b) = (authority(0), authority(1));
    let table = [
        (NOTHING, 2, blocked("drop the old CA")),
        (DONE, 2, Ok(Step::Drop)),
        (
            Wish {
                wait: Some(days(3)),
                ..NOTHING
            },
            5,
            Ok(Step::Drop),
        ),
        (NOTHING, 25, Ok(Step::Issue(Why::Old))),
    ];
    for (wish, day, expected) in table {
        let state = folder(&[&a, &b], &b, &b, 2);
        assert_eq!(
            plan(&state, wish, at(day * DAY)),
            expected,
            "{wish:?} {day}"
        );
    }
    let expired = folder(&[&authority(-110), &b], &b, &b, 2);
    assert_eq!(plan(&expired, NOTHING, at(3 * DAY)), Ok(Step::Drop));
}

#[test]
fn a_step_that_was_cut_short_is_gone_on_with() {
    let (a, b) = (authority(0), authority(1));
    let now = at(2 * DAY);
    // One certificate was made by the next CA.
    let mut state = folder(&[&a, &b], &a, &a, 0);
    state.next = copy(&b);
    state.extender = pair(&b, Purpose::Server, 2);
    assert_eq!(plan(&state, NOTHING, now), Ok(Step::TakeOver));
    // A key was written, its certificate not.
    let mut state = folder(&[&a], &a, &a, 0);
    state.next = Held::Unreadable(Error::Mismatch);
    assert_eq!(plan(&state, CA, now), Ok(Step::Announce(Why::Asked)));
    state.scheduler = Held::Unreadable(Error::Mismatch);
    let why = Why::Unreadable(Error::Mismatch);
    assert_eq!(plan(&state, NOTHING, now), Ok(Step::Issue(why)));
}

#[test]
fn certificates_that_would_not_be_believed_are_made_anew() {
    let (a, b) = (authority(0), authority(0));
    let now = at(DAY);
    let mut state = folder(&[&a], &a, &b, 0);
    assert_eq!(plan(&state, NOTHING, now), Ok(Step::Issue(Why::Unfit)));
    state.extender = pair(&a, Purpose::Server, 0);
    state.scheduler = pair(&a, Purpose::Server, 0);
    assert_eq!(plan(&state, NOTHING, now), Ok(Step::Issue(Why::Unfit)));
    state.scheduler = Held::Missing;
    assert_eq!(plan(&state, NOTHING, now), Ok(Step::Issue(Why::Missing)));
}

#[test]
fn without_the_key_of_the_ca_nothing_is_made() {
    let a = authority(0);
    let mut state = folder(&[&a], &a, &a, 0);
    state.authority = Held::Missing;
    assert_eq!(plan(&state, CA, at(DAY)), Err(Blocked::NoKey));
    state.authority = Held::Unreadable(Error::Mismatch);
    assert_eq!(
        plan(&state, CA, at(DAY)),
        Err(Blocked::Key(Error::Mismatch))
    );
}
