//! The cap of a run: the smallest of its limits, and the bounds of its requests.
//!
//! Owns the sources of limits, and the messages about unbounded requests. Must not know how money is reserved.
//! Invariant: under a cap nothing is sent before every request has a bound, and under a daily limit not before
//! the ledger shows it to other processes.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::catalog::{UnboundedCost, WorstCase};
use crate::engine::Cap;
use crate::plan::{Plan, Shard};
use crate::record::ledger::{self, Ledger, LockedLedger};
use crate::suite::{LoadProfile, ProjectBudget, Suite};
use crate::units::Usd;

use super::job::{Job, Options, ResolvedRun};
use crate::command::base::failure::Failure;
use crate::command::base::locks::LockPatience;
use crate::command::base::stdio::stderr;
use crate::command::base::{self, closing};

/// The least token limit that a cap counts for a probe: three times the longest answer that its prompt asks for.
const PROBED_LIMIT: u64 = 256;

/// The source of the limit of a resumed run without `--max-cost`.
const EARLIER_CAP: &str = "the cap of its earlier parts";

/// A limit, and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::command) struct CostLimit {
    pub(super) max: Usd,
    pub(super) words: String,
    /// True if it is the rest of the daily limit.
    of_day: bool,
}

impl CostLimit {
    /// The limit of a run that goes on under this cap.
    pub(super) fn of_run(cap: &Cap) -> Self {
        Self {
            max: cap.limit(),
            words: "the cap of the run".to_owned(),
            of_day: false,
        }
    }

    /// The part of a share; `slots`: those of the whole plan.
    fn divided(self, shard: Shard, slots: u64) -> Self {
        let Self { max, words, of_day } = self;
        Self {
            max: shard.part_of(max, slots),
            words: format!("shard {shard} of the ${max} of {words}"),
            of_day,
        }
    }
}

/// The smallest limit that holds for a run; the first one of several equal ones. Limits of the whole run are divided
/// where it sends a share of its plan. `today`: the amount spent since 00:00 UTC by the ledger, read only if there is
/// a daily limit.
fn smallest(
    suite: &Suite,
    plan: &Plan,
    flag: Option<FlagLimit>,
    budget: &ProjectBudget,
    today: impl FnOnce() -> Result<Usd, Failure>,
) -> Result<Option<CostLimit>, Failure> {
    let named = |max: Option<Usd>, words: &str| {
        max.map(|max| CostLimit {
            max,
            words: words.to_owned(),
            of_day: false,
        })
    };
    let of_day = match budget.max_cost_per_day {
        None => None,
        Some(day) => {
            let spent = today()?;
            Some(CostLimit {
                max: Usd(day.0 - spent.0).max(Usd::ZERO),
                words: format!(
                    "max_cost_per_day of bakeoff.toml is ${day}, and the ledger has ${spent} since 00:00 UTC"
                ),
                of_day: true,
            })
        }
    };
    let (of_share, of_run) = match flag {
        Some(flag) if flag.of_share => (named(Some(flag.max), flag.words), None),
        Some(flag) => (None, named(Some(flag.max), flag.words)),
        None => (None, None),
    };
    let of_whole = [
        of_run,
        named(suite.max_cost, "max_cost of the suite"),
        named(budget.max_cost_per_run, "max_cost_per_run of bakeoff.toml"),
        of_day,
    ];
    let divided = of_whole.into_iter().flatten();
    let divided = divided.map(|limit| match plan.shard() {
        Some(shard) => limit.divided(shard, plan.whole_slot_count()),
        None => limit,
    });
    Ok((of_share.into_iter().chain(divided)).min_by_key(|limit| limit.max))
}

/// A limit from the command line, or from the earlier parts of a resumed run.
#[derive(Debug, Clone, Copy)]
struct FlagLimit {
    max: Usd,
    words: &'static str,
    /// True if it is that of the share alone, which is not divided any more.
    of_share: bool,
}

/// The limit of `--max-cost`; without it, in a resumed run that of its earlier parts.
fn flag(job: &Job, options: &Options) -> Option<FlagLimit> {
    let own = options.max_cost.map(|max| (max, "--max-cost"));
    let own = own.or_else(|| Some((job.earlier.as_ref()?.cap?, EARLIER_CAP)));
    own.map(|(max, words)| FlagLimit {
        max,
        words,
        of_share: job.earlier.is_some(),
    })
}

/// The limit of a run by the current ledger, before the run is prepared. Other runs may begin until then:
/// [`claim_ledger`] decides.
///
/// # Errors
/// As [`spent_today`]; and if neither a limit nor a number of requests bounds what a real endpoint bills.
pub(in crate::command) fn limit_before_run(
    job: &Job,
    options: &Options,
    simulated: bool,
) -> Result<Option<CostLimit>, Failure> {
    let ResolvedRun {
        suite,
        budget,
        plan,
        ..
    } = &job.resolved;
    let limit = smallest(suite, plan, flag(job, options), budget, || {
        closing::close_ended(&options.output, options.quiet)?;
        let ledger = ledger::read(&options.output)?;
        let say = !options.quiet;
        spent_today(job, &ledger, options, (simulated, Timestamp::now()), say)
    })?;
    if limit.is_none() && !simulated && has_unknown_length(suite) {
        return Err(Failure::usage(
            "a closed loop for a time sends as many requests as the models answer, so that nothing limits its cost\n  add \
             --max-cost, or --requests",
        ));
    }
    Ok(limit)
}

/// Returns true if the number of the suite's requests has no limit: a closed loop for a time.
pub(super) fn has_unknown_length(suite: &Suite) -> bool {
    let closed_loop = suite.load.as_ref().and_then(LoadProfile::closed_loop);
    closed_loop.is_some_and(|stage| stage.duration_ns.is_some() && stage.requests.is_none())
}

/// A run that is about to begin, and the ledger that must have its line before another process decides.
pub(super) struct LedgerClaim<'o> {
    pub(super) ledger: LockedLedger<'o>,
    /// Start of the run, to the second: it is a label, and part of the folder's name.
    pub(super) began: Timestamp,
}

/// Waits for the ledger, and lowers the job's cap where runs that began meanwhile left less of the day.
///
/// # Errors
/// As [`limit_before_run`] and [`build_cap`]; under a limit of the day also where the ledger cannot be locked, though the file
/// system has locks.
pub(super) fn claim_ledger<'o>(
    job: &mut Job,
    options: &'o Options,
    simulated: bool,
) -> Result<LedgerClaim<'o>, Failure> {
    fs::create_dir_all(&options.output).map_err(|error| {
        let folder = options.output.display();
        Failure::usage(format!("cannot make the folder {folder}: {error}"))
    })?;
    let mut patience = LockPatience::default();
    let mut ledger = LockedLedger::lock(&options.output, &mut |lock| patience.wait(lock))?;
    closing::report_closed(ledger.close_ended(), options.quiet)?;
    let now = Timestamp::now();
    let began = Timestamp::from_second(now.as_second()).unwrap_or_default();
    let claim = LedgerClaim { ledger, began };
    if job.resolved.budget.max_cost_per_day.is_none() {
        return Ok(claim);
    }
    if let Some(error) = claim.ledger.lock_error() {
        let folder = options.output.display();
        let problem = format!("the ledger in {folder} cannot be locked ({error})");
        if error.kind() != std::io::ErrorKind::Unsupported {
            return Err(Failure::usage(format!(
                "{problem}: under max_cost_per_day of bakeoff.toml nothing is sent, because another run may use the same budget"
            )));
        }
        if !options.quiet {
            writeln!(
                stderr(),
                "note: {problem}: the cap of the day does not count runs that begin at this moment"
            )?;
        }
    }
    let ResolvedRun {
        suite,
        budget,
        plan,
        ..
    } = &job.resolved;
    let limit = smallest(suite, plan, flag(job, options), budget, || {
        let read = claim.ledger.read()?;
        spent_today(job, &read, options, (simulated, began), false)
    })?;
    let before = job.cap.as_ref().map(|cap| cap.limit());
    if let Some(limit) = limit.filter(|limit| before.is_none_or(|before| limit.max < before)) {
        let cap = build_cap(job, limit)?;
        if !options.quiet {
            let words = cap.words();
            writeln!(
                stderr(),
                "note: another run began meanwhile: this one has the cap of {words}"
            )?;
        }
        job.cap = Some(cap);
    }
    Ok(claim)
}

/// The amount spent on the day of `now` by the ledger: for a run on the simulator the invented cost, for any other
/// the real one. A run that goes on in another process, or was killed, counts with its whole cap; with `say` these
/// runs are printed. A run that is resumed does not count itself: its cap counts its earlier parts.
///
/// # Errors
/// A line cannot be read. It may be a run of today: counting it as nothing would break the cap, and no other
/// amount is known.
fn spent_today(
    job: &Job,
    ledger: &Ledger,
    options: &Options,
    (simulated, now): (bool, Timestamp),
    say: bool,
) -> Result<Usd, Failure> {
    let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let today = date(now);
    if let Some(first) = ledger.problems.first() {
        let (folder, count) = (options.output.display(), ledger.problems.len());
        return Err(Failure::usage(format!(
            "under max_cost_per_day of bakeoff.toml nothing is sent while the ledger in {folder} has {}: any of \
             them may be a run of today\n  {first}\n  correct or remove the lines that are not records, once you know what they \
             cost",
            if count == 1 {
                "a line that cannot be read".to_owned()
            } else {
                format!("{count} lines that cannot be read")
            },
        )));
    }
    let own = job.earlier.as_ref().map(|earlier| &earlier.run);
    let of_today = ledger.lines.iter().filter(|line| {
        let mut parts = [Some(line.started_at), line.resumed_at]
            .into_iter()
            .flatten();
        line.simulated == simulated && Some(&line.run) != own && parts.any(|at| date(at) == today)
    });
    let mut sum = Usd::ZERO;
    for line in of_today {
        let max = line.at_most();
        if line.is_open() && say {
            let (run, suite) = (&line.run, &line.suite);
            let bound = if line.cap_usd.is_some() {
                "its whole cap"
            } else {
                "the cost of its finished trials, because it had no cap"
            };
            writeln!(
                stderr(),
                "note: {suite}/{run} has not ended, or was killed: the cap of the day counts ${max} for it, \
                 {bound}"
            )?;
        }
        sum = [sum, max].into_iter().sum();
    }
    Ok(sum)
}

/// The cap of a run under `limit`.
///
/// # Errors
/// Where something has no bound, or the limit does not hold the warm-up and one slot.
pub(super) fn build_cap(job: &Job, limit: CostLimit) -> Result<Arc<Cap>, Failure> {
    let worst = worst_case(job);
    let unbounded = worst.unbounded();
    if !unbounded.is_empty() {
        return Err(refused(&unbounded, &limit, &job.resolved.profile.name));
    }
    let before = job.spent_before();
    let cap = Cap::new(limit.max, limit.words, worst).with_spent(before);
    let min = cap.min_cost(&job.resolved.plan, &job.finished());
    if min.is_none_or(|min| before.plus(min).is_none_or(|min| min > limit.max)) {
        let needed = min.map_or_else(|| "an unbounded amount".to_owned(), |min| format!("${min}"));
        let remedy = match (limit.of_day, limit.max) {
            (false, _) if job.earlier.is_some() => "give it a new one with --max-cost",
            (false, _) => "raise it, lower max_tokens or max_attempts, or compare fewer models",
            (true, Usd::ZERO) => {
                "the next day begins at 00:00 UTC; until then raise max_cost_per_day"
            }
            (true, _) => {
                "the next day begins at 00:00 UTC; until then raise max_cost_per_day, lower max_tokens or \
                 max_attempts, or compare fewer models"
            }
        };
        let earlier = match before {
            Usd::ZERO => String::new(),
            before => format!(" on top of the ${before} of the parts before"),
        };
        let message = format!(
            "the cap of {} does not hold the warm-up and the first slot, which can cost {needed} at most{earlier}\n  \
             {remedy}",
            cap.words()
        );
        // A run whose requests were sent is incomplete; one that never began is not.
        return Err(if job.earlier.is_some() {
            Failure::incomplete(message)
        } else {
            Failure::usage(message)
        });
    }
    Ok(Arc::new(cap))
}

/// The maximum cost of each request of a run.
pub(super) fn worst_case(job: &Job) -> WorstCase {
    let ResolvedRun { suite, profile, .. } = &job.resolved;
    let min_limit = job.is_probing.then_some(PROBED_LIMIT);
    base::worst_case::worst_case(suite, profile.wording, &job.price_bounds(), min_limit)
}

fn refused(unbounded: &[(UnboundedCost, String)], limit: &CostLimit, endpoint: &str) -> Failure {
    let lines: Vec<String> = (unbounded.iter())
        .map(|(what, place)| {
            format!(
                "\n{what} (first met in {place})\n  {}",
                what.remedy(endpoint)
            )
        })
        .collect();
    Failure::usage(format!(
        "under a cap ({}) nothing is sent whose cost is unbounded{}",
        limit.words,
        lines.concat()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{example, plan};

    #[test]
    fn the_smallest_limit_holds_and_is_named() {
        // A user who meets a cap must know which of four places to change.
        let suite = |max| Suite {
            max_cost: max,
            ..example::suite(1, 1, 1)
        };
        let budget = |run, day| ProjectBudget {
            max_cost_per_run: run,
            max_cost_per_day: day,
        };
        let spent = || Ok(Usd(30));
        let of = |suite: &Suite, flag: Option<Usd>, budget: &ProjectBudget| {
            let flag = flag.map(|max| FlagLimit {
                max,
                words: "--max-cost",
                of_share: false,
            });
            let limit = smallest(suite, &plan(suite), flag, budget, spent).unwrap();
            limit.map(|limit| (limit.max.0, limit.words))
        };
        let none = budget(None, None);
        assert_eq!(of(&suite(None), None, &none), None);
        let (max, words) = of(&suite(Some(Usd(9))), Some(Usd(8)), &none).unwrap();
        assert_eq!((max, words.as_str()), (8, "--max-cost"));
        let (max, words) = of(&suite(Some(Usd(9))), Some(Usd(10)), &none).unwrap();
        assert_eq!((max, words.as_str()), (9, "max_cost of the suite"));
        let per_run = budget(Some(Usd(5)), Some(Usd(90)));
        let (max, words) = of(&suite(Some(Usd(9))), None, &per_run).unwrap();
        assert_eq!(
            (max, words.as_str()),
            (5, "max_cost_per_run of bakeoff.toml")
        );
        // A daily limit that is used up leaves 0, never less.
        for (day, left) in [(34, 4), (30, 0), (20, 0)] {
            let per_day = budget(Some(Usd(5)), Some(Usd(day)));
            let (max, words) = of(&suite(None), None, &per_day).unwrap();
            assert_eq!(max, left);
            assert!(
                words.starts_with("max_cost_per_day of bakeoff.toml"),
                "{words}"
            );
        }
    }

    #[test]
    fn the_caps_of_shares_add_up_to_the_cap() {
        // Eight machines that each spend the whole cap would spend it eight times; a share that is resumed keeps its own.
        let suite = Suite {
            max_cost: Some(Usd(1_000_003)),
            ..example::suite(11, 2, 3)
        };
        let budget = ProjectBudget::default();
        let cap = |index: u32, flag: Option<FlagLimit>| {
            let plan = plan(&suite).share(Some(Shard::new(index, 8).unwrap()));
            smallest(&suite, &plan, flag, &budget, || Ok(Usd::ZERO))
                .unwrap()
                .unwrap()
        };
        let caps: Vec<CostLimit> = (1..=8).map(|index| cap(index, None)).collect();
        assert_eq!(caps.iter().map(|cap| cap.max.0).sum::<i128>(), 1_000_003);
        assert!(
            caps[2].words.starts_with("shard 3/8 of the $"),
            "{}",
            caps[2].words
        );
        let flag = |max, of_share| FlagLimit {
            max,
            words: "--max-cost",
            of_share,
        };
        assert_eq!(cap(3, Some(flag(Usd(33), false))).max, Usd(4));
        assert_eq!(cap(3, Some(flag(Usd(33), true))).max, Usd(33));
    }

    #[test]
    fn the_ledger_is_read_only_for_a_limit_of_the_day() {
        // A folder without a ledger, or with a broken one, is no problem for a user without a daily limit.
        let suite = example::suite(1, 1, 1);
        let failing = || Err(Failure::usage("broken"));
        assert!(
            smallest(
                &suite,
                &plan(&suite),
                None,
                &ProjectBudget::default(),
                failing
            )
            .is_ok()
        );
    }
}
