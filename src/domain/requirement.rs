//! What a pod asks of its node, read from the places where a pod can say it.

use super::PoolName;

/// The values that bear on a requirement, as a pod carries them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'a> {
    /// `trustpool.dev/require`, annotation.
    pub annotation: Option<&'a str>,
    /// `trustpool.dev/pool`, annotation.
    pub annotation_pool: Option<&'a str>,
    /// `trustpool.dev/require`, label.
    pub label: Option<&'a str>,
    /// `trustpool.dev/pool`, label.
    pub label_pool: Option<&'a str>,
    /// The trust key of `spec.nodeSelector`.
    pub selector: Option<&'a str>,
    /// The pool key of `spec.nodeSelector`.
    pub selector_pool: Option<&'a str>,
}

/// What a pod asks of its node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Requirement {
    /// Nothing: every node will do.
    Nothing,
    /// A trusted node, of that pool if one is named.
    Trusted {
        /// The only pool that will do.
        pool: Option<PoolName>,
    },
    /// Something we do not know: no node will do.
    Unknown,
}

/// The one value that asks for trust.
const TRUSTED: &str = "trusted";
/// A value that asks for nothing and is recorded.
const AUDIT: &str = "audit";
/// A label value is at most this long, and a pool's name is one.
const LONGEST_POOL: usize = 63;

impl Requirement {
    /// Reads a requirement. Selector, annotation and label each suffice; two that contradict each
    /// other, and a value that is not known, ask for what no node has.
    #[must_use]
    pub fn read(words: &Words<'_>) -> Self {
        let asks = [words.selector, words.annotation, words.label];
        if words.selector.is_none() && asks.iter().flatten().all(|value| *value == AUDIT) {
            return Self::Nothing;
        }
        if !asks.iter().flatten().all(|value| *value == TRUSTED) {
            return Self::Unknown;
        }
        match agreed([words.selector_pool, words.annotation_pool, words.label_pool]) {
            Ok(pool) => Self::Trusted {
                pool: pool.map(PoolName::from),
            },
            Err(Contradiction) => Self::Unknown,
        }
    }
}

/// Two places that name two pools, or a name that no pool can have.
struct Contradiction;

/// The one pool that all who name one agree on.
fn agreed(names: [Option<&str>; 3]) -> Result<Option<&str>, Contradiction> {
    let mut named = names.into_iter().flatten();
    let Some(first) = named.next() else {
        return Ok(None);
    };
    let legal = !first.is_empty() && first.len() <= LONGEST_POOL;
    if legal && named.all(|other| other == first) {
        Ok(Some(first))
    } else {
        Err(Contradiction)
    }
}

#[cfg(test)]
mod tests {
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
}
