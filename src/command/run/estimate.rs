//! The estimate that a run begins with, and that `bakeoff estimate` prints.
//!
//! Owns where past runs are found, and the question before an expensive run. Must not compute: `catalog` does.
//! Invariant: no request is sent to a model, and damaged past runs never fail an estimate.

use std::io::{self, BufRead, IsTerminal, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use crate::catalog::{
    CostEstimate, CostHistory, CountedPrompts, EstimateInputs, PastAnswer, Sums, UnboundedCost,
    Vocabularies,
};
use crate::input::Walk;
use crate::record::{EstimateRecord, ManifestOutline, Run, Sample, Status};
use crate::report::{EstimateView, actual_cost_line};
use crate::suite::Suite;
use crate::units::Usd;

use super::cost_cap;
use super::job::{self, Job, ResolvedRun};
use crate::command::base::failure::Failure;
use crate::command::base::grader_cost::graders;
use crate::command::base::stdio::stderr;

/// Default expected cost above which a run requires a confirmation.
const CONFIRM_ABOVE: Usd = Usd(Usd::PICO);
/// Past runs whose manifests are read, the newest first: more teach nothing that these do not.
const RUNS: usize = 50;
/// Bytes of samples that are read, of the newest runs: a second's work.
const SAMPLES_BYTES: u64 = 64 << 20;

/// Prints the expected cost of a run and, if it is high and a person is present, requires a confirmation.
/// Returns the manifest's record; `None`: the person declined.
pub(super) fn before(job: &Job, options: &job::Options) -> Result<Option<EstimateRecord>, Failure> {
    let estimate = estimate(job, &options.output, CountedPrompts::Priced);
    let mut err = stderr();
    if !options.quiet {
        writeln!(err, "{}", noted(job, &estimate))?;
    }
    if let Some(cap) = job.cap.as_ref().filter(|_| !options.quiet)
        && let Some(expected) = estimate.total.expected
        && estimate.grading() > Usd::ZERO
        && expected
            .plus(estimate.grading())
            .is_none_or(|sum| sum > cap.limit())
    {
        writeln!(
            err,
            "warning: grading is expected to cost {} more, and the cap of {} may not hold it: answers without grades can be graded \
             later, with `bakeoff score`",
            rounded(estimate.grading()),
            cap.words()
        )?;
    }
    let limit = job.resolved.confirm_above.unwrap_or(CONFIRM_ABOVE);
    let asks = CostPrompt {
        real: job.resolved.profile.base_url.is_some(),
        person: io::stdin().is_terminal() && io::stderr().is_terminal(),
        agreed: options.yes,
    };
    let grading = estimate.grading();
    if asks.about(&estimate.total, grading, limit).is_some() {
        let question = question(&estimate.total, grading, limit);
        if !agreed(&question, io::stdin().lock(), &mut err)? {
            writeln!(err, "nothing was sent")?;
            return Ok(None);
        }
    }
    Ok(Some(EstimateRecord::new(&estimate)))
}

/// The expected cost of a run, as a line for standard error; `reports`: the folder of past runs.
pub(super) fn line(job: &Job, reports: &Path) -> String {
    noted(job, &estimate(job, reports, CountedPrompts::Priced))
}

fn noted(job: &Job, estimate: &CostEstimate) -> String {
    format!("note: {}", view(job, estimate).line())
}

/// Prints the actual cost of a run with its estimate.
pub(super) fn after(record: &EstimateRecord, mut err: impl Write) {
    if let Some(line) = actual_cost_line(record) {
        // With standard error closed the line is lost.
        let _ = writeln!(err, "note: {line}");
    }
}

/// The conditions of a confirmation.
#[derive(Debug, Clone, Copy)]
struct CostPrompt {
    /// The simulator's money is not.
    real: bool,
    /// True if a person is present to answer: CI must not wait.
    person: bool,
    /// Beforehand.
    agreed: bool,
}

impl CostPrompt {
    /// The cost that the question names, if there is a question: the bound of nine runs of ten if known, else
    /// the worst case, else the expected cost; with the expected cost of grading.
    fn about(self, total: &Sums, grading: Usd, limit: Usd) -> Option<Usd> {
        let asks = self.real && self.person && !self.agreed;
        let worst = || total.worst.as_ref().ok().copied();
        let cost = total.bound_90.or_else(worst).or(total.expected)?;
        let cost = Usd(cost.0.saturating_add(grading.0));
        (asks && cost > limit).then_some(cost)
    }
}

/// The question before a run whose cost is above the limit: `expected $0.09, at most $1.26, above your limit of
/// $1: continue?`.
fn question(total: &Sums, grading: Usd, limit: Usd) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(expected) = total.expected {
        parts.push(format!("expected {}", rounded(expected)));
    }
    if let Some(bound) = total.bound_90 {
        parts.push(format!("below {} in 9 of 10 runs", rounded(bound)));
    }
    parts.push(match &total.worst {
        Ok(worst) => format!("at most {}", rounded(*worst)),
        Err(_) => "without an upper limit".to_owned(),
    });
    if grading > Usd::ZERO {
        parts.push(format!("with about {} for grading", rounded(grading)));
    }
    format!(
        "{}, above your limit of ${limit}: continue? [y/N] ",
        parts.join(", ")
    )
}

/// The amount to the cent, or to two digits where cents would say little: a question about $0.00 asks nothing.
fn rounded(cost: Usd) -> String {
    let dollars = cost.as_f64();
    let decimals = (2..=12).find(|&decimals| dollars >= 0.1_f64.powi(decimals - 1));
    let decimals = match decimals {
        _ if dollars >= 0.05 => 2,
        decimals => usize::try_from(decimals.unwrap_or(12)).unwrap_or(12),
    };
    format!("${dollars:.decimals$}")
}

/// Returns true if a person answers yes; an end of the input is a no.
fn agreed(question: &str, mut answers: impl BufRead, mut err: impl Write) -> io::Result<bool> {
    write!(err, "{question}")?;
    err.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

pub(in crate::command) fn view<'a>(job: &'a Job, estimate: &'a CostEstimate) -> EstimateView<'a> {
    EstimateView {
        estimate,
        suite: &job.resolved.suite,
        endpoint: &job.resolved.profile.name,
        prices: job.prices().source(),
    }
}

/// The estimate of a run; `reports`: the folder of past runs.
pub(in crate::command) fn estimate(
    job: &Job,
    reports: &Path,
    counted: CountedPrompts,
) -> CostEstimate {
    let ResolvedRun {
        suite,
        profile,
        plan,
        ..
    } = &job.resolved;
    let past = past(job, reports);
    // They find past answers to the same prompt.
    let prompt_digests = if past.has_answers() {
        job.prompt_digests()
    } else {
        Vec::new()
    };
    // glibc keeps what a thread has freed for later threads: those of the run reuse the memory of a vocabulary, which
    // would otherwise stay unused beside theirs.
    let mut estimate = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            EstimateInputs {
                suite,
                // Freed before the first request.
                vocabularies: &Vocabularies::default(),
                counted,
                prompt_digests: &prompt_digests,
                repetitions: &plan.prompt_repetitions(suite.repetitions),
                catalog: job.prices(),
                past: &past,
                worst: cost_cap::worst_case(job),
            }
            .estimate()
        });
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    });
    let models = suite.judge.iter().map(|judge| &judge.model);
    let own = profile.prices_of(models.chain(&suite.embedding_model));
    let prices = job.prices().clone().with_own_prices(&own);
    estimate.graders = graders(suite, &prices, &estimate);
    if cost_cap::has_unknown_length(suite) {
        estimate.take_bounds_away(&UnboundedCost::OpenEnded);
    }
    estimate
}

/// The lessons of the newest runs of the suite at this endpoint. An unreadable run is skipped.
fn past(job: &Job, reports: &Path) -> CostHistory {
    let ResolvedRun { suite, profile, .. } = &job.resolved;
    let mut past = CostHistory::default();
    let mut bytes_left = SAMPLES_BYTES;
    for (run, manifest) in newest(&reports.join(&suite.name)) {
        let same = manifest.endpoint.base_url == profile.base_url
            && manifest.endpoint.name == profile.name;
        if !same {
            continue;
        }
        if manifest.status == Status::Complete
            && let Some(estimate) = &manifest.estimate
        {
            past.add_run(&estimate.past());
        }
        // The answers of a run that was interrupted or killed are those that came first: the short ones.
        let ended = matches!(manifest.status, Status::Complete | Status::Incomplete(_));
        let bytes = run.samples_bytes();
        if ended && bytes <= bytes_left {
            bytes_left -= bytes;
            add_answers(&mut past, &run, suite);
        }
    }
    past
}

/// The newest runs in a suite's folder, the newest first.
fn newest(folder: &Path) -> impl Iterator<Item = (Run, ManifestOutline)> {
    let entries = Walk::default().entries(folder).unwrap_or_default();
    // `latest` is a link or a file, and would be counted twice.
    let folders = entries.into_iter().filter(|entry| entry.kind.is_dir());
    let mut paths: Vec<_> = folders.map(|entry| entry.path).collect();
    // Names begin with the time.
    paths.sort_unstable_by(|a, b| b.cmp(a));
    paths.into_iter().take(RUNS).filter_map(|path| {
        let run = Run::open(&path).ok()?;
        let manifest = run.manifest_outline().ok()?;
        Some((run, manifest))
    })
}

fn add_answers(past: &mut CostHistory, run: &Run, suite: &Suite) {
    let samples = run.samples().into_iter().flatten().flatten();
    let answered = samples.filter(|sample: &Sample| {
        sample.outcome.answered() && suite.variant(&sample.variant).is_some()
    });
    for sample in answered {
        let Some(completion_tokens) = sample
            .known_usage()
            .and_then(|usage| usage.completion_tokens)
        else {
            continue;
        };
        past.add_answer(&PastAnswer {
            variant: &sample.variant,
            model: &sample.model,
            prompt_digest: &sample.prompt_digest,
            tags: &sample.tags,
            completion_tokens,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::UnboundedCost;

    #[test]
    fn the_question_needs_a_person_and_a_large_cost() {
        // A question that comes always is not read, and one without a reader stops a build for ever.
        let total = |expected, bound_90| Sums {
            requests: 1,
            prompt_tokens: Some(1),
            completion_tokens: 1,
            list: expected,
            expected,
            bound_90,
            past_runs: 0,
            worst: Err(UnboundedCost::NoTokenLimit {
                model: "m".parse().unwrap(),
            }),
        };
        let asks = CostPrompt {
            real: true,
            person: true,
            agreed: false,
        };
        let limit = Usd(100);
        let dear = total(Some(Usd(101)), None);
        assert_eq!(asks.about(&dear, Usd::ZERO, limit), Some(Usd(101)));
        assert_eq!(
            asks.about(&total(Some(Usd(100)), None), Usd::ZERO, limit),
            None
        );
        assert_eq!(asks.about(&total(None, None), Usd::ZERO, limit), None);
        let may_be = total(Some(Usd(99)), Some(Usd(150)));
        assert_eq!(asks.about(&may_be, Usd::ZERO, limit), Some(Usd(150)));
        // Nothing was learned yet: the worst case counts.
        let at_worst = |bound_90| Sums {
            worst: Ok(Usd(1_000)),
            ..total(Some(Usd(99)), bound_90)
        };
        assert_eq!(
            asks.about(&at_worst(None), Usd::ZERO, limit),
            Some(Usd(1_000))
        );
        assert_eq!(
            asks.about(&at_worst(Some(Usd(100))), Usd::ZERO, limit),
            None
        );
        for unattended in [
            CostPrompt {
                real: false,
                ..asks
            },
            CostPrompt {
                person: false,
                ..asks
            },
            CostPrompt {
                agreed: true,
                ..asks
            },
        ] {
            assert_eq!(
                unattended.about(&dear, Usd::ZERO, limit),
                None,
                "{unattended:?}"
            );
        }
    }

    fn sums(expected: Usd, bound_90: Option<Usd>, worst: Option<Usd>) -> Sums {
        Sums {
            requests: 1,
            prompt_tokens: Some(1),
            completion_tokens: 1,
            list: Some(expected),
            expected: Some(expected),
            bound_90,
            past_runs: 0,
            worst: worst.ok_or(UnboundedCost::NoTokenLimit {
                model: "m".parse().unwrap(),
            }),
        }
    }

    #[test]
    fn a_question_names_costs_that_can_be_compared() {
        // A limit below a cent is asked about in its own order of magnitude, not as one or no cent.
        for (pico, expected) in [
            (7_320_000_000, "$0.0073"),
            (12_340_000_000, "$0.012"),
            (99_900_000_000, "$0.10"),
            (123_400_000_000, "$0.12"),
            (12_345_600_000_000, "$12.35"),
            (3, "$0.000000000003"),
        ] {
            assert_eq!(rounded(Usd(pico)), expected);
        }
        // What is expected, what can happen, and the limit that made us ask.
        let cents = |cents: i128| Usd(cents * Usd::PICO / 100);
        assert_eq!(
            question(
                &sums(cents(9), None, Some(cents(126))),
                Usd::ZERO,
                CONFIRM_ABOVE
            ),
            "expected $0.09, at most $1.26, above your limit of $1: continue? [y/N] "
        );
        assert_eq!(
            question(
                &sums(cents(90), Some(cents(110)), None),
                Usd::ZERO,
                CONFIRM_ABOVE
            ),
            "expected $0.90, below $1.10 in 9 of 10 runs, without an upper limit, above your limit of $1: \
             continue? [y/N] "
        );
    }

    #[test]
    fn grading_is_part_of_the_question() {
        // A judge can cost more than the answers that it grades.
        let cents = |cents: i128| Usd(cents * Usd::PICO / 100);
        let total = sums(cents(9), None, Some(cents(60)));
        let asks = CostPrompt {
            real: true,
            person: true,
            agreed: false,
        };
        assert_eq!(asks.about(&total, cents(40), CONFIRM_ABOVE), None);
        assert_eq!(
            asks.about(&total, cents(41), CONFIRM_ABOVE),
            Some(cents(101))
        );
        assert_eq!(
            question(&total, cents(41), CONFIRM_ABOVE),
            "expected $0.09, at most $0.60, with about $0.41 for grading, above your limit of $1: continue? [y/N] "
        );
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        // A user who presses return by habit, or a script, does not spend money.
        let total = sums(Usd(2_345_000_000_000), None, None);
        let question = question(&total, Usd::ZERO, CONFIRM_ABOVE);
        for (answer, expected) in [
            ("y\n", true),
            ("Yes\r\n", true),
            ("\n", false),
            ("no\n", false),
            ("", false),
        ] {
            let mut output = Vec::new();
            let agreed = agreed(&question, answer.as_bytes(), &mut output).unwrap();
            assert_eq!(agreed, expected, "{answer:?}");
            assert_eq!(String::from_utf8(output).unwrap(), question);
        }
    }
}
