//! Completion in a shell: the program itself is asked for the words.
//!
//! Owns which flags complete to which values, and the script that a shell loads. Must not know where values are read
//! from. Invariant: a line that is being completed is never carried out.

use std::path::Path;

use clap::{Command, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};

use crate::command::completion::CompletionContext;
use crate::command::pages::Page;

/// The variable by which a script asks for completions.
const VARIABLE: &str = "BAKEOFF_COMPLETE";

/// Lists the values of one flag.
type Values = fn(&CompletionContext) -> Vec<String>;

/// Flags, and positional values by their names, that complete to values of files.
const COMPLETED: [(&str, Values); 5] = [
    ("endpoint", CompletionContext::endpoints),
    ("models", CompletionContext::models),
    ("id", CompletionContext::models),
    ("prompts", CompletionContext::prompts),
    ("tags", CompletionContext::tags),
];

/// Prints the completions of a line and ends the process, if a shell asks for them.
pub(super) fn answer_shell(program: fn() -> Command) {
    CompleteEnv::with_factory(|| add(program()))
        .var(VARIABLE)
        .complete();
}

/// The script that makes a shell ask this program.
pub(super) fn script(shell: Shell) -> Page {
    let name = shell
        .to_possible_value()
        .map(|value| value.get_name().to_owned());
    let shells = Shells::builtins();
    let completer = name.as_deref().and_then(|name| shells.completer(name));
    let mut bytes = Vec::new();
    completer
        .expect("both lists have the same shells")
        .write_registration(VARIABLE, "bakeoff", "bakeoff", "bakeoff", &mut bytes)
        .expect("a list of bytes takes all that is written into it");
    Page {
        file_name: clap_complete::Generator::file_name(&shell, "bakeoff"),
        bytes,
    }
}

/// Gives every command's flags their values.
fn add(program: Command) -> Command {
    let program = program.mut_args(|arg| {
        let id = arg.get_id().as_str();
        match COMPLETED.iter().find(|(name, _)| *name == id) {
            Some((_, values)) => arg.add(ArgValueCandidates::new(move || candidates(*values))),
            None => arg,
        }
    });
    program.mut_subcommands(add)
}

fn candidates(values: Values) -> Vec<CompletionCandidate> {
    let words = std::env::args().skip_while(|word| word != "--").skip(1);
    let words: Vec<String> = words.collect();
    let values = values(&context(&words));
    values.into_iter().map(CompletionCandidate::new).collect()
}

/// The words of an unfinished line that matter.
fn context(words: &[String]) -> CompletionContext {
    let after = |flags: &[&str]| {
        let place = words
            .iter()
            .position(|word| flags.contains(&word.as_str()))?;
        words.get(place + 1).cloned()
    };
    let is_toml = |word: &&String| Path::new(word).extension().is_some_and(|end| end == "toml");
    let project = after(&["--project"]);
    CompletionContext {
        endpoint: after(&["--endpoint", "-e"]),
        suite: words
            .iter()
            .filter(is_toml)
            .find(|word| Some(*word) != project.as_ref())
            .cloned(),
        project,
    }
}
