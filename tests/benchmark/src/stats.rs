//! Medians and quartiles: timings on a shared machine have long tails, so nothing here averages.

/// The middle of some values and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
    pub(crate) count: usize,
}

/// The value below which this share of the values lies, interpolated between neighbours. NaN where there are none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Self {
        Self {
            lower: quantile(values, 0.25),
            median: quantile(values, 0.5),
            upper: quantile(values, 0.75),
            count: values.len(),
        }
    }

    /// The ratios of two figures that were taken one after the other, round by round.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Self::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values_of_a_small_sample() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.lower, spread.median, spread.upper), (1.75, 2.5, 3.25));
        assert_eq!(Spread::of(&[7.0]).upper, 7.0);
        assert!(Spread::of(&[]).median.is_nan());
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // A machine that becomes twice as slow half-way changes no ratio.
        let spread = Spread::of_ratios(&[1.0, 2.0], &[2.0, 4.0]);
        assert_eq!((spread.lower, spread.upper, spread.count), (0.5, 0.5, 2));
    }
}
