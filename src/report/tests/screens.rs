//! Tests of the ten-second screen of a run, and of what --verbose adds.

#![allow(clippy::too_many_lines, reason = "a test holds a whole page")]

use unicode_width::UnicodeWidthStr as _;

use crate::record::{CalibratedError, ClientDelay, TtftError};
use crate::suite::ClockSource;
use crate::units::{Nanos, Usd};

use super::*;

const LABELS: [&str; 5] = [
    "openai/gpt-5-mini",
    "google/gemini-2.5-flash",
    "anthropic/claude-haiku-4.5",
    "deepseek/deepseek-v3.2",
    "openai/gpt-4.1-nano",
];
const PROMPTS: [&str; 8] = [
    "capital",
    "sum",
    "extract",
    "translate",
    "rewrite",
    "summary",
    "code",
    "explain",
];

/// Five simulated models on eight prompts, four times each: one of them is slow and fails, one is fast and
/// cheap, and the reference hides its reasoning.
pub(super) fn five_models() -> (Manifest, Vec<Sample>) {
    let mut run = manifest(&LABELS, &PROMPTS, 4);
    run.endpoint.name = "sim".to_owned();
    run.endpoint.base_url = None;
    run.endpoint.scenario = Some("default, sim seed 7".to_owned());
    let samples = (0..run.planned_trials).map(|trial| {
        let index = usize::try_from(trial).unwrap() % LABELS.len();
        // Scattered evenly over 20 %, in no order that could be mistaken for a difference.
        let noise = 1.0 + 0.2 * ((trial * 7_919 * 2_654_435_761) >> 7 & 1023) as f64 / 1024.0;
        let ttft_ms = [434.0, 410.0, 489.0, 1_580.0, 256.0][index] * noise;
        let cost = [180e6, 269e6, 557e6, 80.8e6, 34.3e6][index] * noise;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Far below 2^53.
        let mut sample = answered(&run, trial, ttft_ms as u64);
        #[allow(clippy::cast_possible_truncation)]
        let cost = Usd(cost as i128);
        (sample.cost_usd, sample.billed_usd, sample.market_usd) = (Some(cost), None, None);
        if index == 0 {
            sample = flagged(sample, Flag::HiddenReasoning);
        }
        if trial % 17 == 3 {
            sample.outcome = Outcome::Length;
        }
        match trial {
            13 | 83 => failed(sample, Outcome::TimedOutTotal, 0, "no answer in 120 s"),
            38 | 53 => flagged(sample, Flag::Fallback),
            _ => sample,
        }
    });
    let samples: Vec<Sample> = samples.collect();
    (run, samples)
}

fn screen(width: usize) -> String {
    let (run, samples) = five_models();
    read(&run, &samples).terminal(Style {
        colour: false,
        width,
    })
}

#[test]
fn an_error_of_the_clock_is_printed_with_the_result() {
    // A TTFT of 256 ms with an error of 5 ms is not one of 251.0: every format says so, in the words of one sentence. An error
    // below 1 % of every TTFT changes nothing for a reader, and stands in the details alone.
    let (mut run, samples) = five_models();
    let with = |run: &mut Manifest, calibrated_ns: u64, delay_ns: u64| {
        run.ttft_error = TtftError {
            calibrated: Some(CalibratedError {
                requests: 1_000,
                p99_ns: Nanos(calibrated_ns),
                measured_at: run.started_at,
            }),
            client_delay: Some(ClientDelay {
                ticks: 2_100,
                p99_ns: Nanos(delay_ns),
            }),
        };
        let report = read(run, &samples);
        let method = report.view().method.iter();
        let evidence = method.filter(|(name, _)| *name == "error of TTFT");
        let evidence: Vec<String> = evidence.map(|(_, value)| value.clone()).collect();
        let formats = [
            ReportFormat::Markdown,
            ReportFormat::Html,
            ReportFormat::Json,
        ];
        let mut documents = formats.map(|format| render(&report, format)).to_vec();
        documents.push(report.terminal(Style {
            colour: false,
            width: 1_000,
        }));
        let alerts = report.view().screen.alerts.iter();
        let alerts = alerts
            .map(Alert::line)
            .filter(|line| line.contains("too high"));
        let csv = render(&report, ReportFormat::ComparisonCsv);
        (evidence, alerts.collect::<Vec<_>>(), documents, csv)
    };
    let (evidence, alerts, documents, csv) = with(&mut run, 5_120_000, 0);
    insta::assert_snapshot!(evidence[0], @"up to 5.12 ms (p99) at 1000 requests at once, calibrated on 2025-01-02; the program was not delayed");
    insta::assert_snapshot!(alerts[0], @"TTFT is up to 5.12 ms too high (1.8 % of gpt-4.1-nano's) at 1000 requests at once on this machine; lower concurrency, or use a quieter machine");
    for document in documents {
        assert!(
            document.contains("TTFT is up to 5.12 ms too high"),
            "{document}"
        );
    }
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let place = lines.next().unwrap();
    let place = place
        .iter()
        .position(|name| *name == "ttft_error_ms")
        .unwrap();
    assert!(lines.all(|line| line[place] == "5.120"));
    let (_, alerts, ..) = with(&mut run, 5_120_000, 12_000_000);
    insta::assert_snapshot!(alerts[0], @"TTFT is up to 12.0 ms too high (4.3 % of gpt-4.1-nano's): this machine was busy; lower concurrency, or use a quieter machine");
    let (evidence, alerts, documents, _) = with(&mut run, 2_000_000, 800_000);
    insta::assert_snapshot!(evidence[0], @"up to 2.00 ms (p99) at 1000 requests at once, calibrated on 2025-01-02; the program was delayed by up to 800 us (p99)");
    assert!(alerts.is_empty());
    assert!(!documents.concat().contains("too high"));
    // By the kernel's clock a busy program is no error.
    run.clock = ClockSource::Kernel;
    let (evidence, alerts, ..) = with(&mut run, 2_000_000, 12_000_000);
    insta::assert_snapshot!(evidence[0], @"up to 2.00 ms (p99) at 1000 requests at once, calibrated on 2025-01-02");
    assert!(alerts.is_empty());
}

#[test]
fn nothing_is_cut_in_a_pipe() {
    // A log has no width: every label, every column and every sentence is whole, one line each.
    let (mut run, mut samples) = five_models();
    let long = format!("anthropic/{}", "claude-".repeat(12));
    run.suite.variants[2].label.clone_from(&long);
    for sample in samples.iter_mut().filter(|one| one.variant == LABELS[2]) {
        sample.variant.clone_from(&long);
    }
    let report = read(&run, &samples);
    let piped = report.terminal(Style {
        colour: false,
        width: usize::MAX,
    });
    assert!(piped.contains(&long), "{piped}");
    assert!(!piped.contains('…'), "{piped}");
    for heading in ["TTFA p50", "cost/req", "TTFA p95", "latency", "failed"] {
        assert!(piped.lines().nth(3).unwrap().contains(heading), "{piped}");
    }
    let narrow = report.terminal(Style {
        colour: false,
        width: 60,
    });
    // On a terminal no row wraps: what does not matter goes first, then the longest label is cut.
    let table = narrow
        .lines()
        .skip_while(|line| !line.starts_with("model "));
    let table: Vec<&str> = table.take_while(|line| !line.is_empty()).collect();
    assert_eq!(table.len(), 6, "{narrow}");
    assert!(table.iter().all(|row| row.width() <= 60), "{narrow}");
    for heading in ["TTFA p50", "cost/req", "failed"] {
        assert!(table[0].contains(heading), "{narrow}");
    }
}

#[test]
fn a_screen_holds_the_result_of_five_models() {
    // With the next command below it: 24 lines of 80 columns, 30 of 100.
    for (width, lines) in [(80, 24), (100, 30), (140, 30)] {
        let screen = screen(width);
        assert!(screen.lines().count() < lines, "{screen}");
        for line in screen.lines() {
            assert!(line.width() <= width && !line.ends_with(' '), "{line}");
        }
    }
}

#[test]
fn colour_repeats_what_a_mark_says() {
    // The same bytes plus styles: who sees no colour misses nothing.
    let (run, samples) = five_models();
    let coloured = read(&run, &samples).terminal(Style {
        colour: true,
        width: 80,
    });
    for mark in [
        "\u{1b}[32m+\u{1b}[0m gpt-4.1-nano",
        "\u{1b}[31m-\u{1b}[0m claude-haiku-4.5",
        "\u{1b}[33m!\u{1b}[0m",
    ] {
        assert!(coloured.contains(mark), "{mark:?} in {coloured:?}");
    }
    let mut plain = coloured;
    for code in ["0", "1", "2", "31", "32", "33"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_eq!(plain, screen(80));
}

#[test]
fn simulated_figures_are_marked_in_every_format() {
    // A figure of the simulator must not be quoted as one of a model.
    let (run, samples) = five_models();
    let report = read(&run, &samples);
    let mark = "simulated figures, not measurements of real models";
    let top = |text: &str| text.lines().take(4).collect::<Vec<_>>().join(" ");
    assert!(top(&screen(80)).contains(mark));
    assert!(top(&render(&report, ReportFormat::Markdown)).contains(mark));
    assert!(top(&github::summary(&report.job_summary())).contains(mark));
    let junit = render(&report, ReportFormat::Junit);
    assert!(junit.contains("<property name=\"simulated\""), "{junit}");
    let json: serde_json::Value =
        serde_json::from_str(&render(&report, ReportFormat::Json)).unwrap();
    assert!(json["simulated"].as_str().unwrap().contains(mark));
    let csv = render(&report, ReportFormat::ComparisonCsv);
    assert!(on_its_side(csv.as_bytes()).contains("simulated: true | true"));
    // And only those.
    let (run, samples) = small_run();
    let report = read(&run, &samples);
    assert!(!render(&report, ReportFormat::Markdown).contains("simulated figures"));
    let csv = render(&report, ReportFormat::ComparisonCsv);
    assert!(on_its_side(csv.as_bytes()).contains("simulated: false"));
}

#[test]
fn a_page_shows_little_outside_its_details() {
    // GitHub's page breaks the cells of wide tables, and a comment is read from the top.
    let (run, samples) = five_models();
    let report = read(&run, &samples);
    for page in [
        render(&report, ReportFormat::Markdown),
        github::summary(&report.job_summary()),
    ] {
        let mut depth = 0_usize;
        let mut outside: Vec<&str> = Vec::new();
        for line in page.lines() {
            depth += line.matches("<details>").count();
            if depth == 0 {
                outside.push(line);
            }
            depth -= line.matches("</details>").count();
        }
        assert!(outside.len() <= 60, "{} lines: {page}", outside.len());
        for row in outside.iter().filter(|line| line.starts_with('|')) {
            assert!(row.matches(" | ").count() < 6, "{row}");
        }
        assert!(
            outside.iter().any(|line| line.contains("+ switch")),
            "{page}"
        );
    }
}

#[test]
fn the_screen_of_a_failing_run_with_little_room() {
    // An interrupted run says so first; names and primary metrics stay.
    let (run, samples) = failing_run();
    let style = Style {
        colour: false,
        width: 60,
    };
    insta::assert_snapshot!(read(&run, &samples).terminal(style), @"
    quickstart: 2 models x 2 prompts x 4, 14 of 16 answered, 15
    s, $0.0115
    ! This run was interrupted: 15 of 16 trials have a sample.

    model                    TTFT p50   cost/req  failed
    openai/gpt-5-mini (ref)    424 ms  $0.000500       0
    anthropic/claude           206 ms   $0.00125       1

    ~ claude  cost inconclusive, TTFT inconclusive: undecided
    The same for all: tok/s 918, tokens 101. Inconclusive: TTFT,
    cost of claude. Answer quality was not graded. TTFT: time to
    the first token.
    ! claude: 1 of 7 failed (1 rate_limit)
    ! gpt-5-mini: 1 of 8 empty: reasoning used up max_tokens
    ! 1 of 14 answers excluded from TTFT (1 cold)
    ! claude: 6 of 7 with another price at the gateway than
      listed
    ");
}

#[test]
fn details_of_a_small_run() {
    // What --verbose adds.
    let (run, samples) = small_run();
    let style = Style {
        colour: false,
        width: 120,
    };
    insta::assert_snapshot!(read(&run, &samples).terminal_details(style), @"
    Figures, with 95 % intervals
    variant                        answered          TTFT p50       latency p50  tok/s  output tokens  cost/request
    openai/gpt-5-mini (reference)       8/8  424 ms (400–442)  526 ms (505–547)  918/s            101     $0.000500
    anthropic/claude                    8/8  208 ms (201–215)  313 ms (306–320)  918/s            101      $0.00125
    left out at this width: TTFT p75, completed

    Against the reference openai/gpt-5-mini
    candidate         metric         effect      CI  prompts  n  n ref  verdict       in words
    anthropic/claude  ttft            0.49x  95.0 %        2  8      7  inconclusive  inconclusive
    anthropic/claude  cost            2.50x  95.0 %        2  8      8  inconclusive  inconclusive
    anthropic/claude  completed  0.0 points  95.0 %        2  8      8  inconclusive  inconclusive
    TTFT of anthropic/claude: Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ:
    0.0 % of the candidate's, 12.5 % of the reference's.
    TTFT, cost, completed of anthropic/claude: Prompts with values on both sides: 2; a verdict needs 6.
    Effects are candidate over reference (points: candidate less reference), in brackets their 95 % intervals. Of times: the
    typical ratio on the same prompt (aligned ranks), not the ratio of medians; of cost: the ratio of mean costs over
    prompts.
    Worse or better: by more than the tolerance; not worse: surely not worse by more than the margin. Tolerance / margin:
    TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.
    These verdicts do not affect the exit code; `against_reference = true` under [gate] would make them.

    Exploratory, adjusted for their number (Benjamini-Hochberg); they fail nothing
    candidate         metric                     effect      CI  prompts  n  n ref  verdict       in words
    anthropic/claude  ttfa                        0.49x  95.0 %        2  8      7  inconclusive  inconclusive
    anthropic/claude  experienced_ttft            0.49x  95.0 %        2  8      7  inconclusive  inconclusive
    anthropic/claude  latency                     0.59x  95.0 %        2  8      8  inconclusive  inconclusive
    anthropic/claude  ttft_tail            -16.7 points  95.0 %        2  8      7  inconclusive  inconclusive
    anthropic/claude  inter_token_latency         1.00x  95.0 %        2  8      8  inconclusive  inconclusive
    anthropic/claude  output_rate                 1.00x  95.0 %        2  8      8  inconclusive  inconclusive
    anthropic/claude  output_tokens               1.00x  95.0 %        2  8      8  inconclusive  inconclusive
    TTFA, experienced TTFT, TTFT tail of anthropic/claude: Excluded samples (buffered, cold, client-limited) change the
    verdict, or their shares differ: 0.0 % of the candidate's, 12.5 % of the reference's.
    TTFA, experienced TTFT, latency, TTFT tail, gap, tok/s, output tokens of anthropic/claude: Prompts with values on both
    sides: 2; a verdict needs 6.

    Problems
    openai/gpt-5-mini: cold (the server had closed the connection, or a retry came), excluded from TTFT: 1 of 8 samples
    openai/gpt-5-mini: answer empty because reasoning used up the token limit: 1 of 8 samples (raise max_tokens, or lower
    reasoning_effort)
    anthropic/claude: the cost of 8 of 8 samples differs: $0.0100 by list, $0.0120 was billed, +20.0 % (check the date of
    the price list, and surcharges)

    TTFT: from sending the request to its first token, reasoning included; latency: to the end of the answer. Times are of
    answered trials, the answered attempt alone; excluded samples (buffered, cold, client-limited) are not in TTFT.
    tok/s: completion tokens a second after the first chunk. cost: list price of 2025-01-01. completed: share of trials
    answered to the end, rate-limited ones left out.
    In brackets: 95 % intervals, percentiles (quantiles of type 8) for these prompts, means and shares for prompts like
    these.
    An interval that is open, such as 407–, or missing: n too small for its end (both ends need: p50 6, p75 13, p90 36, p95
    72, p99 368; means two prompts).
    – unknown, or n too small for any estimate (needed: p50 2, p75 4, p90 10, p95 20, p99 100).
    ");
}
