//! `report.html`: what it holds, what it must not hold, and runs at the edges.

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use crate::record::Grade;
use crate::verdict::fixture::plain_run;

use super::*;

fn page(run: &Manifest, samples: &[Sample]) -> String {
    render(&read(run, samples), ReportFormat::Html)
}

fn page_with_answers(run: &Manifest, samples: &[Sample]) -> String {
    let mut answers = PageAnswers::new(run);
    for sample in samples {
        answers.add(sample);
    }
    render(
        &read(run, samples).with_answers(answers),
        ReportFormat::Html,
    )
}

/// The contents of every element of this name.
fn elements<'a>(page: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let parts = page.split(open).skip(1);
    parts
        .map(|part| part.split(close).next().unwrap())
        .collect()
}

/// Every element that is opened is closed, in the right order: an unclosed `path` swallows what follows it.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 3] = ["meta", "link", "!DOCTYPE"];
    // Neither holds markup.
    let mut page = page.to_owned();
    for name in ["style", "script"] {
        let close = format!("</{name}>");
        while let Some(from) = page.find(&format!("<{name}")) {
            let to = from + page[from..].find(&close).unwrap() + close.len();
            page.replace_range(from..to, "");
        }
    }
    let mut open: Vec<&str> = Vec::new();
    for tag in elements(&page, "<", ">") {
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{open:?}");
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Checks what holds for every page: it is well-formed, requests nothing, has no style or handler of its own elements, and
/// its policy names its one style and its one script.
fn assert_sound(page: &str) {
    assert_well_formed(page);
    for forbidden in [
        "src=",
        "href=\"http",
        "url(",
        "@import",
        " style=\"",
        " onclick",
        " onload",
        "NaN\"",
        "inf\"",
    ] {
        assert!(!page.contains(forbidden), "the page holds `{forbidden}`");
    }
    let policy = elements(page, "Content-Security-Policy\" content=\"", "\"")[0];
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    for (directive, open, close) in [
        ("style-src", "<style>", "</style>"),
        ("script-src", "<script>", "</script>"),
    ] {
        let [content] = elements(page, open, close).try_into().unwrap();
        let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(content));
        assert!(
            policy.contains(&format!("{directive} 'sha256-{digest}'")),
            "{policy}"
        );
    }
    let mut ids = elements(page, " id=\"", "\"");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id stands twice");
    for list in elements(page, "aria-labelledby=\"", "\"") {
        assert!(
            ids.binary_search(&list).is_ok(),
            "nothing has the id `{list}`"
        );
    }
}

/// The ids of the charts of a page.
fn charts(page: &str) -> Vec<&str> {
    elements(page, "<div class=\"fig\" id=\"chart-", "\"")
}

#[test]
fn the_page_has_every_section_and_the_words_of_the_other_formats() {
    // A reader who was sent the page must not read another finding than the one of the terminal.
    let (run, samples) = small_run();
    let report = read(&run, &samples);
    let page = render(&report, ReportFormat::Html);
    assert_sound(&page);
    assert_eq!(
        charts(&page),
        [
            "decision",
            "distribution",
            "interleaved",
            "timelines",
            "course",
            "costs"
        ]
    );
    for text in &report.view().screen.recommendations {
        let (reasons, _) = text.forms()[0].rsplit_once(": ").unwrap();
        let shown = page
            .replace("<span class=\"nb\">", "")
            .replace("</span>", "");
        assert!(shown.contains(reasons), "{reasons}");
    }
    assert!(!page.contains("simulated figures"));
    let mut simulated = run;
    simulated.endpoint.scenario = Some("0123 sim seed 1".to_owned());
    let page = self::page(&simulated, &samples);
    let (title, rest) = page.split_once("</h1>").unwrap();
    let (_, mark) = rest.split_once("class=\"sim\"").unwrap();
    assert!(mark.contains("simulated figures") && !title.contains("class=\"sim\""));
}

#[test]
fn the_order_of_samples_changes_no_byte() {
    // A report that changes without its records cannot be compared with anything.
    let (run, samples) = small_run();
    let mut reversed = samples.clone();
    reversed.reverse();
    assert_eq!(page(&run, &samples), page(&run, &reversed));
    assert_eq!(
        page_with_answers(&run, &samples),
        page_with_answers(&run, &reversed)
    );
}

#[test]
fn texts_are_in_the_page_only_if_they_were_requested() {
    // A page is passed on: prompts and answers may be secret, or a customer's.
    let (mut run, mut samples) = small_run();
    for (index, prompt) in run.suite.prompts.iter_mut().enumerate() {
        prompt.messages[0].content = format!("secret prompt {index}");
    }
    for sample in &mut samples {
        sample.answer = Some(format!("secret answer {}", sample.repetition));
        sample.reasoning = Some("secret reasoning".to_owned());
    }
    samples[3] = failed(samples[3].clone(), Outcome::ServerError, 500, "it broke");
    let without = page(&run, &samples);
    assert!(!without.contains("secret"));
    let with = page_with_answers(&run, &samples);
    assert_sound(&with);
    for text in [
        "secret prompt 0",
        "secret prompt 1",
        "secret answer 1",
        "it broke",
    ] {
        assert!(with.contains(text), "{text}");
    }
    // One answer per model and prompt: the first, where there is one.
    assert_eq!(with.matches("secret answer 1").count(), 3);
    assert_eq!(with.matches("secret answer").count(), 4);
    assert!(!with.contains("secret reasoning"));
}

#[test]
fn text_from_outside_stays_text() {
    // A server, a suite and a model's name are written by others.
    let attack =
        "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{202e}";
    let (mut run, mut samples) = small_run();
    run.suite.name = attack.to_owned();
    run.suite.description = Some(attack.to_owned());
    run.suite.prompts[0].id = attack.to_owned();
    run.suite.prompts[0].messages[0].content = attack.to_owned();
    run.suite.variants[1].label = attack.to_owned();
    for sample in &mut samples {
        sample.provider = Some(attack.to_owned());
        sample.answer = Some(attack.to_owned());
        if sample.prompt == "greet" {
            sample.prompt = attack.to_owned();
        }
        if sample.variant != run.suite.reference {
            sample.variant = attack.to_owned();
        }
    }
    samples[5] = failed(samples[5].clone(), Outcome::ServerError, 500, attack);
    for page in [page(&run, &samples), page_with_answers(&run, &samples)] {
        assert_well_formed(&page);
        assert!(!page.contains("<img") && !page.contains("<script>alert"));
        assert!(!page.contains('\u{202e}'));
    }
}

#[test]
fn one_model_has_no_comparison() {
    // A run of one model shows figures and distributions; there is nothing to recommend.
    let (run, samples) = plain_run(1, 4, 10);
    let page = page(&run, &samples);
    assert_sound(&page);
    assert_eq!(
        charts(&page),
        ["distribution", "timelines", "course", "slowest", "costs"]
    );
    assert!(page.contains(">Figures</h2>") && !page.contains("class=\"rec\""));
    assert!(!page.contains("Against the reference"));
}

#[test]
fn twelve_models_have_five_marks() {
    // More colours are hard to distinguish: the most useful five have one, each of the others a grey dot and a name.
    let (run, samples) = plain_run(12, 6, 4);
    let page = page(&run, &samples);
    assert_sound(&page);
    let marks: std::collections::BTreeSet<&str> =
        elements(&page, "class=\"ec ", "\"").into_iter().collect();
    assert_eq!(
        marks.into_iter().collect::<Vec<_>>(),
        ["m0", "m1", "m2", "m3", "m4", "mx"]
    );
    for index in 0..12 {
        assert!(page.contains(&format!("model-{index:02}")));
    }
}

#[test]
fn of_many_prompts_the_notable_ones_are_in_the_map() {
    // A map of 500 rows has no pattern; the rest is folded, and the page stays small.
    let (run, mut samples) = plain_run(3, 500, 1);
    samples[1_000] = failed(
        samples[1_000].clone(),
        Outcome::ServerError,
        500,
        "it broke",
    );
    let failing = samples[1_000].prompt.clone();
    let page = page(&run, &samples);
    assert_sound(&page);
    let map = elements(&page, "<table class=\"heat\" id=\"heat\">", "</table>")[0];
    assert_eq!(map.matches("<tr class=\"pr\">").count(), 40);
    assert!(map.contains(&format!(">{failing}<")));
    let all = elements(&page, "<table class=\"heat\" id=\"heat-all\">", "</table>")[0];
    assert_eq!(all.matches("<tr class=\"pr\">").count(), 500);
    assert!(page.len() < 1_000_000, "{}", page.len());
}

#[test]
fn without_prices_speed_is_left() {
    // No price is no reason for an empty chart.
    let (mut run, mut samples) = plain_run(3, 6, 4);
    run.prices = None;
    for sample in &mut samples {
        sample.cost_usd = None;
        sample.market_usd = None;
        sample.billed_usd = None;
    }
    let without = page(&run, &samples);
    assert_sound(&without);
    assert!(!charts(&without).contains(&"decision"));
    assert!(without.contains("No model has a known price"));
    // One model without a price is named below the chart.
    let (run, mut samples) = plain_run(3, 6, 4);
    for sample in samples
        .iter_mut()
        .filter(|sample| sample.variant.ends_with("02"))
    {
        sample.cost_usd = None;
        sample.market_usd = None;
    }
    let page = page(&run, &samples);
    assert_sound(&page);
    assert!(page.contains("model-02 is not in the chart: its price is not known."));
}

#[test]
fn a_run_of_failures_has_no_figures() {
    // Nothing was measured: the errors are what there is to read.
    let (run, samples) = plain_run(2, 4, 6);
    let samples: Vec<Sample> = samples
        .into_iter()
        .map(|sample| failed(sample, Outcome::Unauthorized, 401, "no such key"))
        .collect();
    let page = page(&run, &samples);
    assert_sound(&page);
    assert!(page.contains(">No answer</h2>") && page.contains("No answer from creator/model-00"));
    assert!(page.contains("no such key"));
    assert!(!charts(&page).contains(&"distribution") && charts(&page).contains(&"course"));
    // One model that failed keeps its row.
    let (run, mut samples) = plain_run(2, 6, 4);
    for sample in samples
        .iter_mut()
        .filter(|sample| sample.variant.ends_with("01"))
    {
        *sample = failed(sample.clone(), Outcome::ServerError, 500, "it broke");
    }
    let page = self::page(&run, &samples);
    assert_sound(&page);
    assert!(page.contains("answered none of 24 requests.") && page.contains("No result"));
    assert!(!page.contains("No answer from"));
    assert!(charts(&page).contains(&"distribution"));
}

#[test]
fn every_chart_and_table_has_the_models_in_one_order() {
    // A reader goes from a mark of a chart to the row of a table by its place: the second one is the second one.
    let (run, samples) = plain_run(3, 6, 4);
    let faster = |sample: Sample| {
        let mut sample = sample;
        if sample.variant.ends_with("02") {
            sample.ttft_ns = sample.ttft_ns.map(|ttft| crate::units::Nanos(ttft.0 / 2));
        }
        sample
    };
    let samples: Vec<Sample> = samples.into_iter().map(faster).collect();
    let page = page(&run, &samples);
    let mut compared = 0;
    for table in elements(&page, "<table>", "</table>") {
        let heads: Vec<&str> = elements(table, "<th scope=\"row\">", "</th>");
        let place = |name: &str| heads.iter().position(|head| head.contains(name));
        if let (Some(second), Some(third)) = (place("model-02"), place("model-01")) {
            assert!(second < third, "{table}");
            compared += 1;
        }
    }
    assert!(compared >= 6, "{compared}");
}

#[test]
fn points_are_thinned_and_statistics_are_not() {
    // The size of a page depends on models and prompts, hardly on repetitions.
    let (run, samples) = plain_run(2, 10, 200);
    let page = page(&run, &samples);
    assert_sound(&page);
    assert!(page.contains("Of 2000 answers of a model at most 200 are drawn"));
    assert!(page.contains("<th scope=\"row\">model-00 (ref)</th><td>2000</td>"));
    assert!(page.len() < 150_000, "{}", page.len());
}

#[test]
fn long_answers_are_cut_until_they_fit() {
    // A page of 5 MB still opens; one of 50 MB does not.
    let (run, mut samples) = plain_run(6, 60, 1);
    for sample in &mut samples {
        sample.answer = Some("<answer> & more ".repeat(4_000));
    }
    let page = page_with_answers(&run, &samples);
    assert!(page.len() < 5_000_000, "{}", page.len());
    assert!(page.contains("more characters)"));
}

/// The relative luminance of a colour, by WCAG 2.
fn luminance(colour: &str) -> f64 {
    let channel = |from: usize| {
        let value = f64::from(u8::from_str_radix(&colour[from..from + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn colours_can_be_read() {
    // No tool judges the contrast of texts in a drawing: 4.5:1 for text on everything it stands on, 3:1 for marks.
    let (run, samples) = small_run();
    let page = page(&run, &samples);
    let themes = elements(&page, ":root{", "}");
    assert_eq!(themes.len(), 2);
    for theme in themes {
        let colour = |name: &str| {
            let value = elements(theme, &format!("--{name}:"), ";")[0];
            luminance(&value[..7])
        };
        let contrast = |one: &str, other: &str| {
            let (one, other) = (colour(one), colour(other));
            (one.max(other) + 0.05) / (one.min(other) + 0.05)
        };
        for text in ["ink", "mute", "good", "bad"] {
            for ground in ["bg", "dom", "margin", "toler"] {
                assert!(contrast(text, ground) >= 4.5, "{text} on {ground}");
            }
        }
        for step in 0..9 {
            assert!(contrast("ink", &format!("c{step}")) >= 4.5, "heat {step}");
        }
        for mark in ["m0", "m1", "m2", "m3", "m4", "mx"] {
            for ground in ["bg", "dom"] {
                assert!(contrast(mark, ground) >= 3.0, "{mark} on {ground}");
            }
        }
    }
}

#[test]
fn a_graded_run_has_a_chart_of_quality_and_names_what_is_dominated() {
    // The candidate costs more and is right less often, but is faster: it is on the frontier until it is slower, too.
    let graded = |ttft_ms: u64| {
        let run = manifest(&["a/good", "a/bad"], &["p", "q", "r", "s"], 4);
        let samples = (0..32).map(|trial| {
            let is_bad = trial % 2 == 1;
            let mut sample = answered(&run, trial, if is_bad { ttft_ms } else { 400 });
            let right = !is_bad || trial % 4 == 1;
            sample.grades = vec![Grade::new("right", f64::from(u8::from(right)), right)];
            sample.cost_usd = if is_bad { "0.002" } else { "0.001" }.parse().ok();
            sample
        });
        let samples: Vec<Sample> = samples.collect();
        let page = page(&run, &samples);
        assert_sound(&page);
        let csv = render(&read(&run, &samples), ReportFormat::ComparisonCsv);
        (page, on_its_side(csv.as_bytes()))
    };
    let (faster, columns) = graded(200);
    assert!(faster.contains("id=\"chart-quality\"") && faster.contains("cost per passed answer"));
    assert!(
        faster.contains("no model is dominated by another"),
        "{columns}"
    );
    assert!(columns.contains("\ndominated_by:  |\n"), "{columns}");
    let (slower, columns) = graded(500);
    assert!(slower.contains("these are dominated, and drawn faint: bad (by good)"));
    assert!(slower.contains("class=\"pick m1 faint\""));
    assert!(columns.contains("\ndominated_by:  | a/good\n"), "{columns}");
    // Half of its answers pass: a passed one costs twice as much.
    assert!(
        slower.contains("bad: $0.00400 per passed answer"),
        "{columns}"
    );
}
