//! What is made can be read, and what cannot be used is not.

use crate::certificates::{Bundle, Memory, Published, State, Stored};

use std::time::Duration;

use crate::domain::Now;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn names() -> Names {
    Names::new(["gate.trustpool-system.svc", "10.0.0.1"]).unwrap()
}

fn half(pem: &str) -> &str {
    pem.get(..pem.len() / 2).unwrap()
}

#[test]
fn a_ca_lives_a_year_and_counts_from_an_hour_ago() {
    let authority = Authority::make(at(0)).unwrap();
    let certificate = authority.certificate();

    assert_eq!(certificate.not_before(), at(-3600));
    assert_eq!(certificate.not_after(), at(365 * 24 * 3600));
    assert!(certificate.is_authority());
    assert_eq!(certificate.names(), None);
    assert_eq!(certificate.due(), at(-3600 + (365 * 24 + 1) * 3600 / 3 * 2));
    assert!(!certificate.has_expired(certificate.not_after()));
    assert!(certificate.has_expired(at(365 * 24 * 3600 + 1)));
}

#[test]
fn a_servers_certificate_lives_90_days_and_never_longer_than_its_ca() {
    let authority = Authority::make(at(0)).unwrap();
    let day = 24 * 3600;
    for (issued, end) in [
        (0, 90 * day),
        (275 * day, 365 * day),
        (300 * day, 365 * day),
    ] {
        let pem = authority.issue(&names(), at(issued)).unwrap();
        let pair = Pair::read(pem.certificate.as_bytes(), pem.key.as_bytes()).unwrap();
        let certificate = pair.certificate();

        assert_eq!(certificate.not_before(), at(issued - 3600));
        assert_eq!(certificate.not_after(), at(end), "{issued}");
        assert_eq!(certificate.names(), Some(&names()));
        assert!(!certificate.is_authority());
        assert!(certificate.is_signed_by(authority.certificate(), at(issued)));
    }
}

#[test]
fn a_ca_issues_after_it_was_read_back_as_before() {
    let made = Authority::make(at(0)).unwrap();
    let pem = made.to_pem();

    let read = Authority::read(pem.certificate.as_bytes(), pem.key.as_bytes()).unwrap();

    assert_eq!(read.certificate(), made.certificate());
    assert_eq!(read.to_pem(), pem);
    let leaf = read.issue(&names(), at(9)).unwrap();
    let leaf = Certificate::from_pem(leaf.certificate.as_bytes()).unwrap();
    assert!(leaf.is_signed_by(made.certificate(), at(9)));
}

#[test]
fn a_certificate_is_of_the_ca_that_signed_it_alone() {
    let (one, other) = (
        Authority::make(at(0)).unwrap(),
        Authority::make(at(0)).unwrap(),
    );
    let leaf = one.issue(&names(), at(0)).unwrap();
    let leaf = Certificate::from_pem(leaf.certificate.as_bytes()).unwrap();

    assert!(leaf.is_signed_by(one.certificate(), at(0)));
    assert!(!leaf.is_signed_by(other.certificate(), at(0)));
    assert!(!leaf.is_signed_by(&leaf, at(0)));
}

#[test]
fn what_does_not_fit_together_is_not_read() {
    let authority = Authority::make(at(0)).unwrap();
    let (one, leaf) = (
        authority.to_pem(),
        authority.issue(&names(), at(0)).unwrap(),
    );
    let table = [
        (&*one.certificate, &*leaf.key, Error::Mismatch),
        (&*leaf.certificate, &*leaf.key, Error::Authority),
        (&*one.certificate, "", Error::Key),
        (&*one.certificate, half(&one.key), Error::Key),
        (half(&one.certificate), &*one.key, Error::Certificate),
        ("", &*one.key, Error::Certificate),
        (&*one.key, &*one.key, Error::Certificate),
    ];
    for (certificate, key, expected) in table {
        let read = Authority::read(certificate.as_bytes(), key.as_bytes());

        assert_eq!(read.unwrap_err(), expected);
    }
}

#[test]
fn a_bundle_is_certificates_of_cas_one_after_another_each_once() {
    let (one, other) = (
        Authority::make(at(0)).unwrap(),
        Authority::make(at(5)).unwrap(),
    );
    let leaf = one.issue(&names(), at(0)).unwrap().certificate;
    let (first, second) = (one.to_pem().certificate, other.to_pem().certificate);
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let untidy = format!(
        "a comment\n{first}\r\n{leaf}{broken}{second}\n\n{first}{}",
        half(&first)
    );

    let bundle = Bundle::read(untidy.as_bytes());

    assert_eq!(bundle.to_pem(), format!("{first}{second}"));
    assert_eq!(Bundle::read(bundle.to_pem().as_bytes()), bundle);
    let lines: Vec<_> = first.lines().map(str::len).collect();
    assert_eq!(lines.iter().max(), Some(&64));
    assert!(first.ends_with("-----END CERTIFICATE-----\n"));
    let late = one.certificate().not_after() + SignedDuration::from_secs(1);
    assert_eq!(bundle.unexpired(late).to_pem(), second);
    assert!(Bundle::read(b"no PEM at all").is_empty());
}

#[test]
fn no_key_is_printed() {
    let authority = Authority::make(at(0)).unwrap();
    let (one, leaf) = (
        authority.to_pem(),
        authority.issue(&names(), at(0)).unwrap(),
    );
    let stored = Stored {
        certificate: one.certificate.as_bytes(),
        key: one.key.as_bytes(),
        authorities: &[],
    };
    let now = Now {
        uptime: Duration::ZERO,
        wall: at(0),
    };
    let state = State::read(
        Some(&stored),
        Some(&stored),
        Published::Absent,
        &mut Memory::default(),
        now,
    );
    let printed = format!("{authority:?} {one:?} {leaf:?} {stored:?} {state:?}");

    for key in [one.key, leaf.key] {
        let line = key.lines().nth(1).unwrap();
        assert!(!printed.contains(line));
    }
}

#[test]
fn a_clients_certificate_is_for_no_server_and_says_its_name_exactly() {
    let authority = Authority::named("a CA", LIFE_OF_AUTHORITY, at(0)).unwrap();
    let order = Order {
        common_name: "system:kube-scheduler",
        names: Some(&Names::new(["A.example"]).unwrap()),
        purpose: Purpose::Client,
        life: LIFE,
    };
    let pem = authority.sign(&order, at(0)).unwrap();
    let certificate = Certificate::from_pem(pem.certificate.as_bytes()).unwrap();
    let ca = authority.certificate();

    assert!(certificate.is_clients_of(ca, at(0)));
    assert!(!certificate.is_clients_of(ca, at(LIFE.as_secs() + 1)));
    let stranger = Authority::make(at(0)).unwrap();
    assert!(!certificate.is_clients_of(stranger.certificate(), at(0)));
    assert!(!certificate.is_signed_by(ca, at(0)));
    for (name, is) in [
        ("system:kube-scheduler", true),
        ("a.example", true),
        ("system:kube-schedule", false),
        ("SYSTEM:kube-scheduler", false),
        ("", false),
    ] {
        assert_eq!(certificate.is_called(name), is, "{name}");
    }
    assert_eq!(certificate.fingerprint().len(), 64);
}

/// As cert-manager renews one with `rotationPolicy: Never`.
#[test]
fn what_a_ca_signs_is_believed_by_every_certificate_of_its_key_and_name() {
    let first = Authority::named("a CA", LIFE_OF_AUTHORITY, at(0)).unwrap();
    let key = first.to_pem().key;
    let again = |name| Authority::of_key(key.as_bytes(), name, LIFE_OF_AUTHORITY, at(9)).unwrap();
    let (renewed, other) = (again("a CA"), again("another"));
    assert_ne!(renewed.certificate(), first.certificate());

    for (signs, believed) in [(&first, &renewed), (&renewed, &first)] {
        let pem = signs.issue(&names(), at(9)).unwrap();
        let certificate = Certificate::from_pem(pem.certificate.as_bytes()).unwrap();
        assert!(certificate.is_signed_by(believed.certificate(), at(9)));
        assert!(!certificate.is_signed_by(other.certificate(), at(9)));
    }
    assert!(Authority::of_key(b"no key", "a CA", LIFE_OF_AUTHORITY, at(0)).is_err());
}
