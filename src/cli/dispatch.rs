//! Dispatch: from the parsed arguments to the command.
//!
//! Owns the list of commands. Must not know their arguments, nor their work. Invariant: every failure is
//! reported once, and ends in an exit code.

use crate::command::{
    self, accept, answers, calibrate, compare, estimate, forecast, history, import, init, merge,
    models, pages, report, run, runs, schema, score, sim, size, spend, suite,
};

/// A command with its options.
#[derive(Debug)]
pub(super) enum Verb {
    /// `bakeoff run`
    Run(run::Options),
    /// `bakeoff resume`
    Resume(run::resume::Options),
    /// `bakeoff merge`
    Merge(merge::Options),
    /// `bakeoff estimate`
    Estimate(estimate::Options),
    /// `bakeoff report`
    Report(report::Options),
    /// `bakeoff score`
    Score(score::Options),
    /// `bakeoff answers`
    Answers(answers::Options),
    /// `bakeoff compare`
    Compare(compare::Options),
    /// `bakeoff accept`
    Accept(accept::Options),
    /// `bakeoff history`
    History(history::Options),
    /// `bakeoff size`
    Size(size::Options),
    /// `bakeoff suite check`
    SuiteCheck(suite::Options),
    /// `bakeoff forecast`
    Forecast(forecast::Options),
    /// `bakeoff spend`
    Spend(spend::Options),
    /// `bakeoff models`
    Models(models::Options),
    /// `bakeoff runs`
    Runs(runs::Options),
    /// `bakeoff init`
    Init(init::Options),
    /// `bakeoff schema`
    Schema(schema::Shape),
    /// `bakeoff completions` and `bakeoff man`
    Pages(pages::Options),
    /// `bakeoff import`
    Import(import::Options),
    /// `bakeoff calibrate`
    Calibrate(calibrate::Options),
    /// `bakeoff sim`
    Sim(sim::Options),
}

/// Carries out a verb and returns the process's exit code.
pub(super) fn execute(verb: Verb) -> u8 {
    // A simulator serves on after a panic in one of its connections.
    let at_once = matches!(verb, Verb::Sim(_));
    command::carry_out(at_once, || match verb {
        Verb::Run(options) => run::execute(&options),
        Verb::Resume(options) => run::resume::execute(&options),
        Verb::Merge(options) => merge::execute(&options),
        Verb::Estimate(options) => estimate::execute(&options),
        Verb::Report(options) => report::execute(&options),
        Verb::Score(options) => score::execute(&options),
        Verb::Answers(options) => answers::execute(&options),
        Verb::Compare(options) => compare::execute(&options),
        Verb::Accept(options) => accept::execute(&options),
        Verb::History(options) => history::execute(&options),
        Verb::Size(options) => size::execute(&options),
        Verb::SuiteCheck(options) => suite::check(&options),
        Verb::Forecast(options) => forecast::execute(&options),
        Verb::Spend(options) => spend::execute(&options),
        Verb::Models(options) => models::execute(&options),
        Verb::Runs(options) => runs::execute(&options),
        Verb::Init(options) => init::execute(&options),
        Verb::Schema(shape) => schema::execute(shape),
        Verb::Pages(options) => pages::execute(&options),
        Verb::Import(options) => import::execute(&options),
        Verb::Calibrate(options) => calibrate::execute(&options),
        Verb::Sim(options) => sim::execute(&options),
    })
}
