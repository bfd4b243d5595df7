//! What a job on GitHub is told: a summary for its page or a comment, and annotations.
//!
//! Owns both texts. Must not know where they are written, nor the environment. Invariant: text from
//! outside can neither act on the page nor make a workflow command of its own.

use std::fmt::Write as _;

use crate::verdict::{LimitStatus, Verdict};

use super::text;
use super::verdicts::{Section, Verdicts};

/// Most annotations of one kind: GitHub shows no more for a step.
const ANNOTATIONS_MOST: usize = 10;

/// What is told of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the suite.
    pub suite: &'a str,
    /// Which run, or which runs are compared.
    pub what: &'a str,
    /// Date of the list that costs are by, where it is one list.
    pub prices_date: Option<&'a str>,
    /// What a reader must know first.
    pub warning: Option<&'a str>,
    /// The finding, sentence by sentence.
    pub finding: &'a [String],
    /// What is judged.
    pub verdicts: &'a Verdicts,
}

/// The hidden comment by which a later comment of the same suite finds the one to replace.
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

/// The summary in Markdown: what failed first, then what cannot be told, then what is well, folded.
pub fn summary(subject: &Subject<'_>) -> String {
    let mut page = format!(
        "{}\n### bakeoff {}: {}\n\n",
        marker(subject.suite),
        text::markdown(subject.suite),
        headline(subject.verdicts)
    );
    if let Some(warning) = subject.warning {
        push(
            &mut page,
            format_args!("> **{}**\n\n", text::markdown(warning)),
        );
    }
    for told in &subject.verdicts.limits_told {
        if told.holds != LimitStatus::Within {
            push(
                &mut page,
                format_args!("- {}\n", text::markdown(&told.sentence)),
            );
        }
    }
    for section in &subject.verdicts.sections {
        push_section(&mut page, section);
    }
    let finding: Vec<String> = subject.finding.iter().map(|s| text::markdown(s)).collect();
    if !finding.is_empty() {
        push(&mut page, format_args!("\n{}\n", finding.join(" ")));
    }
    let prices = subject
        .prices_date
        .map_or_else(String::new, |date| format!("; list prices of {date}"));
    let what = text::markdown(&format!("{}{prices}", subject.what));
    push(&mut page, format_args!("\n<sub>{what}</sub>\n"));
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String can always grow");
}

/// `1 regressed, 2 inconclusive, 9 ok`.
fn headline(verdicts: &Verdicts) -> String {
    let broken = verdicts
        .limits_told
        .iter()
        .filter(|told| told.holds == LimitStatus::Exceeded)
        .count();
    let mut parts: Vec<String> = Vec::new();
    for verdict in [
        Verdict::Regressed,
        Verdict::Inconclusive,
        Verdict::Improved,
        Verdict::Ok,
    ] {
        let count = verdicts.count(verdict);
        if count > 0 {
            parts.push(format!("{count} {}", verdict.word()));
        }
    }
    if broken > 0 {
        parts.insert(0, format!("limits broken: {broken}"));
    }
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
    let told = |wanted: &[Verdict]| {
        let told = section.told.iter();
        let wanted: Vec<_> = told.filter(|told| wanted.contains(&told.verdict)).collect();
        wanted
    };
    for told in told(&[Verdict::Regressed, Verdict::Inconclusive]) {
        let remarks: Vec<String> = told.remarks.iter().map(|s| text::markdown(s)).collect();
        let line = format!("{} {}", text::markdown(&told.sentence), remarks.join(" "));
        push(
            page,
            format_args!("- **{}**: {}\n", told.verdict.word(), line.trim_end()),
        );
    }
    let well = told(&[Verdict::Improved, Verdict::Ok]);
    if !well.is_empty() {
        push(
            page,
            format_args!(
                "\n<details><summary>Improved or ok: {}</summary>\n\n",
                well.len()
            ),
        );
        for told in well {
            let sentence = text::markdown(&told.sentence);
            push(
                page,
                format_args!("- **{}**: {sentence}\n", told.verdict.word()),
            );
        }
        page.push_str("\n</details>\n");
    }
    for note in &section.notes {
        push(page, format_args!("- {}\n", text::markdown(note)));
    }
}

/// Workflow commands, one a line: an error for what fails, a warning for what cannot be told where the
/// suite wants to hear of it.
pub fn annotations(subject: &Subject<'_>) -> String {
    let verdicts = subject.verdicts;
    let gating = verdicts.sections.iter().filter(|section| section.gates);
    let told: Vec<_> = gating.flat_map(|section| &section.told).collect();
    let mut errors: Vec<(String, &str)> = Vec::new();
    let mut warnings: Vec<(String, &str)> = Vec::new();
    for told in told {
        let title = format!(
            "{} {}: {}",
            told.candidate,
            told.metric,
            told.verdict.word()
        );
        match told.verdict {
            Verdict::Regressed => errors.push((title, &told.sentence)),
            Verdict::Inconclusive => warnings.push((title, &told.sentence)),
            Verdict::Improved | Verdict::Ok => {}
        }
    }
    for told in &verdicts.limits_told {
        let title = format!("{} {}", told.variant, told.limit);
        match told.holds {
            LimitStatus::Exceeded => errors.push((title, &told.sentence)),
            LimitStatus::Inconclusive => warnings.push((title, &told.sentence)),
            LimitStatus::Within => {}
        }
    }
    if !verdicts.warns {
        warnings.clear();
    }
    let mut commands = String::new();
    for (kind, all) in [("error", errors), ("warning", warnings)] {
        push_commands(&mut commands, kind, &all);
    }
    commands
}

fn push_commands(commands: &mut String, kind: &str, all: &[(String, &str)]) {
    let shown = if all.len() > ANNOTATIONS_MOST {
        ANNOTATIONS_MOST - 1
    } else {
        all.len()
    };
    for (title, message) in &all[..shown] {
        let (title, message) = (property(title), value(message));
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

/// The message of a workflow command.
fn value(text: &str) -> String {
    let line = text::one_line(text);
    line.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    value(text).replace(':', "%3A").replace(',', "%2C")
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
            let text = value(&words);
            prop_assert!(!text.contains(['\n', '\r']));
            prop_assert!(!property(&words).contains([':', ',']));
            let back = text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%");
            prop_assert_eq!(back, text::one_line(&words));
        }
    }
}
