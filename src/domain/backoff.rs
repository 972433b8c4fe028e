//! How long to wait after so many failures in a row.

use jiff::SignedDuration;

/// The wait before a host that failed alone `failures` times in a row is asked about again: 1, 2, 4,
/// 8, then 15 minutes. 0 failures wait for nothing.
#[must_use]
pub fn host(failures: u32) -> SignedDuration {
    doubled(
        SignedDuration::from_mins(1),
        failures,
        SignedDuration::from_mins(15),
    )
}

/// The wait before a service is asked at all after `failures` requests in a row that told nothing, or
/// the API server for an object whose writes fail: 1, 2, 4, then 8 seconds, so that every node is right
/// again within 10 seconds and one interval of the service's return (invariant 8 of the design).
#[must_use]
pub fn service(failures: u32) -> SignedDuration {
    doubled(
        SignedDuration::from_secs(1),
        failures,
        SignedDuration::from_secs(8),
    )
}

/// `first` doubled with every failure after the first, and never more than `longest`.
fn doubled(first: SignedDuration, failures: u32, longest: SignedDuration) -> SignedDuration {
    let Some(doublings) = failures.checked_sub(1) else {
        return SignedDuration::ZERO;
    };
    // Ten doublings are beyond every `longest` here, and far from an overflow.
    first.saturating_mul(1 << doublings.min(10)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_longest() {
        let minutes: Vec<i64> = (0..=7).map(|failures| host(failures).as_mins()).collect();
        let seconds: Vec<i64> = (0..=7)
            .map(|failures| service(failures).as_secs())
            .collect();

        assert_eq!(minutes, [0, 1, 2, 4, 8, 15, 15, 15]);
        assert_eq!(seconds, [0, 1, 2, 4, 8, 8, 8, 8]);
        assert_eq!(host(u32::MAX), SignedDuration::from_mins(15));
    }
}
