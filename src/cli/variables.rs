//! Environment variables that stand for flags.
//!
//! Owns which flags of which commands have one. Must not know what a flag does. Invariant: a flag on the command
//! line wins over its variable, and both win over files.

use clap::Command;
use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Begins the name of each variable.
const PREFIX: &str = "BAKEOFF_";

/// Flags with a variable, and the commands where the variable counts. It does not where the flag asks for more than a
/// setting: `spend --endpoint` sends a request, `resume --max-cost` replaces a cap, `--allow-exec` trusts one suite.
const FLAGS: [(&str, &[&str]); 20] = [
    ("endpoint", &["run", "estimate", "models", "size"]),
    (
        "project",
        &[
            "run", "resume", "estimate", "forecast", "models", "size", "spend",
        ],
    ),
    ("output", &["run", "estimate", "size"]),
    ("repetitions", &["run", "estimate"]),
    ("concurrency", &["run"]),
    ("seed", &["run"]),
    ("shard", &["run"]),
    ("patience", &["run"]),
    ("max-cost", &["run"]),
    ("environment", &["run"]),
    ("ca-file", &["run", "resume", "models"]),
    ("scenario", &["run", "resume", "sim"]),
    ("sim-seed", &["run", "sim"]),
    ("history", &["run", "resume", "accept"]),
    ("until-decided", &["run"]),
    ("quiet", &["run", "resume", "merge"]),
    ("verbose", &["run", "resume", "merge", "report", "compare"]),
    ("yes", &["run"]),
    ("refresh", &["models"]),
    (
        "json",
        &[
            "run", "resume", "merge", "compare", "accept", "forecast", "spend", "models", "size",
        ],
    ),
];

/// The variable of a flag.
fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase())
}

/// Gives the flags their variables. An empty variable counts as unset; that of a flag without a value is a boolean.
pub(super) fn add(program: Command) -> Command {
    let is_pilot = std::env::args_os().any(|arg| arg == "--pilot");
    add_for(program, is_pilot)
}

fn add_for(mut program: Command, is_pilot: bool) -> Command {
    for (flag, commands) in FLAGS {
        let name = variable(flag);
        let is_empty = std::env::var_os(&name).is_some_and(|value| value.is_empty());
        if is_empty {
            continue;
        }
        // The endpoint of `size` is that of its pilot run.
        let counts = |command: &&&str| is_pilot || **command != "size" || flag != "endpoint";
        for command in commands.iter().filter(counts) {
            program = program.mut_subcommand(command, |command| {
                command.mut_args(|arg| {
                    if arg.get_long() != Some(flag) {
                        return arg;
                    }
                    let has_value = arg.get_action().takes_values();
                    let arg = arg.env(name.clone()).hide_env_values(true);
                    if has_value {
                        arg
                    } else {
                        arg.value_parser(BoolishValueParser::new())
                    }
                })
            });
        }
    }
    program
}

/// The error with the variable that holds the value, where one does.
pub(super) fn with_source(mut error: clap::Error) -> clap::Error {
    if error.kind() == ErrorKind::ArgumentConflict {
        return with_conflicting_variables(error);
    }
    let (Some(ContextValue::String(arg)), Some(ContextValue::String(value))) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::InvalidValue),
    ) else {
        return error;
    };
    let flag = arg
        .split(' ')
        .next()
        .and_then(|flag| flag.strip_prefix("--"));
    let name = flag.map(variable).unwrap_or_default();
    let is_source = std::env::var(&name).is_ok_and(|held| held == *value);
    if is_source
        && matches!(
            error.kind(),
            ErrorKind::ValueValidation | ErrorKind::InvalidValue
        )
    {
        let tip = format!("the value is that of the variable {name}");
        let tips = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}

/// The error about flags that exclude each other, with the variables that set them.
fn with_conflicting_variables(mut error: clap::Error) -> clap::Error {
    let mut flags = Vec::new();
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        match error.get(kind) {
            Some(ContextValue::String(flag)) => flags.push(flag.clone()),
            Some(ContextValue::Strings(several)) => flags.extend(several.iter().cloned()),
            _ => {}
        }
    }
    let long = |flag: &String| {
        let word = flag.split(' ').next()?.strip_prefix("--")?;
        Some(word.to_owned())
    };
    let known = |flag: &String| FLAGS.iter().any(|(known, _)| known == flag);
    let typed = |flag: &String| {
        let typed = format!("--{flag}");
        std::env::args().any(|arg| arg == typed || arg.starts_with(&format!("{typed}=")))
    };
    let flags = flags.iter().filter_map(long).filter(known);
    let names = flags
        .filter(|flag| !typed(flag))
        .map(|flag| variable(&flag));
    let set: Vec<String> = names
        .filter(|name| std::env::var_os(name).is_some())
        .collect();
    if !set.is_empty() {
        let tips = set
            .iter()
            .map(|name| format!("{name} is set: unset it for this command").into());
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(tips.collect()),
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, CommandFactory};

    use super::super::Cli;
    use super::*;

    #[test]
    fn every_variable_has_its_flag() {
        // A table that names a flag or command that is gone would promise a variable that does nothing.
        let program = add_for(Cli::command(), true);
        let page = include_str!("../../docs/files.md");
        for (flag, commands) in FLAGS {
            for command in commands {
                let args = program.find_subcommand(command).unwrap().get_arguments();
                let mut flags = args.filter(|arg| arg.get_long() == Some(flag));
                let arg = flags.next().unwrap_or_else(|| panic!("{command} --{flag}"));
                assert_eq!(arg.get_env().unwrap(), variable(flag).as_str());
                assert!(
                    page.contains(&format!("`{}`", variable(flag))),
                    "docs/files.md: {flag}"
                );
                let is_plain = matches!(arg.get_action(), ArgAction::Set | ArgAction::SetTrue);
                assert!(is_plain, "{command} --{flag}");
            }
        }
    }
}
