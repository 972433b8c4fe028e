//! What a requirement adds to a pod: what the admission policies of `manifests/mutating-pods.yaml` do, said once more in
//! code. A test runs random pods through a real API server and compares.

use super::{AUDIT, Rule, TRUSTED, Words, is_name};

/// What is added to a pod when it is created. `None` leaves a place as it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Additions<'a> {
    /// `trustpool.dev/require`, annotation.
    pub annotation: Option<&'static str>,
    /// `trustpool.dev/pool`, annotation.
    pub annotation_pool: Option<&'a str>,
    /// `trustpool.dev/require`, label: by it, pods that ask can be listed.
    pub label: Option<&'static str>,
    /// The trust key of `spec.nodeSelector`.
    pub selector: Option<&'static str>,
    /// The pool key of `spec.nodeSelector`.
    pub selector_pool: Option<&'a str>,
    /// The managed resource, on one container, where the cluster has an extender and no container names it.
    pub resource: bool,
}

/// What a pod with `words` gets in a namespace with `rule`. Words that are wrong stay, to be refused; in the
/// annotation, `trusted` replaces `audit`. No label is changed: a controller may select its pods by it, and would
/// make others without end. Nothing is added twice.
#[must_use]
pub fn additions<'a>(words: &Words<'a>, rule: &Rule<'a>) -> Additions<'a> {
    let says = [words.annotation, words.label, words.selector];
    if says.contains(&Some(TRUSTED)) || rule.require == Some(TRUSTED) {
        return asked(words, rule);
    }
    let audits = match says {
        [None, None, None] => rule.require == Some(AUDIT),
        [Some(AUDIT), None, None] => true,
        _ => false,
    };
    Additions {
        label: audits.then_some(AUDIT),
        ..Additions::default()
    }
}

fn asked<'a>(words: &Words<'a>, rule: &Rule<'a>) -> Additions<'a> {
    let silent = |said: Option<&str>| said.is_none_or(|said| said == AUDIT);
    let pool = rule
        .pool
        .or(words.annotation_pool)
        .or(words.label_pool)
        .or(words.selector_pool)
        .filter(|pool| is_name(pool));
    let missing = |place: Option<&str>| pool.filter(|_| place.is_none());
    Additions {
        annotation: silent(words.annotation).then_some(TRUSTED),
        annotation_pool: missing(words.annotation_pool),
        label: words.label.is_none().then_some(TRUSTED),
        selector: words.selector.is_none().then_some(TRUSTED),
        selector_pool: missing(words.selector_pool),
        resource: true,
    }
}
