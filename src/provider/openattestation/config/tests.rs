//! What a configuration becomes, and what is refused.

use super::*;
use crate::provider::openattestation::OpenAttestation;
use crate::telemetry::Chain;

/// A secret that must be found nowhere.
const CANARY: &str = "canary-7f3a";

fn config() -> Config {
    let issued = rcgen::generate_simple_self_signed(["oat".to_owned()]).unwrap();
    Config {
        url: "https://oat:8443".to_owned(),
        path: "/AttestationService/resources".to_owned(),
        roots: issued.cert.pem().into_bytes(),
        auth: Some(auth("x-auth-blob", CANARY)),
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(75),
            total: Duration::from_secs(90),
        },
        max_skew: SignedDuration::from_mins(2),
        clock: Clock::system(),
    }
}

fn auth(header: &str, value: &str) -> Auth {
    Auth {
        header: header.to_owned(),
        value: value.as_bytes().to_vec().into(),
    }
}

/// The error of the configuration that `change` makes, causes included, or nothing.
fn refusal(change: impl FnOnce(&mut Config)) -> String {
    let mut config = config();
    change(&mut config);
    match OpenAttestation::new(config) {
        Ok(_) => String::new(),
        Err(error) => {
            assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
            Chain(&error).to_string()
        }
    }
}

#[test]
fn slashes_between_the_parts_of_a_url_make_no_difference() {
    let table = [
        ("https://oat", "", "https://oat/PollHosts"),
        ("https://oat/", "/", "https://oat/PollHosts"),
        (
            "https://oat:8443",
            "V1.0",
            "https://oat:8443/V1.0/PollHosts",
        ),
        (
            "https://oat:8443/",
            "/V1.0/",
            "https://oat:8443/V1.0/PollHosts",
        ),
        ("https://oat//a/", "//b//c//", "https://oat/a/b/c/PollHosts"),
        (
            "https://oat/a%20b",
            "c d%2f",
            "https://oat/a%20b/c%20d%2f/PollHosts",
        ),
        ("https://[::1]:8443", "r", "https://[::1]:8443/r/PollHosts"),
        ("HTTPS://OAT:443", "r", "https://oat/r/PollHosts"),
    ];
    for (url, path, expected) in table {
        let config = Config {
            url: url.to_owned(),
            path: path.to_owned(),
            ..config()
        };
        let endpoint = config.endpoint().unwrap();
        assert_eq!(endpoint.as_str(), expected, "{url} {path}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_in_words() {
    let scheme = "failed to use the URL: it must begin with https://";
    let user = "failed to use the URL: it must not hold a user or a password";
    let query = "failed to use the URL: it must not hold `?` or `#`";
    let urls = [
        ("http://oat", scheme),
        ("ftp://oat", scheme),
        ("https://user:canary-7f3a@oat", user),
        ("https://user@oat", user),
        ("https://oat?a=b", query),
        ("https://oat#a", query),
        ("", "failed to read the URL: relative URL without a base"),
        ("https://", "failed to read the URL: empty host"),
        (
            "https://u:canary-7f3a@o t",
            "failed to read the URL: invalid international domain name",
        ),
    ];
    for (url, expected) in urls {
        let url = url.to_owned();
        assert_eq!(refusal(|config| config.url = url), expected);
    }
    let path = "failed to use path `a?b`: it must not hold `?` or `#`";
    assert_eq!(refusal(|config| config.path = "a?b".to_owned()), path);
    let timeout = "failed to use timeout `read`: it is zero";
    assert_eq!(
        refusal(|config| config.timeouts.read = Duration::ZERO),
        timeout
    );
}

#[test]
fn roots_without_a_certificate_are_refused_and_text_around_one_is_not() {
    let missing = "failed to find a certificate among the roots: they must hold one in PEM";
    assert_eq!(refusal(|config| config.roots.clear()), missing);
    assert_eq!(
        refusal(|config| config.roots = b"CONNECTED(00000003)".to_vec()),
        missing
    );
    assert_eq!(
        refusal(|config| config.roots.splice(0..0, *b"depth=0\n---\n").for_each(drop)),
        ""
    );
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let refused = refusal(|config| config.roots = garbage.as_bytes().to_vec());
    assert!(
        refused.starts_with("failed to read the certificates of the roots: "),
        "{refused}"
    );
}

#[test]
fn a_header_that_cannot_carry_the_secret_is_refused_without_showing_it() {
    for header in ["x-auth-blob", "Auth_blob", "Auth-blob", "authorization"] {
        assert_eq!(
            refusal(|config| config.auth = Some(auth(header, CANARY))),
            ""
        );
    }
    assert_eq!(refusal(|config| config.auth = None), "");
    let table = [
        (
            "a b",
            CANARY,
            "failed to use `a b` as a header's name: invalid HTTP header name",
        ),
        (
            "",
            CANARY,
            "failed to use `` as a header's name: invalid HTTP header name",
        ),
        (
            "Host",
            CANARY,
            "failed to use `Host` to authenticate: requests need it for themselves",
        ),
    ];
    for (header, value, expected) in table {
        assert_eq!(
            refusal(|config| config.auth = Some(auth(header, value))),
            expected
        );
    }
    for value in ["", "canary-7f3a\n", "canary\0-7f3a", "canary-7f3a\r\nx: y"] {
        assert_eq!(
            refusal(|config| config.auth = Some(auth("x-auth-blob", value))),
            "failed to put the secret into header `x-auth-blob`: it is empty, or has a line break or another control character, perhaps at its end"
        );
    }
}

#[test]
fn invariant_10_the_secret_is_printed_nowhere() {
    let config = config();
    let printed = format!("{config:?} {:?}", config.auth);
    let provider = OpenAttestation::new(config).unwrap();

    assert!(!printed.contains(CANARY), "{printed}");
    // As numbers, too.
    assert!(!printed.contains("99, 97, 110"), "{printed}");
    assert!(!format!("{provider:?} {provider:#?}").contains(CANARY));
}

#[test]
fn each_halving_halves_what_a_batch_may_take_and_not_what_a_connection_may() {
    let timeouts = config().timeouts;
    let seconds = |read: f64, total: f64| Timeouts {
        connect: Duration::from_secs(5),
        read: Duration::from_secs_f64(read),
        total: Duration::from_secs_f64(total),
    };

    assert_eq!(timeouts.halved(0), timeouts);
    assert_eq!(timeouts.halved(1), seconds(37.5, 45.0));
    assert_eq!(timeouts.halved(3), seconds(9.375, 11.25));
    assert_eq!(timeouts.halved(u32::MAX), timeouts.halved(32));
    let levels: Duration = (1..=31).map(|level| timeouts.halved(level).total).sum();
    assert!(levels < timeouts.total);
}
