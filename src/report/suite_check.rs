//! The sentences of `suite check` and `size`: what a suite can detect, and how large it must be.
//!
//! Owns the sentences and the table of sizes. Must not compute. Invariant: a figure that rests on an
//! assumption says so.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::stats::POWER;
use crate::stats::size::{DetectionGoal, Noise};
use crate::suite::{Metric, Suite};
use crate::units::Usd;
use crate::verdict::{
    COMPLETED_NEAR, DetectableChanges, PASS_RATE_NEAR, PAST_RUNS, PlannedSize, Power, WorstCost,
};

use super::aligned::{TableShape, align_columns, indent};
use super::asserts::grading;
use super::figure::Figure;
use super::text;
use super::wording::{comparisons_words, rough_percent, worsening};

/// Source of a noise estimate.
#[derive(Debug, Clone, PartialEq)]
pub enum NoiseSource {
    /// Assumed; the reason is a whole clause.
    Typical(String),
    /// Measured in a run.
    Run {
        /// Name of the run.
        run: String,
        /// Label of the candidate it was measured on.
        candidate: String,
        /// Prompts it is based on.
        prompts: u64,
    },
}

/// The sample sizes that a suite needs.
#[derive(Debug, Clone)]
pub struct Sizing<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The change to detect.
    pub aim: DetectionGoal,
    /// Comparisons that share the error rate.
    pub comparisons: u64,
    /// The assumed noise.
    pub noise: Noise,
    /// Source of the noise.
    pub source: NoiseSource,
    /// Effective number of equally weighted prompts.
    pub effective_prompts: u64,
    /// The smallest change that the suite detects as it is.
    pub detectable_now: Option<f64>,
    /// Sizes that detect the change.
    pub sizes: Vec<PlannedSize>,
    /// The worst-case cost of a round.
    pub cost: WorstCost,
    /// Date of the list prices, `YYYY-MM-DD`.
    pub prices_date: String,
}

/// Returns the changes that a suite without problems can detect, its cost and what both assume: one sentence each.
pub fn findings(suite: &Suite, power: &Power, cost: &WorstCost, prices_date: &str) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(power.interleaved.as_ref().map(detectable_changes));
    if let Some(change) = power.against_history {
        lines.push(format!(
            "against {PAST_RUNS} past runs (`--history`) it can detect TTFT {}",
            worsening(change)
        ));
    }
    if let Some(chance) = power.interleaved.as_ref().and_then(|found| found.ttft_ok) {
        let gate = suite.gate.clone().unwrap_or_default();
        let margin = gate.bounds_of(Metric::Ttft).margin;
        lines.push(format!(
            "an unchanged TTFT is shown to be less than {} higher in {} of runs",
            rough_percent(margin),
            rough_percent(chance)
        ));
    }
    let size = (suite.prompts.len() as u64, u64::from(suite.repetitions));
    if let Some(usd) = cost.total(size, size.0) {
        lines.push(costs(usd, cost, prices_date, suite));
    }
    lines.extend(grading(suite));
    if power.interleaved.is_some() || power.against_history.is_some() {
        lines.push(format!("assumes {} (typical)", noise(power.noise)));
    }
    lines
}

fn detectable_changes(found: &DetectableChanges) -> String {
    let ttft = found.ttft.map_or_else(String::new, |change| {
        format!("TTFT {}, ", worsening(change))
    });
    format!(
        "one run can detect ({} power): {ttft}completed -{} (near {}), pass rate -{} (near {})",
        rough_percent(POWER),
        points(found.completed),
        rough_percent(COMPLETED_NEAR),
        points(found.pass_rate),
        rough_percent(PASS_RATE_NEAR)
    )
}

fn costs(usd: Usd, cost: &WorstCost, prices_date: &str, suite: &Suite) -> String {
    let of = match (cost.known, cost.variants) {
        (known, variants) if known == variants => String::new(),
        (known, variants) => format!(
            ", for {known} of {variants} models (the others have no price, no token limit or prices beside tokens)"
        ),
    };
    let usd = Figure::Money(usd).shown();
    let warming = match suite.requests_per_trial() {
        1 => "",
        _ => ", one request more for each trial whose cache is warmed",
    };
    format!(
        "costs at most about {usd} at list prices of {prices_date}{of}: a token for each byte sent, every answer at its \
         limit, every attempt made{warming}"
    )
}

/// The output of `bakeoff size` for people.
pub fn sizes(sizing: &Sizing<'_>) -> String {
    let suite = sizing.suite;
    let (prompts, repetitions) = (suite.prompts.len() as u64, suite.repetitions);
    let mut text = format!(
        "{}: {prompts} prompts x {repetitions} repetitions",
        suite.name
    );
    let _ = match sizing.detectable_now {
        Some(change) => writeln!(
            text,
            " detect TTFT {} ({} power)",
            worsening(change),
            rough_percent(sizing.aim.power)
        ),
        None => writeln!(text, " give no verdict"),
    };
    let _ = writeln!(
        text,
        "Counted with {}{}.",
        noise(sizing.noise),
        source(&sizing.source)
    );
    if sizing.effective_prompts < prompts {
        let worth = sizing.effective_prompts;
        let _ = writeln!(
            text,
            "Weights differ: its {prompts} prompts carry as much information as {worth} equal ones."
        );
    }
    let aim = sizing.aim;
    let _ = writeln!(
        text,
        "To detect {} with {} power (tolerance {}, {}):\n",
        worsening(aim.change),
        rough_percent(aim.power),
        rough_percent(aim.tolerance),
        comparisons_words(sizing.comparisons)
    );
    text.push_str(&table(sizing));
    if sizing.cost.known > 0 {
        let cost = &sizing.cost;
        let _ = writeln!(
            text,
            "\nCosts are of {} of {} models at list prices of {}: a token for each byte sent, every answer at its limit, every attempt made.",
            cost.known, cost.variants, sizing.prices_date
        );
    }
    if suite.variants.len() == 1 {
        text.push_str(
            "\nThese sizes are for two models in one run. Against a history more requests help less, because\n\
             runs differ as wholes: `bakeoff suite check` says what is found.\n",
        );
    }
    let _ = writeln!(text, "\n{}", advice(sizing));
    text
}

fn table(sizing: &Sizing<'_>) -> String {
    let heading = [
        "prompts",
        "repetitions",
        "requests/model",
        "requests",
        "cost at most",
        "",
    ];
    let number = |number: Option<u64>| number.map_or_else(absent, |number| number.to_string());
    let mut lines = vec![heading.map(str::to_owned).to_vec()];
    lines.extend(rows(sizing).iter().map(|row| {
        vec![
            row.prompts.to_string(),
            number(row.repetitions),
            number(row.requests_a_model),
            number(row.requests),
            row.cost
                .map_or_else(absent, |usd| Figure::Money(usd).shown()),
            if row.is_suite { "this suite" } else { "" }.to_owned(),
        ]
    }));
    indent(&align_columns(
        &lines,
        TableShape::OnlyFiguresThenText,
        None,
    ))
}

fn absent() -> String {
    Figure::Absent.shown()
}

/// Recommends what to write into the suite.
fn advice(sizing: &Sizing<'_>) -> String {
    let is_suite = sizing
        .sizes
        .iter()
        .find(|size| size.prompts == sizing.effective_prompts);
    if let Some(repetitions) = is_suite.and_then(|size| size.repetitions) {
        let now = u64::from(sizing.suite.repetitions);
        return match repetitions.cmp(&now) {
            Ordering::Equal => "The suite is just large enough as it is.".to_owned(),
            Ordering::Less => format!(
                "The suite is large enough: {repetitions} of its {now} repetitions suffice."
            ),
            Ordering::Greater => format!("Put into the suite:\n  repetitions = {repetitions}"),
        };
    }
    let mut enough = sizing
        .sizes
        .iter()
        .filter(|size| size.repetitions.is_some());
    // The row with the fewest requests: more prompts beat more repetitions.
    let cost = |size: &&PlannedSize| size.prompts * size.repetitions.unwrap_or(u64::MAX);
    match enough.by_ref().min_by_key(cost) {
        Some(PlannedSize {
            prompts,
            repetitions: Some(repetitions),
        }) => format!(
            "No number of repetitions of its prompts is enough. With {prompts} prompts, put into the suite:\n  \
             repetitions = {repetitions}"
        ),
        _ => "No feasible run detects so small a change.".to_owned(),
    }
}

/// A row of the table of sizes.
pub(super) struct SizeRow {
    pub(super) prompts: u64,
    pub(super) repetitions: Option<u64>,
    pub(super) requests_a_model: Option<u64>,
    pub(super) requests: Option<u64>,
    pub(super) cost: Option<Usd>,
    pub(super) is_suite: bool,
}

pub(super) fn rows(sizing: &Sizing<'_>) -> Vec<SizeRow> {
    let suite = sizing.suite;
    let suite_prompts = suite.prompts.len() as u64;
    let row = |size: &PlannedSize| {
        let is_suite = size.prompts == sizing.effective_prompts;
        let prompts = if is_suite {
            suite_prompts
        } else {
            size.prompts
        };
        let requests_a_model = size.repetitions.map(|repetitions| prompts * repetitions);
        SizeRow {
            prompts,
            repetitions: size.repetitions,
            requests_a_model,
            requests: requests_a_model.map(|count| count * suite.variants.len() as u64),
            cost: size
                .repetitions
                .and_then(|repetitions| sizing.cost.total((prompts, repetitions), suite_prompts)),
            is_suite,
        }
    };
    let mut rows: Vec<SizeRow> = sizing.sizes.iter().map(row).collect();
    rows.sort_by_key(|row| row.prompts);
    rows
}

fn source(source: &NoiseSource) -> String {
    match source {
        NoiseSource::Typical(why) => format!(" (typical: {})", text::one_line(why)),
        NoiseSource::Run {
            run,
            candidate,
            prompts,
        } => {
            let (run, candidate) = (text::one_line(run), text::one_line(candidate));
            format!(" (run {run}, {candidate} on {prompts} prompts)")
        }
    }
}

fn noise(noise: Noise) -> String {
    format!(
        "a noise of {} between repetitions and {} between prompts",
        rough_percent(noise.within),
        rough_percent(noise.between)
    )
}

fn points(share: f64) -> String {
    format!("{:.0} points", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::interval::Alpha;
    use crate::verdict::fixture::manifest;
    use crate::verdict::{TYPICAL_NOISE, planned_sizes};

    const FREE: WorstCost = WorstCost {
        per_round: Usd(2_000_000_000),
        warm_up: Usd::ZERO,
        known: 1,
        variants: 2,
    };

    fn sizing(suite: &Suite, change: f64) -> Sizing<'_> {
        let aim = DetectionGoal {
            change,
            tolerance: 0.05,
            alpha: Alpha::FIVE_PERCENT,
            power: 0.8,
        };
        let prompts = suite.prompts.len() as u64;
        Sizing {
            suite,
            aim,
            comparisons: 1,
            noise: TYPICAL_NOISE,
            source: NoiseSource::Typical("no run was named".to_owned()),
            effective_prompts: prompts,
            detectable_now: Some(0.42),
            sizes: planned_sizes(prompts, aim, TYPICAL_NOISE),
            cost: FREE,
            prices_date: "2026-08-21".to_owned(),
        }
    }

    #[test]
    fn sizes_are_a_table_with_the_line_to_write() {
        // What `bakeoff size` prints, for a suite that can and one that cannot.
        let prompts = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let suite = manifest(&["a/x", "b/y"], &prompts, 4).suite;
        insta::assert_snapshot!(sizes(&sizing(&suite, 0.5)), @"
        quickstart: 12 prompts x 4 repetitions detect TTFT +42 % (80 % power)
        Counted with a noise of 50 % between repetitions and 10 % between prompts (typical: no run was named).
        To detect +50 % with 80 % power (tolerance 5 %, one comparison):

          prompts  repetitions  requests/model  requests  cost at most
               10            5              50       100      $0.00833
               12            4              48        96      $0.00800  this suite
               20            2              40        80      $0.00667
               30            2              60       120       $0.0100
               50            2             100       200       $0.0167
              100            2             200       400       $0.0333

        Costs are of 1 of 2 models at list prices of 2026-08-21: a token for each byte sent, every answer at its limit, every attempt made.

        The suite is just large enough as it is.
        ");
        insta::assert_snapshot!(sizes(&sizing(&suite, 0.1)), @"
        quickstart: 12 prompts x 4 repetitions detect TTFT +42 % (80 % power)
        Counted with a noise of 50 % between repetitions and 10 % between prompts (typical: no run was named).
        To detect +10 % with 80 % power (tolerance 5 %, one comparison):

          prompts  repetitions  requests/model  requests  cost at most
               10            –               –         –             –
               12            –               –         –             –  this suite
               20            –               –         –             –
               30            –               –         –             –
               39         2659          103701    207402        $17.28
               50          170            8500     17000         $1.42
              100           33            3300      6600        $0.550

        Costs are of 1 of 2 models at list prices of 2026-08-21: a token for each byte sent, every answer at its limit, every attempt made.

        No number of repetitions of its prompts is enough. With 100 prompts, put into the suite:
          repetitions = 33
        ");
        let sizing = sizing(&suite, 0.5);
        let json = serde_json::to_value(super::super::sizes::SizesDocument::new(&sizing)).unwrap();
        assert_eq!(json["sizes"][1]["prompts"], 12);
        assert_eq!(json["sizes"][1]["this_suite"], true);
        assert_eq!(json["noise"]["source"], "typical");
    }
}
