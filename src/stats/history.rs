//! Comparison of today with the past: procedure H.
//!
//! Owns the prediction interval of a run's level from earlier runs, and the estimate of the spread between
//! runs. Must not know which runs match, nor their times. Invariant: runs differ as wholes, so that more
//! requests inside a run never make its difference from another certain.
//!
//! A run is a row of robust levels (natural logarithms), one a prompt; every run has the same prompts. m is a
//! run's mean level. The remainder of a level after its run's and its prompt's mean shows the precision of a
//! level; the spread of the m of the past, together with a prior worth a few runs, shows the spread between
//! runs.

use super::POWER;
use super::distributions::normal_isf;
use super::hodges_lehmann;
use super::interval::{Alpha, Interval};
use super::quantile::quantile_f64;

/// The maximum number of past runs that predict a level: older ones describe another time.
pub const RUNS_MAX: usize = 20;

/// Runs whose variance is more than this times the expected one contradict the prior.
const CONTRADICTED: f64 = 1.25;

/// The minimum number of series of at least [`LEARN_RUNS`] runs for a learned prior.
const LEARN_SERIES: usize = 20;

/// The minimum length of a series for a learned prior.
const LEARN_RUNS: usize = 5;

/// The robust level of one prompt in one run: the one-sample Hodges-Lehmann estimate of natural logarithms in
/// any order. `None` for no values, or if one is not finite.
pub fn level(logs: &[f64]) -> Option<f64> {
    if !logs.iter().all(|log| log.is_finite()) {
        return None;
    }
    let mut sorted = logs.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    hodges_lehmann::level(&sorted)
}

/// Runs with one level a prompt: at least one run, at least two prompts, every run with all of them, all levels
/// finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels(Vec<Vec<f64>>);

impl Levels {
    /// Returns `None` unless the conditions of the type are met.
    pub fn new(runs: Vec<Vec<f64>>) -> Option<Self> {
        let prompts = runs.first()?.len();
        let proper = |run: &Vec<f64>| run.len() == prompts && run.iter().all(|l| l.is_finite());
        (prompts >= 2 && runs.iter().all(proper)).then_some(Self(runs))
    }

    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.0.len()
    }

    /// The number of prompts.
    pub fn prompts(&self) -> usize {
        self.0[0].len()
    }

    /// The mean level of each run.
    pub fn means(&self) -> Vec<f64> {
        self.0.iter().map(|run| mean(run)).collect()
    }

    /// The runs from `first` to before `end`; `None` if there are none.
    pub fn slice(&self, first: usize, end: usize) -> Option<Self> {
        let runs = self.0.get(first..end)?;
        (!runs.is_empty()).then(|| Self(runs.to_vec()))
    }

    /// The last [`RUNS_MAX`] runs.
    fn latest(&self) -> Option<Self> {
        self.slice(self.runs().saturating_sub(RUNS_MAX), self.runs())
    }

    /// These runs followed by those of `later`. `None` unless the numbers of prompts are equal.
    pub fn followed_by(&self, later: &Self) -> Option<Self> {
        (self.prompts() == later.prompts())
            .then(|| Self([self.0.as_slice(), later.0.as_slice()].concat()))
    }

    /// These levels minus those of a control in the same runs, so that a common slowdown cancels. `None` unless
    /// the numbers of runs and prompts are equal.
    pub fn less(&self, control: &Self) -> Option<Self> {
        if (self.runs(), self.prompts()) != (control.runs(), control.prompts()) {
            return None;
        }
        let less = |(own, other): (&Vec<f64>, &Vec<f64>)| {
            own.iter()
                .zip(other)
                .map(|(own, other)| own - other)
                .collect()
        };
        Self::new(self.0.iter().zip(&control.0).map(less).collect())
    }

    /// The variance of a run's mean level that is explained by sampling and by prompt-specific fluctuations: the
    /// mean square of the remainder after run and prompt means, over P. `None` for a single run.
    fn sampling_variance(&self) -> Option<f64> {
        let (runs, prompts) = (self.runs(), self.prompts());
        if runs < 2 {
            return None;
        }
        let run_means = self.means();
        let all = mean(&run_means);
        let prompt_means: Vec<f64> = (0..prompts)
            .map(|prompt| mean(&self.0.iter().map(|run| run[prompt]).collect::<Vec<_>>()))
            .collect();
        let squares: Vec<f64> = self
            .0
            .iter()
            .zip(&run_means)
            .flat_map(|(run, run_mean)| {
                run.iter()
                    .zip(&prompt_means)
                    .map(move |(level, prompt_mean)| (level - run_mean - prompt_mean + all).powi(2))
            })
            .collect();
        Some(sum(&squares) / ((prompts - 1) * (runs - 1)) as f64 / prompts as f64)
    }

    /// The spread of these runs, and its part explained by sampling; `None` for a single run.
    pub fn spread(&self) -> Option<Spread> {
        Some(Spread {
            runs: self.runs(),
            between: variance(&self.means())?,
            sampling: self.sampling_variance()?,
        })
    }
}

/// The spread of the runs of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The number of runs.
    pub runs: usize,
    /// The variance of their mean levels.
    pub between: f64,
    /// The part of it that is explained by sampling.
    pub sampling: f64,
}

/// The prior for the spread between runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// The standard deviation of a run's level, as a natural logarithm, without sampling.
    pub sd: f64,
    /// The number of runs that this prior counts as.
    pub runs: f64,
}

impl Default for Prior {
    /// 4 per cent, worth six runs.
    fn default() -> Self {
        Self {
            sd: 0.04,
            runs: 6.0,
        }
    }
}

impl Prior {
    /// The prior for a model's level less the mean of `others` in the same runs: that of the difference of two
    /// models, 4 per cent, where the mean of several varies less than one.
    pub fn of_departure(others: usize) -> Self {
        let prior = Self::default();
        let share = f64::midpoint(1.0, 1.0 / others.max(1) as f64);
        Self {
            sd: prior.sd * share.sqrt(),
            ..prior
        }
    }

    /// The prior with the weight that the runs seen leave it. Where they vary far more than expected, the prior is
    /// wrong, and pooling it with them would call their ordinary differences changes: its weight falls with the
    /// third power of the excess.
    fn against(self, between: f64, expected: f64) -> Self {
        let excess = between / (CONTRADICTED * expected);
        let runs = if excess > 1.0 {
            self.runs / excess.powi(3)
        } else {
            self.runs
        };
        Self { runs, ..self }
    }

    /// The prior learned from a store of many series: the median over series of the variance not explained by
    /// sampling. `None` until there are 20 series of at least 5 runs.
    pub fn learned(series: &[Spread]) -> Option<Self> {
        let mut beyond_sampling: Vec<f64> = series
            .iter()
            .filter(|spread| spread.runs >= LEARN_RUNS)
            .map(|spread| (spread.between - spread.sampling).max(0.0))
            .collect();
        if beyond_sampling.len() < LEARN_SERIES {
            return None;
        }
        beyond_sampling.sort_unstable_by(f64::total_cmp);
        let sd = quantile_f64(&beyond_sampling, 0.5)?.sqrt();
        Some(Self {
            sd,
            ..Self::default()
        })
    }
}

/// Today's level compared with the past.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The number of past runs used.
    pub past: usize,
    /// The share of the past runs whose levels are those of another model, at a ratio known from one run.
    pub spliced: f64,
    /// The number of today's runs.
    pub today: usize,
    /// The number of prompts.
    pub prompts: usize,
    /// The rise from the past's level to today's, as a natural logarithm.
    pub estimate: f64,
    /// The standard deviation of one run's level, sampling included (T).
    pub run_sd: f64,
    /// The standard error of the estimate.
    pub standard_error: f64,
    /// Its degrees of freedom: the prior's runs and those that inform the spread between runs, minus 1.
    pub df: f64,
}

/// Predicts today's runs (usually one) from the last [`RUNS_MAX`] of the past ones, the newest last. `None` if
/// the numbers of prompts differ.
///
/// T^2 = max(s^2, (`nu_0` (`s_0`^2 + s^2) + (K - 1) S^2) / (`nu_0` + K - 1)), s^2 the sampling variance, S^2 the
/// variance of the past's K means; standard error T sqrt(1/q + 1/K) for q runs of today; `nu_0` + K - 1
/// degrees of freedom. `nu_0` falls where S^2 exceeds 1.25 (`s_0`^2 + s^2), with the third power of the excess.
pub fn predict(past: &Levels, today: &Levels, prior: Prior) -> Option<Prediction> {
    predict_with_flagged(past, None, today, prior)
}

/// Predicts as [`predict`], where flagged runs inform the spread between runs but not the level: those that
/// were found different and not accepted. The variance S^2 is that of the means of all K + F runs, with K + F -
/// 1 degrees of freedom; the level is the mean of the K alone. Without them a past would contain only similar
/// runs, and call the next run's ordinary noise a change.
pub fn predict_with_flagged(
    past: &Levels,
    flagged: Option<&Levels>,
    today: &Levels,
    prior: Prior,
) -> Option<Prediction> {
    if past.prompts() != today.prompts() {
        return None;
    }
    let past = past.latest()?;
    let flagged = match flagged {
        Some(flagged) if flagged.prompts() != today.prompts() => return None,
        Some(flagged) => flagged.latest()?.0,
        None => Vec::new(),
    };
    let seen = Levels([past.0.as_slice(), flagged.as_slice()].concat());
    let all = Levels([today.0.as_slice(), seen.0.as_slice()].concat());
    let sampling = all.sampling_variance()?;
    let (k, q) = (past.runs() as f64, today.runs() as f64);
    let between = variance(&seen.means()).unwrap_or(0.0);
    let prior = prior.against(between, prior.sd * prior.sd + sampling);
    let df = prior.runs + seen.runs() as f64 - 1.0;
    let believed = prior.runs * (prior.sd * prior.sd + sampling);
    let run_variance = if df > 0.0 {
        let shown = (seen.runs() as f64 - 1.0) * between;
        sampling.max((believed + shown) / df)
    } else {
        sampling
    };
    let run_sd = run_variance.sqrt();
    Some(Prediction {
        past: past.runs(),
        spliced: 0.0,
        today: today.runs(),
        prompts: all.prompts(),
        estimate: mean(&today.means()) - mean(&past.means()),
        run_sd,
        standard_error: run_sd * (1.0 / q + 1.0 / k).sqrt(),
        df,
    })
}

/// Predicts as [`predict_with_flagged`] for levels that are those of a model less the mean of `others` in the same
/// runs. The degrees of freedom are Satterthwaite's of its parts, of which sampling is known from every prompt.
pub fn predict_departure(
    past: &Levels,
    flagged: Option<&Levels>,
    today: &Levels,
    others: usize,
) -> Option<Prediction> {
    let prior = Prior::of_departure(others);
    let mut prediction = predict_with_flagged(past, flagged, today, prior)?;
    let past = past.latest()?;
    let flagged = match flagged {
        Some(flagged) => flagged.latest()?.0,
        None => Vec::new(),
    };
    let seen = Levels([past.0.as_slice(), flagged.as_slice()].concat());
    let all = Levels([today.0.as_slice(), seen.0.as_slice()].concat());
    let sampling = all.sampling_variance()?;
    let between = variance(&seen.means()).unwrap_or(0.0);
    let runs_df = seen.runs() as f64 - 1.0;
    let weight = (prediction.df - runs_df) / prediction.df;
    let parts = [
        (weight * prior.sd * prior.sd, prediction.df - runs_df),
        (
            weight * sampling,
            ((all.prompts() - 1) * (all.runs() - 1)) as f64,
        ),
        ((1.0 - weight) * between, runs_df),
    ];
    let parts = parts.iter().filter(|(part, df)| *part > 0.0 && *df > 0.0);
    let (variance, spread) = parts.fold((0.0, 0.0), |(variance, spread), (part, df)| {
        (variance + part, spread + part * part / df)
    });
    if spread > 0.0 {
        prediction.df = prediction.df.max(variance * variance / spread);
    }
    Some(prediction)
}

impl Prediction {
    /// The prediction where this share of the past runs has levels of another model, at a ratio known from one run.
    /// The ratio of two levels of one run varies by up to 2 T^2, and it is the same in all of these runs: the
    /// standard error is T sqrt(1/q + 1/K + 2 f^2).
    #[must_use]
    pub fn with_spliced(self, share: f64) -> Self {
        let past = effective_runs(self.past, share);
        Self {
            spliced: share,
            standard_error: self.run_sd * (1.0 / self.today as f64 + 1.0 / past).sqrt(),
            ..self
        }
    }

    /// Today's excess over the past, as a mean for t and p.
    pub fn mean(&self) -> super::mean::Mean {
        super::mean::Mean {
            count: self.prompts,
            estimate: self.estimate,
            standard_error: Some(self.standard_error),
            df: self.df,
        }
    }

    /// The interval of the excess.
    pub fn interval(&self, alpha: Alpha) -> Interval {
        self.mean().interval(alpha)
    }

    /// The smallest log ratio that is found with a power of 80 %, however many requests a run has: see
    /// [`smallest_shift`].
    pub fn smallest_shift(&self, alpha: Alpha) -> f64 {
        let past = effective_runs(self.past, self.spliced);
        smallest_shift(self.run_sd, self.today as f64, past, alpha)
    }
}

/// The number of measured runs that determine a level as well as `runs` runs of which this share is spliced: the
/// reciprocal of 1/K + 2 f^2.
pub fn effective_runs(runs: usize, spliced: f64) -> f64 {
    1.0 / (1.0 / runs as f64 + 2.0 * spliced * spliced)
}

/// The noise floor: the smallest log ratio between `today` and `past` runs that is found with a power of 80 %,
/// at a run-level standard deviation `run_sd`: (`z_(1-alpha/2)` + `z_0.8`) T sqrt(1/q + 1/K).
pub fn smallest_shift(run_sd: f64, today: f64, past: f64, alpha: Alpha) -> f64 {
    (alpha.critical_z() + normal_isf(1.0 - POWER)) * run_sd * (1.0 / today + 1.0 / past).sqrt()
}

/// The sum, in rising order, so that the order of runs and prompts is irrelevant.
fn sum(values: &[f64]) -> f64 {
    let mut rising = values.to_vec();
    rising.sort_unstable_by(f64::total_cmp);
    rising.iter().sum()
}

fn mean(values: &[f64]) -> f64 {
    sum(values) / values.len() as f64
}

/// The variance with n - 1; `None` for fewer than two values.
fn variance(values: &[f64]) -> Option<f64> {
    let centre = mean(values);
    let squares: Vec<f64> = values
        .iter()
        .map(|value| (value - centre).powi(2))
        .collect();
    (values.len() >= 2).then(|| sum(&squares) / (values.len() - 1) as f64)
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
