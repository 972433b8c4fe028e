//! From a `TrustPool` to the domain's pool and selector.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::text::is_object_name;
use crate::api::{Duration, Invalid};
use crate::domain::pool::{self, OnExpiry, Share, TrustAgain};
use crate::domain::{Pool, PoolName, ServiceName};

use super::{
    A_DAY, A_SECOND, Breaker, INTERVALS, Label, NAME, ONE_WAY, Refresh, SERVICE_NAME, SHARE,
    Selector, TWICE, Taint, TrustAgainSpec, TrustPool, TrustPoolSpec,
};

/// The longest validity: whoever is on call sleeps at most so long.
const LONGEST_VALIDITY: SignedDuration = SignedDuration::from_hours(24);
/// The most rounds and verdicts that can be asked for.
const MOST_ROUNDS: u32 = 100;
/// The most nodes that a breaker can let go.
const MOST_NODES: u32 = 99_999;
/// Verdicts in a row, if nothing is said.
const VERDICTS: u32 = 2;

impl TryFrom<&TrustPool> for Pool {
    type Error = Invalid;

    fn try_from(pool: &TrustPool) -> Result<Self, Self::Error> {
        let TrustPoolSpec {
            node_selector: _,
            attestation_service_ref,
            validity,
            refresh,
            silent_after,
            on_untrusted,
            on_unknown,
            breaker,
            trust_again,
            startup_taint,
            dry_run,
            paused,
        } = &pool.spec;
        check_lengths(*validity, refresh)?;
        Ok(Self {
            name: name(pool)?,
            created: created(pool)?,
            service: service(&attestation_service_ref.name)?,
            validity: validity.length(),
            interval: refresh.interval.length(),
            min_interval: refresh.min_interval.length(),
            silent_after: rounds("spec.silentAfter", *silent_after)?,
            taint_untrusted: on_untrusted.taint.into(),
            taint_unknown: on_unknown.taint.into(),
            on_expiry: on_unknown.label.into(),
            max_untrusted: breaker.try_into()?,
            trust_again: trust_again.try_into()?,
            startup_taint: *startup_taint,
            dry_run: *dry_run,
            paused: *paused,
        })
    }
}

impl TryFrom<&TrustPool> for Selector {
    type Error = Invalid;

    fn try_from(pool: &TrustPool) -> Result<Self, Self::Error> {
        Self::try_from(&pool.spec.node_selector)
    }
}

impl TryFrom<&Breaker> for Share {
    type Error = Invalid;

    fn try_from(breaker: &Breaker) -> Result<Self, Self::Error> {
        let given = match &breaker.max_untrusted {
            IntOrString::Int(count) => count.to_string(),
            IntOrString::String(text) => text.clone(),
        };
        share(&given).ok_or_else(|| SHARE.broken("spec.breaker.maxUntrusted", given))
    }
}

impl TryFrom<&TrustAgainSpec> for TrustAgain {
    type Error = Invalid;

    fn try_from(spec: &TrustAgainSpec) -> Result<Self, Self::Error> {
        match (spec.verdicts, spec.manual.unwrap_or_default()) {
            (Some(verdicts), true) => Err(ONE_WAY.broken("spec.trustAgain", verdicts)),
            (None, true) => Ok(Self::Manual),
            (verdicts, false) => {
                let verdicts = verdicts.unwrap_or(VERDICTS);
                rounds("spec.trustAgain.verdicts", verdicts).map(Self::Verdicts)
            }
        }
    }
}

impl From<Taint> for pool::Taint {
    fn from(taint: Taint) -> Self {
        match taint {
            Taint::None => Self::None,
            Taint::NoSchedule => Self::NoSchedule,
        }
    }
}

impl From<Label> for OnExpiry {
    fn from(label: Label) -> Self {
        match label {
            Label::Change => Self::Change,
            Label::Keep => Self::Keep,
        }
    }
}

/// The pool's name, which must be the value of a label.
fn name(pool: &TrustPool) -> Result<PoolName, Invalid> {
    let name = pool.metadata.name.as_deref().unwrap_or_default();
    NAME.check((1..=63).contains(&name.len()), "metadata.name", name)?;
    Ok(PoolName::from(name))
}

/// When the pool was created, which decides between pools that select one node.
fn created(pool: &TrustPool) -> Result<jiff::Timestamp, Invalid> {
    match &pool.metadata.creation_timestamp {
        Some(created) => Ok(created.0),
        None => Err(Invalid::new(
            "metadata.creationTimestamp",
            "",
            "must be there",
        )),
    }
}

/// The name of the judge.
fn service(name: &str) -> Result<ServiceName, Invalid> {
    let field = "spec.attestationServiceRef.name";
    SERVICE_NAME.check(is_object_name(name), field, name)?;
    Ok(ServiceName::from(name))
}

/// 1 s ≤ `minInterval` ≤ `interval` ≤ half of `validity` ≤ 12 h.
fn check_lengths(validity: Duration, refresh: &Refresh) -> Result<(), Invalid> {
    let Refresh {
        interval,
        min_interval,
    } = *refresh;
    let twice = interval.length().saturating_mul(2);
    A_DAY.check(
        validity.length() <= LONGEST_VALIDITY,
        "spec.validity",
        validity,
    )?;
    TWICE.check(twice <= validity.length(), "spec.validity", validity)?;
    A_SECOND.check(
        min_interval >= Duration::from_secs(1),
        "spec.refresh.minInterval",
        min_interval,
    )?;
    INTERVALS.check(
        min_interval <= interval,
        "spec.refresh.minInterval",
        min_interval,
    )
}

/// A number of rounds or verdicts.
fn rounds(field: &str, number: u32) -> Result<u32, Invalid> {
    if (1..=MOST_ROUNDS).contains(&number) {
        Ok(number)
    } else {
        let why = format_args!("must be from 1 to {MOST_ROUNDS}");
        Err(Invalid::new(field, number, why))
    }
}

/// `1` to `99999`, or `0%` to `100%`; neither signs nor leading zeros.
fn share(text: &str) -> Option<Share> {
    let (digits, share, legal): (_, fn(u32) -> Share, _) = match text.strip_suffix('%') {
        Some(digits) => (digits, Share::Percent, 0..=100),
        None => (text, Share::Count, 1..=MOST_NODES),
    };
    let number: u32 = digits.parse().ok()?;
    let spelled = number.to_string() == digits && legal.contains(&number);
    spelled.then(|| share(number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::decode;

    #[test]
    fn what_is_not_said_is_as_documented() {
        let object = json!({
            "apiVersion": "trustpool.dev/v1alpha1",
            "kind": "TrustPool",
            "metadata": {"name": "default", "creationTimestamp": "2026-01-31T12:00:00Z"},
            "spec": {"attestationServiceRef": {"name": "oat"}},
        });

        let pool = decode::<TrustPool>(&object).unwrap();

        let expected = Pool {
            name: "default".into(),
            created: "2026-01-31T12:00:00Z".parse().unwrap(),
            service: "oat".into(),
            validity: SignedDuration::from_mins(30),
            interval: SignedDuration::from_mins(5),
            min_interval: SignedDuration::from_secs(30),
            silent_after: 2,
            taint_untrusted: pool::Taint::NoSchedule,
            taint_unknown: pool::Taint::None,
            on_expiry: OnExpiry::Keep,
            max_untrusted: Share::Percent(20),
            trust_again: TrustAgain::Verdicts(2),
            startup_taint: false,
            dry_run: false,
            paused: false,
        };
        assert_eq!(Pool::try_from(&pool), Ok(expected));
    }

    #[test]
    fn what_is_said_goes_where_it_belongs() {
        let object = json!({
            "apiVersion": "trustpool.dev/v1alpha1",
            "kind": "TrustPool",
            "metadata": {"name": "p", "creationTimestamp": "2026-01-31T12:00:00Z"},
            "spec": {
                "attestationServiceRef": {"name": "s"},
                "validity": "10h",
                "refresh": {"interval": "1h", "minInterval": "1m"},
                "silentAfter": 7,
                "onUntrusted": {"taint": "None"},
                "onUnknown": {"label": "Change", "taint": "NoSchedule"},
                "breaker": {"maxUntrusted": 3},
                "trustAgain": {"manual": true},
                "startupTaint": true,
                "dryRun": true,
                "paused": true,
            },
        });

        let pool = decode::<TrustPool>(&object).unwrap();

        let expected = Pool {
            name: "p".into(),
            created: "2026-01-31T12:00:00Z".parse().unwrap(),
            service: "s".into(),
            validity: SignedDuration::from_hours(10),
            interval: SignedDuration::from_hours(1),
            min_interval: SignedDuration::from_mins(1),
            silent_after: 7,
            taint_untrusted: pool::Taint::None,
            taint_unknown: pool::Taint::NoSchedule,
            on_expiry: OnExpiry::Change,
            max_untrusted: Share::Count(3),
            trust_again: TrustAgain::Manual,
            startup_taint: true,
            dry_run: true,
            paused: true,
        };
        assert_eq!(Pool::try_from(&pool), Ok(expected));
    }

    #[test]
    fn a_share_is_spelled_one_way() {
        let table = [
            ("1", Some(Share::Count(1))),
            ("99999", Some(Share::Count(99_999))),
            ("100000", None),
            ("0", None),
            ("+1", None),
            ("01", None),
            ("0%", Some(Share::Percent(0))),
            ("100%", Some(Share::Percent(100))),
            ("101%", None),
            ("020%", None),
            ("-1%", None),
            ("%", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(share(text), expected, "{text}");
        }
    }
}
