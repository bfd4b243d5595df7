//! Tests of the terminal output of a run.

#![allow(clippy::too_many_lines, reason = "a test holds a whole page")]

use super::*;

#[test]
fn the_terminal_of_a_small_run() {
    // Aligned columns, no colour unless requested.
    let (run, samples) = small_run();
    let style = Style {
        colour: false,
        width: 120,
    };
    insta::assert_snapshot!(read(&run, &samples).terminal(style), @"
    variant                        answered          TTFT p50       latency p50  tok/s  output tokens  cost/request
    openai/gpt-5-mini (reference)       8/8  424 ms (400–442)  526 ms (505–547)  918/s            101     $0.000500
    anthropic/claude                    8/8  208 ms (201–215)  313 ms (306–320)  918/s            101      $0.00125
    left out at this width: TTFT p75, completed

    anthropic/claude was the fastest at the median: TTFT p50 208 ms (201–215, n 8) against 424 ms (400–442, n 7) for the
    reference openai/gpt-5-mini.
    At list price the reference openai/gpt-5-mini is the cheapest: $0.000500 a request (n 8); anthropic/claude costs
    $0.00125 (n 8).

    Against the reference openai/gpt-5-mini
    candidate         metric             effect      CI  prompts  n  n ref  verdict       in words
    anthropic/claude  ttft            0.49x (?)  95.0 %        2  8      7  inconclusive  inconclusive
    anthropic/claude  cost            2.50x (?)  95.0 %        2  8      8  inconclusive  inconclusive
    anthropic/claude  completed  0.0 points (?)  95.0 %        2  8      8  inconclusive  inconclusive
    TTFT of anthropic/claude: Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ:
    0.0 % of the candidate's, 12.5 % of the reference's.
    TTFT, cost, completed of anthropic/claude: Prompts with values on both sides: 2; a verdict needs 6.
    Effects are candidate over reference (points: candidate less reference), in brackets their 95 % intervals.
    Worse or better: by more than the tolerance; not worse: surely not worse by more than the margin. Tolerance / margin:
    TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.
    These verdicts fail no build; `against_reference = true` under [gate] would make them.
    In report.md: exploratory comparisons, the effect on each prompt, and how it was judged.

    What went wrong
    openai/gpt-5-mini: cold (the server had closed the connection, or a retry came), excluded from TTFT: 1 of 8 samples
    openai/gpt-5-mini: answer empty because reasoning used up the token limit: 1 of 8 samples (raise max_tokens, or lower
    reasoning_effort)
    anthropic/claude: the cost of 8 of 8 samples differs: $0.0100 by list, $0.0120 was billed, +20.0 % (check the date of
    the price list, and surcharges)

    TTFT: from sending the request to its first token, reasoning included; latency: to the end of the answer. Times are of
    answered trials, the answered attempt alone; excluded samples (buffered, cold, client-limited) are not in TTFT.
    tok/s: completion tokens a second after the first chunk. cost: list price of 2025-01-01. completed: share of trials
    answered to the end, rate-limited ones left out.
    In brackets: 95 % intervals, of percentiles (quantiles of type 8) for these prompts, of means and shares for prompts
    like these.
    ? n too small for this end of the interval (both ends need: p50 6, p75 13, p90 36, p95 72, p99 368; means two prompts).
    – not known, or n too small for any estimate (needed: p50 2, p75 4, p90 10, p95 20, p99 100).
    ");
}

#[test]
fn the_terminal_of_a_failing_run_with_little_room() {
    // On 60 columns the columns with a drop priority go, the names and the medians stay.
    let (run, samples) = failing_run();
    let style = Style {
        colour: false,
        width: 60,
    };
    insta::assert_snapshot!(read(&run, &samples).terminal(style), @"
    This run was interrupted: 15 of 16 trials have a sample.

    variant                        answered  TTFT p50
    openai/gpt-5-mini (reference)       8/8    424 ms
    anthropic/claude                    6/8    206 ms
    left out at this width: TTFT p75, latency p50, tok/s, output
    tokens, cost/request, completed

    Only openai/gpt-5-mini could be ranked: TTFT p50 424 ms
    (400–442, n 7).
    At list price openai/gpt-5-mini costs $0.000500 a request (n
    8).
    Not ranked: anthropic/claude (1 of 7 trials failed).

    Against the reference openai/gpt-5-mini
    candidate         metric             effect  verdict
    anthropic/claude  ttft            0.49x (?)  inconclusive
    anthropic/claude  cost            2.50x (?)  inconclusive
    anthropic/claude  completed  0.0 points (?)  inconclusive
    left out at this width: CI, prompts, n, n ref, in words
    TTFT of anthropic/claude: 14.3 % of the requests of one side
    failed or ran into a deadline (more than 10 %): its times
    cannot be compared. Excluded samples (buffered, cold,
    client-limited) change the verdict, or their shares differ:
    0.0 % of the candidate's, 12.5 % of the reference's.
    TTFT, cost, completed of anthropic/claude: Prompts with
    values on both sides: 2; a verdict needs 6.
    Effects are candidate over reference (points: candidate less
    reference), in brackets their 95 % intervals.
    Worse or better: by more than the tolerance; not worse:
    surely not worse by more than the margin. Tolerance /
    margin: TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %,
    completed 2 points / 5 points.
    These verdicts fail no build; `against_reference = true`
    under [gate] would make them.
    In report.md: exploratory comparisons, the effect on each
    prompt, and how it was judged.

    What went wrong
    run: without a sample: 1 of 16 planned trials
    openai/gpt-5-mini: cold (the server had closed the
    connection, or a retry came), excluded from TTFT: 1 of 8
    samples
    openai/gpt-5-mini: answer empty because reasoning used up
    the token limit: 1 of 8 samples (raise max_tokens, or lower
    reasoning_effort)
    anthropic/claude: 1 of 7 trials failed: 1 rate_limit
    anthropic/claude: the cost of 6 of 6 samples differs:
    $0.00750 by list, $0.00900 was billed, +20.0 % (check the
    date of the price list, and surcharges)

    variant           outcome       trials
    anthropic/claude  rate_limited       1
    left out at this width: status, first trial, message

    TTFT: from sending the request to its first token, reasoning
    included; latency: to the end of the answer. Times are of
    answered trials, the answered attempt alone; excluded
    samples (buffered, cold, client-limited) are not in TTFT.
    tok/s: completion tokens a second after the first chunk.
    cost: list price of 2025-01-01. completed: share of trials
    answered to the end, rate-limited ones left out.
    In brackets: 95 % intervals, of percentiles (quantiles of
    type 8) for these prompts, of means and shares for prompts
    like these.
    ? n too small for this end of the interval (both ends need:
    p50 6, p75 13, p90 36, p95 72, p99 368; means two prompts).
    – not known, or n too small for any estimate (needed: p50 2,
    p75 4, p90 10, p95 20, p99 100).
    ");
}
