//! Every place that asks, and those that contradict each other.

use super::*;

#[test]
fn each_place_asks_and_an_unknown_value_asks_for_what_no_node_has() {
    let trusted = Requirement::Trusted { pool: None };
    let words = Words::default();
    let table = [
        (words, Requirement::Nothing),
        (
            Words {
                selector: Some("trusted"),
                ..words
            },
            trusted.clone(),
        ),
        (
            Words {
                annotation: Some("trusted"),
                ..words
            },
            trusted.clone(),
        ),
        (
            Words {
                label: Some("trusted"),
                ..words
            },
            trusted,
        ),
        (
            Words {
                label: Some("audit"),
                ..words
            },
            Requirement::Nothing,
        ),
        (
            Words {
                annotation: Some("audit"),
                ..words
            },
            Requirement::Nothing,
        ),
        (
            Words {
                selector: Some("audit"),
                ..words
            },
            Requirement::Unknown,
        ),
        (
            Words {
                selector: Some("untrusted"),
                ..words
            },
            Requirement::Unknown,
        ),
        (
            Words {
                annotation: Some("Trusted"),
                ..words
            },
            Requirement::Unknown,
        ),
        (
            Words {
                annotation: Some(""),
                ..words
            },
            Requirement::Unknown,
        ),
        (
            Words {
                annotation: Some("audit"),
                label: Some("trusted"),
                ..words
            },
            Requirement::Unknown,
        ),
        (
            Words {
                selector: Some("trusted"),
                label: Some("other"),
                ..words
            },
            Requirement::Unknown,
        ),
    ];
    for (given, expected) in table {
        assert_eq!(Requirement::read(&given), expected, "{given:?}");
    }
}

#[test]
fn a_pool_is_pinned_by_whoever_names_it_and_contradictions_fit_nothing() {
    let asks = Words {
        annotation: Some("trusted"),
        ..Words::default()
    };
    let (longest, long) = ("p".repeat(63), "p".repeat(64));
    let pinned = |pool: &str| Requirement::Trusted {
        pool: Some(pool.into()),
    };
    let table = [
        (
            Words {
                annotation_pool: Some("a"),
                ..asks
            },
            pinned("a"),
        ),
        (
            Words {
                selector_pool: Some("a"),
                label_pool: Some("a"),
                ..asks
            },
            pinned("a"),
        ),
        (
            Words {
                selector_pool: Some("a"),
                label_pool: Some("b"),
                ..asks
            },
            Requirement::Unknown,
        ),
        (
            Words {
                annotation_pool: Some(""),
                ..asks
            },
            Requirement::Unknown,
        ),
        (
            Words {
                annotation_pool: Some(&longest),
                ..asks
            },
            pinned(&longest),
        ),
        (
            Words {
                annotation_pool: Some(&long),
                ..asks
            },
            Requirement::Unknown,
        ),
    ];
    for (given, expected) in table {
        assert_eq!(Requirement::read(&given), expected, "{given:?}");
    }
}

#[test]
fn a_pool_alone_asks_for_nothing() {
    let words = Words {
        annotation_pool: Some("a"),
        ..Words::default()
    };

    assert_eq!(Requirement::read(&words), Requirement::Nothing);
}

#[test]
fn the_rule_of_a_namespace_asks_for_every_pod_and_cannot_be_loosened() {
    let trusted = Rule {
        require: Some("trusted"),
        pool: None,
    };
    let audit = Rule {
        require: Some("audit"),
        pool: Some("p"),
    };
    let unknown = Rule {
        require: Some("yes"),
        pool: None,
    };
    let asked = |pool: Option<&str>| Requirement::Trusted {
        pool: pool.map(PoolName::from),
    };
    let silent = Words::default();
    let asks = Words {
        annotation: Some("trusted"),
        annotation_pool: Some("q"),
        ..silent
    };
    let opts_out = Words {
        annotation: Some("audit"),
        label: Some("audit"),
        ..silent
    };
    let table = [
        (trusted, silent, asked(None)),
        (trusted, opts_out, asked(None)),
        (trusted, asks, asked(Some("q"))),
        (audit, silent, Requirement::Nothing),
        (audit, opts_out, Requirement::Nothing),
        (audit, asks, Requirement::Unknown),
        (
            trusted,
            Words {
                selector: Some("audit"),
                ..silent
            },
            Requirement::Unknown,
        ),
        (unknown, silent, Requirement::Unknown),
        (unknown, opts_out, Requirement::Unknown),
    ];
    for (rule, words, expected) in table {
        assert_eq!(
            Requirement::under(&rule, &words),
            expected,
            "{rule:?} {words:?}"
        );
    }
    let pinned = Rule {
        pool: Some("p"),
        ..trusted
    };
    assert_eq!(Requirement::under(&pinned, &silent), asked(Some("p")));
    assert_eq!(Requirement::under(&pinned, &asks), Requirement::Unknown);
}
