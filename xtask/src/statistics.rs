//! Medians, and how far they can be trusted.

/// A median with the interval that holds the true one 95 times of 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Ratio {
    /// What this says of an aim not to be above one.
    pub(crate) fn no_more(&self) -> &'static str {
        match (self.median <= 1.0, self.low <= 1.0) {
            (true, _) => "met",
            (false, true) => "no difference that this machine can show",
            (false, false) => "falls short",
        }
    }
}

/// Of paired ratios, by the bootstrap: 10,000 resamples from a fixed seed, so a report can be checked.
pub(crate) fn ratio(ratios: &[f64]) -> Ratio {
    let mut seed: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = || {
        // Knuth's 64-bit multiplicative generator; the high bits are good enough to draw indices.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % ratios.len()
    };
    let mut medians: Vec<f64> = (0..10_000)
        .map(|_| {
            median(
                &(0..ratios.len())
                    .map(|_| ratios[next()])
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    Ratio {
        median: median(ratios),
        low: medians[250],
        high: medians[9_750],
    }
}

/// The middle one; of an even number, between the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_interval_holds_the_median_and_narrows_with_agreement() {
        let near = ratio(&[0.70, 0.71, 0.72, 0.70, 0.71]);
        let far = ratio(&[0.50, 0.90, 0.70, 1.20, 0.60]);
        assert!(near.low <= near.median && near.median <= near.high);
        assert!(near.high - near.low < far.high - far.low);
    }
}
