//! `junit.xml`: verdicts and limits as test cases, for CI servers.
//!
//! Owns the layout and the names of cases. Must not know how a verdict was found. Invariant: names depend
//! on labels, metrics and limits alone, so that a server can follow a case from run to run; the file is
//! XML whatever a label holds.

use std::fmt::Write as _;

use crate::verdict::{Holds, Verdict};

use super::text::one_line;
use super::verdicts::{LimitTold, Section, Told, Verdicts};

/// How a case ended.
enum Ending {
    Passed,
    Failed(&'static str),
    /// Not judged at all, or not to the end.
    Error(&'static str),
    Skipped,
}

/// How the run went that is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Went<'a> {
    /// Its status in a word: `complete`, `interrupted`, ...
    pub(super) status: &'static str,
    /// What a reader must know first; absent for a complete run.
    pub(super) warning: Option<&'a str>,
    /// Date of the list that costs are by, where it is one list.
    pub(super) prices_date: Option<&'a str>,
}

struct Case<'a> {
    class: &'a str,
    name: String,
    ending: Ending,
    message: &'a str,
    remarks: &'a [String],
}

/// The document of a suite. `went`: absent where more than one run is judged.
pub(super) fn document(suite: &str, went: Option<Went<'_>>, verdicts: &Verdicts) -> String {
    let told = verdicts.sections.iter().flat_map(|section| {
        let told = section.told.iter();
        told.map(move |told| of_comparison(section, told))
    });
    let limits = verdicts.limits_told.iter().map(of_limit);
    let ended = went.as_ref().and_then(of_ending);
    let cases: Vec<Case<'_>> = ended.into_iter().chain(told).chain(limits).collect();
    let count = |what: fn(&Ending) -> bool| cases.iter().filter(|case| what(&case.ending)).count();
    let counts = format!(
        r#"tests="{}" failures="{}" errors="{}" skipped="{}""#,
        cases.len(),
        count(|ending| matches!(ending, Ending::Failed(_))),
        count(|ending| matches!(ending, Ending::Error(_))),
        count(|ending| matches!(ending, Ending::Skipped)),
    );
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    push(
        &mut xml,
        format_args!("<testsuites name=\"bakeoff\" {counts}>\n"),
    );
    let suite = escaped(suite);
    push(
        &mut xml,
        format_args!("  <testsuite name=\"{suite}\" {counts}>\n"),
    );
    if let Some(went) = &went {
        push_properties(&mut xml, went);
    }
    for case in &cases {
        push_case(&mut xml, case);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn push(xml: &mut String, text: std::fmt::Arguments<'_>) {
    xml.write_fmt(text).expect("a String can always grow");
}

fn push_properties(xml: &mut String, went: &Went<'_>) {
    let properties = [
        ("status", Some(went.status)),
        ("prices_date", went.prices_date),
    ];
    let properties = properties.into_iter().filter_map(|(name, value)| {
        let value = escaped(value?);
        Some(format!("<property name=\"{name}\" value=\"{value}\"/>"))
    });
    let properties: String = properties.collect();
    push(
        xml,
        format_args!("    <properties>{properties}</properties>\n"),
    );
}

/// A run that did not do all it was to do is an error, as its exit code says, whatever was found so far.
fn of_ending<'a>(went: &Went<'a>) -> Option<Case<'a>> {
    let kind = match went.status {
        // Samples of it are lost.
        "complete" => "incomplete",
        status => status,
    };
    Some(Case {
        class: "bakeoff",
        name: "run".to_owned(),
        ending: Ending::Error(kind),
        message: went.warning?,
        remarks: &[],
    })
}

/// A comparison fails where it regressed and can fail a build; a regression that cannot, and what could not be
/// told, are skipped with what was found. All else passed.
fn of_comparison<'a>(section: &Section, told: &'a Told) -> Case<'a> {
    let name = if section.situation == "interleaved" {
        format!("{} against {}", told.metric, told.reference)
    } else {
        told.metric.to_owned()
    };
    let ending = match told.verdict {
        Verdict::Regressed if section.gates => Ending::Failed(Verdict::Regressed.word()),
        Verdict::Regressed | Verdict::Inconclusive => Ending::Skipped,
        Verdict::Improved | Verdict::Ok => Ending::Passed,
    };
    Case {
        class: &told.candidate,
        name,
        ending,
        message: &told.sentence,
        remarks: &told.remarks,
    }
}

fn of_limit(told: &LimitTold) -> Case<'_> {
    Case {
        class: &told.variant,
        name: format!("limit {}", told.limit),
        ending: match told.holds {
            Holds::Yes => Ending::Passed,
            Holds::No => Ending::Failed("limit"),
            Holds::CannotTell => Ending::Skipped,
        },
        message: &told.sentence,
        remarks: &[],
    }
}

fn push_case(xml: &mut String, case: &Case<'_>) {
    let (class, name) = (escaped(case.class), escaped(&case.name));
    push(
        xml,
        format_args!("    <testcase classname=\"{class}\" name=\"{name}\">\n"),
    );
    let whole = std::iter::once(case.message).chain(case.remarks.iter().map(String::as_str));
    let whole: Vec<String> = whole.map(escaped).collect();
    let message = whole.join(" ");
    let line = match case.ending {
        Ending::Passed => format!("<system-out>{message}</system-out>"),
        Ending::Failed(kind) => {
            format!("<failure type=\"{kind}\" message=\"{message}\">{message}</failure>")
        }
        Ending::Error(kind) => {
            format!("<error type=\"{kind}\" message=\"{message}\">{message}</error>")
        }
        Ending::Skipped => format!("<skipped message=\"{message}\"/>"),
    };
    push(xml, format_args!("      {line}\n    </testcase>\n"));
}

/// For an attribute or a text: one line, markup escaped, and no character that XML 1.0 does not allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}
