//! Numbers read out of what programs print, and spans of time compared. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// How long after the first the last of several requests may come, if they are sent at once.
const AT_ONCE: f64 = 1.0;

/// How many there are of what, in `52 expired, 5 untrusted`; nothing if any part is no such pair.
pub(super) fn counts(list: &str) -> Option<BTreeMap<String, usize>> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for part in list.split(", ") {
        let (number, what) = part.split_once(' ')?;
        let number: usize = number.parse().ok()?;
        *counts.entry(what.to_owned()).or_default() += number;
    }
    Some(counts)
}

/// The sum of a metric over all its labels; nothing if it is absent or no whole number.
pub(super) fn total(metrics: &str, name: &str) -> Option<u64> {
    let series = metrics.lines().filter_map(|line| {
        let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{')).then_some(value)
    });
    let values: Vec<u64> = series.map(str::parse).collect::<Result<_, _>>().ok()?;
    (!values.is_empty()).then(|| values.iter().sum())
}

/// From one moment to another, in seconds; negative if they are the wrong way round.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// Says whether one moment came after another, or with it, and no later than `limit` seconds after.
pub(super) fn within(limit: f64, from: Timestamp, to: Timestamp) -> bool {
    from <= to && seconds(from, to) <= limit
}

/// Says whether requests were sent at once: the last soon after the first, and before `slow`, the
/// first answer that took its time.
pub(super) fn sent_at_once(asked: &[Timestamp], slow: Timestamp) -> bool {
    let (Some(first), Some(last)) = (asked.iter().min(), asked.iter().max()) else {
        return false;
    };
    within(AT_ONCE, *first, *last) && *last < slow
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    #[test]
    fn a_count_is_the_whole_number_and_its_whole_words() {
        let expected = [("expired", 52), ("never attested", 3), ("untrusted", 15)];
        let expected = expected.map(|(what, number)| (what.to_owned(), number));

        let found = counts("52 expired, 3 never attested, 15 untrusted");

        assert_eq!(found, Some(expected.into()));
        assert_eq!(counts("2 a, 3 a"), Some([("a".to_owned(), 5)].into()));
        assert_eq!(counts(""), None);
        assert_eq!(counts("2 a, some b"), None);
    }

    #[test]
    fn a_metric_is_summed_over_its_labels_and_no_other_is() {
        let metrics =
            "# TYPE n histogram\nn_count{mode=\"a b\"} 2\nn_count{mode=\"c\"} 3\nn_counts 7\nm 1\n";

        assert_eq!(total(metrics, "n_count"), Some(5));
        assert_eq!(total(metrics, "m"), Some(1));
        assert_eq!(total(metrics, "n"), None);
        assert_eq!(total("n 0.5\n", "n"), None);
    }

    #[test]
    fn what_came_before_is_not_within_any_time_after() {
        assert!(within(2.0, at(0), at(0)) && within(2.0, at(0), at(2_000)));
        assert!(!within(2.0, at(1), at(0)) && !within(2.0, at(0), at(2_001)));
        assert!(seconds(at(500), at(0)) < 0.0);
    }

    #[test]
    fn requests_that_wait_for_an_answer_are_not_sent_at_once() {
        assert!(sent_at_once(&[at(30), at(0), at(20)], at(900)));
        assert!(!sent_at_once(&[at(0), at(901)], at(900)));
        assert!(!sent_at_once(&[at(0), at(1_001)], at(5_000)));
        assert!(!sent_at_once(&[], at(0)));
    }
}
