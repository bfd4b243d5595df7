//! The load of a run: the suite's, as flags change it.
//!
//! Owns which flag replaces what, and what a load excludes. Must not know instants. Invariant: a load of stages sends
//! every request once, and no request that is not of its plan.

use std::path::{Path, PathBuf};

use crate::plan::{ExpectedAnswer, expected_loop_requests, fix_load};
use crate::suite::{
    CacheMode, ConcurrencyStage, LoadProfile, LoadSettings, RequestTrace, Suite, TraceOptions,
    TraceStage,
};

use crate::command::base::failure::Failure;
use crate::command::base::files;

/// Attempts of a trial of a load: a retry would be a request that its plan does not have.
const ATTEMPTS: u32 = 1;

/// `--trace`, and the flags that say how it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceFlag {
    /// The file.
    pub file: PathBuf,
    /// Its unit, its speed, its length.
    pub options: TraceOptions,
}

/// The flags about the load of a run.
#[derive(Debug)]
pub(super) struct LoadFlags<'a> {
    /// Those that a suite has as keys.
    pub(super) settings: &'a LoadSettings,
    /// The trace of `--trace`.
    pub(super) trace: Option<RequestTrace>,
    /// True if the suite stands for the trace alone: its prompts are those of the trace.
    pub(super) is_made_of_trace: bool,
    /// `--concurrency`.
    pub(super) concurrency: Option<u32>,
    /// True with `--repetitions`.
    pub(super) has_repetitions: bool,
}

impl TraceFlag {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, or is no trace.
    pub(super) fn read(&self) -> Result<RequestTrace, Failure> {
        let bytes = files::bytes(&self.file)?;
        let name = files::shown(&self.file);
        RequestTrace::read(&name, &bytes, self.options)
            .map_err(|message| Failure::usage(format!("--trace: {message}")))
    }
}

/// The suite of these models whose prompts are made of a trace.
pub(super) fn suite_of_trace(models: &[String]) -> Result<Suite, Failure> {
    if models.is_empty() {
        return Err(Failure::usage(
            "a trace without a suite needs models: add `-m openai/gpt-5.6-luna`, or name a suite file",
        ));
    }
    let suite = files::suite_of_texts(&["trace".to_owned()], models)?;
    Ok(Suite {
        name: "trace".to_owned(),
        ..suite
    })
}

/// The note that the numbers of tokens of the suite's trace are not used.
pub(super) fn token_lengths_note(suite: &Suite) -> Option<String> {
    let trace = suite.load.as_ref()?.trace()?;
    (!trace.has_prompts).then(|| {
        "note: the suite's prompts are sent at the instants of the trace; a run without a suite (`-m MODEL --trace FILE`) \
         also takes its numbers of tokens"
            .to_owned()
    })
}

/// Lays the flags over the load of a suite, and fixes its requests.
///
/// # Errors
/// If a flag is wrong or has no effect, or the suite asks for requests besides those of the load.
pub(super) fn apply_load(suite: &mut Suite, flags: &LoadFlags<'_>) -> Result<(), Failure> {
    let mut settings = flags.settings.clone();
    if let Some(trace) = &flags.trace {
        settings.trace = Some(replayed(suite, trace, flags.is_made_of_trace)?);
    }
    if settings != LoadSettings::default() {
        let wrong = |(key, message): (&str, String)| {
            let flag = key.replace('_', "-");
            Failure::usage(format!("--{flag}: {message}"))
        };
        let profile = match &suite.load {
            Some(load) if load.has_stages() && !settings.has_shape() => settings.changed(load),
            Some(load) if settings.slos.is_empty() => {
                let slos = load.slos.clone();
                let profile = settings.profile(suite.concurrency);
                profile.map(|profile| LoadProfile { slos, ..profile })
            }
            _ => settings.profile(suite.concurrency),
        };
        let profile = profile.map_err(wrong)?;
        suite.concurrency = flags
            .concurrency
            .or_else(|| profile.default_in_flight().filter(|_| settings.has_shape()))
            .unwrap_or(suite.concurrency);
        suite.load = Some(profile);
    }
    if let (Some(in_flight), Some(stage)) = (
        flags.concurrency,
        suite.load.as_mut().and_then(LoadProfile::closed_loop_mut),
    ) {
        stage.in_flight = in_flight;
    }
    fix_requests(suite, flags.has_repetitions)
}

/// The stage of the trace. Where prompts were made of a trace, those of this one take their place.
fn replayed(
    suite: &mut Suite,
    trace: &RequestTrace,
    is_made_of_trace: bool,
) -> Result<TraceStage, Failure> {
    let earlier = suite.load.as_ref().and_then(LoadProfile::trace);
    let has_prompts = is_made_of_trace || earlier.is_some_and(|trace| trace.has_prompts);
    if has_prompts {
        let prompts = trace.prompts(suite.seed);
        let prompts = prompts.map_err(|message| {
            Failure::usage(format!(
                "--trace: {message}\n  replay fewer requests with --trace-rows"
            ))
        })?;
        suite.prompts = prompts.into();
    }
    let stage = trace.stage();
    // A record holds no path of a machine.
    let name = Path::new(&stage.file).file_name();
    let name = name.map(|name| name.to_string_lossy().into_owned());
    Ok(TraceStage {
        has_prompts,
        file: name.unwrap_or_default(),
        ..stage
    })
}

/// Fixes the requests of a load: as many as its stages have, each sent once.
fn fix_requests(suite: &mut Suite, has_repetitions: bool) -> Result<(), Failure> {
    let Some(load) = suite.load.as_ref().filter(|load| load.has_stages()) else {
        return Ok(());
    };
    if let Some(max) = load.default_in_flight().filter(|_| !load.is_open_loop()) {
        // The levels say it.
        suite.concurrency = max;
    }
    let is_fixed =
        |stage: &ConcurrencyStage| stage.requests.is_some() || stage.duration_ns.is_some();
    if has_repetitions && (load.is_open_loop() || load.closed_loop().is_some_and(is_fixed)) {
        return Err(Failure::usage(
            "--repetitions has no effect on this load: its length is that of `--duration`, `--requests` or the trace",
        ));
    }
    if suite
        .variants
        .iter()
        .any(|variant| suite.cache_of(variant) == CacheMode::Warm)
    {
        return Err(Failure::usage(
            "a load sends the requests of its plan alone: with `cache = \"warm\"` there would be others; use `as-is` or `bust`",
        ));
    }
    suite.max_attempts = ATTEMPTS;
    fix_load(suite);
    Ok(())
}

/// Sets the number of requests that a timed loop is expected to send, for estimates and the plan.
pub(super) fn expect_requests(suite: &mut Suite, expected: &[ExpectedAnswer]) {
    let requests = expected_loop_requests(suite, expected);
    if let Some(stage) = suite.load.as_mut().and_then(LoadProfile::closed_loop_mut)
        && let Some(requests) = requests
    {
        stage.expected_requests = Some(requests);
        fix_load(suite);
    }
}

/// Refuses to end a load as soon as it is decided, and to divide a closed loop: how many requests are in flight is not
/// planned.
///
/// # Errors
/// If a load is to be cut that cannot be.
pub(super) fn refuse_part_of_load(
    suite: &Suite,
    until_decided: bool,
    is_shard: bool,
) -> Result<(), Failure> {
    let Some(load) = suite.staged_load() else {
        return Ok(());
    };
    if is_shard && !load.is_open_loop() {
        return Err(Failure::usage(
            "--shard divides a plan or a rate, and a closed loop is neither: give each machine a run and a `--concurrency` of \
             its own",
        ));
    }
    if until_decided {
        return Err(Failure::usage(
            "--until-decided has no rounds in a load to look after: remove it, or `[load]`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;

    impl<'a> LoadFlags<'a> {
        /// Flags without a trace.
        fn of(settings: &'a LoadSettings) -> Self {
            Self {
                settings,
                trace: None,
                is_made_of_trace: false,
                concurrency: None,
                has_repetitions: false,
            }
        }
    }

    fn rate(rate: &str) -> LoadSettings {
        LoadSettings {
            rate: Some(rate.to_owned()),
            ..LoadSettings::default()
        }
    }

    fn apply(
        suite: &mut Suite,
        settings: &LoadSettings,
        concurrency: Option<u32>,
    ) -> Result<(), Failure> {
        suite.concurrency = concurrency.unwrap_or(suite.concurrency);
        let flags = LoadFlags {
            concurrency,
            ..LoadFlags::of(settings)
        };
        apply_load(suite, &flags)
    }

    #[test]
    fn a_load_sends_each_request_once() {
        // Three prompts once are not enough for ten seconds at 5/s: the plan is cycled; nothing is retried.
        let mut suite = example::suite(3, 2, 1);
        suite.max_attempts = 3;
        let settings = LoadSettings {
            duration: Some(crate::units::Nanos::from_millis(10_000)),
            ..rate("5/s")
        };
        apply(&mut suite, &settings, None).unwrap();
        assert_eq!((suite.max_attempts, suite.repetitions), (1, 17));
        assert_eq!(suite.concurrency, 25);
        assert_eq!(crate::plan::plan(&suite).slot_count(), 50);
        apply(&mut suite, &settings, Some(3)).unwrap();
        assert_eq!(suite.concurrency, 3);
    }

    #[test]
    fn a_flag_changes_the_load_of_the_suite() {
        // A shorter try of a suite's load, with its rate and its objectives; another rate keeps the objectives.
        let mut suite = example::suite(3, 1, 1);
        let seconds = |seconds: u64| Some(crate::units::Nanos::from_millis(seconds * 1_000));
        let own = LoadSettings {
            duration: seconds(60),
            slos: vec!["ttft_p95 < 1s".parse().unwrap()],
            ..rate("5/s")
        };
        suite.load = Some(own.profile(4).unwrap());
        let shorter = LoadSettings {
            duration: seconds(4),
            ..LoadSettings::default()
        };
        let mut changed = suite.clone();
        apply(&mut changed, &shorter, None).unwrap();
        assert_eq!(crate::plan::plan(&changed).slot_count(), 20);
        assert_eq!(changed.load.unwrap().slos, own.slos);
        let mut changed = suite.clone();
        apply(
            &mut changed,
            &LoadSettings {
                duration: seconds(1),
                ..rate("7/s")
            },
            None,
        )
        .unwrap();
        assert_eq!(crate::plan::plan(&changed).slot_count(), 7);
        assert_eq!(changed.load.unwrap().slos, own.slos);
        let useless = LoadSettings {
            requests: Some(5),
            ..LoadSettings::default()
        };
        assert!(apply(&mut suite, &useless, None).is_err());
    }

    #[test]
    fn a_time_without_a_rate_is_a_closed_loop() {
        // `--concurrency 16 --duration 5m`, and the same suite with another concurrency.
        let seconds = |seconds: u64| Some(crate::units::Nanos::from_millis(seconds * 1_000));
        let mut suite = example::suite(3, 2, 1);
        let settings = LoadSettings {
            duration: seconds(300),
            ..LoadSettings::default()
        };
        apply(&mut suite, &settings, Some(16)).unwrap();
        assert_eq!((suite.time_limit(), suite.concurrency), (seconds(300), 16));
        let stage = |suite: &Suite| *suite.load.as_ref().unwrap().closed_loop().unwrap();
        assert_eq!(stage(&suite).in_flight, 16);
        apply(&mut suite, &LoadSettings::default(), Some(3)).unwrap();
        assert_eq!((stage(&suite).in_flight, suite.concurrency), (3, 3));
        // Answers of 10 s: three in flight for 300 s are 90 requests.
        let slow = ExpectedAnswer {
            first_token: crate::units::Nanos::from_millis(10_000),
            per_token: crate::units::Nanos::ZERO,
            tokens: 1,
        };
        expect_requests(&mut suite, &[slow; 2]);
        assert_eq!(stage(&suite).expected_requests, Some(90));
        assert_eq!(
            (suite.repetitions, crate::plan::plan(&suite).slot_count()),
            (30, 90)
        );
        // A number of requests alone is one as well, and needs no expectation.
        let mut suite = example::suite(3, 2, 1);
        let settings = LoadSettings {
            requests: Some(50),
            ..LoadSettings::default()
        };
        apply(&mut suite, &settings, None).unwrap();
        assert_eq!(
            (suite.time_limit(), crate::plan::plan(&suite).slot_count()),
            (None, 50)
        );
    }

    #[test]
    fn a_trace_replaces_the_load_and_the_prompts_that_were_made_of_one() {
        // The prompts of a suite stay, at the instants of the trace; those of another trace do not.
        let text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5,655,52\n2023-11-16 18:15:48.5,672,26\n";
        let trace = RequestTrace::read("t.csv", text.as_bytes(), TraceOptions::default()).unwrap();
        let none = LoadSettings::default();
        let flags = |is_made_of_trace| LoadFlags {
            trace: Some(trace.clone()),
            is_made_of_trace,
            ..LoadFlags::of(&none)
        };
        let mut suite = example::suite(3, 1, 1);
        suite.load = Some(rate("5/s").profile(4).unwrap());
        apply_load(&mut suite, &flags(false)).unwrap();
        assert_eq!(
            (suite.prompts.len(), crate::plan::plan(&suite).slot_count()),
            (3, 2)
        );
        assert!(token_lengths_note(&suite).is_some());
        let mut suite = example::suite(3, 1, 1);
        apply_load(&mut suite, &flags(true)).unwrap();
        assert_eq!(suite.prompts[1].parameters.max_tokens, Some(26));
        assert_eq!(token_lengths_note(&suite), None);
        // A suite whose prompts are those of its trace gets those of the new one.
        let longer = format!("{text}2023-11-16 18:15:49,9,9\n");
        let other =
            RequestTrace::read("u.csv", longer.as_bytes(), TraceOptions::default()).unwrap();
        let replaced = LoadFlags {
            trace: Some(other),
            ..LoadFlags::of(&none)
        };
        apply_load(&mut suite, &replaced).unwrap();
        assert_eq!(
            (suite.prompts.len(), crate::plan::plan(&suite).slot_count()),
            (3, 3)
        );
    }

    #[test]
    fn objectives_alone_change_no_request() {
        let mut suite = example::suite(3, 2, 4);
        let before = suite.clone();
        let settings = LoadSettings {
            slos: vec!["ttft_p95 < 1s".parse().unwrap()],
            ..LoadSettings::default()
        };
        apply(&mut suite, &settings, None).unwrap();
        assert_eq!(suite.load.take().unwrap().slos.len(), 1);
        assert_eq!(suite, before);
    }

    #[test]
    fn what_a_load_excludes_is_refused() {
        let refused = |suite: &Suite, settings: &LoadSettings| {
            let mut suite = suite.clone();
            apply(&mut suite, settings, None).unwrap_err().message
        };
        let mut suite = example::suite(3, 2, 4);
        assert!(refused(&suite, &rate("5")).starts_with("--rate: `5` is not a rate"));
        let useless = LoadSettings {
            yields_on_429: true,
            ..rate("5/s")
        };
        assert!(refused(&suite, &useless).starts_with("--yield-on-429:"));
        let repeated = LoadFlags {
            has_repetitions: true,
            ..LoadFlags::of(&useless)
        };
        let of_rate = rate("5/s");
        let repeated = LoadFlags {
            settings: &of_rate,
            ..repeated
        };
        let error = apply_load(&mut suite.clone(), &repeated).unwrap_err();
        assert!(error.message.starts_with("--repetitions has no effect"));
        suite.cache = CacheMode::Warm;
        assert!(refused(&suite, &rate("5/s")).contains("cache"));
    }
}
