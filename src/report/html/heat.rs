//! The heat map: the speed of each model on each prompt, sortable, with the details of a prompt on request.
//!
//! Owns which prompts are shown and the colours of cells. Must not know the texts of prompts. Invariant: a colour
//! only repeats the number in its cell; failures are counted in the cell where they happened.

use maud::{Markup, PreEscaped, Render, html};
use serde::Serialize;

use crate::report::figure::{Figure, FigureCell};
use crate::stats::quantile::Percentile;
use crate::suite::Metric;
use crate::units::{Nanos, Usd, one_line, plural};
use crate::verdict::{
    Figures, MeanParts, PromptSpeed, PromptSummaries, RunTimings, TimePart, TokenKind,
};

use super::answers::PageAnswers;
use super::roster::{Roster, RosterEntry, shown_ns, speed_distribution};
use super::tables::scroll_box_to;

/// Maximum prompts of the map; more are in a folded table.
const MAX_SHOWN: usize = 100;
/// Prompts of the map where there are more than [`MAX_SHOWN`].
const FEW_SHOWN: usize = 40;
/// Half a step of the colours: the boundaries lie between the powers of the square root of 2.
const HALF_STEP: f64 = std::f64::consts::LN_2 / 4.0;

/// The details of all shown prompts, read by the script when a prompt is opened.
#[derive(Serialize)]
struct PromptDetails {
    /// Names of the models, in the order of the columns.
    models: Vec<String>,
    /// Headings of the figures.
    columns: Vec<String>,
    /// Names of the parts of a request's time.
    parts: Vec<&'static str>,
    /// One entry per shown prompt.
    prompts: Vec<PromptDetail>,
}

/// The details of one prompt.
#[derive(Serialize)]
struct PromptDetail {
    /// Figures of each model, as shown.
    figures: Vec<Vec<String>>,
    /// Mean parts of the time of each model's requests, in ms.
    parts: Vec<[u64; TimePart::ALL.len()]>,
    /// The text of the prompt, on a page with texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Answers, each with its heading.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<(String, String)>,
}

/// The speeds of all models on all prompts.
struct HeatMap<'a> {
    roster: &'a Roster,
    prompts: PromptSummaries<'a>,
    /// By model, in the order of the columns.
    speeds: Vec<Vec<PromptSpeed>>,
    /// The column of the reference, if its models are compared.
    reference: Option<usize>,
    /// The largest median, ns.
    slowest: f64,
}

/// Renders the section.
pub(super) fn section(
    roster: &Roster,
    prompts: PromptSummaries<'_>,
    timings: &RunTimings,
    answers: Option<&PageAnswers>,
) -> Markup {
    let speed = roster.speed_name();
    let map = HeatMap::new(roster, prompts);
    let all: Vec<usize> = (0..prompts.len()).collect();
    let shown = if all.len() > MAX_SHOWN {
        map.most_notable()
    } else {
        all.clone()
    };
    let has_reference = map.reference.is_some();
    html! {
        section aria-labelledby="prompts" {
            h2 id="prompts" { "Prompts" }
            p {
                (speed) " p50 of each prompt"
                @if has_reference {
                    ": the reference as a time, candidates as a ratio to it; blue is faster than the reference, orange \
                     slower"
                } @else { ", darker where it is slower" }
                ". Read patterns, not single cells: each rests on few answers. ✕ counts failed requests."
                span.js hidden { " Choose a heading to sort, a prompt to open it." }
            }
            @if shown.len() < all.len() {
                p.note {
                    "The " (shown.len()) " of " (all.len()) " prompts that failed or differ most; all are in the table \
                     below."
                }
            }
            (map.table(&shown, "heat"))
            (legend(has_reference))
            (details_data(roster, prompts, timings, &shown, answers))
            @if shown.len() < all.len() {
                details {
                    summary { "All " (plural(all.len() as u64, "prompt")) }
                    (map.table(&all, "heat-all"))
                }
            }
        }
    }
}

impl<'a> HeatMap<'a> {
    fn new(roster: &'a Roster, prompts: PromptSummaries<'a>) -> Self {
        let of_model = |model: &RosterEntry| prompts.speeds(model.index, roster.speed);
        let speeds: Vec<_> = roster.models.iter().map(of_model).collect();
        let medians = speeds.iter().flatten().filter_map(|one| one.median_ns);
        let reference = roster.models.iter().position(|model| model.is_reference);
        Self {
            roster,
            prompts,
            reference: reference.filter(|_| roster.models.len() > 1),
            slowest: medians.fold(0.0, f64::max),
            speeds,
        }
    }

    /// The speed of a model (by its column) on a prompt, and its ratio to the reference's.
    fn cell(&self, model: usize, prompt: usize) -> (PromptSpeed, Option<f64>) {
        let speed = self.speeds[model][prompt];
        let ratio = self
            .reference
            .and_then(|reference| speed.ratio(&self.speeds[reference][prompt]));
        (speed, ratio)
    }

    /// The prompts with failures, then those whose ratios spread most, in the order of the suite.
    fn most_notable(&self) -> Vec<usize> {
        let models = 0..self.roster.models.len();
        let failures = |prompt: usize| -> u64 {
            let failed = models
                .clone()
                .map(|model| u64::from(self.speeds[model][prompt].failed));
            failed.sum()
        };
        let spread = |prompt: usize| {
            let ratios = models.clone().filter_map(|model| {
                let (speed, ratio) = self.cell(model, prompt);
                ratio.or(speed.median_ns)
            });
            let (low, high) = ratios.fold((f64::INFINITY, 0.0), |(low, high), value| {
                (f64::min(low, value), f64::max(high, value))
            });
            if low > 0.0 && high > 0.0 {
                high / low
            } else {
                1.0
            }
        };
        let mut order: Vec<usize> = (0..self.prompts.len()).collect();
        order.sort_by(|&a, &b| {
            failures(b)
                .cmp(&failures(a))
                .then(spread(b).total_cmp(&spread(a)))
        });
        order.truncate(FEW_SHOWN);
        order.sort_unstable();
        order
    }
}

/// A cell: what it shows, the number it is sorted by, and its colour.
struct HeatCell {
    text: String,
    sort: Option<f64>,
    class: Option<&'static str>,
    failed: u64,
}

impl HeatMap<'_> {
    fn heat_cell(&self, model: usize, prompt: usize) -> HeatCell {
        let (speed, ratio) = self.cell(model, prompt);
        let failed = u64::from(speed.failed);
        let time = speed.median_ns;
        let is_alone = self.reference.is_none();
        if is_alone || self.reference == Some(model) {
            let class = time
                .filter(|_| is_alone)
                .map(|time| one_hue(time / self.slowest));
            return HeatCell {
                text: time.map_or_else(|| "–".to_owned(), shown_ns),
                sort: time,
                class,
                failed,
            };
        }
        match ratio {
            Some(ratio) => HeatCell {
                text: Figure::from_option(Some(ratio), Figure::Ratio).shown(),
                sort: Some(ratio),
                class: Some(heat_class(ratio)),
                failed,
            },
            // The reference has no value here: a time is all there is.
            None => HeatCell {
                text: time.map_or_else(|| "–".to_owned(), shown_ns),
                sort: None,
                class: None,
                failed,
            },
        }
    }

    fn table<'s>(&'s self, shown: &'s [usize], id: &'s str) -> HeatTable<'s> {
        HeatTable {
            map: self,
            shown,
            id,
        }
    }
}

/// A table of some prompts, in its box. It is rendered row by row into the page: that of all prompts can be large.
struct HeatTable<'a> {
    map: &'a HeatMap<'a>,
    shown: &'a [usize],
    id: &'a str,
}

impl Render for HeatTable<'_> {
    fn render_to(&self, page: &mut String) {
        let name = format!("{} per prompt and model", self.map.roster.speed_name());
        scroll_box_to(page, &name, |page| {
            page.push_str("<table class=\"heat\" id=\"");
            self.id.render_to(page);
            page.push_str("\">");
            self.head().render_to(page);
            page.push_str("<tbody>");
            for (place, &prompt) in self.shown.iter().enumerate() {
                self.row(place, prompt).render_to(page);
            }
            page.push_str("</tbody></table>");
        });
    }
}

impl HeatTable<'_> {
    fn head(&self) -> Markup {
        let roster = self.map.roster;
        html! {
            caption.vh { (roster.speed_name()) " p50 per prompt and model" }
            thead {
                tr {
                    th scope="col" class="l" { (sort_button("prompt")) }
                    @for model in &roster.models { th scope="col" { (sort_button(&model.marked_name())) } }
                }
            }
        }
    }

    fn row(&self, place: usize, prompt: usize) -> Markup {
        let has_details = self.id == "heat";
        let id = one_line(self.map.prompts.id(prompt));
        html! {
            tr.pr {
                th scope="row" data-v=(place) {
                    @if has_details { span.op { (id) } } @else { (id) }
                }
                @for model in 0..self.map.roster.models.len() {
                    @let cell = self.map.heat_cell(model, prompt);
                    td class=[cell.class] data-v=[cell.sort.map(|value| format!("{value:.4e}"))] {
                        (cell.text)
                        @if cell.failed > 0 { span.fl { " ✕" (cell.failed) span.vh { " failed" } } }
                    }
                }
            }
        }
    }
}

/// The colour of a ratio: 9 steps of the square root of 2.
fn heat_class(ratio: f64) -> &'static str {
    const CLASSES: [&str; 9] = ["h-4", "h-3", "h-2", "h-1", "h0", "h1", "h2", "h3", "h4"];
    // The upper ends of the steps, the last without one.
    let ends = (0..8).map(|step| (f64::from(step) * 2.0 - 7.0) * HALF_STEP);
    let log = ratio.max(f64::MIN_POSITIVE).ln();
    CLASSES[ends.filter(|end| log >= *end).count()]
}

/// The colour of a time, as its share of the largest.
fn one_hue(share: f64) -> &'static str {
    match share {
        share if share > 0.8 => "h4",
        share if share > 0.6 => "h3",
        share if share > 0.4 => "h2",
        share if share > 0.2 => "h1",
        _ => "h0",
    }
}

/// A heading; the script makes a button of it.
fn sort_button(text: &str) -> Markup {
    html! { span.so { (one_line(text)) } }
}

fn legend(has_reference: bool) -> Markup {
    let steps = [
        ("h-4", "0.25x"),
        ("h-2", "0.5x"),
        ("h0", "1x"),
        ("h2", "2x"),
        ("h4", "4x"),
    ];
    html! {
        @if has_reference {
            p.key { @for (class, text) in steps { span.sw.(class) { (text) } } }
        }
    }
}

/// The details of the shown prompts as one block of data.
fn details_data(
    roster: &Roster,
    prompts: PromptSummaries<'_>,
    timings: &RunTimings,
    shown: &[usize],
    answers: Option<&PageAnswers>,
) -> Markup {
    let summaries = shown.iter().zip(prompts.of(shown.iter().copied()));
    let prompts = summaries.map(|(&index, prompt)| PromptDetail {
        figures: roster
            .models
            .iter()
            .map(|model| detail_figures(&prompt.variants[model.index].0, roster.speed))
            .collect(),
        parts: roster
            .models
            .iter()
            .map(|model| mean_parts(timings, model.index, index))
            .collect(),
        text: answers.and_then(|answers| answers.prompt_text(index)),
        answers: answers.map_or_else(Vec::new, |answers| answers.of_prompt(index, roster)),
    });
    let columns = [
        format!("{} p50", roster.speed_name()),
        "latency p50".to_owned(),
        "input tokens".to_owned(),
        "output tokens".to_owned(),
        "reasoning".to_owned(),
        "cost/request".to_owned(),
        "failed".to_owned(),
    ];
    let details = PromptDetails {
        models: roster
            .models
            .iter()
            .map(|model| one_line(&model.marked_name()).into_owned())
            .collect(),
        columns: columns.into(),
        parts: TimePart::ALL.map(super::parts::part_name).into(),
        prompts: prompts.collect(),
    };
    html! { script type="application/json" id="prompt-details" { (PreEscaped(data_block(&details))) } }
}

/// JSON that cannot end the element it stands in, nor open a comment in it.
fn data_block(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("strings and numbers can always be written");
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// The mean parts of the requests of a variant on a prompt, by their indices in the suite, in ms.
fn mean_parts(timings: &RunTimings, variant: usize, prompt: usize) -> [u64; TimePart::ALL.len()] {
    let millis = |span: Nanos| (span.0 + 500_000) / 1_000_000;
    let trials = timings.variant(variant).of_prompt(prompt);
    MeanParts::of_trials(trials).parts.map(millis)
}

/// The figures of one model on one prompt, as shown.
fn detail_figures(figures: &Figures, speed: Metric) -> Vec<String> {
    let median = |all: Option<&crate::verdict::Distribution>| {
        let estimate = all.and_then(|all| all.percentile(Percentile::P50));
        FigureCell::estimate(estimate, Figure::from_ns).shown(false)
    };
    let tokens =
        |kind: TokenKind| Figure::from_option(figures.tokens(kind).mean(), Figure::Mean).shown();
    let cost = figures.ranked_cost().mean().map(Usd::as_f64);
    vec![
        median(speed_distribution(figures, speed)),
        median(figures.latency_ns.as_ref()),
        tokens(TokenKind::Prompt),
        tokens(TokenKind::Completion),
        tokens(TokenKind::Reasoning),
        cost.map_or_else(|| "–".to_owned(), |cost| Figure::from_usd(cost).shown()),
        format!("{} of {}", figures.counts.failed(), figures.counts.done),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_ratios() {
        // One is plain; each step is a factor of the square root of 2, and beyond four nothing changes.
        for (ratio, class) in [
            (1.0, "h0"),
            (1.15, "h0"),
            (1.25, "h1"),
            (2.0, "h2"),
            (4.0, "h4"),
            (50.0, "h4"),
            (0.5, "h-2"),
            (0.1, "h-4"),
        ] {
            assert_eq!(heat_class(ratio), class, "{ratio}");
        }
    }

    #[test]
    fn data_cannot_end_its_element() {
        // An answer that holds markup stays a text of the data block.
        let block = data_block(&["</script><script>alert(1)</script><!--"]);
        assert!(!block.contains(['<', '>', '&']));
        let read: Vec<String> = serde_json::from_str(&block).unwrap();
        assert_eq!(read, ["</script><script>alert(1)</script><!--"]);
    }
}
