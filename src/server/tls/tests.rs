//! What is shown, what is not, and what is said of it.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing::dispatcher::with_default;
use tracing::instrument::WithSubscriber;

use crate::certificates::{Authority, Error, LIFE, Names, Pem};
use crate::telemetry::to_file;

use super::*;

fn at(second: i64) -> Now {
    Now {
        uptime: Duration::ZERO,
        wall: Timestamp::from_second(1_800_000_000 + second).unwrap(),
    }
}

/// A certificate made at `second`.
pub fn made(second: i64) -> Pem {
    let names = Names::new(["gate.trustpool-system.svc"]).unwrap();
    let now = at(second).wall;
    Authority::make(now).unwrap().issue(&names, now).unwrap()
}

pub fn identity() -> Identity {
    Identity::new(Gauge::default())
}

/// The certificate that is shown.
pub fn shown(identity: &Identity) -> Option<String> {
    let state = identity.state.borrow();
    state.certificate().map(Certificate::to_pem)
}

fn show(identity: &Identity, certificate: &str, key: &str) -> Result<(), Error> {
    identity.show(certificate.as_bytes(), key.as_bytes())
}

#[test]
fn what_cannot_be_used_leaves_what_is_shown() {
    let (identity, first, second) = (identity(), made(0), made(0));
    show(&identity, &first.certificate, &first.key).unwrap();
    let half = second.certificate.get(..200).unwrap();
    let table = [
        (&*second.certificate, &*first.key, Error::Mismatch),
        (&first.certificate, &second.key, Error::Mismatch),
        (half, &second.key, Error::Certificate),
        (&second.certificate, "", Error::Key),
        ("", "", Error::Certificate),
    ];
    for (certificate, key, expected) in table {
        assert_eq!(show(&identity, certificate, key), Err(expected));
        assert_eq!(shown(&identity).as_ref(), Some(&first.certificate));
    }

    show(&identity, &second.certificate, &second.key).unwrap();
    assert_eq!(shown(&identity), Some(second.certificate));
}

#[test]
fn a_chain_that_is_made_whole_is_shown_though_its_certificate_is_the_same() {
    let (identity, leaf, missing) = (identity(), made(0), made(0));
    show(&identity, &leaf.certificate, &leaf.key).unwrap();
    let whole = leaf.certificate.clone() + &missing.certificate;

    show(&identity, &whole, &leaf.key).unwrap();

    let state = identity.state.borrow();
    assert_eq!(state.pair.as_ref().unwrap().chain().len(), 2);
}

#[test]
fn a_certificate_is_good_then_expiring_then_expired() {
    let (identity, pem) = (identity(), made(0));
    assert_eq!(identity.standing(at(0).wall), Standing::Absent);
    show(&identity, &pem.certificate, &pem.key).unwrap();
    let end = LIFE.as_secs();
    let sixth = (end + 3600) / 6;
    let expires = at(end).wall;

    let counts = at(-3600).wall;
    for (second, expected) in [
        (-3601, Standing::Early { at: counts }),
        (-3600, Standing::Good { at: expires }),
        (0, Standing::Good { at: expires }),
        (end - sixth, Standing::Good { at: expires }),
        (end - sixth + 1, Standing::Expiring { at: expires }),
        (end, Standing::Expiring { at: expires }),
        (end + 1, Standing::Expired { at: expires }),
    ] {
        assert_eq!(identity.standing(at(second).wall), expected, "{second}");
        let counts = !matches!(expected, Standing::Early { .. } | Standing::Expired { .. });
        assert_eq!(identity.ready(at(second)).is_ok(), counts, "{second}");
    }
}

#[test]
fn what_is_missing_is_said_in_a_sentence() {
    let (identity, pem) = (identity(), made(0));
    let says = |second| identity.ready(at(second)).unwrap_err();

    assert_eq!(says(0), "there is no certificate to show yet");
    identity.fail("there is no Secret `a/b`".to_owned());
    assert_eq!(
        says(0),
        "there is no certificate to show yet: there is no Secret `a/b`"
    );
    show(&identity, &pem.certificate, &pem.key).unwrap();
    assert_eq!(identity.trouble(), None);
    assert_eq!(identity.ready(at(0)), Ok(()));
    identity.fail("no".to_owned());
    assert_eq!(identity.ready(at(0)), Ok(()));
    assert_eq!(identity.trouble().as_deref(), Some("no"));
    let late = "the certificate expired at 2027-04-15T08:00:00Z: no";
    assert_eq!(says(LIFE.as_secs() + 1), late);
}

#[test]
fn what_stays_wrong_is_logged_once() {
    let (identity, pem) = (identity(), made(0));
    let say = || {
        for why in ["one", "one", "other", "other", "one"] {
            identity.fail(why.to_owned());
        }
        for _ in 0..2 {
            show(&identity, &pem.certificate, &pem.key).unwrap();
        }
        identity.fail("one".to_owned());
    };
    // A log line that another test is the first to come to, just now, would be lost.
    show(&self::identity(), &pem.certificate, &pem.key).unwrap();
    self::identity().fail(String::new());
    let file = tempfile::NamedTempFile::new().unwrap();

    with_default(&to_file(file.reopen().unwrap(), "info"), say);

    let logs = std::fs::read_to_string(file.path()).unwrap();
    let count = |line| logs.matches(line).count();
    assert_eq!(count("was not taken over"), 4, "{logs}");
    assert_eq!(count("shown from here on"), 1, "{logs}");
}

#[test]
fn its_expiry_is_told_in_seconds_since_1970() {
    let mut registry = Registry::with_prefix("trustpool");
    let expiries = Expiries::register(&mut registry);
    let (identity, pem) = (Identity::new(expiries.of(Expiries::BIND)), made(0));
    let told = || {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let line = |line: &&str| {
            line.starts_with("trustpool_certificate_expiry_seconds{certificate=\"bind\"} ")
        };
        text.lines().find(line).unwrap().to_owned()
    };

    assert!(told().ends_with(" 0"), "{}", told());
    show(&identity, &pem.certificate, &pem.key).unwrap();
    let expires = at(LIFE.as_secs()).wall.as_second();
    assert!(told().ends_with(&format!(" {expires}")), "{}", told());
}

#[test]
fn sessions_are_not_resumed() {
    let clients = Clients::named("x", Gauge::default());
    let identity = identity();
    for config in [identity.config(), identity.config_for(&clients)] {
        let config = config.unwrap();
        assert!(!config.session_storage.can_cache());
        assert_eq!(config.send_tls13_tickets, 0);
        assert!(!config.ticketer.enabled());
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_logged_at_start_and_once() {
    let (identity, clock) = (identity(), Clock::system());
    let old = clock.wall().saturating_sub(2 * LIFE).unwrap();
    let names = Names::new(["gate"]).unwrap();
    let pem = Authority::make(old).unwrap().issue(&names, old).unwrap();
    show(&identity, &pem.certificate, &pem.key).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let minding = identity.mind("bind", clock);
    let minding = minding.with_subscriber(to_file(file.reopen().unwrap(), "info"));

    drop(tokio::time::timeout(5 * LOOK, minding).await);

    let logs = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(logs.matches("has expired").count(), 1, "{logs}");
    assert!(logs.contains("which=\"bind\""), "{logs}");
}
