//! `junit.xml`: verdicts and limits as test cases, for CI servers.
//!
//! Owns the layout and the names of cases. Must not know how a verdict was computed. Invariant: names
//! depend on labels, metrics and limits alone, so that a server can follow a case from run to run; the file
//! is well-formed XML whatever a label contains.

use crate::verdict::{ComparisonDesign, LimitStatus, SwitchOutcome, Verdict};

use super::screen::ResultScreen;
use super::switch::SwitchText;
use super::text::one_line;
use super::text::push;
use super::verdicts::{ComparisonText, LimitText, Section, Verdicts};

/// The class of cases that are about no model.
const PROGRAM: &str = "bakeoff";

/// The status of a test case.
enum CaseStatus {
    Passed,
    Failed(&'static str),
    /// Not judged at all, or not to the end.
    Error(&'static str),
    Skipped,
}

/// The status of the run that is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunHeader<'a> {
    /// Its status in a word: `complete`, `interrupted`, ...
    pub(super) status: &'static str,
    /// Warning to read first; absent for a complete run.
    pub(super) warning: Option<&'a str>,
    /// Date of the price list behind the costs, if there is a single one.
    pub(super) prices_date: Option<&'a str>,
    /// Its result, with the recommendations.
    pub(super) screen: &'a ResultScreen,
}

struct TestCase<'a> {
    class: &'a str,
    name: String,
    status: CaseStatus,
    message: &'a str,
    remarks: &'a [String],
}

/// Renders the document of a suite. `run` is `None` if more than one run is judged; `simulated`: the mark of simulated figures.
pub(super) fn document(
    suite: &str,
    run: Option<RunHeader<'_>>,
    simulated: Option<&str>,
    verdicts: &Verdicts,
) -> String {
    let comparisons = verdicts.sections.iter().flat_map(|section| {
        let texts = section.comparison_texts.iter();
        texts.map(move |text| comparison_case(section, text))
    });
    let alerts = verdicts.sections.iter().flat_map(|section| {
        let alerts = section.alerts.iter();
        alerts.map(move |alert| TestCase {
            class: section.design.word(),
            name: alert.kind.to_owned(),
            status: CaseStatus::Skipped,
            message: &alert.text,
            remarks: &[],
        })
    });
    let limits = verdicts.limit_texts.iter().map(limit_case);
    let switches = verdicts.switches.iter().map(switch_case);
    let run_case = run.as_ref().and_then(run_case);
    let cases: Vec<TestCase<'_>> = run_case
        .into_iter()
        .chain(switches)
        .chain(alerts)
        .chain(comparisons)
        .chain(limits)
        .collect();
    let count =
        |what: fn(&CaseStatus) -> bool| cases.iter().filter(|case| what(&case.status)).count();
    let counts = format!(
        r#"tests="{}" failures="{}" errors="{}""#,
        cases.len(),
        count(|status| matches!(status, CaseStatus::Failed(_))),
        count(|status| matches!(status, CaseStatus::Error(_))),
    );
    // The schema of Jenkins' xUnit plugin has this count for one suite alone.
    let skipped = count(|status| matches!(status, CaseStatus::Skipped));
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    push(
        &mut xml,
        format_args!("<testsuites name=\"bakeoff\" {counts}>\n"),
    );
    let suite = escaped(suite);
    push(
        &mut xml,
        format_args!("  <testsuite name=\"{suite}\" {counts} skipped=\"{skipped}\">\n"),
    );
    push_properties(&mut xml, &properties(run.as_ref(), simulated));
    for case in &cases {
        push_case(&mut xml, case);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// The properties of a suite, by name.
fn properties(run: Option<&RunHeader<'_>>, simulated: Option<&str>) -> Vec<(&'static str, String)> {
    let mut properties = Vec::new();
    if let Some(run) = run {
        properties.push(("status", run.status.to_owned()));
        let date = run.prices_date.map(str::to_owned);
        properties.extend(date.map(|date| ("prices_date", date)));
    }
    properties.extend(simulated.map(|text| ("simulated", text.to_owned())));
    let recommendations = run.into_iter().flat_map(|run| &run.screen.recommendations);
    properties.extend(recommendations.map(|one| ("recommendation", one.line())));
    properties
}

fn push_properties(xml: &mut String, properties: &[(&str, String)]) {
    if properties.is_empty() {
        return;
    }
    xml.push_str("    <properties>\n");
    for (name, value) in properties {
        let value = escaped(value);
        push(
            xml,
            format_args!("      <property name=\"{name}\" value=\"{value}\"/>\n"),
        );
    }
    xml.push_str("    </properties>\n");
}

/// The case of a run that is not complete: an error, as its exit code says, whatever was found so far.
fn run_case<'a>(run: &RunHeader<'a>) -> Option<TestCase<'a>> {
    let kind = match run.status {
        // Samples of it are lost.
        "complete" => "incomplete",
        other => other,
    };
    Some(TestCase {
        class: PROGRAM,
        name: "run".to_owned(),
        status: CaseStatus::Error(kind),
        message: run.warning?,
        remarks: &[],
    })
}

/// The case of a comparison. It fails if the comparison regressed and can fail a build, and is skipped if it is
/// inconclusive. All others pass: a candidate that is worse than the reference fails nothing unless the suite
/// says so.
fn comparison_case<'a>(section: &Section, text: &'a ComparisonText) -> TestCase<'a> {
    let name = if section.design == ComparisonDesign::Interleaved {
        format!("{} against {}", text.metric, text.reference)
    } else {
        text.metric.to_owned()
    };
    let status = match text.verdict {
        Verdict::Regressed if section.gates => CaseStatus::Failed(text.verdict.word(text.design)),
        Verdict::Inconclusive => CaseStatus::Skipped,
        Verdict::Regressed | Verdict::Improved | Verdict::Ok => CaseStatus::Passed,
    };
    TestCase {
        class: &text.candidate,
        name,
        status,
        message: &text.sentence,
        remarks: &text.remarks,
    }
}

fn switch_case(text: &SwitchText) -> TestCase<'_> {
    TestCase {
        class: &text.candidate,
        name: format!("switch from {}", text.reference),
        status: match text.outcome {
            SwitchOutcome::Switch => CaseStatus::Passed,
            SwitchOutcome::Undecided => CaseStatus::Skipped,
            SwitchOutcome::DoNotSwitch => CaseStatus::Failed("do_not_switch"),
        },
        message: &text.sentence,
        remarks: &[],
    }
}

fn limit_case(text: &LimitText) -> TestCase<'_> {
    TestCase {
        class: &text.variant,
        name: format!("limit {}", text.limit),
        status: match text.holds {
            LimitStatus::Within => CaseStatus::Passed,
            LimitStatus::Exceeded => CaseStatus::Failed("limit"),
            LimitStatus::Inconclusive => CaseStatus::Skipped,
        },
        message: &text.sentence,
        remarks: &[],
    }
}

fn push_case(xml: &mut String, case: &TestCase<'_>) {
    let class = escaped(case.class);
    // Many servers show the name alone.
    let name = match escaped(&case.name) {
        name if case.class == PROGRAM => name,
        name => format!("{class}: {name}"),
    };
    push(
        xml,
        format_args!("    <testcase classname=\"{class}\" name=\"{name}\">\n"),
    );
    let whole = std::iter::once(case.message).chain(case.remarks.iter().map(String::as_str));
    let whole: Vec<String> = whole.map(escaped).collect();
    let message = whole.join(" ");
    let line = match case.status {
        CaseStatus::Passed => format!("<system-out>{message}</system-out>"),
        CaseStatus::Failed(kind) => {
            format!("<failure type=\"{kind}\" message=\"{message}\">{message}</failure>")
        }
        CaseStatus::Error(kind) => {
            format!("<error type=\"{kind}\" message=\"{message}\">{message}</error>")
        }
        CaseStatus::Skipped => format!("<skipped message=\"{message}\"/>"),
    };
    push(xml, format_args!("      {line}\n    </testcase>\n"));
}

/// Escapes text for an attribute or element: one line, markup escaped, characters that XML 1.0 forbids removed, and
/// line breaks turned into spaces, as XML readers do in attributes.
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
