//! Which object it is, and how often its content was changed: by that, a change that was changed back is seen. Pure.

use std::fmt;

use kube::ResourceExt;
use kube::api::DynamicObject;

/// From one look to the next, one change of content may leave an object as expected: whoever keeps the certificates
/// publishes a CA. A change and another one back are two.
const THERE_AND_BACK: i64 = 2;

/// Which object it is, and how often its content was changed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Version {
    uid: String,
    /// The API server counts it up with each change of `spec` or `webhooks`, and with no other.
    generation: i64,
}

impl From<&DynamicObject> for Version {
    fn from(object: &DynamicObject) -> Self {
        Self {
            uid: object.uid().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
        }
    }
}

impl Version {
    /// Says whether it was another one, or none, some time between `before` and this, at both of which it was as
    /// expected. An upgrade that brings the same does not count: what is the same is not written.
    pub fn was_away_since(&self, before: &Self) -> bool {
        self.uid != before.uid || self.generation - before.generation >= THERE_AND_BACK
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {} of {}", self.generation, self.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(uid: &str, generation: i64) -> Version {
        let uid = uid.to_owned();
        Version { uid, generation }
    }

    #[test]
    fn there_and_back_is_seen_and_one_change_is_not_and_neither_is_none() {
        let before = version("a", 3);
        for (now, expected) in [
            (version("a", 3), false),
            (version("a", 4), false),
            (version("a", 5), true),
            (version("a", 9), true),
            (version("b", 1), true),
            (version("b", 3), true),
        ] {
            assert_eq!(now.was_away_since(&before), expected, "{now}");
        }
    }
}
