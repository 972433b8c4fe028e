//! What a pod asks of its node, read from the places where a pod or its namespace can say it.

mod additions;

use super::PoolName;

pub use self::additions::{Additions, additions};

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

/// What a namespace's labels say about its pods.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rule<'a> {
    /// `trustpool.dev/require`.
    pub require: Option<&'a str>,
    /// `trustpool.dev/pool`: the pool of every pod there that asks.
    pub pool: Option<&'a str>,
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
    /// Reads what a pod says by itself. Selector, annotation and label each suffice; two that
    /// contradict each other, and a value that is not known, ask for what no node has.
    #[must_use]
    pub fn read(words: &Words<'_>) -> Self {
        Self::under(&Rule::default(), words)
    }

    /// Reads what a pod asks in a namespace with `rule`, which no word of the pod can loosen.
    #[must_use]
    pub fn under(rule: &Rule<'_>, words: &Words<'_>) -> Self {
        let said = [words.annotation, words.label];
        let is_audit = |value: &Option<&str>| value.is_none_or(|value| value == AUDIT);
        let ruled = rule.require.filter(|require| *require != AUDIT);
        if ruled.is_none() && words.selector.is_none() && said.iter().all(is_audit) {
            return Self::Nothing;
        }
        // Where the namespace asks, a pod that would only be audited asks with it.
        let said = said.map(|value| value.filter(|value| ruled.is_none() || *value != AUDIT));
        let asks = [ruled, words.selector, said[0], said[1]];
        if !asks.iter().flatten().all(|value| *value == TRUSTED) {
            return Self::Unknown;
        }
        let named = [words.selector_pool, words.annotation_pool, words.label_pool];
        match agreed(named.into_iter().chain([rule.pool])) {
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
fn agreed<'a>(
    names: impl Iterator<Item = Option<&'a str>>,
) -> Result<Option<&'a str>, Contradiction> {
    let mut named = names.flatten();
    let Some(first) = named.next() else {
        return Ok(None);
    };
    if is_name(first) && named.all(|other| other == first) {
        Ok(Some(first))
    } else {
        Err(Contradiction)
    }
}

/// Says whether a `TrustPool` can be named so: a DNS subdomain that fits a label value.
fn is_name(pool: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    pool.len() <= LONGEST_POOL
        && pool.starts_with(plain)
        && pool.ends_with(plain)
        && pool.chars().all(|c| plain(c) || c == '-' || c == '.')
}

#[cfg(test)]
mod tests;
