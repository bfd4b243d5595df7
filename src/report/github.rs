//! The summary of a GitHub job, for its page or a comment, and its annotations.
//!
//! Owns both texts. Must not know where they are written, nor the environment. Invariant: text from
//! outside can neither act on the page nor create a workflow command.

use crate::verdict::{LimitStatus, SwitchOutcome, Verdict};

use super::screen::ResultScreen;
use super::switch::SwitchText;
use super::text::{self, push};
use super::verdicts::{LimitText, Section, Verdicts};
use super::{markdown, recommendations};

/// Most annotations of one kind: GitHub shows no more per step.
const MAX_ANNOTATIONS: usize = 10;

/// The content of a job summary.
#[derive(Debug, Clone, Copy)]
pub struct JobSummary<'a> {
    /// Name of the suite.
    pub suite: &'a str,
    /// The run, or the runs compared.
    pub scope: &'a str,
    /// Date of the price list behind the costs, if there is a single one.
    pub prices_date: Option<&'a str>,
    /// Warning to print first.
    pub warning: Option<&'a str>,
    /// The result of the run; absent where runs are compared.
    pub screen: Option<&'a ResultScreen>,
    /// The verdicts and limits.
    pub verdicts: &'a Verdicts,
    /// Warnings about models that retire.
    pub retirements: &'a [String],
}

/// The hidden comment that identifies an earlier comment on the same suite, to be replaced.
pub fn marker(suite: &str) -> String {
    // Two hyphens would end the comment; nothing but plain letters needs to survive.
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
            c
        } else {
            '-'
        }
    };
    let mut name: String = suite.chars().map(plain).collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    format!("<!-- bakeoff:{} -->", name.trim_matches('-'))
}

/// Renders the summary as Markdown. Of a run: the result, with the verdicts folded. Of compared runs: failures
/// first, then inconclusive verdicts, then the rest, folded.
pub fn summary(job: &JobSummary<'_>) -> String {
    let gates = job.verdicts.sections.iter().any(|section| section.gates);
    let advice = job.screen.filter(|_| {
        !gates && job.verdicts.limit_texts.is_empty() && job.verdicts.switches.is_empty()
    });
    let advice = advice.and_then(|screen| recommendations::headline(&screen.recommendations));
    let headline = advice.unwrap_or_else(|| headline(job.verdicts));
    let mut page = format!(
        "{}\n### bakeoff {}: {}\n\n",
        marker(job.suite),
        text::markdown(job.suite),
        text::markdown(&headline)
    );
    match job.screen {
        Some(screen) => push_run(&mut page, job, screen),
        None => push_verdicts(&mut page, job),
    }
    let prices = job
        .prices_date
        .map_or_else(String::new, |date| format!("; list prices of {date}"));
    let scope = text::markdown(&format!("{}{prices}", job.scope));
    push(&mut page, format_args!("\n<sub>{scope}</sub>\n"));
    page
}

/// Adds the result of a run, then its verdicts, folded.
fn push_run(page: &mut String, job: &JobSummary<'_>, screen: &ResultScreen) {
    markdown::push_result(page, screen, job.warning);
    if job.verdicts.sections.is_empty() && job.verdicts.limit_texts.is_empty() {
        return;
    }
    page.push_str("\n<details><summary>Verdicts</summary>\n");
    // A comment has room for 65,536 characters: the prompts that meet a limit are in the report alone.
    let is_listed = |limit: &&LimitText| !limit.of_prompt || limit.holds != LimitStatus::Within;
    for limit in job.verdicts.limit_texts.iter().filter(is_listed) {
        let sentence = text::markdown(&limit.sentence);
        push(page, format_args!("\n- {sentence}"));
    }
    if !job.verdicts.limit_texts.is_empty() {
        page.push('\n');
    }
    for section in &job.verdicts.sections {
        push_section(page, section);
    }
    page.push_str("\n</details>\n");
}

/// Adds the verdicts of compared runs.
fn push_verdicts(page: &mut String, job: &JobSummary<'_>) {
    if let Some(warning) = job.warning {
        push(page, format_args!("> **{}**\n\n", text::markdown(warning)));
    }
    for switch in &job.verdicts.switches {
        let sentence = text::markdown(&switch.sentence);
        push(page, format_args!("- {sentence}\n"));
    }
    for limit in &job.verdicts.limit_texts {
        if limit.holds != LimitStatus::Within {
            push(
                page,
                format_args!("- {}\n", text::markdown(&limit.sentence)),
            );
        }
    }
    for section in &job.verdicts.sections {
        push_section(page, section);
    }
}

/// `1 worse, 2 inconclusive, 9 not worse`.
fn headline(verdicts: &Verdicts) -> String {
    let broken = verdicts
        .limit_texts
        .iter()
        .filter(|limit| limit.holds == LimitStatus::Exceeded)
        .count();
    let mut parts: Vec<String> = Vec::new();
    for verdict in [
        Verdict::Regressed,
        Verdict::Inconclusive,
        Verdict::Improved,
        Verdict::Ok,
    ] {
        let counts = verdicts.counts(verdict).into_iter();
        parts.extend(counts.map(|(word, count)| format!("{count} {word}")));
    }
    if broken > 0 {
        parts.insert(0, format!("limits broken: {broken}"));
    }
    let switches = verdicts.switches.iter().map(SwitchText::headline);
    parts.splice(0..0, switches);
    if parts.is_empty() {
        "nothing to judge".to_owned()
    } else {
        parts.join(", ")
    }
}

fn push_section(page: &mut String, section: &Section) {
    let title = text::markdown(&section.title);
    let gates = if section.gates {
        ""
    } else {
        " (fails nothing)"
    };
    push(page, format_args!("\n**{title}**{gates}\n\n"));
    for alert in &section.alerts {
        push(
            page,
            format_args!("> **{}**\n\n", text::markdown(&alert.text)),
        );
    }
    let with_verdict = |verdicts: &[Verdict]| {
        let texts = section.comparison_texts.iter();
        let texts: Vec<_> = texts
            .filter(|text| verdicts.contains(&text.verdict))
            .collect();
        texts
    };
    for comparison in with_verdict(&[Verdict::Regressed, Verdict::Inconclusive]) {
        let is_alert = |remark: &&String| section.alerts.iter().any(|one| one.text == **remark);
        let remarks: Vec<String> = comparison
            .remarks
            .iter()
            .filter(|remark| !is_alert(remark))
            .map(|s| text::markdown(s))
            .collect();
        let line = format!(
            "{} {}",
            text::markdown(&comparison.sentence),
            remarks.join(" ")
        );
        push(
            page,
            format_args!(
                "- **{}**: {}\n",
                comparison.verdict.printed_word(comparison.design),
                line.trim_end()
            ),
        );
    }
    let passed = with_verdict(&[Verdict::Improved, Verdict::Ok]);
    if !passed.is_empty() {
        push(
            page,
            format_args!("\n<details><summary>Passed: {}</summary>\n\n", passed.len()),
        );
        for comparison in passed {
            let sentence = text::markdown(&comparison.sentence);
            push(
                page,
                format_args!(
                    "- **{}**: {sentence}\n",
                    comparison.verdict.printed_word(comparison.design)
                ),
            );
        }
        page.push_str("\n</details>\n");
    }
    for note in &section.notes {
        push(page, format_args!("- {}\n", text::markdown(note)));
    }
}

/// Renders workflow commands, one per line: an error for a failure, a warning for each alert and for each model that
/// retires, and one for an inconclusive verdict if the suite enables those.
pub fn annotations(job: &JobSummary<'_>) -> String {
    let verdicts = job.verdicts;
    let gating = verdicts.sections.iter().filter(|section| section.gates);
    let comparisons: Vec<_> = gating
        .clone()
        .flat_map(|section| &section.comparison_texts)
        .collect();
    let alerts = gating.flat_map(|section| &section.alerts);
    let mut alerts: Vec<(String, &str)> = alerts
        .map(|alert| (alert.kind.to_owned(), alert.text.as_str()))
        .collect();
    let mut errors: Vec<(String, &str)> = Vec::new();
    let mut warnings: Vec<(String, &str)> = Vec::new();
    for comparison in comparisons {
        let title = format!(
            "{} {}: {}",
            comparison.candidate,
            comparison.metric,
            comparison.verdict.printed_word(comparison.design)
        );
        match comparison.verdict {
            Verdict::Regressed => errors.push((title, &comparison.sentence)),
            Verdict::Inconclusive => warnings.push((title, &comparison.sentence)),
            Verdict::Improved | Verdict::Ok => {}
        }
    }
    for switch in &verdicts.switches {
        let title = format!("{}: switch gate", switch.candidate);
        match switch.outcome {
            SwitchOutcome::DoNotSwitch => errors.push((title, &switch.sentence)),
            SwitchOutcome::Undecided => alerts.push((title, &switch.sentence)),
            SwitchOutcome::Switch => {}
        }
    }
    for limit in &verdicts.limit_texts {
        let title = format!("{} {}", limit.variant, limit.limit);
        match limit.holds {
            LimitStatus::Exceeded => errors.push((title, &limit.sentence)),
            LimitStatus::Inconclusive => warnings.push((title, &limit.sentence)),
            LimitStatus::Within => {}
        }
    }
    if !verdicts.warn_inconclusive {
        warnings.clear();
    }
    // A gate that judged nothing is never silent, whatever the suite says about inconclusive verdicts.
    let retirements = job.retirements.iter();
    let retirements = retirements.map(|line| ("a model retires".to_owned(), line.as_str()));
    let warnings = [alerts, retirements.collect(), warnings].concat();
    let mut commands = String::new();
    for (kind, all) in [("error", errors), ("warning", warnings)] {
        push_commands(&mut commands, kind, &all);
    }
    commands
}

fn push_commands(commands: &mut String, kind: &str, all: &[(String, &str)]) {
    let shown = if all.len() > MAX_ANNOTATIONS {
        MAX_ANNOTATIONS - 1
    } else {
        all.len()
    };
    for (title, message) in &all[..shown] {
        let (title, message) = (escaped_property(title), escaped_message(message));
        push(
            commands,
            format_args!("::{kind} title=bakeoff%3A {title}::{message}\n"),
        );
    }
    if shown < all.len() {
        let more = all.len() - shown;
        push(
            commands,
            format_args!("::{kind} title=bakeoff::{more} more are in the job's summary\n"),
        );
    }
}

/// Escapes the message of a workflow command.
fn escaped_message(text: &str) -> String {
    let line = text::one_line(text);
    line.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn escaped_property(text: &str) -> String {
    escaped_message(text)
        .replace(':', "%3A")
        .replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // A label chosen by someone else cannot end a comment, nor begin a command on a line of its own.
        #[test]
        fn no_text_becomes_a_command(words in any::<String>()) {
            let marker = marker(&words);
            prop_assert_eq!(marker.matches("--").count(), 2);
            prop_assert!(!marker.contains('\n'));
            let text = escaped_message(&words);
            prop_assert!(!text.contains(['\n', '\r']));
            prop_assert!(!escaped_property(&words).contains([':', ',']));
            let back = text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
            prop_assert_eq!(back, text::one_line(&words));
        }
    }
}
