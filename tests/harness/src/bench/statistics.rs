//! What many measurements say together. No assumption is made of how they are distributed.

/// Measurements, smallest first.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Orders `values`.
    #[must_use]
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The smallest value that so many thousandths of all are not above; NaN if there is none.
    #[must_use]
    pub fn quantile(&self, thousandths: usize) -> f64 {
        let rank = (self.0.len() * thousandths).div_ceil(1000).max(1);
        self.at(rank)
    }

    /// The value in the middle; between the two where there are two.
    #[must_use]
    pub fn median(&self) -> f64 {
        let count = self.0.len();
        f64::midpoint(self.at(count.div_ceil(2)), self.at(count / 2 + 1))
    }

    /// The value of a rank; the first has rank 1.
    fn at(&self, rank: usize) -> f64 {
        let index = rank.wrapping_sub(1);
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// A median, and between which values the true one lies with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The median of what was measured.
    pub median: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// The interval of the median of `values`, from two of them (sign test). Fewer than six tell
    /// less than that: then it is all that was seen.
    #[must_use]
    pub fn of(values: Vec<f64>) -> Self {
        let count = values.len();
        let samples = Samples::new(values);
        let rank = rank(count);
        Self {
            low: samples.at(rank),
            median: samples.median(),
            high: samples.at(count + 1 - rank),
        }
    }
}

/// The greatest rank of which it holds that the true median is below the value of this rank, or
/// above that of the same rank from the end, in 5 % of all cases at most. Or 1.
fn rank(count: usize) -> usize {
    // The probability that exactly `rank` of `count` values are below the true median.
    let mut exactly = 0.5_f64.powf(count as f64);
    let mut fewer = 0.0;
    let mut rank = 0;
    while rank < count && 2.0 * (fewer + exactly) <= 0.05 {
        fewer += exactly;
        exactly *= (count - rank) as f64 / (rank + 1) as f64;
        rank += 1;
    }
    rank.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(last: u32) -> Vec<f64> {
        (1..=last).rev().map(f64::from).collect()
    }

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let table = [
            (100, 500, 50.0),
            (100, 990, 99.0),
            (500, 990, 495.0),
            (7, 990, 7.0),
            (1, 500, 1.0),
            (3, 0, 1.0),
        ];
        for (count, thousandths, expected) in table {
            let given = Samples::new(to(count)).quantile(thousandths);

            assert!((given - expected).abs() < 1e-9, "{count}: {given}");
        }
        assert!(Samples::default().quantile(500).is_nan());
    }

    /// Tables of the sign test have these ranks for 95 %.
    #[test]
    fn the_interval_of_a_median_is_that_of_the_sign_test() {
        let table = [(3, 1), (6, 1), (7, 1), (9, 2), (15, 4), (21, 6), (100, 40)];
        for (count, expected) in table {
            assert_eq!(rank(count), expected, "{count} values");
        }
        let seven = Interval {
            low: 1.0,
            median: 4.0,
            high: 7.0,
        };
        assert_eq!(Interval::of(to(7)), seven);
        let ten = Interval {
            low: 2.0,
            median: 5.5,
            high: 9.0,
        };
        assert_eq!(Interval::of(to(10)), ten);
    }
}
