//! The load of a run: the suite's, as flags change it.
//!
//! Owns which flag replaces what, and what a load excludes. Must not know instants. Invariant: a load of stages sends
//! every request once, and no request that is not of its plan.

use crate::plan::fix_load;
use crate::suite::{CacheMode, LoadProfile, LoadSettings, Suite};

use crate::command::base::failure::Failure;

/// Attempts of a trial of a load: a retry would be a request that its plan does not have.
const ATTEMPTS: u32 = 1;

/// Lays the flags over the load of a suite, and fixes its requests. `concurrency` is the flag of that name.
///
/// # Errors
/// If a flag is wrong or has no effect, or the suite asks for requests besides those of the load.
pub(super) fn apply_load(
    suite: &mut Suite,
    settings: &LoadSettings,
    concurrency: Option<u32>,
) -> Result<(), Failure> {
    if *settings != LoadSettings::default() {
        let wrong = |(key, message): (&str, String)| {
            let flag = key.replace('_', "-");
            Failure::usage(format!("--{flag}: {message}"))
        };
        let profile = match &suite.load {
            Some(load) if !settings.has_shape() => settings.changed(load),
            Some(load) if settings.slos.is_empty() => {
                let slos = load.slos.clone();
                settings
                    .profile()
                    .map(|profile| LoadProfile { slos, ..profile })
            }
            _ => settings.profile(),
        };
        let profile = profile.map_err(wrong)?;
        suite.concurrency = concurrency
            .or_else(|| profile.default_in_flight().filter(|_| settings.has_shape()))
            .unwrap_or(suite.concurrency);
        suite.load = Some(profile);
    }
    let Some(load) = suite.load.as_ref().filter(|load| load.has_stages()) else {
        return Ok(());
    };
    if let Some(max) = load.default_in_flight().filter(|_| !load.is_open_loop()) {
        // The levels say it.
        suite.concurrency = max;
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

/// Refuses to end a load as soon as it is decided, or to send a share of it: its length and its rate are part of it.
///
/// # Errors
/// If a load of stages is to be cut.
pub(super) fn refuse_part_of_load(
    suite: &Suite,
    until_decided: bool,
    is_shard: bool,
) -> Result<(), Failure> {
    if !suite.load.as_ref().is_some_and(LoadProfile::has_stages) {
        return Ok(());
    }
    if is_shard {
        return Err(Failure::usage(
            "--shard divides a plan, and a load is not divided: give each machine a rate or levels of its own",
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

    fn rate(rate: &str) -> LoadSettings {
        LoadSettings {
            rate: Some(rate.to_owned()),
            ..LoadSettings::default()
        }
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
        apply_load(&mut suite, &settings, None).unwrap();
        assert_eq!((suite.max_attempts, suite.repetitions), (1, 17));
        assert_eq!(suite.concurrency, 25);
        assert_eq!(crate::plan::plan(&suite).slot_count(), 50);
        apply_load(&mut suite, &settings, Some(3)).unwrap();
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
        suite.load = Some(own.profile().unwrap());
        let shorter = LoadSettings {
            duration: seconds(4),
            ..LoadSettings::default()
        };
        let mut changed = suite.clone();
        apply_load(&mut changed, &shorter, None).unwrap();
        assert_eq!(crate::plan::plan(&changed).slot_count(), 20);
        assert_eq!(changed.load.unwrap().slos, own.slos);
        let mut changed = suite.clone();
        apply_load(
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
        assert!(apply_load(&mut suite, &useless, None).is_err());
    }

    #[test]
    fn objectives_alone_change_no_request() {
        let mut suite = example::suite(3, 2, 4);
        let before = suite.clone();
        let settings = LoadSettings {
            slos: vec!["ttft_p95 < 1s".parse().unwrap()],
            ..LoadSettings::default()
        };
        apply_load(&mut suite, &settings, None).unwrap();
        assert_eq!(suite.load.take().unwrap().slos.len(), 1);
        assert_eq!(suite, before);
    }

    #[test]
    fn what_a_load_excludes_is_refused() {
        let refused = |suite: &Suite, settings: &LoadSettings| {
            let mut suite = suite.clone();
            apply_load(&mut suite, settings, None).unwrap_err().message
        };
        let mut suite = example::suite(3, 2, 4);
        assert!(refused(&suite, &rate("5")).starts_with("--rate: `5` is not a rate"));
        let useless = LoadSettings {
            yields_on_429: true,
            ..rate("5/s")
        };
        assert!(refused(&suite, &useless).starts_with("--yield-on-429:"));
        suite.cache = CacheMode::Warm;
        assert!(refused(&suite, &rate("5/s")).contains("cache"));
    }
}
