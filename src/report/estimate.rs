//! The estimate of a run: a table for people, CSV and JSON for programs, and a line before a run.
//!
//! Owns its columns and words. Must not know how an estimate is made. Invariant: the same numbers stand
//! in every form; what is not covered is said wherever a person reads it.

use std::collections::BTreeMap;
use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::catalog::{
    Basis, CostEstimate, PromptEstimate, Source, Sums, Unbounded, VariantEstimate,
};
use crate::record::EstimateRecord;
use crate::suite::{CacheMode, Suite};
use crate::units::{ModelId, Usd, counted};

use super::csv;
use super::figure::{Figure, count};
use super::table::{Row, Table};
use super::terminal::{self, Style};

/// Version of the JSON's layout.
const VERSION: u32 = 1;
/// Past runs that a bound needs.
const RUNS_FOR_A_BOUND: usize = 9;
/// Prompts and variants without a worst case are told one by one up to this many reasons.
const REASONS_TOLD: usize = 5;
/// What no figure of an estimate holds.
const NOT_COVERED: &str = "Not covered: the warm-up and retries (but in the worst case), discounts of prompt caches, \
    own keys, surcharges that no past run shows, prices that change.";

/// An estimate, ready to be told.
#[derive(Debug, Clone, Copy)]
pub struct EstimateView<'a> {
    /// What is told.
    pub estimate: &'a CostEstimate,
    /// Of this suite.
    pub suite: &'a Suite,
    /// Name of the endpoint's profile.
    pub endpoint: &'a str,
    /// Where prices come from.
    pub prices: &'a Source,
}

/// What `estimate --json` prints.
#[derive(Serialize, JsonSchema)]
pub struct EstimateDocument<'a> {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: &'a str,
    /// Name of the endpoint's profile, or its URL.
    endpoint: &'a str,
    /// Where list prices came from.
    prices: PricesDocument<'a>,
    /// Past runs that the total learned from.
    past_runs: usize,
    /// Variants that the total leaves out.
    unpriced: usize,
    /// Of all variants.
    total: SumsDocument,
    /// One a variant, in the order of the suite.
    variants: Vec<VariantDocument<'a>>,
}

/// Where list prices came from.
#[derive(Serialize, JsonSchema)]
struct PricesDocument<'a> {
    /// In words.
    source: &'a str,
    /// `YYYY-MM-DD`.
    date: &'a str,
    /// Digest of the list.
    digest: &'a str,
}

/// One variant.
#[derive(Serialize, JsonSchema)]
struct VariantDocument<'a> {
    /// Its label.
    variant: &'a str,
    /// The model asked for.
    #[schemars(with = "String")]
    model: &'a ModelId,
    /// Whether its prompts were counted with its own vocabulary.
    own_vocabulary: bool,
    /// Past runs that its estimate learned from.
    past_runs: usize,
    /// Of all its prompts.
    total: SumsDocument,
    /// One a prompt.
    prompts: Vec<PromptDocument<'a>>,
}

/// One prompt of a variant.
#[derive(Serialize, JsonSchema)]
struct PromptDocument<'a> {
    /// Its id.
    prompt: &'a str,
    /// What the length of answers rests on.
    answer_basis: &'static str,
    /// Of all its repetitions.
    total: SumsDocument,
}

/// Sums of money are decimal strings; absent means not known.
#[derive(Serialize, JsonSchema)]
struct SumsDocument {
    /// Requests, warm-up and retries apart.
    requests: u64,
    /// Expected.
    prompt_tokens: u64,
    /// Expected.
    completion_tokens: u64,
    /// By list prices, before past runs corrected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    list_usd: Option<Usd>,
    /// Expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    expected_usd: Option<Usd>,
    /// What nine of ten such runs stay below.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    bound_90_usd: Option<Usd>,
    /// What no run exceeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    worst_usd: Option<Usd>,
    /// Why there is no worst case.
    #[serde(skip_serializing_if = "Option::is_none")]
    unbounded: Option<String>,
}

impl From<&Sums> for SumsDocument {
    fn from(sums: &Sums) -> Self {
        Self {
            requests: sums.requests,
            prompt_tokens: sums.prompt_tokens,
            completion_tokens: sums.completion_tokens,
            list_usd: sums.list,
            expected_usd: sums.expected,
            bound_90_usd: sums.bound_90,
            worst_usd: sums.worst.as_ref().ok().copied(),
            unbounded: sums.worst.as_ref().err().map(ToString::to_string),
        }
    }
}

impl EstimateView<'_> {
    /// For a terminal: one row a variant and the total, then what it stands on.
    pub fn terminal(&self, style: Style) -> String {
        let rows = self.estimate.variants.iter();
        let rows = rows.map(|of| row(&of.variant, of.model.as_str(), None, None, &of.sums));
        let total = row("total", "", None, None, &self.estimate.total);
        let table = Table::from_rows(rows.chain([total]));
        terminal::table(&table, &self.notes(), style)
    }

    /// One row for each variant and prompt, each variant (without a prompt) and the total (without a
    /// variant).
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn write_csv(&self, out: impl io::Write) -> io::Result<()> {
        let mut rows = Vec::new();
        for of in &self.estimate.variants {
            let of_prompt = |one: &PromptEstimate| {
                let prompt = Some(self.suite.prompts[one.prompt].id.as_str());
                row(
                    &of.variant,
                    of.model.as_str(),
                    prompt,
                    Some(one.basis),
                    &one.sums,
                )
            };
            rows.extend(of.prompts.iter().map(of_prompt));
            rows.push(row(&of.variant, of.model.as_str(), None, None, &of.sums));
        }
        rows.push(row("", "", None, None, &self.estimate.total));
        csv::write_table(&Table::from_rows(rows), out)
    }

    /// For other programs.
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn write_json(&self, mut out: impl io::Write) -> io::Result<()> {
        let of_variant = |of: &'_ VariantEstimate| -> Vec<PromptDocument<'_>> {
            let prompts = of.prompts.iter();
            prompts
                .map(|one| PromptDocument {
                    prompt: &self.suite.prompts[one.prompt].id,
                    answer_basis: one.basis.word(),
                    total: (&one.sums).into(),
                })
                .collect()
        };
        let variants = self.estimate.variants.iter();
        let variants = variants.map(|of| VariantDocument {
            variant: &of.variant,
            model: &of.model,
            own_vocabulary: of.own_vocabulary,
            past_runs: of.sums.past_runs,
            total: (&of.sums).into(),
            prompts: of_variant(of),
        });
        let document = EstimateDocument {
            version: VERSION,
            suite: &self.suite.name,
            endpoint: self.endpoint,
            prices: PricesDocument {
                source: &self.prices.words,
                date: &self.prices.date,
                digest: &self.prices.digest,
            },
            past_runs: self.estimate.total.past_runs,
            unpriced: self.estimate.unpriced,
            total: (&self.estimate.total).into(),
            variants: variants.collect(),
        };
        serde_json::to_writer_pretty(&mut out, &document)?;
        writeln!(out)
    }

    /// The estimate in one line, for before a run.
    pub fn line(&self) -> String {
        let total = &self.estimate.total;
        let Some(expected) = total.expected else {
            return "nothing is known of the cost: no model has a price".to_owned();
        };
        let expected = money(expected);
        let bound = (total.bound_90).map_or_else(String::new, |bound| {
            format!(", below {} in nine runs of ten", money(bound))
        });
        let worst = match &total.worst {
            Ok(worst) => format!(", at most {}", money(*worst)),
            Err(_) => ", without a limit to it".to_owned(),
        };
        let left_out = match self.estimate.unpriced {
            0 => String::new(),
            unpriced => {
                let all = self.estimate.variants.len();
                format!("; {unpriced} of {all} models without a price left out")
            }
        };
        let date = &self.prices.date;
        let own = if self.prices.has_own_prices() {
            ", and own ones"
        } else {
            ""
        };
        format!("expected to cost about {expected}{bound}{worst}{left_out} (prices of {date}{own})")
    }

    /// What a figure stands on, and what it leaves out.
    fn notes(&self) -> Vec<String> {
        let total = &self.estimate.total;
        let Source { words, date, .. } = self.prices;
        let mut notes = vec![format!("Prices of {date}: {words}."), self.lengths()];
        let runs = total.past_runs;
        if runs < RUNS_FOR_A_BOUND {
            notes.push(format!(
                "No bound that nine runs of ten stay below: it needs {RUNS_FOR_A_BOUND} complete past runs \
                 whose answers were expected to be as long as past ones, there are {runs}."
            ));
        }
        if let (Some(list), Some(expected)) = (total.list, total.expected)
            && list > Usd::ZERO
            && runs > 0
        {
            notes.push(format!(
                "Expected: these tokens by list prices, times what past runs came to over that: {:.2} for the \
                 total ({}).",
                expected.as_f64() / list.as_f64(),
                counted(runs as u64, "run")
            ));
        }
        if self.estimate.unpriced > 0 {
            let (unpriced, all) = (self.estimate.unpriced, self.estimate.variants.len());
            let all = counted(all as u64, "model");
            notes.push(format!(
                "The total leaves out {unpriced} of {all}, for want of a price."
            ));
        }
        let own = self.estimate.variants.iter().all(|of| of.own_vocabulary);
        if !own {
            notes.push(
                "Prompt tokens of other makers than OpenAI are counted with its vocabulary, and corrected by \
                 past runs."
                    .to_owned(),
            );
        }
        notes.extend(self.unbounded());
        notes.push(NOT_COVERED.to_owned());
        if self.suite.cache == CacheMode::Warm {
            notes.push(
                "Not covered either, but in the worst case: the requests that warm caches."
                    .to_owned(),
            );
        }
        notes
    }

    /// Where the expected lengths of answers come from.
    fn lengths(&self) -> String {
        let mut counts: BTreeMap<Basis, u64> = BTreeMap::new();
        let all = self.estimate.variants.iter().flat_map(|of| &of.prompts);
        for prompt in all {
            *counts.entry(prompt.basis).or_default() += prompt.sums.requests;
        }
        let words = counts.into_iter().map(|(basis, requests)| {
            let words = match basis {
                Basis::SamePrompt => "from past answers to the same prompt",
                Basis::SameTags => "from past answers to prompts with the same tags",
                Basis::OtherPrompts => "from past answers to other prompts",
                Basis::TokenLimit => "a quarter of max_tokens",
                Basis::Assumed => "assumed, without max_tokens or a past run",
            };
            format!("{words} ({requests} requests)")
        });
        let words: Vec<String> = words.collect();
        format!("Output tokens: {}.", words.join(", "))
    }

    /// Why there is no worst case, and what to add.
    fn unbounded(&self) -> Vec<String> {
        let sums = self.estimate.variants.iter().map(|of| &of.sums);
        let mut reasons: Vec<&Unbounded> =
            sums.filter_map(|sums| sums.worst.as_ref().err()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let told = reasons.iter().take(REASONS_TOLD);
        let mut told: Vec<String> = told
            .map(|reason| format!("No worst case: {reason}; {}.", reason.remedy(self.endpoint)))
            .collect();
        if reasons.len() > REASONS_TOLD {
            told.push(format!(
                "No worst case for {} more models.",
                reasons.len() - REASONS_TOLD
            ));
        }
        told
    }
}

/// What a run came to beside its estimate, in one line; absent where no cost is known.
pub fn came_to(record: &EstimateRecord) -> Option<String> {
    let cost = money(record.cost()?);
    Some(match record.ratio() {
        Some(ratio) => format!("cost {cost}, {ratio:.2} times what was expected"),
        None => format!("cost {cost}"),
    })
}

fn money(usd: Usd) -> String {
    Figure::Money(usd).shown()
}

/// One row of the table and of CSV, which hold the same columns.
fn row(variant: &str, model: &str, prompt: Option<&str>, basis: Option<Basis>, sums: &Sums) -> Row {
    let text = |text: &str| match text {
        "" => Figure::Absent,
        text => Figure::Text(text.to_owned()),
    };
    let usd = |usd: Option<Usd>| usd.map_or(Figure::Absent, Figure::Money);
    let mut row = Row::default();
    row.put_figure("variant", text(variant));
    row.put_figure("model", text(model));
    row.put_figure("prompt", text(prompt.unwrap_or_default()));
    row.put_figure("answer_basis", text(basis.map_or("", Basis::word)));
    row.put_figure("requests", count(sums.requests));
    row.put_figure("prompt_tokens", count(sums.prompt_tokens));
    row.put_figure("completion_tokens", count(sums.completion_tokens));
    row.put_figure("list_usd", usd(sums.list));
    row.put_figure("expected_usd", usd(sums.expected));
    row.put_figure("bound_90_usd", usd(sums.bound_90));
    row.put_figure("worst_usd", usd(sums.worst.as_ref().ok().copied()));
    for (name, heading, dispensable) in [
        ("variant", "model", 0),
        ("requests", "requests", 1),
        ("prompt_tokens", "prompt tokens", 3),
        ("completion_tokens", "output tokens", 2),
        ("expected_usd", "expected", 0),
        ("bound_90_usd", "9 runs of 10 below", 0),
        ("worst_usd", "worst case", 0),
    ] {
        row.show(name, heading, dispensable);
    }
    row
}
