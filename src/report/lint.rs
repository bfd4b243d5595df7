//! The sentences of likely problems before a run.
//!
//! Owns the words. Must not decide what is a problem. Invariant: each says what to do.

use crate::stats::MIN_PROMPTS;
use crate::units::ModelId;
use crate::verdict::{GateLint, Lint, ModelLint, RequestLint};

use super::retirement_line;
use super::wording::{comparisons_words, rough_percent, worsening};

/// Returns a likely problem as a sentence. `list_date`: of the list of models that its facts come from, `YYYY-MM-DD`.
pub fn lint_sentence(lint: &Lint, list_date: &str) -> String {
    match lint {
        Lint::Model(lint) => model_sentence(lint),
        Lint::Request(lint) => request_sentence(lint, list_date),
        Lint::Gate(lint) => gate_sentence(lint),
        Lint::Capacity {
            streams,
            carried,
            bound,
        } => format!(
            "{streams} requests at once are more than this machine times within {bound} ({carried}, by `bakeoff calibrate`): \
             lower the concurrency, or use a faster machine"
        ),
        Lint::NewToml { line, what } => format!(
            "line {line} has {what}, which TOML 1.0 does not allow: editors and older readers refuse the file"
        ),
    }
}

/// Returns a likely problem of a model as a sentence.
pub fn model_sentence(lint: &ModelLint) -> String {
    match lint {
        ModelLint::Unlisted {
            model,
            endpoint,
            list_date,
            moved,
            nearest,
        } => {
            let remedy = if moved.is_empty() {
                suggestion(nearest)
            } else {
                format!("; it lists that model as {}", quoted(moved))
            };
            format!("`{endpoint}` does not list `{model}` (list of {list_date}){remedy}")
        }
        ModelLint::Unplayed { model, nearest } => format!(
            "the simulated gateway does not know `{model}`{}",
            suggestion(nearest)
        ),
        ModelLint::Retires { retirement, today } => retirement_line(retirement, *today),
    }
}

/// A question for the id that was meant; empty without similar ones.
fn suggestion(nearest: &[ModelId]) -> String {
    match nearest {
        [] => String::new(),
        nearest => format!("; did you mean {}?", quoted(nearest)),
    }
}

fn quoted(ids: &[ModelId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
    ids.join(" or ")
}

fn request_sentence(lint: &RequestLint, list_date: &str) -> String {
    match lint {
        RequestLint::TruncatedInReasoning { model, limit, min } => format!(
            "`{model}` reasons, and reasoning counts against max_tokens = {limit}: answers may be empty \
             or cut; set max_tokens to {min} or more, or a lower reasoning_effort"
        ),
        RequestLint::JudgeOfFamily { judge, model } => format!(
            "the judge `{judge}` and `{model}` are of one maker, and judges favour their own family: use \
             another judge, or check it with `bakeoff score --labels`"
        ),
        RequestLint::AboveOutput { model, limit, max } => format!(
            "max_tokens = {limit} is above what `{model}` writes at most, {max} (list of {list_date}): set \
             max_tokens to {max} or less"
        ),
        RequestLint::AboveContext {
            model,
            window,
            prompt,
            tokens,
            prompts,
        } => {
            let others = match prompts - 1 {
                0 => String::new(),
                1 => ", and 1 more prompt does not".to_owned(),
                more => format!(", and {more} more prompts do not"),
            };
            format!(
                "prompt `{prompt}` does not fit `{model}`{others}: with max_tokens about {tokens} tokens, \
                 of {window} (list of {list_date}); shorten it, or leave the model out"
            )
        }
        RequestLint::WritesUnread { label } => format!(
            "`{label}` busts prompt caches and marks its prompts for them: every trial may pay for writing what no request \
             reads; remove the marks and `caching`, or `cache = \"bust\"`"
        ),
        RequestLint::SharedCache { model, variants } => format!(
            "{variants} variants of `{model}` share its prompt cache: one may read what another wrote; \
             `cache = \"bust\"` separates them"
        ),
    }
}

fn gate_sentence(lint: &GateLint) -> String {
    match lint {
        GateLint::FewPrompts { worth, prompts } if worth == prompts => format!(
            "{} numbers, but no verdict: that needs {MIN_PROMPTS} prompts, better 20; repetitions do not replace prompts",
            if *prompts == 1 {
                "1 prompt gives".to_owned()
            } else {
                format!("{prompts} prompts give")
            }
        ),
        GateLint::FewPrompts { worth, prompts } => format!(
            "{prompts} prompts of such different weights carry as much information as {worth}: a verdict needs {MIN_PROMPTS}, better 20"
        ),
        GateLint::NotStreamed(metric) => format!(
            "`{}` is primary, but is not measured without streaming",
            metric.word()
        ),
        GateLint::NotGraded => {
            "a pass rate is gated: it is inconclusive until answers are graded (`bakeoff score`)"
                .to_owned()
        }
        GateLint::NoCandidate => {
            "`against_reference` has no effect: there is only one model".to_owned()
        }
        GateLint::FindsTooLittle {
            smallest,
            comparisons,
        } => format!(
            "only a TTFT {} or more fails reliably ({}): use more prompts, or fewer primary metrics",
            worsening(*smallest),
            comparisons_words(*comparisons)
        ),
        GateLint::Flaps {
            metric,
            margin,
            ok,
            fails,
        } => format!(
            "`{}` would be unstable: with a margin of {} an unchanged run is `ok` in only {} of runs, else inconclusive{}; \
             widen the margin or use more prompts",
            metric.word(),
            rough_percent(*margin),
            rough_percent(*ok),
            if *fails { ", which fails here" } else { "" }
        ),
        GateLint::NoUpperEnd {
            quantity,
            per_prompt,
            answers,
            needs,
            can_fail,
        } => format!(
            "the limit `{}` can {}: {answers} answers of each {} give no upper bound, {needs} would",
            quantity.word(),
            if *can_fail {
                "fail but never pass"
            } else {
                "neither pass nor fail"
            },
            if *per_prompt { "prompt" } else { "model" }
        ),
        GateLint::ErrorRateTooFine {
            bound,
            per_prompt,
            reached,
            needs,
        } => format!(
            "the limit `error_rate` of {} can fail but never pass: a {} without errors leaves up to {} open; {}",
            rough_percent(*bound),
            if *per_prompt { "prompt" } else { "run" },
            rough_percent(*reached),
            needs.map_or_else(
                || "allow more".to_owned(),
                |needs| {
                    let what = if *per_prompt {
                        "repetitions"
                    } else {
                        "prompts"
                    };
                    format!("{needs} {what} would do, or allow more")
                }
            )
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{Metric, Quantity};

    #[test]
    fn every_warning_says_what_to_do() {
        // The words of `suite check`, one warning each.
        let lints = [
            GateLint::FewPrompts {
                worth: 1,
                prompts: 1,
            },
            GateLint::FewPrompts {
                worth: 3,
                prompts: 9,
            },
            GateLint::NotStreamed(Metric::Ttft),
            GateLint::NotGraded,
            GateLint::NoCandidate,
            GateLint::FindsTooLittle {
                smallest: 1.34,
                comparisons: 12,
            },
            GateLint::Flaps {
                metric: Metric::Ttft,
                margin: 0.1,
                ok: 0.31,
                fails: true,
            },
            GateLint::NoUpperEnd {
                quantity: Quantity::Time {
                    metric: Metric::Latency,
                    percent: 99,
                },
                per_prompt: false,
                answers: 200,
                needs: 368,
                can_fail: true,
            },
            GateLint::ErrorRateTooFine {
                bound: 0.02,
                per_prompt: false,
                reached: 0.18,
                needs: Some(193),
            },
            GateLint::ErrorRateTooFine {
                bound: 0.00001,
                per_prompt: true,
                reached: 0.18,
                needs: None,
            },
        ];
        let sentences: Vec<String> = lints.iter().map(gate_sentence).collect();
        insta::assert_snapshot!(sentences.join("\n"), @"
        1 prompt gives numbers, but no verdict: that needs 6 prompts, better 20; repetitions do not replace prompts
        9 prompts of such different weights carry as much information as 3: a verdict needs 6, better 20
        `ttft` is primary, but is not measured without streaming
        a pass rate is gated: it is inconclusive until answers are graded (`bakeoff score`)
        `against_reference` has no effect: there is only one model
        only a TTFT +134 % or more fails reliably (12 comparisons share the error rate): use more prompts, or fewer primary metrics
        `ttft` would be unstable: with a margin of 10 % an unchanged run is `ok` in only 31 % of runs, else inconclusive, which fails here; widen the margin or use more prompts
        the limit `latency_p99` can fail but never pass: 200 answers of each model give no upper bound, 368 would
        the limit `error_rate` of 2 % can fail but never pass: a run without errors leaves up to 18 % open; 193 prompts would do, or allow more
        the limit `error_rate` of 0.001 % can fail but never pass: a prompt without errors leaves up to 18 % open; allow more
        ");
    }
}
