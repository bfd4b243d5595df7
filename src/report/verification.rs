//! The result of `run --verify`, as JSON.
//!
//! Owns the layout and its version. Must not know how a failure is explained. Invariant: every trial
//! that did not complete is listed once, with its remedy.

use schemars::JsonSchema;
use serde::Serialize;

use crate::units::{Usd, one_line};

use super::figure::Figure;

/// Version of the document.
const VERSION: u32 = 1;

/// The document that `bakeoff run --verify --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VerificationDocument {
    /// Version of this document.
    version: u32,
    /// Name of the suite.
    suite: String,
    /// Trials in the plan: one per prompt and variant.
    planned: u64,
    /// Trials with an answer.
    answered: u64,
    /// Trials that did not complete, in the order of the plan.
    incomplete: Vec<IncompleteTrial>,
    /// Request parameters that the suite's own answers show to be ignored.
    ignored: Vec<IgnoredParameter>,
    /// The results of probes of request parameters, for each variant that answered a trial.
    parameters: Vec<ParameterCheck>,
    /// The probes and their cost; absent if none was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    probes: Option<ProbeCost>,
}

/// The result of the probes of one request parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ParameterCheck {
    /// Label of the variant.
    pub variant: String,
    /// Name of the parameter in the suite.
    pub parameter: &'static str,
    /// The verdict on the route.
    pub verdict: ParameterVerdict,
    /// The evidence, or the reason why there is none.
    pub detail: String,
}

/// A verdict on a route and a request parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterVerdict {
    /// The answers are as without it.
    Ignored,
    /// The server rejects the request.
    Refused,
    /// The answers do not show it.
    Unknown,
    /// The route has no such parameter.
    NotSent,
    /// The answers have its effect.
    Honoured,
}

/// The probes of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProbeCost {
    /// Planned requests, without retries.
    pub requests: u64,
    /// Their known cost, USD.
    #[schemars(with = "String")]
    pub spent_usd: Usd,
    /// Requests whose cost is not known.
    pub unknown: u64,
    /// The most that they can cost, USD; absent if one has no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at_most_usd: Option<Usd>,
}

/// The rule by which a probe comes to each verdict, for the documents.
#[derive(Debug, Clone, Copy)]
pub struct ProbeRule {
    /// Name of the parameter in the suite.
    pub parameter: &'static str,
    /// The requests.
    pub probe: &'static str,
    /// The answers that show its effect.
    pub honoured: &'static str,
    /// The answers that show that it has none.
    pub ignored: &'static str,
}

/// The rule of each parameter.
pub const PROBE_RULES: [ProbeRule; 5] = [
    ProbeRule {
        parameter: "max_tokens",
        probe: "a count to 40 with a limit of 16",
        honoured: "ends with `length`",
        ignored: "more than 33 tokens, or the whole count",
    },
    ProbeRule {
        parameter: "stop",
        probe: "the same count, to stop at `7`",
        honoured: "ends between 6 and 7",
        ignored: "has a 7",
    },
    ProbeRule {
        parameter: "response_format",
        probe: "a question, to be answered by a JSON schema",
        honoured: "is JSON by the schema",
        ignored: "is anything else",
    },
    ProbeRule {
        parameter: "seed",
        probe: "an invention, twice with one seed, once with another",
        honoured: "the first two are equal, the third is not",
        ignored: "the first two differ",
    },
    ProbeRule {
        parameter: "reasoning_effort",
        probe: "a riddle, twice at `low`, twice at `high`",
        honoured: "three times as much reasoning at `high`, or more",
        ignored: "at most one and a half times as much",
    },
];

impl ParameterCheck {
    /// Returns true if the route writes more than the token limit allows: then no cap holds.
    pub fn is_ignored_limit(&self) -> bool {
        self.parameter == "max_tokens" && self.verdict == ParameterVerdict::Ignored
    }
}

impl ParameterVerdict {
    /// The verdict in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::NotSent => "not sent",
            Self::Honoured => "honoured",
        }
    }
}

/// The lines about probed parameters for a terminal: one for each variant and verdict, and the cost.
fn parameter_lines(checks: &[ParameterCheck], cost: Option<&ProbeCost>) -> Vec<String> {
    let mut groups: Vec<(&str, ParameterVerdict, Vec<String>)> = Vec::new();
    let mut sorted: Vec<(usize, &ParameterCheck)> = Vec::new();
    for check in checks {
        let known = sorted
            .iter()
            .find(|(_, other)| other.variant == check.variant);
        let place = known.map_or(sorted.len(), |(place, _)| *place);
        sorted.push((place, check));
    }
    sorted.sort_by_key(|(place, check)| (*place, check.verdict));
    for (_, check) in sorted {
        let is_plain = matches!(
            check.verdict,
            ParameterVerdict::Honoured | ParameterVerdict::NotSent
        );
        let named = if is_plain || check.detail.is_empty() {
            format!("`{}`", check.parameter)
        } else {
            format!("`{}` ({})", check.parameter, one_line(&check.detail))
        };
        match groups.last_mut() {
            Some((variant, verdict, parameters))
                if *variant == check.variant && *verdict == check.verdict =>
            {
                parameters.push(named);
            }
            _ => groups.push((&check.variant, check.verdict, vec![named])),
        }
    }
    let lines = groups.into_iter().map(|(variant, verdict, names)| {
        format!("{variant}: {} {}", verdict.words(), names.join(", "))
    });
    let cost = cost.map(|cost| {
        let max = cost
            .at_most_usd
            .map_or_else(String::new, |max| format!(", at most {}", money(max)));
        let unknown = match cost.unknown {
            0 => String::new(),
            unknown => format!(" and an unknown amount for {unknown} of them"),
        };
        format!(
            "parameters were probed by {} requests for {}{unknown}{max}",
            cost.requests,
            money(cost.spent_usd)
        )
    });
    lines.chain(cost).collect()
}

fn money(usd: Usd) -> String {
    Figure::Money(usd).shown()
}

/// A request parameter that answers of a variant show to be ignored.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Ignored")]
pub struct IgnoredParameter {
    /// Label of the variant.
    pub variant: String,
    /// Name of the parameter in the suite.
    pub parameter: &'static str,
    /// Answers that ignored it.
    pub ignored: u64,
    /// Answers that can show it.
    pub answers: u64,
}

/// A trial that did not complete.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Incomplete")]
pub struct IncompleteTrial {
    /// Id of the prompt.
    pub prompt: String,
    /// Label of the variant.
    pub variant: String,
    /// The model, as the endpoint spells it.
    pub model: String,
    /// Outcome of the trial, a word of FORMAT.md.
    pub outcome: &'static str,
    /// Description of the failure.
    pub text: String,
    /// Remedy.
    pub remedy: String,
}

impl VerificationDocument {
    /// Creates the document of a suite with so many planned and answered trials, the incomplete ones, the parameters that were
    /// ignored, and what probes showed and cost.
    pub fn new(
        suite: &str,
        (planned, answered): (u64, u64),
        incomplete: Vec<IncompleteTrial>,
        ignored: Vec<IgnoredParameter>,
        (parameters, probes): (Vec<ParameterCheck>, Option<ProbeCost>),
    ) -> Self {
        Self {
            version: VERSION,
            suite: suite.to_owned(),
            planned,
            answered,
            incomplete,
            ignored,
            parameters,
            probes,
        }
    }
}

impl VerificationDocument {
    /// The same for a terminal, a line for each finding and one for the count of trials.
    pub fn lines(&self) -> Vec<String> {
        let incomplete = self.incomplete.iter().map(|trial| {
            let IncompleteTrial {
                prompt,
                variant,
                text,
                remedy,
                ..
            } = trial;
            format!("{prompt} on {variant}: {text} {remedy}")
        });
        let ignored = self.ignored.iter().map(|found| {
            let IgnoredParameter {
                variant,
                parameter,
                ignored,
                answers,
            } = found;
            format!("{variant}: `{parameter}` ignored by {ignored} of {answers} answers")
        });
        let count = format!("{} of {} trials completed", self.answered, self.planned);
        incomplete
            .chain(ignored)
            .chain(parameter_lines(&self.parameters, self.probes.as_ref()))
            .chain([count])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_grouped_by_variant_and_the_bad_ones_come_first() {
        // Ten models have fifty verdicts: what breaks a program must not stand among what works.
        let check = |variant: &str, parameter, verdict, detail: &str| ParameterCheck {
            variant: variant.to_owned(),
            parameter,
            verdict,
            detail: detail.to_owned(),
        };
        let checks = [
            check("b", "stop", ParameterVerdict::Honoured, "x"),
            check("b", "seed", ParameterVerdict::Ignored, "two\nanswers"),
            check("a", "stop", ParameterVerdict::Refused, ""),
            check("b", "max_tokens", ParameterVerdict::Honoured, "y"),
        ];
        let cost = ProbeCost {
            requests: 10,
            spent_usd: "0.001".parse().unwrap(),
            unknown: 2,
            at_most_usd: "0.01".parse().ok(),
        };
        assert_eq!(
            parameter_lines(&checks, Some(&cost)),
            [
                "b: ignored `seed` (two answers)",
                "b: honoured `stop`, `max_tokens`",
                "a: refused `stop`",
                "parameters were probed by 10 requests for $0.00100 and an unknown amount for 2 of them, at most $0.0100",
            ]
        );
    }
}
