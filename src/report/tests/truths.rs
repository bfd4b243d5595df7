//! Properties of the reports of every run.

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use proptest::prelude::*;

use crate::stats::interval::Interval;

use super::*;
use crate::suite::CacheMode;

#[test]
fn a_run_without_samples_has_every_report() {
    // A run that was killed at once still leaves files that can be read.
    let mut run = manifest(&["a/x", "b/y"], &["p"], 2);
    run.status = Status::Running;
    let report = read(&run, &[]);
    let page = render(&report, ReportFormat::Markdown);
    assert!(page.contains("0 of 4 trials have a sample"), "{page}");
    assert!(page.contains("0 of 4 answered"), "{page}");
    assert_eq!(
        render(&report, ReportFormat::ComparisonCsv).lines().count(),
        3
    );
    assert_eq!(samples_csv(&run, &[]).lines().count(), 1);
}

#[test]
fn a_run_that_is_not_complete_is_an_error_of_the_test_report() {
    // A CI server that reads `junit.xml` alone must not show as passed what ended with exit code 4 or 130.
    let (mut run, samples) = failing_run();
    run.planned_trials = samples.len() as u64;
    let mut junit = |status| {
        run.status = status;
        render(&read(&run, &samples), ReportFormat::Junit)
    };
    let whole = junit(Status::Complete);
    assert!(whole.contains("errors=\"0\""), "{whole}");
    assert!(whole.contains("<property name=\"status\" value=\"complete\"/>"));
    assert!(!whole.contains("<error"), "{whole}");
    for (status, word) in [
        (Status::Incomplete("the cap <$1>".to_owned()), "incomplete"),
        (Status::Interrupted, "interrupted"),
        (Status::Running, "running"),
    ] {
        let xml = junit(status);
        assert!(xml.contains("errors=\"1\""), "{xml}");
        let property = format!("<property name=\"status\" value=\"{word}\"/>");
        assert!(xml.contains(&property), "{xml}");
        let error = format!("<error type=\"{word}\" message=\"This run ");
        assert!(xml.contains(&error), "{xml}");
        assert!(!xml.contains("<$1>"), "{xml}");
    }
}

#[test]
fn a_closed_pipe_is_reported_as_such() {
    // `| head` must end quietly: callers recognise a closed pipe by the kind of the error.
    struct ClosedPipe;
    impl io::Write for ClosedPipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (run, samples) = failing_run();
    let many = std::iter::repeat_n(&samples, 50).flatten().cloned();
    let failed: io::Error =
        Report::read(&run, many.map(Ok), |_| false, None, ClosedPipe).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
    let report = read(&run, &samples);
    let failed = report
        .write(ReportFormat::ComparisonCsv, ClosedPipe)
        .unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn other_tools_read_the_histograms() {
    // The log is read back with the library's own parser: tags, unit and counts are there.
    let (run, samples) = failing_run();
    let text = render(&read(&run, &samples), ReportFormat::Histograms);
    let mut found = Vec::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        if let LogEntry::Interval(interval) = entry.unwrap() {
            use base64::Engine as _;
            let encoded = interval.encoded_histogram();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .unwrap();
            let histogram: hdrhistogram::Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .unwrap();
            let tag = interval.tag().unwrap().as_str();
            found.push((tag.to_owned(), histogram.len(), histogram.max()));
        }
    }
    let histogram = |tag: &str| found.iter().find(|(found, ..)| found == tag).unwrap();
    assert_eq!(found.len(), 10);
    assert_eq!(histogram("openai/gpt-5-mini:ttft").1, 7);
    assert_eq!(histogram("openai/gpt-5-mini:latency").1, 8);
    assert_eq!(histogram("openai/gpt-5-mini:gap").1, 80);
    let longest = histogram("anthropic/claude:ttft").2;
    assert!((211_000..211_300).contains(&longest), "{longest} us");
}

#[test]
fn tags_hold_nothing_that_a_log_line_may_not() {
    // A label is free text; a comma or a space in it would cut the log's line.
    let mut run = manifest(&["a/x"], &["p"], 2);
    let mut samples: Vec<Sample> = (0..2).map(|t| answered(&run, t, 100)).collect();
    let label = "mini, low effort\u{a0}50%";
    run.suite.variants[0].label = label.to_owned();
    run.suite.reference = label.to_owned();
    for sample in &mut samples {
        sample.variant = label.to_owned();
    }
    let log = render(&read(&run, &samples), ReportFormat::Histograms);
    assert!(
        log.contains("Tag=mini%2C%20low%20effort%C2%A050%25:ttft,0.000,"),
        "{log}"
    );
}

#[test]
fn hostile_names_and_errors_do_not_act() {
    // A gateway chooses names and messages: none may become markup, a formula or an escape code.
    let mut run = manifest(&["a/x", "b/y"], &["p"], 3);
    let label = "=cmd()|<script>`x`";
    run.suite.variants[1].label = label.to_owned();
    let mut samples: Vec<Sample> = (0..6).map(|t| answered(&run, t, 100)).collect();
    for sample in &mut samples {
        sample.provider = Some("@SUM(A1)".to_owned());
        sample.finish_reason = Some("+1".to_owned());
        sample.answer = Some("=HYPERLINK(\"x\")".to_owned());
    }
    let message = "-2+3 \u{1b}[31m@octocat\r\n| <img src=x>";
    samples[1] = failed(samples[1].clone(), Outcome::ServerError, 500, message);
    let report = read(&run, &samples);

    let page = render(&report, ReportFormat::Markdown);
    for acting in ["<script", "<img", "\u{1b}", "@octocat", "`x`"] {
        assert!(!page.contains(acting), "{acting} in {page}");
    }
    assert!(page.contains("=cmd()\\|&lt;script&gt;\\`x\\`"), "{page}");
    let screen = report.terminal(Style {
        colour: false,
        width: 100,
    });
    assert!(!screen.contains('\u{1b}'), "{screen}");

    for text in [
        render(&report, ReportFormat::ComparisonCsv),
        samples_csv(&run, &samples),
    ] {
        assert!(!text.contains("HYPERLINK"), "{text}");
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        for record in reader.records() {
            for field in &record.unwrap() {
                assert!(!field.starts_with(['=', '+', '-', '@']), "{field}");
            }
        }
    }
}

#[test]
fn unsupported_percentiles_are_absent() {
    // 12 samples have no p95 and no p99, in no format; a p75 stands there, marked.
    let run = manifest(&["a/x"], &["p"], 12);
    let samples: Vec<Sample> = (0..12).map(|t| answered(&run, t, 100 + t)).collect();
    let report = read(&run, &samples);
    let table = &report.view().comparison;
    for name in [
        "ttft_p95_ms",
        "ttft_p99_ms",
        "latency_p95_ms",
        "output_rate_p99",
    ] {
        let figure = table.cell(0, name).map(|cell| &cell.figure);
        assert_eq!(figure, Some(&Figure::Absent), "{name}");
        for end in ["lower", "upper"] {
            let end = table.cell(0, &format!("{name}_{end}"));
            assert_eq!(end, Some(&FigureCell::empty()), "{name}");
        }
    }
    let low_n = |name| table.cell(0, name).map(|cell| cell.low_n);
    assert_eq!(low_n("ttft_p50_ms"), Some(false));
    assert_eq!(low_n("ttft_p75_ms"), Some(true));
    let page = render(&report, ReportFormat::Markdown);
    assert!(!page.contains("| TTFT p95 |"), "{page}");
    let json: serde_json::Value =
        serde_json::from_str(&render(&report, ReportFormat::Json)).unwrap();
    assert_eq!(json["comparison"][0].get("ttft_p95_ms"), None);
}

#[test]
fn colour_is_used_only_when_requested() {
    // NO_COLOR and pipes are the caller's business; a style without colour has not one escape code.
    let (run, samples) = failing_run();
    let report = read(&run, &samples);
    let plain = report.terminal(Style {
        colour: false,
        width: 100,
    });
    let coloured = report.terminal(Style {
        colour: true,
        width: 100,
    });
    assert!(!plain.contains('\u{1b}'));
    for colour in ["\u{1b}[1m", "\u{1b}[33m"] {
        assert!(coloured.contains(colour), "{coloured}");
    }
    let mut stripped = coloured;
    for code in [
        "\u{1b}[0m",
        "\u{1b}[1m",
        "\u{1b}[2m",
        "\u{1b}[31m",
        "\u{1b}[32m",
        "\u{1b}[33m",
    ] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn lost_lines_are_counted_and_other_errors_end_the_reading() {
    // One damaged line must not cost the report, nor a failing disk make one that looks whole.
    let run = manifest(&["a/x"], &["p"], 2);
    let samples = || [Err(UnreadableSample), Ok(answered(&run, 1, 100))];
    assert!(Report::read(&run, samples(), |_| false, None, io::sink()).is_err());
    let report = Report::read(&run, samples(), |_| true, None, io::sink()).unwrap();
    assert_eq!(report.summary().variants[0].figures.counts.done, 1);
    let page = render(&report, ReportFormat::Markdown);
    assert!(
        page.contains("unreadable lines in samples.jsonl, excluded from every figure: 1"),
        "{page}"
    );
}

#[test]
fn reasoning_of_some_variants_makes_ttfa_the_speed_of_all() {
    // The first token of a thought and of an answer are different things.
    let run = manifest(&["a/x", "b/y"], &["p"], 8);
    let samples: Vec<Sample> = (0..16)
        .map(|trial| {
            let mut sample = answered(&run, trial, 300);
            if trial % 2 == 1 {
                sample.reasoning_chars = Some(900);
                sample.ttft_ns = Some(crate::units::Nanos::from_millis(50));
            }
            sample
        })
        .collect();
    let report = read(&run, &samples);
    let finding = report.view().screen.sentences().join(" ");
    assert!(finding.contains("TTFA"), "{finding}");
    assert!(!finding.contains("50.0 ms"), "{finding}");
    let page = render(&report, ReportFormat::Markdown);
    assert!(page.contains("| TTFA p50 |"), "{page}");
}

/// The numbers that people see under a heading of the comparison in Markdown, row by row.
fn shown_column(page: &str, heading: &str) -> Option<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim_matches('|');
        inner
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let mut lines = page
        .lines()
        .skip_while(|line| !line.starts_with("| variant"));
    let index = cells(lines.next()?)
        .iter()
        .position(|cell| cell == heading)?;
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    Some(rows.map(|row| cells(row)[index].clone()).collect())
}

proptest! {
    // One number, one source: what Markdown shows is the CSV's number, rounded for the eye.
    #[test]
    fn markdown_and_csv_agree(ttfts in prop::collection::vec(2_u64..90_000, 4..40)) {
        let run = manifest(&["a/x"], &["p"], u32::try_from(ttfts.len()).unwrap());
        let samples: Vec<Sample> = (0..)
            .zip(&ttfts)
            .map(|(trial, &ttft_ms)| answered(&run, trial, ttft_ms))
            .collect();
        let report = read(&run, &samples);
        let page = render(&report, ReportFormat::Markdown);
        let text = render(&report, ReportFormat::ComparisonCsv);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let names = reader.headers().unwrap().clone();
        let row = reader.records().next().unwrap().unwrap();
        for (heading, name) in [
            ("TTFT p50", "ttft_p50_ms"),
            ("TTFT p75", "ttft_p75_ms"),
            ("TTFT p95", "ttft_p95_ms"),
            ("latency p50", "latency_p50_ms"),
        ] {
            let ns = |name: &str| -> Option<f64> {
                let index = names.iter().position(|column| column == name).unwrap();
                row[index].parse().ok().map(|millis: f64| millis * 1e6)
            };
            let interval = Interval {
                lower: ns(&format!("{name}_lower")),
                upper: ns(&format!("{name}_upper")),
            };
            let expected = ns(name).map(|value| {
                FigureCell::within(Figure::from_ns(value), interval, Figure::from_ns).shown(true)
            });
            let shown = shown_column(&page, heading).map(|rows| rows[0].clone());
            prop_assert_eq!(shown, expected, "{}", heading);
        }
    }

    // The order in which trials end changes no byte of any report made from the summary.
    #[test]
    fn order_changes_no_byte(order in Just((0..15_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let (run, samples) = failing_run();
        let shuffled: Vec<Sample> = order.iter().map(|&index| samples[index].clone()).collect();
        let (ours, theirs) = (read(&run, &samples), read(&run, &shuffled));
        for format in [
            ReportFormat::ComparisonCsv,
            ReportFormat::Markdown,
            ReportFormat::Histograms,
            ReportFormat::Json,
            ReportFormat::Junit,
        ] {
            prop_assert_eq!(render(&ours, format), render(&theirs, format));
        }
    }

    // No line of the table is wider than the terminal, down to its indispensable columns.
    #[test]
    fn tables_fit_the_terminal(width in 60_usize..200) {
        let (run, samples) = failing_run();
        let report = read(&run, &samples);
        let style = Style { colour: false, width };
        let screen = report.terminal(style) + &report.terminal_details(style);
        for line in screen.lines() {
            let columns = unicode_width::UnicodeWidthStr::width(line);
            prop_assert!(columns <= width, "{} > {}: {}", columns, width, line);
            prop_assert!(!line.ends_with(' '));
        }
    }
}

/// Returns the problems of a run that mention caches, and whether its method mentions caching. The run has two
/// variants of one model with 8 samples each; half of the first variant's samples read `read_tokens` from the cache.
fn cache_problems(cache: CacheMode, read_tokens: u64) -> (Vec<String>, bool) {
    let (mut run, mut samples) = small_run();
    run.suite.cache = cache;
    for variant in &mut run.suite.variants {
        variant.model = "a/x".parse().unwrap();
    }
    let reference = run.suite.variants[0].label.clone();
    let own = samples
        .iter_mut()
        .filter(|sample| sample.variant == reference);
    for (index, sample) in own.enumerate() {
        if let Some(usage) = sample.usage.as_mut().filter(|_| index % 2 == 0) {
            usage.cached_tokens = Some(read_tokens);
        }
    }
    let report = read(&run, &samples);
    let problems: serde_json::Value =
        serde_json::from_str(&render(&report, ReportFormat::Json)).unwrap();
    let texts = problems["problems"].as_array().unwrap().iter();
    let texts = texts.map(|problem| problem["text"].as_str().unwrap().to_owned());
    let texts = texts.filter(|text| text.contains("cache")).collect();
    let method = render(&report, ReportFormat::Markdown).contains("prompt caches");
    (texts, method)
}

#[test]
fn caches_that_spoil_a_comparison_are_reported() {
    // Two efforts of one model: the second reads what the first wrote, and looks faster for it.
    let shares = "2 variants use `a/x` and share its prompt cache: in a slot one can read what another wrote";
    assert_eq!(
        cache_problems(CacheMode::AsIs, 64),
        (vec![shares.to_owned()], false)
    );
    // If every server reports that nothing was read, nothing was shared.
    assert_eq!(cache_problems(CacheMode::AsIs, 0), (vec![], false));
    // A cache mode that had no effect is reported with its count.
    let (problems, method) = cache_problems(CacheMode::Bust, 64);
    assert_eq!(
        problems,
        ["read from a prompt cache although the suite busts them: 4 of 8 samples"]
    );
    assert!(method);
    assert_eq!(cache_problems(CacheMode::Bust, 0), (vec![], true));
    let (problems, method) = cache_problems(CacheMode::Warm, 64);
    assert_eq!(
        problems[0],
        "found no hit in the warmed prompt cache: 4 of 8 samples"
    );
    assert!(method);
}

#[test]
fn contradicting_counts_are_the_reason_given() {
    // A missing price is not the cause: 5,000 cached tokens of 2,000 have no cost by any.
    let run = manifest(&["a/x"], &["p", "q"], 4);
    let mut samples: Vec<Sample> = (0..8).map(|trial| answered(&run, trial, 400)).collect();
    for sample in &mut samples[..6] {
        (sample.cost_usd, sample.market_usd) = (None, None);
        let usage = sample.usage.as_mut().unwrap();
        usage.prompt_tokens = Some(2_000);
        usage.cached_tokens = Some(5_000);
    }
    (samples[7].cost_usd, samples[7].market_usd) = (None, None);
    for sample in &mut samples[6..] {
        sample.usage.as_mut().unwrap().cached_tokens = None;
    }
    let report = super::read(&run, &samples);
    let page = render(&report, ReportFormat::Markdown);
    for sentence in [
        "the cost of 6 of 8 answers is not known: their token counts are inconsistent",
        "the cost of 1 of 8 answers is not known",
        "savings by caching are unknown: the token counts of every answer are inconsistent",
    ] {
        assert!(page.contains(sentence), "{sentence}: {page}");
    }
}

#[test]
fn caching_is_reported_where_it_plays_a_part() {
    // Not of runs without caches; of the variants that read something; of all if the suite asks for it,
    // also on the terminal. Hits and misses have a column each, and what no server reported has no figure.
    let run = |cache: CacheMode| {
        let mut run = manifest(&["a/x", "b/y"], &["p", "q"], 4);
        run.suite.cache = cache;
        run
    };
    let samples = |run: &Manifest, read: u64| -> Vec<Sample> {
        (0..16)
            .map(|trial| {
                let mut sample = answered(run, trial, 100 + trial);
                let usage = sample.usage.as_mut().unwrap();
                let hit = sample.variant == "a/x" && sample.repetition > 1;
                usage.cached_tokens = Some(if hit { read } else { 0 });
                sample
            })
            .collect()
    };
    let style = Style {
        colour: false,
        width: 200,
    };
    let caching_section = |cache, read| {
        let run = run(cache);
        let report = super::read(&run, &samples(&run, read));
        let page = render(&report, ReportFormat::Markdown);
        let section = page.split("<summary>Prompt caches</summary>\n").nth(1);
        let section = section.map(|text| text.split("</details>").next().unwrap().to_owned());
        let details = report.terminal_details(style);
        (section, details.contains("Prompt caches\n"))
    };
    assert_eq!(caching_section(CacheMode::AsIs, 0), (None, false));
    let (section, on_screen) = caching_section(CacheMode::AsIs, 40);
    let section = section.unwrap();
    assert!(
        section.contains("| a/x (reference) | 8 | 75.0 %"),
        "{section}"
    );
    assert!(!section.contains("b/y") && !on_screen, "{section}");
    assert!(
        section.contains("savings by caching are unknown"),
        "{section}"
    );
    assert!(
        !section.contains("saved/request") && !section.contains("tokens written"),
        "{section}"
    );
    let (section, on_screen) = caching_section(CacheMode::Bust, 0);
    let section = section.unwrap();
    assert!(
        section
            .contains("b/y: nothing was read from a cache, and the server does not report writes")
    );
    assert!(on_screen);
}
