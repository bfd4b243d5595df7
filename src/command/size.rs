//! `bakeoff size`: the sample size that a suite needs to detect a change.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::record::Run;
use crate::report::SizesDocument;
use crate::report::suite_check::{NoiseSource, Sizing, sizes};
use crate::stats::size::{DetectionGoal, Noise, smallest_change};
use crate::suite::{Metric, Suite};
use crate::verdict::{self, PilotNoise, TYPICAL_NOISE, WorstCost, noisiest, pilot_noise};

use super::base::boundary::Reach;
use super::base::failure::Failure;
use super::base::json::print_json;
use super::base::stdio::stdout;
use super::base::{exit, files, samples, worst_case};
use super::run;

/// Prompts of a pilot: as many as the noise between prompts needs to show at all.
const PILOT_PROMPTS: usize = 10;
/// Repetitions of a pilot.
const PILOT_REPETITIONS: u32 = 3;

/// The options of `bakeoff size`.
#[derive(Debug)]
pub struct Options {
    /// The suite.
    pub suite: PathBuf,
    /// The change to detect: 0.2 for +20 %.
    pub detect: f64,
    /// The power: the probability of detecting it, 0 to 1.
    pub power: f64,
    /// Folder of the run that shows the noise.
    pub from: Option<PathBuf>,
    /// Make a pilot run first: the flags of `run` that were laid over its defaults.
    pub pilot: Option<Box<run::Options>>,
    /// Folder that holds the runs.
    pub output: PathBuf,
    /// Project file.
    pub project: Option<PathBuf>,
    /// Read files outside the project that the suite names.
    pub allow_outside: bool,
    /// Print JSON.
    pub json: bool,
}

/// Carries out `bakeoff size`.
pub(crate) fn execute(options: &Options) -> Result<u8, Failure> {
    let suite = files::suite(&options.suite, Reach::from_flag(options.allow_outside))?;
    let tolerance = suite.gate.clone().unwrap_or_default();
    let tolerance = tolerance.bounds_of(Metric::Ttft).tolerance;
    let aim = DetectionGoal {
        change: options.detect,
        tolerance,
        alpha: verdict::shared_alpha(&suite),
        power: options.power,
    };
    if aim.change <= tolerance {
        return Err(Failure::usage(format!(
            "a change of {} % is within the tolerance of `ttft`, {} %, and never reported\n  \
             detect a larger one, or lower `tolerance` under `[gate]` in the suite",
            percent(aim.change),
            percent(tolerance)
        )));
    }
    let code = match &options.pilot {
        Some(run_options) => pilot(&suite, run_options, options.json)?,
        None => exit::DONE,
    };
    if [exit::INTERRUPTED, exit::INCOMPLETE].contains(&code) {
        return Ok(code);
    }
    let (noise, source) = noise(&suite, options)?;
    let worst = worst_case::worst_cost(&suite, options.project.as_deref())?;
    let sizing = sizing(&suite, (aim, noise, source), worst);
    let mut out = stdout();
    if options.json {
        print_json(&mut out, &SizesDocument::new(&sizing))?;
    } else {
        write!(out, "{}", sizes(&sizing))?;
    }
    Ok(exit::DONE)
}

fn sizing(
    suite: &Suite,
    (aim, noise, source): (DetectionGoal, Noise, NoiseSource),
    (cost, catalog): (WorstCost, Catalog),
) -> Sizing<'_> {
    let power = verdict::power(suite, noise);
    let worth = power.prompts;
    let now = (worth, u64::from(suite.repetitions));
    let is_decisive = power.interleaved.is_some() || power.against_history.is_some();
    Sizing {
        suite,
        aim,
        comparisons: power.comparisons,
        noise,
        source,
        effective_prompts: worth,
        detectable_now: is_decisive
            .then(|| smallest_change(now, noise, aim.tolerance, aim.alpha, aim.power))
            .flatten(),
        sizes: verdict::planned_sizes(worth, aim, noise),
        cost,
        prices_date: catalog.source().date.clone(),
    }
}

/// Carries out a small run of the suite; its folder becomes the latest. Its comparison goes to standard error
/// where programs read standard output.
fn pilot(suite: &Suite, run_options: &run::Options, json: bool) -> Result<u8, Failure> {
    let ids = suite.prompts.iter().take(PILOT_PROMPTS);
    let options = run::Options {
        prompts: ids.map(|prompt| prompt.id.clone()).collect(),
        repetitions: Some(PILOT_REPETITIONS),
        aside: json,
        // Standard input cannot be read again.
        read_suite: Some(Box::new(suite.clone())),
        ..run_options.clone()
    };
    run::execute(&options)
}

/// The noise of the run that was named, else of the suite's latest, else a typical one.
fn noise(suite: &Suite, options: &Options) -> Result<(Noise, NoiseSource), Failure> {
    if let Some(folder) = &options.from {
        return match shown(folder)? {
            (run, Some(shown)) => Ok(from_run(run, shown)),
            (run, None) => Err(Failure::usage(format!(
                "no noise in run {run}: it needs a reference, a candidate, two prompts and repetitions\n  \
                 make a pilot run with --pilot, or omit --from to assume typical noise"
            ))),
        };
    }
    let latest = options.output.join(&suite.name).join("latest");
    if !latest.exists() {
        let why = "no run of this suite yet; --pilot makes a small one".to_owned();
        return Ok((TYPICAL_NOISE, NoiseSource::Typical(why)));
    }
    Ok(match shown(&latest)? {
        (run, Some(shown)) => from_run(run, shown),
        (run, None) => {
            let why = format!("run {run} does not have two models with repetitions");
            (TYPICAL_NOISE, NoiseSource::Typical(why))
        }
    })
}

fn from_run(run: String, shown: PilotNoise) -> (Noise, NoiseSource) {
    let source = NoiseSource::Run {
        run,
        candidate: shown.candidate,
        prompts: shown.prompts,
    };
    (shown.noise, source)
}

/// The name of a run, and the noise of its noisiest candidate.
fn shown(folder: &Path) -> Result<(String, Option<PilotNoise>), Failure> {
    let run = Run::open(folder)?;
    let manifest = run.manifest_for_reports()?;
    let evidence = samples::read(&run, &manifest)?.evidence;
    let shown = pilot_noise(&evidence, &manifest.suite.reference);
    Ok((manifest.run, noisiest(&shown).cloned()))
}

/// A share in per cent, without the noise of its last digits.
fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}
