//! Which CAs are believed, and what is said of them.

use std::time::Duration;

use crate::certificates::{Authority, LIFE_OF_AUTHORITY};

use super::*;

fn at(second: i64) -> Now {
    Now {
        uptime: Duration::ZERO,
        wall: Timestamp::from_second(1_800_000_000 + second).unwrap(),
    }
}

fn authority(second: i64) -> String {
    let made = Authority::make(at(second).wall).unwrap();
    made.certificate().to_pem()
}

fn clients() -> Clients {
    Clients::named("system:kube-scheduler", Gauge::default())
}

#[test]
fn what_cannot_be_read_leaves_what_is_believed() {
    let (clients, good) = (clients(), authority(0));
    clients.believe(good.as_bytes()).unwrap();
    let turnover = clients.turnover();
    let half = good.get(..good.len() / 2).unwrap();
    let leaf = super::super::tests::made(0).certificate;

    for (pem, expected) in [
        ("", Error::Certificate),
        (half, Error::Certificate),
        (&format!("{good}{half}"), Error::Certificate),
        (&format!("{good}{leaf}"), Error::Authority),
    ] {
        assert_eq!(clients.believe(pem.as_bytes()), Err(expected), "{pem}");
        assert_eq!(clients.state.borrow().bundle.to_pem(), good);
    }
    assert!(!turnover.has_changed().unwrap());
}

#[test]
fn connections_end_when_a_ca_goes_and_not_when_one_comes() {
    let (clients, one, other) = (clients(), authority(0), authority(0));
    let mut turnover = clients.turnover();
    for (pem, is_less) in [
        (one.clone(), false),
        (format!("{one}{other}"), false),
        (format!("{other}{one}"), false),
        (other.clone(), true),
        (other, false),
        (one, true),
    ] {
        clients.believe(pem.as_bytes()).unwrap();

        assert_eq!(turnover.has_changed().unwrap(), is_less, "{pem}");
        turnover.mark_unchanged();
    }
}

#[test]
fn what_is_missing_is_said_in_a_sentence() {
    let clients = clients();
    let says = |second| clients.ready(at(second)).unwrap_err();

    assert_eq!(says(0), "there is no CA of clients yet");
    clients.fail("failed to read `ca.crt`".to_owned());
    assert_eq!(
        says(0),
        "there is no CA of clients yet: failed to read `ca.crt`"
    );
    clients.believe(authority(0).as_bytes()).unwrap();
    assert_eq!(clients.ready(at(LIFE_OF_AUTHORITY.as_secs())), Ok(()));
    let late = LIFE_OF_AUTHORITY.as_secs() + 1;
    assert_eq!(says(late), "every CA of clients has expired");
}

#[test]
fn the_first_of_them_to_expire_is_told() {
    let expiry = Gauge::default();
    let clients = Clients::named("x", expiry.clone());

    let both = [authority(500), authority(0)].concat();
    clients.believe(both.as_bytes()).unwrap();

    let first = at(LIFE_OF_AUTHORITY.as_secs()).wall.as_second();
    assert_eq!(expiry.get(), first);
}
