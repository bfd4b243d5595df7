//! Axes: from values to places in a drawing, with the ticks between.
//!
//! Owns which ticks an axis has. Must not know what is drawn. Invariant: a place is finite, and rises (or falls)
//! with its value.

/// Part of an axis that stays free on each side of the data.
const PADDING: f64 = 0.04;
/// The least ratio between the ends of a logarithmic axis.
const RATIO_MIN: f64 = 1.25;
/// Below this ratio between its ends a logarithmic axis has the ticks of a linear one.
const LINEAR_BELOW: f64 = 3.0;
/// Sets of ticks within a factor of ten, from the fewest to the most.
const DECADES: [&[f64]; 4] = [
    &[1.0],
    &[1.0, 3.0],
    &[1.0, 2.0, 5.0],
    &[1.0, 2.0, 3.0, 5.0, 7.0],
];

/// An axis: a range of values on a range of places.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ValueAxis {
    is_log: bool,
    /// Ends of the values; logarithms if `is_log`.
    low: f64,
    high: f64,
    /// Places of the two ends.
    pub(super) from: f64,
    pub(super) to: f64,
}

impl ValueAxis {
    /// A logarithmic axis that shows all these positive values; others are skipped. `None` without one.
    pub(super) fn log(
        values: impl IntoIterator<Item = f64>,
        (from, to): (f64, f64),
    ) -> Option<Self> {
        let usable = |value: &f64| *value > 0.0 && value.is_finite();
        let logs = values.into_iter().filter(usable).map(f64::ln);
        let (low, high) = ends(logs)?;
        let missing = (RATIO_MIN.ln() - (high - low)).max(0.0) / 2.0;
        let padding = PADDING * (high - low) + missing;
        Some(Self {
            is_log: true,
            low: low - padding,
            high: high + padding,
            from,
            to,
        })
    }

    /// A linear axis that shows all these values, with free space on both sides; `None` without one.
    pub(super) fn linear(
        values: impl IntoIterator<Item = f64>,
        (from, to): (f64, f64),
    ) -> Option<Self> {
        let (low, high) = ends(values.into_iter().filter(|value| value.is_finite()))?;
        let padding = if high > low {
            PADDING * (high - low)
        } else {
            low.abs().max(1.0) * PADDING
        };
        Some(Self {
            is_log: false,
            low: low - padding,
            high: high + padding,
            from,
            to,
        })
    }

    /// A linear axis from 0 to the largest of these values.
    pub(super) fn from_zero(values: impl IntoIterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let usable = |value: &f64| value.is_finite() && *value > 0.0;
        let high = values.into_iter().filter(usable).fold(0.0, f64::max);
        Self {
            is_log: false,
            low: 0.0,
            high: if high > 0.0 { high } else { 1.0 },
            from,
            to,
        }
    }

    /// The place of a value; one beyond the ends is put at the end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let scaled = if self.is_log {
            value.max(f64::MIN_POSITIVE).ln()
        } else {
            value
        };
        let share = ((scaled - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// The values of the ticks, at least `distance` apart.
    pub(super) fn ticks(&self, distance: f64) -> Vec<f64> {
        if !self.is_log {
            return self.apart(
                linear_ticks((self.low, self.high), self.room(distance)),
                distance,
            );
        }
        if self.high - self.low < LINEAR_BELOW.ln() {
            // Within a small factor a logarithmic axis looks like a linear one.
            let ends = (self.low.exp(), self.high.exp());
            return self.apart(linear_ticks(ends, self.room(distance)), distance);
        }
        let sets = DECADES.iter().rev().map(|steps| self.log_ticks(steps));
        let is_sparse = |ticks: &Vec<f64>| {
            let apart = |pair: &[f64]| (self.at(pair[1]) - self.at(pair[0])).abs() >= distance;
            ticks.len() > 1 && ticks.windows(2).all(apart)
        };
        let mut sets = sets;
        sets.find(is_sparse)
            .unwrap_or_else(|| self.apart(self.log_ticks(DECADES[0]), distance))
    }

    /// The number of ticks that fit.
    fn room(&self, distance: f64) -> f64 {
        ((self.to - self.from).abs() / distance).max(1.0)
    }

    /// These ticks without those that are too near to the one before.
    fn apart(&self, ticks: Vec<f64>, distance: f64) -> Vec<f64> {
        let mut chosen: Vec<f64> = Vec::new();
        for tick in ticks {
            let is_far = |last: &f64| (self.at(tick) - self.at(*last)).abs() >= distance;
            if chosen.last().is_none_or(is_far) {
                chosen.push(tick);
            }
        }
        chosen
    }

    /// The ticks of a logarithmic axis with these steps in each factor of ten.
    fn log_ticks(&self, steps: &[f64]) -> Vec<f64> {
        let (low, high) = (self.low.exp(), self.high.exp());
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(low.log10().floor());
        while decade <= high && ticks.len() < 200 {
            ticks.extend(steps.iter().map(|step| step * decade));
            decade *= 10.0;
        }
        ticks.retain(|tick| (low..=high).contains(tick));
        ticks
    }
}

/// Round values between two ends, about as many as there is room for; at least one.
fn linear_ticks((low, high): (f64, f64), room: f64) -> Vec<f64> {
    let rough = (high - low) / room;
    let decade = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    // The widest step may have no multiple between the ends; a finer one has.
    let wide = factors
        .into_iter()
        .map(|factor| factor * decade)
        .filter(|step| *step >= rough);
    let fine = [0.5, 0.2, 0.1].into_iter().map(|factor| factor * decade);
    let steps = wide.take(1).chain(fine);
    let multiples = |step: f64| -> Vec<f64> {
        let first = (low / step).ceil();
        let ticks = (0..400).map(|index| (first + f64::from(index)) * step);
        ticks
            .take_while(|tick| *tick <= high + step * 1e-9)
            .collect()
    };
    steps
        .filter(|step| step.is_finite() && *step > 0.0)
        .map(multiples)
        .find(|ticks| !ticks.is_empty())
        .unwrap_or_else(|| vec![low])
}

/// The smallest and the largest of some values.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |found, value| {
        Some(match found {
            None => (value, value),
            Some((low, high)) => (f64::min(low, value), f64::max(high, value)),
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        // A reader reads 200, 500 and 1000, not 213.7.
        let axis = ValueAxis::log([230e6, 2_900e6], (0.0, 500.0)).unwrap();
        assert_eq!(axis.ticks(60.0), [300e6, 500e6, 700e6, 1e9, 2e9, 3e9]);
        let axis = ValueAxis::log([410.0, 590.0], (0.0, 300.0)).unwrap();
        assert_eq!(axis.ticks(60.0), [450.0, 500.0, 550.0]);
        let axis = ValueAxis::from_zero([0.0, 4.9], (0.0, 400.0));
        assert_eq!(axis.ticks(60.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    proptest! {
        // Places lie on the axis, in the order of their values, and ticks do not overlap.
        #[test]
        fn places_follow_values(
            values in proptest::collection::vec(1e-9..1e15_f64, 1..20), distance in 20.0..120.0_f64
        ) {
            for axis in [ValueAxis::log(values.clone(), (50.0, 850.0)), ValueAxis::linear(values.clone(), (50.0, 850.0))] {
                let axis = axis.unwrap();
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                let places: Vec<f64> = sorted.iter().map(|value| axis.at(*value)).collect();
                prop_assert!(places.windows(2).all(|pair| pair[0] <= pair[1]));
                prop_assert!(places.iter().all(|place| (50.0..=850.0).contains(place)));
                let ticks = axis.ticks(distance);
                prop_assert!(!ticks.is_empty() && ticks.len() < 60, "{ticks:?}");
                let apart = |pair: &[f64]| axis.at(pair[1]) - axis.at(pair[0]) >= distance - 1.0;
                prop_assert!(ticks.windows(2).all(apart), "{ticks:?}");
            }
        }
    }
}
