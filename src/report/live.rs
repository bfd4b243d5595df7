//! The table of a run in progress.
//!
//! Owns its lines for a given terminal. Must not know how they are drawn, nor what time it is. Invariants: no line is
//! wider than the terminal, there are never more lines than it has rows, and a column keeps its place whatever the
//! figures are.

use unicode_width::UnicodeWidthStr as _;

use crate::units::{Nanos, Usd, plural};

use super::aligned::{Align, GUTTER, clip, padded};
use super::figure::Figure;
use super::recommendations::ShortNames;
use super::screen::duration;
use super::sparkline::sparkline;
use super::terminal::{DIM, GREEN, RED, Style, YELLOW, push_painted};

/// The parts of a run over which a model's TTFT is followed, one character each.
pub const TREND_PARTS: usize = 12;

/// Columns that the bar of the whole run takes.
const BAR_WIDTH: usize = 16;
/// Columns of a count of trials whose number is not known before.
const UNPLANNED_WIDTH: usize = 7;
/// Columns below which there is no table, only the line about the whole run.
const TABLE_WIDTH_MIN: usize = 20;
const NAME_WIDTH_MIN: usize = 10;
const NAME_WIDTH_MAX: usize = 32;

/// The state of a run in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRun {
    /// Trials that have ended.
    pub done: u64,
    /// All trials; 0 if time ends the run and not their number.
    pub planned: u64,
    /// The part of its time that is over, of a run that time ends.
    pub time_share: Option<f64>,
    /// Attempts that failed and were followed by another.
    pub retries: u64,
    /// The time since the first request.
    pub elapsed: Nanos,
    /// The estimate of the time left; absent before the first trial ended.
    pub left: Option<Nanos>,
    /// One entry per variant, in the suite's order.
    pub models: Vec<LiveModel>,
}

/// The state of a variant in a run in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveModel {
    /// Its label.
    pub label: String,
    /// Trials that have ended.
    pub done: u64,
    /// All its trials; 0 if time ends the run.
    pub planned: u64,
    /// Trials that failed.
    pub failed: u64,
    /// Median TTFT so far.
    pub ttft_p50: Option<Nanos>,
    /// The logarithm of the TTFT in each part of the run.
    pub trend: [Option<f64>; TREND_PARTS],
    /// Median output rate so far, in tokens per second.
    pub output_rate: Option<f64>,
    /// Output tokens so far.
    pub output_tokens: u64,
    /// The cost so far; absent where it is not known.
    pub cost: Option<Usd>,
    /// The reason why it is not sent to as planned.
    pub state: Option<String>,
}

/// `12/80`, or `12` where the number of all is not known.
fn counts(done: u64, planned: u64) -> String {
    match planned {
        0 => done.to_string(),
        planned => format!("{done}/{planned}"),
    }
}

impl LiveRun {
    /// The known cost of all variants so far.
    fn spent(&self) -> Option<Usd> {
        let known = self.models.iter().filter_map(|model| model.cost);
        known.reduce(|sum, cost| sum.plus(cost).unwrap_or(sum))
    }

    /// Time left, if it can be estimated, money spent and retries: `about 7 s left, $0.0123 spent, 3 retries`.
    fn rest(&self) -> String {
        let left = match self.left {
            Some(left) => Some(format!("about {} left", duration(left))),
            None => (self.done == 0).then(|| "waiting for the first answer".to_owned()),
        };
        let spent = match self.spent() {
            Some(spent) => format!("{} spent", money(spent)),
            None => "cost unknown".to_owned(),
        };
        let retries = match self.retries {
            0 => None,
            1 => Some("1 retry".to_owned()),
            retries => Some(format!("{retries} retries")),
        };
        let parts: Vec<String> = left.into_iter().chain([spent]).chain(retries).collect();
        parts.join(", ")
    }

    /// The state in a line of a log: `302/720 trials, about 7 s left, $0.0123 spent, 2 failed`.
    pub fn line(&self) -> String {
        let failed: u64 = self.models.iter().map(|model| model.failed).sum();
        let failed = match failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let counts = match self.planned {
            0 => plural(self.done, "trial"),
            planned => format!("{}/{planned} trials", self.done),
        };
        format!("{counts}, {}{failed}", self.rest())
    }

    /// The lines of the table for a terminal of this style and so many rows.
    pub fn lines(&self, style: Style, rows: usize) -> Vec<String> {
        // One column and one row stay free, so that nothing wraps or scrolls.
        let style = Style {
            width: style.width.saturating_sub(1),
            ..style
        };
        if style.width < TABLE_WIDTH_MIN {
            return vec![self.whole(style)];
        }
        let room = rows.saturating_sub(1);
        let layout = LiveLayout::new(self, style.width);
        let hidden = (self.models.len() + 2).saturating_sub(room);
        let shown = self.models.len() - (hidden + usize::from(hidden > 0)).min(self.models.len());
        let mut lines = vec![layout.heading(style)];
        let rows = self.models.iter().zip(&layout.names).take(shown);
        lines.extend(rows.map(|(model, name)| layout.row(model, name, style)));
        if shown < self.models.len() {
            let more = format!("  and {} more", self.models.len() - shown);
            lines.push(painted(style, DIM, &clip(&more, style.width)));
        }
        lines.push(self.whole(style));
        if room < lines.len() {
            lines.drain(..lines.len() - room);
        }
        lines
    }

    /// The line about the whole run.
    fn whole(&self, style: Style) -> String {
        let share = self
            .time_share
            .unwrap_or_else(|| self.done.min(self.planned) as f64 / self.planned.max(1) as f64);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to the width of the bar"
        )]
        let filled = (share.clamp(0.0, 1.0) * BAR_WIDTH as f64) as usize;
        let (counts, rest) = (counts(self.done, self.planned), self.rest());
        let words = format!("  {counts} in {}, {rest}", duration(self.elapsed));
        let room = style.width.saturating_sub(GUTTER + BAR_WIDTH);
        if room < NAME_WIDTH_MIN {
            return clip(&words, style.width);
        }
        let mut line = " ".repeat(GUTTER);
        push_painted(&mut line, style, GREEN, &"━".repeat(filled));
        push_painted(&mut line, style, DIM, &"─".repeat(BAR_WIDTH - filled));
        line.push_str(&clip(&words, room));
        line
    }
}

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiveColumn {
    Done,
    Ttft,
    Trend,
    OutputRate,
    OutputTokens,
    Cost,
    Failed,
}

/// The columns in their order, the one that is dropped first where there is no room having the highest number.
const COLUMNS: [(LiveColumn, u8); 7] = [
    (LiveColumn::Done, 1),
    (LiveColumn::Ttft, 2),
    (LiveColumn::Trend, 5),
    (LiveColumn::OutputRate, 4),
    (LiveColumn::OutputTokens, 6),
    (LiveColumn::Cost, 3),
    (LiveColumn::Failed, 0),
];

impl LiveColumn {
    const fn heading(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Ttft => "TTFT p50",
            Self::Trend => "TTFT so far",
            Self::OutputRate => "tok/s",
            Self::OutputTokens => "tokens",
            Self::Cost => "cost",
            Self::Failed => "failed",
        }
    }

    /// The width that the widest figure of a run takes.
    fn width(self, run: &LiveRun) -> usize {
        let planned = run.models.iter().map(|model| model.planned).max();
        match self {
            Self::Done => match planned {
                Some(0) | None => UNPLANNED_WIDTH,
                Some(planned) => 2 * planned.to_string().len() + 1,
            },
            Self::Ttft => 8,
            Self::Trend => TREND_PARTS,
            Self::OutputRate => 5,
            Self::OutputTokens | Self::Cost => 9,
            Self::Failed => 6,
        }
    }

    fn cell(self, model: &LiveModel) -> String {
        match self {
            Self::Done => counts(model.done, model.planned),
            Self::Ttft => (model.ttft_p50).map_or_else(absent, |ttft| ttft.to_string()),
            Self::Trend => sparkline(&model.trend),
            Self::OutputRate => Figure::from_option(model.output_rate, Figure::Mean).shown(),
            Self::OutputTokens => model.output_tokens.to_string(),
            Self::Cost => model.cost.map_or_else(absent, money),
            Self::Failed => model.failed.to_string(),
        }
    }
}

/// The columns that fit, with their widths.
struct LiveLayout {
    names: Vec<String>,
    name_width: usize,
    columns: Vec<(LiveColumn, usize)>,
    width: usize,
}

impl LiveLayout {
    fn new(run: &LiveRun, width: usize) -> Self {
        let labels = || run.models.iter().map(|model| model.label.as_str());
        let short = ShortNames::new(labels());
        let names: Vec<String> = labels().map(|label| short.of(label)).collect();
        let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
        let name_width = widest.clamp("model".len(), NAME_WIDTH_MAX);
        let mut columns = COLUMNS.to_vec();
        let needed = |columns: &[(LiveColumn, u8)], name: usize| {
            let cells = columns
                .iter()
                .map(|(column, _)| column.width(run).max(column.heading().len()) + GUTTER);
            GUTTER + name + cells.sum::<usize>()
        };
        // Names are cut before the columns that are always shown are dropped, but not for the one that is not.
        let min = |columns: &[(LiveColumn, u8)]| {
            let full = columns.len() == COLUMNS.len();
            if full {
                name_width
            } else {
                name_width.min(NAME_WIDTH_MIN)
            }
        };
        while columns.len() > 1 && needed(&columns, min(&columns)) > width {
            let first = columns
                .iter()
                .enumerate()
                .max_by_key(|(_, (_, priority))| *priority);
            let index = first.map_or(0, |(index, _)| index);
            columns.remove(index);
        }
        let name_width = name_width
            .min(width.saturating_sub(needed(&columns, 0)))
            .max(1);
        let sized = |(column, _): &(LiveColumn, u8)| {
            (*column, column.width(run).max(column.heading().len()))
        };
        Self {
            name_width,
            names: names.iter().map(|name| clip(name, name_width)).collect(),
            columns: columns.iter().map(sized).collect(),
            width,
        }
    }

    fn heading(&self, style: Style) -> String {
        let mut line = format!(
            "{}{}",
            " ".repeat(GUTTER),
            padded("model", self.name_width, Align::Left)
        );
        for (column, width) in &self.columns {
            line.push_str(&" ".repeat(GUTTER));
            line.push_str(&aligned(*column, column.heading(), *width));
        }
        painted(style, DIM, &clip(line.trim_end(), self.width))
    }

    fn row(&self, model: &LiveModel, name: &str, style: Style) -> String {
        let mut line = format!(
            "{}{}",
            " ".repeat(GUTTER),
            padded(name, self.name_width, Align::Left)
        );
        // What is to be known of a model that is not sent to takes the place of its figures.
        let is_figure =
            |column: &LiveColumn| !matches!(column, LiveColumn::Done | LiveColumn::Failed);
        let figures = self.columns.iter().filter(|(column, _)| is_figure(column));
        let figures: usize = figures.map(|(_, width)| width + GUTTER).sum();
        let mut state = model.state.as_ref().filter(|_| figures > 0);
        for &(column, width) in &self.columns {
            if model.state.is_some() && figures > 0 && is_figure(&column) {
                if let Some(words) = state.take() {
                    let room = figures - GUTTER;
                    line.push_str(&" ".repeat(GUTTER));
                    push_painted(
                        &mut line,
                        style,
                        YELLOW,
                        &padded(&clip(words, room), room, Align::Left),
                    );
                }
                continue;
            }
            line.push_str(&" ".repeat(GUTTER));
            let failed = column == LiveColumn::Failed && model.failed > 0;
            let colour = if failed { RED } else { "" };
            let cell = aligned(column, &column.cell(model), width);
            push_painted(&mut line, style, colour, &cell);
        }
        line
    }
}

/// A cell in its column: the trend begins at the left, figures end at the right.
fn aligned(column: LiveColumn, cell: &str, width: usize) -> String {
    let align = Align::left_if(column == LiveColumn::Trend);
    padded(&clip(cell, width), width, align)
}

fn painted(style: Style, colour: &str, text: &str) -> String {
    let mut line = String::new();
    push_painted(&mut line, style, colour, text);
    line
}

fn absent() -> String {
    Figure::Absent.shown()
}

fn money(amount: Usd) -> String {
    format!("${:.4}", amount.as_f64())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::ascii;
    use super::*;

    /// A run with a model that is slow, one that fails and one that is paused.
    fn run() -> LiveRun {
        let model = |label: &str, done, failed, ttft_ms, rate, micros: Option<i128>| {
            let rising = |part: usize| (part < 5).then_some(6.0 + part as f64 * 0.2);
            LiveModel {
                label: label.to_owned(),
                done,
                planned: 240,
                failed,
                ttft_p50: Some(Nanos::from_millis(ttft_ms)),
                trend: std::array::from_fn(rising),
                output_rate: Some(rate),
                output_tokens: done * 137,
                cost: micros.map(|micros| Usd(micros * 1_000_000)),
                state: None,
            }
        };
        let mut models = vec![
            model(
                "anthropic/claude-opus-4.5",
                101,
                0,
                1_240,
                61.25,
                Some(812_345),
            ),
            model(
                "openai/gpt-5.6-nova-preview-2026",
                102,
                3,
                412,
                138.4,
                Some(91_204),
            ),
            model("local/llama", 99, 0, 88, 9.31, None),
        ];
        models[2].state =
            Some("failing (rate_limited) for 12 s of 300 s patience, next try in 3 s".to_owned());
        models[2].trend = [None; TREND_PARTS];
        LiveRun {
            done: 302,
            planned: 720,
            time_share: None,
            retries: 2,
            elapsed: Nanos::from_millis(61_400),
            left: Some(Nanos::from_millis(85_000)),
            models,
        }
    }

    fn drawn(run: &LiveRun, width: usize, colour: bool) -> String {
        run.lines(Style { colour, width }, 24).join("\n")
    }

    #[test]
    fn the_table_has_what_fits() {
        insta::assert_snapshot!(drawn(&run(), 80, false), @"
        model                  done  TTFT p50  TTFT so far   tok/s       cost  failed
        claude-opus-4.5     101/240    1.24 s  ▁▃▅▆█          61.2    $0.8123       0
        gpt-5.6-nova-prev…  102/240    412 ms  ▁▃▅▆█           138    $0.0912       3
        llama                99/240  failing (rate_limited) for 12 s of 300 …       0
        ━━━━━━──────────  302/720 in 61 s, about 85 s left, $0.9035 spent, 2 retries
        ");
        insta::assert_snapshot!(drawn(&run(), 100, false), @"
        model                         done  TTFT p50  TTFT so far   tok/s     tokens       cost  failed
        claude-opus-4.5            101/240    1.24 s  ▁▃▅▆█          61.2      13837    $0.8123       0
        gpt-5.6-nova-preview-2026  102/240    412 ms  ▁▃▅▆█           138      13974    $0.0912       3
        llama                       99/240  failing (rate_limited) for 12 s of 300 s patience,…       0
        ━━━━━━──────────  302/720 in 61 s, about 85 s left, $0.9035 spent, 2 retries
        ");
        insta::assert_snapshot!(drawn(&run(), 140, false), @"
        model                         done  TTFT p50  TTFT so far   tok/s     tokens       cost  failed
        claude-opus-4.5            101/240    1.24 s  ▁▃▅▆█          61.2      13837    $0.8123       0
        gpt-5.6-nova-preview-2026  102/240    412 ms  ▁▃▅▆█           138      13974    $0.0912       3
        llama                       99/240  failing (rate_limited) for 12 s of 300 s patience,…       0
        ━━━━━━──────────  302/720 in 61 s, about 85 s left, $0.9035 spent, 2 retries
        ");
        insta::assert_snapshot!(drawn(&run(), 44, false), @"
        model              done  TTFT p50  failed
        claude-opus-4…  101/240    1.24 s       0
        gpt-5.6-nova-…  102/240    412 ms       3
        llama            99/240  failing…       0
        ━━━━━━──────────  302/720 in 61 s, about…
        ");
        insta::assert_snapshot!(ascii(&drawn(&run(), 80, false)), @"
        model                  done  TTFT p50  TTFT so far   tok/s       cost  failed
        claude-opus-4.5     101/240    1.24 s  .-+*@          61.2    $0.8123       0
        gpt-5.6-nova-prev~  102/240    412 ms  .-+*@           138    $0.0912       3
        llama                99/240  failing (rate_limited) for 12 s of 300 ~       0
        ======----------  302/720 in 61 s, about 85 s left, $0.9035 spent, 2 retries
        ");
        insta::assert_snapshot!(drawn(&run(), 80, true).replace('\u{1b}', "^"), @"
        ^[2m  model                  done  TTFT p50  TTFT so far   tok/s       cost  failed^[0m
          claude-opus-4.5     101/240    1.24 s  ▁▃▅▆█          61.2    $0.8123       0
          gpt-5.6-nova-prev…  102/240    412 ms  ▁▃▅▆█           138    $0.0912  ^[31m     3^[0m
          llama                99/240  ^[33mfailing (rate_limited) for 12 s of 300 …^[0m       0
          ^[32m━━━━━━^[0m^[2m──────────^[0m  302/720 in 61 s, about 85 s left, $0.9035 spent, 2 retries
        ");
    }

    #[test]
    fn before_the_first_answer_nothing_is_known() {
        let mut run = run();
        (run.done, run.retries) = (0, 0);
        run.left = None;
        for model in &mut run.models {
            (model.done, model.ttft_p50, model.cost, model.state) = (0, None, None, None);
            (model.output_rate, model.trend) = (None, [None; TREND_PARTS]);
        }
        insta::assert_snapshot!(drawn(&run, 80, false), @"
        model                  done  TTFT p50  TTFT so far   tok/s       cost  failed
        claude-opus-4.5       0/240         –                    –          –       0
        gpt-5.6-nova-prev…    0/240         –                    –          –       3
        llama                 0/240         –                    –          –       0
        ────────────────  0/720 in 61 s, waiting for the first answer, cost unknown
        ");
    }

    #[test]
    fn a_time_left_that_is_not_known_is_not_mentioned() {
        let mut run = run();
        run.left = None;
        let line = run.line();
        assert!(
            line.starts_with("302/720 trials, $0.9035 spent, 2 retries"),
            "{line}"
        );
    }

    #[test]
    fn models_that_do_not_fit_are_counted() {
        // A frame higher than the terminal would scroll it at each redraw.
        let mut run = run();
        let one = run.models[0].clone();
        run.models = (0..30)
            .map(|n| LiveModel {
                label: format!("m{n}"),
                ..one.clone()
            })
            .collect();
        let lines = run.lines(
            Style {
                colour: false,
                width: 80,
            },
            10,
        );
        assert_eq!(lines.len(), 9);
        assert!(lines[7].contains("and 24 more"), "{lines:?}");
        assert_eq!(
            run.lines(
                Style {
                    colour: false,
                    width: 80
                },
                33
            )
            .len(),
            32
        );
    }

    proptest! {
        // No line wraps, and no column moves, for any figures and terminal.
        #[test]
        fn the_layout_is_steady(
            width in 1_usize..160,
            rows in 1_usize..40,
            done in 0_u64..=720,
            failed in 0_u64..=240,
            ttft_ms in 0_u64..10_000_000,
            tokens in any::<u32>(),
            micros in 0_i128..10_000_000_000,
        ) {
            let style = Style { colour: false, width };
            let before = run().lines(style, rows);
            let mut run = run();
            run.done = done;
            for model in &mut run.models {
                model.failed = failed;
                model.done = done / 3;
                model.ttft_p50 = Some(Nanos::from_millis(ttft_ms));
                model.output_tokens = u64::from(tokens);
                model.cost = Some(Usd(micros * 1_000_000));
            }
            let after = run.lines(style, rows);
            prop_assert_eq!(before.len(), after.len());
            prop_assert!(after.len() < rows.max(2));
            if after.len() > 1 && rows > run.models.len() + 2 {
                prop_assert_eq!(&before[0], &after[0]);
            }
            for line in &after {
                prop_assert!(line.width() < width.max(2), "{} columns: {line:?}", line.width());
                prop_assert_eq!(ascii(line).width(), line.width());
            }
        }
    }
}
