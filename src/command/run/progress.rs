//! Live progress: a consumer of the engine's events.
//!
//! Owns the display while a run goes on. Must not know the journal or the final report. Invariant: it holds a
//! fixed amount per variant however many trials there are, and the display is a pure function of the events so
//! far: elapsed time is read from their stamps.

use std::io::{self, IsTerminal as _, Write};

use hdrhistogram::Histogram;
use unicode_width::UnicodeWidthStr as _;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::{ModelPause, RunEvent, SendingState};
use crate::record::Sample;
use crate::suite::Suite;
use crate::units::{ModelId, Nanos, Usd};

/// Redraws a second: enough for an eye, little enough for the clock.
const REDRAWS_PER_SECOND: u8 = 8;

/// Plain lines over a whole run, where there is no terminal.
const PLAIN_LINES: u64 = 10;

/// The display of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProgressMode {
    /// Bars that redraw themselves.
    Bars,
    /// A line now and then.
    Lines,
    /// Nothing.
    Nothing,
}

impl ProgressMode {
    /// The display that suits standard error.
    pub(super) fn new(quiet: bool) -> Self {
        match (quiet, io::stderr().is_terminal()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Bars,
            (false, false) => Self::Lines,
        }
    }
}

/// The counts so far, and the display.
pub(super) struct Progress {
    tally: TrialTally,
    screen: Screen,
}

enum Screen {
    Bars {
        variants: Vec<ProgressBar>,
        all: ProgressBar,
        _screen: MultiProgress,
    },
    Lines {
        last_step: u64,
    },
    Nothing,
}

/// Counts of a run so far.
struct TrialTally {
    variants: Vec<VariantTally>,
    planned: u64,
    done: u64,
    /// Start of the part on the clock of the run.
    start: Nanos,
    elapsed: Nanos,
    /// Columns of the longest label.
    label_width: usize,
}

struct VariantTally {
    label: String,
    model: ModelId,
    /// The words of its state, if it is not sent to as planned.
    sending: Option<String>,
    planned: u64,
    done: u64,
    failed: u64,
    output_tokens: u64,
    /// Absent: of none that has ended it is known.
    cost: Option<Usd>,
    ttft_us: Histogram<u32>,
}

impl Progress {
    pub(super) fn new(suite: &Suite, trials: u64, show: ProgressMode) -> Self {
        let planned = trials / suite.variants.len().max(1) as u64;
        let variants = suite.variants.iter().map(|variant| VariantTally {
            label: variant.label.clone(),
            model: variant.model.clone(),
            sending: None,
            planned,
            done: 0,
            failed: 0,
            output_tokens: 0,
            cost: None,
            ttft_us: Histogram::new_with_bounds(1, 3_600_000_000, 3)
                .expect("the bounds are constants that the histogram accepts"),
        });
        let tally = TrialTally {
            variants: variants.collect(),
            planned: trials,
            done: 0,
            start: Nanos::ZERO,
            elapsed: Nanos::ZERO,
            label_width: suite
                .variants
                .iter()
                .map(|v| v.label.width())
                .max()
                .unwrap_or(0),
        };
        let screen = match show {
            ProgressMode::Bars => bars(&tally),
            ProgressMode::Lines => Screen::Lines { last_step: 0 },
            ProgressMode::Nothing => Screen::Nothing,
        };
        Self { tally, screen }
    }

    /// The same for a part that began so long after its run: the time left is estimated from its own trials.
    pub(super) fn starting_at(mut self, start: Nanos) -> Self {
        self.tally.start = start;
        self
    }

    /// Adds one event and updates the display.
    pub(super) fn update(&mut self, event: &RunEvent, err: &mut dyn Write) {
        match event {
            RunEvent::Finished(sample) => {
                self.tally.add(sample);
                self.show(&sample.variant, err);
            }
            RunEvent::Retried { outcome, wait, .. } => {
                self.note(
                    &format!("{}: next attempt in {wait}", outcome.word()),
                    err,
                    false,
                );
            }
            RunEvent::Sending { model, state } => {
                let text = self.tally.set_sending(model, *state);
                self.show_sending(model);
                self.note(&text, err, true);
            }
            RunEvent::Stopping(reason) => self.note(&format!("stopping: {reason}"), err, true),
            // No trial, but money all the same.
            RunEvent::WarmedUp { variant, spent, .. } => self.tally.pay(*variant, *spent),
            RunEvent::Started { .. } | RunEvent::Look { .. } => {}
        }
    }

    /// Prints a line next to the progress.
    pub(super) fn say(&self, text: &str, err: &mut dyn Write) {
        self.note(text, err, true);
    }

    /// Leaves the terminal clean for what follows.
    pub(super) fn end(&mut self) {
        if let Screen::Bars { variants, all, .. } = &self.screen {
            for bar in variants {
                bar.finish_and_clear();
            }
            all.finish_and_clear();
        }
    }

    fn show(&mut self, label: &str, err: &mut dyn Write) {
        let tally = &self.tally;
        match &mut self.screen {
            Screen::Bars { variants, all, .. } => {
                let changed = tally.variants.iter().zip(variants);
                for (variant, bar) in changed.filter(|(variant, _)| variant.label == label) {
                    bar.set_message(variant.line(tally.label_width));
                }
                all.set_position(tally.done);
                all.set_message(tally.rest());
            }
            Screen::Lines { last_step } => {
                let step = tally.done * PLAIN_LINES / tally.planned.max(1);
                if step > *last_step {
                    *last_step = step;
                    let (done, planned) = (tally.done, tally.planned);
                    // A closed standard error is no reason to end a run.
                    let _ = writeln!(err, "{done}/{planned} trials, {}", tally.rest());
                }
            }
            Screen::Nothing => {}
        }
    }

    /// Redraws the lines of a model whose state changed.
    fn show_sending(&self, model: &ModelId) {
        if let Screen::Bars { variants, .. } = &self.screen {
            let lines = self.tally.variants.iter().zip(variants);
            for (variant, bar) in lines.filter(|(variant, _)| variant.model == *model) {
                bar.set_message(variant.line(self.tally.label_width));
            }
        }
    }

    fn note(&self, text: &str, err: &mut dyn Write, always: bool) {
        match &self.screen {
            Screen::Bars { all, .. } => all.println(format!("  {text}")),
            Screen::Lines { .. } if always => {
                let _ = writeln!(err, "{text}");
            }
            Screen::Lines { .. } | Screen::Nothing => {}
        }
    }
}

impl TrialTally {
    fn add(&mut self, sample: &Sample) {
        // It did not end: the run did.
        if sample.outcome.is_abandoned() {
            return;
        }
        self.done += 1;
        let end = sample.sent_ns.0 + sample.latency_ns.map_or(0, |latency| latency.0);
        self.elapsed = self.elapsed.max(Nanos(end).since(self.start));
        let Some(variant) = self.variants.iter_mut().find(|v| v.label == sample.variant) else {
            return;
        };
        variant.done += 1;
        variant.failed += u64::from(!sample.outcome.answered());
        let tokens = sample
            .known_usage()
            .and_then(|usage| usage.completion_tokens);
        variant.output_tokens += tokens.unwrap_or(0);
        variant.pay(sample.billed_usd.max(sample.cost_usd));
        if let Some(ttft) = sample.ttft_ns {
            variant.ttft_us.saturating_record(ttft.0 / 1_000);
        }
    }

    /// Sets the state of a model, and returns the line about it.
    fn set_sending(&mut self, model: &ModelId, state: SendingState) -> String {
        let (line, sending) = match state {
            SendingState::Paused(pause) => {
                let words = pause_words(&pause);
                (format!("{model}: {words}"), Some(words))
            }
            SendingState::Resumed => (format!("{model}: answers again"), None),
            SendingState::Dropped {
                outcome,
                failing_for,
            } => {
                let words = format!(
                    "dropped after {} of {}",
                    seconds(failing_for),
                    outcome.word()
                );
                (format!("{model}: {words}; the others go on"), Some(words))
            }
        };
        for variant in self.variants.iter_mut().filter(|v| v.model == *model) {
            variant.sending.clone_from(&sending);
        }
        line
    }

    /// Counts the cost of a request that is no trial; `variant` is its index in the suite.
    fn pay(&mut self, variant: usize, spent: Option<Usd>) {
        if let Some(variant) = self.variants.get_mut(variant) {
            variant.pay(spent);
        }
    }

    /// Time left and money spent.
    fn rest(&self) -> String {
        let known: Vec<Usd> = self.variants.iter().filter_map(|v| v.cost).collect();
        let left = (self.planned - self.done.min(self.planned)) as f64;
        let seconds = self.elapsed.as_secs_f64() / self.done.max(1) as f64 * left;
        let spent = if known.is_empty() {
            "cost unknown".to_owned()
        } else {
            let spent: Usd = known.into_iter().sum();
            format!("${:.4} spent", spent.as_f64())
        };
        format!("about {seconds:.0} s left, {spent}")
    }
}

impl VariantTally {
    fn pay(&mut self, spent: Option<Usd>) {
        self.cost = [self.cost, spent]
            .into_iter()
            .flatten()
            .reduce(|so_far, cost| so_far.plus(cost).unwrap_or(so_far));
    }

    /// One line, its label in `width` columns.
    fn line(&self, width: usize) -> String {
        let ttft = if self.ttft_us.is_empty() {
            "-".to_owned()
        } else {
            Nanos(self.ttft_us.value_at_quantile(0.5) * 1_000).to_string()
        };
        let failed = match self.failed {
            0 => String::new(),
            failed => format!("  {failed} failed"),
        };
        let cost = self.cost.map_or_else(
            || "cost unknown".to_owned(),
            |cost| format!("${:.4}", cost.as_f64()),
        );
        let sending = self.sending.as_ref();
        let sending = sending.map_or_else(String::new, |words| format!("  {words}"));
        format!(
            "{:<width$} {:>5}/{}  TTFT p50 {ttft:>8}  {:>7} output tokens  {cost}{failed}{sending}",
            self.label, self.done, self.planned, self.output_tokens,
        )
    }
}

/// The terminal is left clean however the run ends, by a panic as well.
impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// The words about a pause: the failure, the next test, and how much of the patience is used up.
fn pause_words(pause: &ModelPause) -> String {
    format!(
        "failing ({}) for {} of {} patience, next try in {}",
        pause.outcome.word(),
        seconds(pause.failing_for),
        seconds(pause.patience),
        seconds(pause.next_try),
    )
}

/// A time in whole seconds, `4 s`.
fn seconds(time: Nanos) -> String {
    format!("{:.0} s", time.as_secs_f64())
}

fn bars(tally: &TrialTally) -> Screen {
    let target = ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
    let screen = MultiProgress::with_draw_target(target);
    // `wide_msg` is cut at the terminal's edge: a line that wraps is not taken away when redrawn.
    let line = ProgressStyle::with_template("  {wide_msg}").expect("the template is a constant");
    let whole = ProgressStyle::with_template("  [{bar:30}] {pos}/{len}  {wide_msg}")
        .expect("the template is a constant")
        .progress_chars("=> ");
    let bar = |variant: &VariantTally| {
        let bar = screen.add(ProgressBar::new(variant.planned).with_style(line.clone()));
        bar.set_message(variant.line(tally.label_width));
        bar
    };
    let variants = tally.variants.iter().map(bar).collect();
    let all = screen.add(ProgressBar::new(tally.planned).with_style(whole));
    Screen::Bars {
        variants,
        all,
        _screen: screen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;
    use crate::record::example::plain_sample;

    #[test]
    fn an_unknown_cost_is_not_shown_as_zero() {
        // A model without a price has not cost $0.0000.
        let mut sample = plain_sample(0);
        (sample.cost_usd, sample.billed_usd) = (None, None);
        let suite = example::suite(1, 1, 2);
        sample.variant.clone_from(&suite.variants[0].label);
        let mut progress = Progress::new(&suite, 2, ProgressMode::Nothing);
        let mut output = Vec::new();
        progress.update(&RunEvent::Finished(Box::new(sample.clone())), &mut output);
        assert!(progress.tally.rest().ends_with("cost unknown"));
        sample.billed_usd = Some(Usd(Usd::PICO / 4));
        progress.update(&RunEvent::Finished(Box::new(sample)), &mut output);
        assert!(progress.tally.rest().ends_with("$0.2500 spent"));
    }
}
