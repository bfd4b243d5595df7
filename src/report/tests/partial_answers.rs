//! Tests of what the screen says of answers that count in part: empty ones, excluded ones, and those that a limit ended.

use super::*;

#[test]
fn a_planned_length_is_no_problem() {
    // Made prompts are answered up to max_tokens, as the load plans it: "raise it" would be wrong there, and only there.
    let (mut run, mut samples) = small_run();
    for sample in &mut samples {
        sample.flags.clear();
        sample.outcome = Outcome::Length;
    }
    let hints = |run: &Manifest, samples: &[Sample]| {
        let report = read(run, samples);
        let alerts = report.view().screen.alerts.iter().map(Alert::line);
        let problems = report.view().problems.iter();
        let problems = problems.map(|problem| problem.text.clone());
        let hints = alerts.chain(problems);
        let hints = hints.filter(|line| line.contains("max_tokens") || line.contains("limit"));
        hints.collect::<Vec<String>>()
    };
    insta::assert_snapshot!(hints(&run, &samples).join("\n"), @"
    16 of 16 hit max_tokens, 8 of them from gpt-5-mini; raise it where whole answers matter
    ended by the token limit: 8 of 8 samples
    ended by the token limit: 8 of 8 samples
    ");
    let text = "name = \"made\"\nmodels = [\"a/b\"]\n[[synthetic]]\nprompts = 2\ninput_tokens = 20\noutput_tokens = 5\n";
    let made = crate::suite::parse_suite(text).unwrap();
    let ids = ["greet", "sum"];
    for (index, prompt) in made.prompts.iter().enumerate() {
        run.suite.prompts[index] = prompt.clone();
        for sample in samples.iter_mut().filter(|one| one.prompt == ids[index]) {
            sample.prompt.clone_from(&prompt.id);
        }
    }
    assert_eq!(hints(&run, &samples), Vec::<String>::new());
}

#[test]
fn a_model_whose_answers_are_mostly_empty_has_no_ttfa() {
    // Its TTFA stood above its latency: that of the few answers that had a token, beside the latency of all.
    let ttfa = |empty: usize| {
        let (run, mut samples) = small_run();
        let own = samples
            .iter_mut()
            .filter(|one| one.variant == "openai/gpt-5-mini");
        for (index, sample) in own.enumerate() {
            (sample.flags, sample.outcome) = (Vec::new(), Outcome::Complete);
            if index < empty {
                (sample.flags, sample.ttfa_ns) = (vec![Flag::TruncatedInReasoning], None);
                sample.outcome = Outcome::Length;
            }
        }
        let report = read(&run, &samples);
        let figure = report.view().comparison.cell(0, "ttfa_p50_ms");
        let alerts = report.view().screen.alerts.iter().map(Alert::line);
        let alert = alerts.filter(|line| line.contains("empty"));
        format!(
            "{} ({})",
            figure.unwrap().figure.shown(),
            alert.collect::<String>()
        )
    };
    // Of eight answers, half empty and less.
    insta::assert_snapshot!([4, 3].map(ttfa).join("\n"), @"
    – (gpt-5-mini: 4 of 8 empty: reasoning used up max_tokens; raise it; no TTFA where half or more are empty)
    430 ms (gpt-5-mini: 3 of 8 empty: reasoning used up max_tokens; raise it)
    ");
}

#[test]
fn an_excluded_answer_has_one_reason() {
    // "29 excluded (9 buffered, 29 while this process was paused)" does not add up, and blamed a proxy for our own pause.
    let (run, mut samples) = small_run();
    for (index, sample) in samples.iter_mut().enumerate() {
        sample.outcome = Outcome::Complete;
        sample.flags = match index {
            0..3 => vec![Flag::Buffered, Flag::ClientPaused],
            3 => vec![Flag::Buffered, Flag::Cold],
            4 => vec![Flag::Buffered],
            _ => Vec::new(),
        };
    }
    let report = read(&run, &samples);
    let alerts = report.view().screen.alerts.iter().map(Alert::line);
    let alert = alerts.filter(|line| line.contains("excluded"));
    let problems = report.view().problems.iter().map(|one| &one.text);
    let problem = problems.filter(|text| text.contains("buffered"));
    let lines: Vec<String> = alert.chain(problem.cloned()).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    5 of 16 answers excluded from TTFT (1 buffered, 1 cold, 3 while this process was paused); lower concurrency, or use a quieter machine
    buffered on the way (the answer, or its beginning, came in one burst), excluded from TTFT: 1 of 8 samples
    ");
}
