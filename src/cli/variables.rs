//! Environment variables that stand for flags.
//!
//! Owns which flags of which commands have one. Must not know what a flag does. Invariant: a flag on the command
//! line wins over its variable, and both win over files.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Begins the name of each variable.
const PREFIX: &str = "BAKEOFF_";

/// Flags with a variable, and the commands where the variable counts. It does not where the flag asks for more than a
/// setting: `spend --endpoint` sends a request, `resume --max-cost` replaces a cap.
const FLAGS: [(&str, &[&str]); 13] = [
    ("endpoint", &["run", "estimate", "models"]),
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
];

/// The variable of a flag.
fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase())
}

/// Gives the flags their variables. An empty variable counts as unset.
pub(super) fn add(mut program: Command) -> Command {
    for (flag, commands) in FLAGS {
        let name = variable(flag);
        let is_empty = std::env::var_os(&name).is_some_and(|value| value.is_empty());
        if is_empty {
            continue;
        }
        for command in commands {
            program = program.mut_subcommand(command, |command| {
                command.mut_args(|arg| {
                    if arg.get_long() == Some(flag) {
                        arg.env(name.clone()).hide_env_values(true)
                    } else {
                        arg
                    }
                })
            });
        }
    }
    program
}

/// The error with the variable that holds the value, where one does.
pub(super) fn with_source(mut error: clap::Error) -> clap::Error {
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    #[test]
    fn every_variable_has_its_flag() {
        // A table that names a flag or command that is gone would promise a variable that does nothing.
        let program = add(Cli::command());
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
                assert!(arg.get_action().takes_values(), "{command} --{flag}");
            }
        }
    }
}
