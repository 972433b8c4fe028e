//! Between a Lease and what an election knows of it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::election::{LEASE, Record};

impl From<&Lease> for Record {
    /// What is missing, or is not a number that makes sense, is nobody, or nothing.
    fn from(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let number = |field: Option<i32>| field.and_then(|it| u32::try_from(it).ok());
        let seconds = number(spec.lease_duration_seconds).unwrap_or_default();
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            epoch: number(spec.lease_transitions).unwrap_or_default(),
            length: Duration::from_secs(seconds.into()),
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
        }
    }
}

/// What is to be written over `known`, or created: `holder` leads in term `epoch`, or nobody does any more if it is
/// empty. The times are for people.
pub fn lease(name: &str, known: Option<&Lease>, holder: &str, epoch: u32, now: Timestamp) -> Lease {
    let before = known
        .and_then(|lease| lease.spec.clone())
        .unwrap_or_default();
    let is_renewal = before.holder_identity.as_deref() == Some(holder);
    let acquired = before.acquire_time.filter(|_| is_renewal);
    let seconds = if holder.is_empty() {
        1
    } else {
        LEASE.as_secs()
    };
    let spec = LeaseSpec {
        acquire_time: acquired.or(Some(MicroTime(now))),
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: i32::try_from(seconds).ok(),
        lease_transitions: Some(i32::try_from(epoch).unwrap_or(i32::MAX)),
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    };
    let metadata = known.map_or_else(
        || ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        |lease| lease.metadata.clone(),
    );
    Lease {
        metadata,
        spec: Some(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut first = lease("l", None, "a", 3, at(10));
        first.metadata.resource_version = Some("7".to_owned());
        let renewed = lease("l", Some(&first), "a", 3, at(20));
        let released = lease("l", Some(&renewed), "", 3, at(30));

        let read = Record::from(&renewed);
        assert_eq!(read.holder, "a");
        assert_eq!(
            (read.epoch, read.length, read.version.as_str()),
            (3, LEASE, "7")
        );
        let spec = renewed.spec.unwrap();
        assert_eq!(spec.acquire_time.unwrap().0, at(10));
        assert_eq!(spec.renew_time.unwrap().0, at(20));
        let free = Record::from(&released);
        assert_eq!((free.holder.as_str(), free.epoch), ("", 3));
        assert_eq!(free.length, Duration::from_secs(1));
    }

    #[test]
    fn nonsense_in_a_lease_is_nothing() {
        let spec = LeaseSpec {
            lease_duration_seconds: Some(-5),
            lease_transitions: Some(-1),
            ..LeaseSpec::default()
        };
        let strange = Lease {
            spec: Some(spec),
            ..Lease::default()
        };

        assert_eq!(Record::from(&strange), Record::default());
        assert_eq!(Record::from(&Lease::default()), Record::default());
    }
}
