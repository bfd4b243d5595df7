//! The flags that select what is sent, and where to.
//!
//! Owns them for all verbs that have them. Must not know what is done with the selection. Invariant: a flag means the same in
//! each verb.

use std::path::PathBuf;

use clap::Args;

use crate::command;

/// The suite, the part of it that is sent, and the place that it is sent to.
#[derive(Debug, Args)]
pub(super) struct SelectionArgs {
    /// Suite file (TOML); `-` is standard input. Without one, each --prompt is a text
    suite: Option<PathBuf>,
    /// Endpoint: sim (default), vercel, openrouter, openai, anthropic, a profile in bakeoff.toml, or a base URL
    #[arg(short, long, value_name = "NAME|URL")]
    endpoint: Option<String>,
    /// Model id, or label or glob of the suite's variants; repeatable. Ids replace the suite's models
    #[arg(short, long = "model", value_name = "ID|GLOB")]
    models: Vec<String>,
    /// Only prompts with this id or glob; without a suite, the text of a prompt. Repeatable
    #[arg(short, long = "prompt", value_name = "ID|GLOB|TEXT")]
    prompts: Vec<String>,
    /// Only prompts with this tag or glob; repeatable
    #[arg(short, long = "tag", value_name = "TAG|GLOB")]
    tags: Vec<String>,
    /// Repetitions of each prompt per model
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repetitions: Option<u32>,
}

impl From<SelectionArgs> for command::run::Options {
    fn from(args: SelectionArgs) -> Self {
        Self {
            suite: args.suite,
            endpoint: args.endpoint,
            models: args.models,
            prompts: args.prompts,
            tags: args.tags,
            repetitions: args.repetitions,
            ..Self::default()
        }
    }
}
