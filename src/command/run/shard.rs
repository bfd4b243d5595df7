//! The share of a plan that a process sends: as typed, or by the variables of a scheduler.
//!
//! Owns the reading of these variables. Must not know what a share has. Invariant: the number of shares is the user's, and
//! nothing is sent where the user and the scheduler contradict each other.

use crate::command::base::failure::Failure;
use crate::plan::{Plan, Shard};

/// Index of a pod in an Indexed Job of Kubernetes, from 0. The number of pods is in no variable.
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";
/// Begins the variables of a task in a Slurm array.
const SLURM: &str = "SLURM_ARRAY_TASK_";
/// The variables of the environment of this process.
type SchedulerVariables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A share as chosen on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// `3/8`.
    This(Shard),
    /// `auto/8`: the scheduler has the index.
    Auto {
        /// The number of shares.
        count: u32,
    },
}

/// Parses `3/8` or `auto/8`.
///
/// # Errors
/// If it is neither, as a sentence.
pub(crate) fn parse_shard(text: &str) -> Result<ShardChoice, String> {
    match text.strip_prefix("auto/") {
        // A share of that many exists, or the number is wrong.
        Some(count) => format!("1/{count}")
            .parse::<Shard>()
            .map(|shard| ShardChoice::Auto {
                count: shard.count(),
            }),
        None => text.parse().map(ShardChoice::This),
    }
}

impl ShardChoice {
    /// The share of this plan.
    ///
    /// # Errors
    /// If the scheduler's variables do not fit, or the plan has fewer slots than shares.
    pub(super) fn resolve(self, plan: &Plan) -> Result<Shard, Failure> {
        let variable = |name: &str| {
            let value = std::env::var(name).ok();
            value.filter(|value| !value.is_empty())
        };
        let shard = self.of_variables(&variable).map_err(Failure::usage)?;
        let slots = plan.whole_slot_count();
        if u64::from(shard.count()) > slots {
            return Err(Failure::usage(format!(
                "--shard {shard}: the plan has {slots} slots, which is the largest number of shards"
            )));
        }
        Ok(shard)
    }

    fn of_variables(self, variable: SchedulerVariables<'_>) -> Result<Shard, String> {
        match self {
            Self::This(shard) => {
                // Where the scheduler counts as the user does, it must mean the same share.
                let found = found_index(shard.count(), variable).ok().flatten();
                match found {
                    Some((index, source)) if index != shard.index() => Err(format!(
                        "--shard {shard} contradicts {source}, which says {index}/{count}\n  use --shard auto/{count}, or \
                         unset the variable",
                        count = shard.count()
                    )),
                    _ => Ok(shard),
                }
            }
            Self::Auto { count } => {
                let found = found_index(count, variable)?;
                let (index, _) = found.ok_or_else(|| {
                    format!(
                        "--shard auto/{count} needs the index of a Kubernetes Indexed Job ({KUBERNETES}) or of a Slurm \
                         array ({SLURM}ID), and neither is set\n  name the shard, such as --shard 1/{count}"
                    )
                })?;
                Shard::new(index, count)
            }
        }
    }
}

/// The index (from 1) that a scheduler gives, and its variable; `None` without a scheduler.
fn found_index(
    count: u32,
    variable: SchedulerVariables<'_>,
) -> Result<Option<(u32, String)>, String> {
    let slurm = format!("{SLURM}ID");
    match (variable(KUBERNETES), variable(&slurm)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(format!(
            "--shard auto/{count}: {KUBERNETES} and {slurm} are both set; name the shard, such as --shard 1/{count}"
        )),
        (Some(index), None) => {
            let index = number(KUBERNETES, &index)?;
            if index >= u64::from(count) {
                return Err(format!(
                    "{KUBERNETES} is {index}, but --shard says {count} shards, which Kubernetes numbers from 0 to {}: \
                     `completions` of the Job must be {count}",
                    count - 1
                ));
            }
            Ok(Some((from_one(index), format!("{KUBERNETES}={index}"))))
        }
        (None, Some(id)) => slurm_index(count, &id, variable).map(Some),
    }
}

/// The index of a task in a Slurm array. The ids of the array are in no variable, so that they must follow from those
/// that there are: `--array=0-2:2,3,6` has three evenly spread ids by its COUNT, MIN, MAX and STEP, but 3 is none of
/// them.
fn slurm_index(
    count: u32,
    id: &str,
    variable: SchedulerVariables<'_>,
) -> Result<(u32, String), String> {
    let read = |name: &str| {
        let name = format!("{SLURM}{name}");
        let value = variable(&name).ok_or_else(|| format!("{name} is not set"))?;
        number(&name, &value)
    };
    let by_hand = format!("name the shard, such as --shard 1/{count}");
    let id = number(&format!("{SLURM}ID"), id)?;
    let (tasks, min, max, step) = (read("COUNT")?, read("MIN")?, read("MAX")?, read("STEP")?);
    if tasks != u64::from(count) {
        return Err(format!(
            "--shard says {count} shards, but {SLURM}COUNT is {tasks}: a part of an array that was submitted again has \
             other numbers\n  {by_hand}"
        ));
    }
    let is_even =
        tasks.checked_sub(1).and_then(|gaps| step.checked_mul(gaps)) == max.checked_sub(min);
    let offset = id.checked_sub(min).filter(|_| id <= max);
    let index = match (offset, tasks) {
        (Some(0), 1) => Some(0),
        (Some(offset), _) if is_even && step > 0 && offset.is_multiple_of(step) => {
            Some(offset / step)
        }
        _ => None,
    };
    let index = index.ok_or_else(|| {
        format!(
            "the index of Slurm task {id} in its array does not follow from its variables ({tasks} ids from {min} to \
             {max} in steps of {step})\n  {by_hand}"
        )
    })?;
    Ok((from_one(index), format!("{SLURM}ID={id}")))
}

fn number(name: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("{name} is `{value}`, which is not a number"))
}

/// The number of a share, of an index below the number of shares.
fn from_one(index: u64) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(choice: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let shard = parse_shard(choice)?.of_variables(&variable)?;
        Ok(shard.to_string())
    }

    fn slurm<'a>(id: &'a str, [count, min, max, step]: [&'a str; 4]) -> [(&'a str, &'a str); 5] {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_COUNT", count),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_MAX", max),
            ("SLURM_ARRAY_TASK_STEP", step),
        ]
    }

    #[test]
    fn kubernetes_counts_from_0() {
        // The last pod would otherwise send nothing, or the first one what the second sends.
        for (index, expected) in [("0", "1/8"), ("7", "8/8")] {
            assert_eq!(resolve("auto/8", &[(KUBERNETES, index)]).unwrap(), expected);
        }
        let more = resolve("auto/8", &[(KUBERNETES, "8")]).unwrap_err();
        assert!(more.contains("completions"), "{more}");
        assert!(resolve("auto/8", &[(KUBERNETES, "x")]).is_err());
    }

    #[test]
    fn a_slurm_task_has_its_place_in_the_array() {
        // Arrays need not begin at 0 or 1, nor have steps of 1.
        assert_eq!(
            resolve("auto/8", &slurm("3", ["8", "1", "8", "1"])).unwrap(),
            "3/8"
        );
        assert_eq!(
            resolve("auto/4", &slurm("14", ["4", "10", "16", "2"])).unwrap(),
            "3/4"
        );
        assert_eq!(
            resolve("auto/1", &slurm("5", ["1", "5", "5", "1"])).unwrap(),
            "1/1"
        );
    }

    #[test]
    fn an_array_whose_ids_cannot_be_known_is_refused() {
        // `--array=0-2:2,3,6`: a wrong index sends one share twice and another one never.
        let uneven = resolve("auto/4", &slurm("3", ["4", "0", "6", "2"])).unwrap_err();
        assert!(uneven.contains("does not follow"), "{uneven}");
        assert!(resolve("auto/3", &slurm("3", ["3", "0", "7", "1"])).is_err());
        // `--array=3` of an array of eight, submitted again: it would send everything.
        let again = resolve("auto/8", &slurm("3", ["1", "3", "3", "1"])).unwrap_err();
        assert!(again.contains("SLURM_ARRAY_TASK_COUNT is 1"), "{again}");
        assert_eq!(
            resolve("3/8", &slurm("3", ["1", "3", "3", "1"])).unwrap(),
            "3/8"
        );
        assert!(resolve("auto/8", &[("SLURM_ARRAY_TASK_ID", "3")]).is_err());
    }

    #[test]
    fn a_contradiction_is_refused() {
        // A manifest with a fixed shard sends the same share from every pod.
        let pods = resolve("3/8", &[(KUBERNETES, "5")]).unwrap_err();
        assert!(
            pods.contains("contradicts JOB_COMPLETION_INDEX=5, which says 6/8"),
            "{pods}"
        );
        assert_eq!(resolve("6/8", &[(KUBERNETES, "5")]).unwrap(), "6/8");
        assert!(resolve("3/8", &slurm("5", ["8", "1", "8", "1"])).is_err());
        let both = [&slurm("5", ["8", "1", "8", "1"])[..], &[(KUBERNETES, "4")]].concat();
        assert!(resolve("auto/8", &both).is_err());
        assert!(
            resolve("auto/8", &[])
                .unwrap_err()
                .contains("neither is set")
        );
        for wrong in ["auto/0", "auto/", "auto", "auto/x", "3/auto"] {
            assert!(resolve(wrong, &[(KUBERNETES, "0")]).is_err(), "{wrong}");
        }
    }

    proptest! {
        // Every task of an even array has a share of its own.
        #[test]
        fn an_even_array_covers_its_shares(min in 0_u64..50, step in 1_u64..9, count in 1_u64..20) {
            let max = min + step * (count - 1);
            let texts = [count, min, max, step].map(|number| number.to_string());
            let range = texts.each_ref().map(String::as_str);
            for index in 0..count {
                let id = (min + step * index).to_string();
                let shard = resolve(&format!("auto/{count}"), &slurm(&id, range));
                prop_assert_eq!(shard, Ok(format!("{}/{count}", index + 1)));
            }
        }
    }
}
