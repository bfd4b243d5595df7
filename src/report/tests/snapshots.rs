//! The whole text of each format of a small run.

#![allow(clippy::too_many_lines, reason = "a test holds a whole page")]

use super::*;

#[test]
fn the_page_of_a_small_run() {
    // The whole of report.md, as a person would paste it into a pull request.
    let (run, samples) = small_run();
    insta::assert_snapshot!(written(&read(&run, &samples), Format::Markdown), @r"
    # bakeoff: quickstart

    anthropic/claude was the soonest at the median: TTFT p50 208 ms (201–215, n 8) against 424 ms (400–442, n 7) for the reference openai/gpt-5-mini. By list price the reference openai/gpt-5-mini is the cheapest: $0.000500 a request (n 8); anthropic/claude costs $0.00125 (n 8).

    | variant | answered | TTFT p50 | TTFT p75 | latency p50 | output tok | tokens out | cost/request | completed |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | openai/gpt-5-mini (reference) | 8/8 | 424 ms (400–442) | 435 ms (412–?) | 526 ms (505–547) | 918/s (918–918) | 101 (101–101) | $0.000500 (0.000500–0.000500) | 100.0 % (1.2–100.0) |
    | anthropic/claude | 8/8 | 208 ms (201–215) | 212 ms (205–?) | 313 ms (306–320) | 918/s (918–918) | 101 (101–101) | $0.00125 (0.00125–0.00125) | 100.0 % (1.2–100.0) |

    - TTFT: from sending the request to its first token, reasoning included; latency: to the end of the answer. Times are of answered trials, the answered attempt alone; samples set aside (buffered, cold, client-limited) are not in TTFT.
    - output tok: completion tokens a second after the first chunk. cost: list price of 2025-01-01. completed: share of trials answered to the end, rate-limited ones left out.
    - In brackets: 95 % intervals, of percentiles (quantiles of type 8) for these prompts, of means and shares for prompts like these.
    - ? n too small for this end of the interval (both ends need: p50 6, p75 13, p90 36, p95 72, p99 368; means two prompts).
    - – not known, or n too small for any estimate (needed: p50 2, p75 4, p90 10, p95 20, p99 100).

    ## Verdicts

    ### Against the reference openai/gpt-5-mini

    - **inconclusive**: Whether anthropic/claude is slower to answer cannot be told: 0.49x the TTFT of openai/gpt-5-mini, 95 % CI ?–?, 2 prompts, 8 against 7 values. Samples set aside (buffered, cold, client-limited) change the verdict, or their shares differ: 0.0 % of the candidate's, 12.5 % of the reference's. Prompts with values on both sides: 2; a verdict needs 6.
    - **inconclusive**: Whether anthropic/claude is dearer cannot be told: 2.50x the cost of openai/gpt-5-mini, 95 % CI ?–?, 2 prompts x 4. Prompts with values on both sides: 2; a verdict needs 6.
    - **inconclusive**: Whether anthropic/claude completes fewer answers cannot be told: 0.0 points in the share of completed answers against that of openai/gpt-5-mini, 95 % CI ? to ?, 2 prompts x 4. Prompts with values on both sides: 2; a verdict needs 6.

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttft | 0.49x (?) | 95.0 % | 2 | 8 | 7 | inconclusive | cannot tell |
    | anthropic/claude | cost | 2.50x (?) | 95.0 % | 2 | 8 | 8 | inconclusive | cannot tell |
    | anthropic/claude | completed | 0.0 points (?) | 95.0 % | 2 | 8 | 8 | inconclusive | cannot tell |

    - Effects are candidate over reference (points: candidate less reference), in brackets their 95 % intervals.
    - Regressed or improved: by more than the tolerance; ok: surely not worse by more than the margin. Tolerance / margin: TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.
    - These verdicts fail no build; \`against_reference = true\` under \[gate\] would make them.

    <details><summary>Exploratory comparisons: not corrected for their number, and they never fail</summary>

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttfa | 0.49x (?) | 95.0 % | 2 | 8 | 7 | inconclusive | cannot tell |
    | anthropic/claude | experienced_ttft | 0.49x (?) | 95.0 % | 2 | 8 | 7 | inconclusive | cannot tell |
    | anthropic/claude | latency | 0.59x (?) | 95.0 % | 2 | 8 | 8 | inconclusive | cannot tell |
    | anthropic/claude | ttft_tail | -16.7 points (?) | 95.0 % | 2 | 8 | 7 | inconclusive | cannot tell |
    | anthropic/claude | inter_token_latency | 1.00x (?) | 95.0 % | 2 | 8 | 8 | inconclusive | cannot tell |
    | anthropic/claude | output_rate | 1.00x (?) | 95.0 % | 2 | 8 | 8 | inconclusive | cannot tell |
    | anthropic/claude | output_tokens | 1.00x (?) | 95.0 % | 2 | 8 | 8 | inconclusive | cannot tell |

    </details>

    <details><summary>On how many prompts, and where most</summary>

    | candidate | metric | worse on | equal on | better on | worst prompt | there | best prompt | there |
    | --- | --- | ---: | ---: | ---: | --- | ---: | --- | ---: |
    | anthropic/claude | ttft | 0 | 0 | 2 | greet | 0.49x | sum | 0.49x |
    | anthropic/claude | cost | 2 | 0 | 0 | sum | 2.50x | greet | 2.50x |
    | anthropic/claude | completed | 0 | 2 | 0 | sum | 0.0 points | greet | 0.0 points |

    </details>

    <details><summary>The effect on each prompt</summary>

    | prompt | candidate | TTFT | cost | completed |
    | --- | --- | ---: | ---: | ---: |
    | greet | anthropic/claude | 0.49x | 2.50x | 0.0 points |
    | sum | anthropic/claude | 0.49x | 2.50x | 0.0 points |

    </details>

    <details><summary>How it was judged, and why so</summary>

    - Both sides of every comparison were asked the same prompts at the same moments, so that drift and load fall on both alike; what is left to allow for is chance, with prompts as the units.
    - TTFT, TTFA, experienced TTFT, latency, gap, output tok, tokens out: ranks around each prompt's own median (clustered aligned ranks), which a few very slow answers cannot sway; prompts are the units, because repetitions of one say little about others.
    - cost: the ratio of mean costs over prompts (Fieller), because a bill is a sum and not a median.
    - completed: the difference of shares on each prompt, by Student's t over prompts (Newcombe's interval where all prompts agree or have one answer a side).
    - TTFT tail: how many answers lie beyond the slowest tenth of both sides together, prompt by prompt (Student's t over prompts).

    </details>

    ## What went wrong

    - **openai/gpt-5-mini**: cold (the server had closed the connection, or a retry came), set aside from TTFT: 1 of 8 samples.
    - **openai/gpt-5-mini**: answer empty because reasoning used up the token limit: 1 of 8 samples (raise max_tokens, or lower reasoning_effort).
    - **anthropic/claude**: the cost of 8 of 8 samples differs: $0.0100 by list, $0.0120 was billed, +20.0 % (check the date of the price list, and surcharges).

    ## By prompt

    <details><summary>Figures of each prompt</summary>

    | prompt | variant | answered | TTFT p50 | latency p50 | tokens out | cost/request |
    | --- | --- | ---: | ---: | ---: | ---: | ---: |
    | greet | openai/gpt-5-mini (reference) | 4/4 | 418 ms (?) | 523 ms (?) | 101 | $0.000500 |
    | greet | anthropic/claude | 4/4 | 207 ms (?) | 312 ms (?) | 101 | $0.00125 |
    | sum | openai/gpt-5-mini (reference) | 4/4 | 430 ms (?) | 529 ms (?) | 101 | $0.000500 |
    | sum | anthropic/claude | 4/4 | 209 ms (?) | 314 ms (?) | 101 | $0.00125 |

    </details>

    ## How it was run

    | | |
    | --- | --- |
    | run | 20250102T030405Z-7Z |
    | started | 2025-01-02T03:04:05Z |
    | program | bakeoff 0.1.0 on linux x86_64 |
    | endpoint | vercel, https://gateway.example/v1 |
    | plan | 2 prompts x 2 variants x 4 repetitions = 16 trials, digest sha256:914a |
    | order | all variants of a prompt at the same moment; prompts and variants in a fresh order each round, seed 7 |
    | load | slots in flight 4, warm-up requests per variant 1, most attempts 3, streamed |
    | timeouts | connect 5.00 s, headers 30.0 s, gap 20.0 s, total 120 s |
    | suite digest | sha256:5017e |
    | prices | snapshot shipped with bakeoff, 2025-01-01 |
    ");
}

#[test]
fn the_page_of_an_interrupted_run_with_failures() {
    // What spoils a comparison stands above it, and a failing variant is not praised.
    let (run, samples) = failing_run();
    insta::assert_snapshot!(written(&read(&run, &samples), Format::Markdown), @r"
    # bakeoff: quickstart

    > **This run was interrupted: 15 of 16 trials have a sample.**

    Only openai/gpt-5-mini could be ranked: TTFT p50 424 ms (400–442, n 7). By list price openai/gpt-5-mini costs $0.000500 a request (n 8). Not ranked: anthropic/claude (1 of 7 trials failed).

    | variant | answered | TTFT p50 | TTFT p75 | latency p50 | output tok | tokens out | cost/request | completed |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | openai/gpt-5-mini (reference) | 8/8 | 424 ms (400–442) | 435 ms (412–?) | 526 ms (505–547) | 918/s (918–918) | 101 (101–101) | $0.000500 (0.000500–0.000500) | 100.0 % (1.2–100.0) |
    | anthropic/claude | 6/8 | 206 ms (201–211) | 209 ms (203–?) | 311 ms (306–316) | 918/s (918–918) | 101 (101–101) | $0.00125 (0.00125–0.00125) | 100.0 % (1.2–100.0) |

    - TTFT: from sending the request to its first token, reasoning included; latency: to the end of the answer. Times are of answered trials, the answered attempt alone; samples set aside (buffered, cold, client-limited) are not in TTFT.
    - output tok: completion tokens a second after the first chunk. cost: list price of 2025-01-01. completed: share of trials answered to the end, rate-limited ones left out.
    - In brackets: 95 % intervals, of percentiles (quantiles of type 8) for these prompts, of means and shares for prompts like these.
    - ? n too small for this end of the interval (both ends need: p50 6, p75 13, p90 36, p95 72, p99 368; means two prompts).
    - – not known, or n too small for any estimate (needed: p50 2, p75 4, p90 10, p95 20, p99 100).

    ## Verdicts

    ### Against the reference openai/gpt-5-mini

    - **inconclusive**: Whether anthropic/claude is slower to answer cannot be told: 0.49x the TTFT of openai/gpt-5-mini, 95 % CI ?–?, 2 prompts, 6 against 7 values. 14.3 % of the requests of one side failed or ran into a deadline (more than 10 %): its times cannot be compared. Samples set aside (buffered, cold, client-limited) change the verdict, or their shares differ: 0.0 % of the candidate's, 12.5 % of the reference's. Prompts with values on both sides: 2; a verdict needs 6.
    - **inconclusive**: Whether anthropic/claude is dearer cannot be told: 2.50x the cost of openai/gpt-5-mini, 95 % CI ?–?, 2 prompts, 6 against 8 values. Prompts with values on both sides: 2; a verdict needs 6.
    - **inconclusive**: Whether anthropic/claude completes fewer answers cannot be told: 0.0 points in the share of completed answers against that of openai/gpt-5-mini, 95 % CI ? to ?, 2 prompts, 6 against 8 values. Prompts with values on both sides: 2; a verdict needs 6.

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttft | 0.49x (?) | 95.0 % | 2 | 6 | 7 | inconclusive | cannot tell |
    | anthropic/claude | cost | 2.50x (?) | 95.0 % | 2 | 6 | 8 | inconclusive | cannot tell |
    | anthropic/claude | completed | 0.0 points (?) | 95.0 % | 2 | 6 | 8 | inconclusive | cannot tell |

    - Effects are candidate over reference (points: candidate less reference), in brackets their 95 % intervals.
    - Regressed or improved: by more than the tolerance; ok: surely not worse by more than the margin. Tolerance / margin: TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.
    - These verdicts fail no build; \`against_reference = true\` under \[gate\] would make them.

    <details><summary>Exploratory comparisons: not corrected for their number, and they never fail</summary>

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttfa | 0.49x (?) | 95.0 % | 2 | 6 | 7 | inconclusive | cannot tell |
    | anthropic/claude | experienced_ttft | 0.49x (?) | 95.0 % | 2 | 6 | 7 | inconclusive | cannot tell |
    | anthropic/claude | latency | 0.59x (?) | 95.0 % | 2 | 6 | 8 | inconclusive | cannot tell |
    | anthropic/claude | ttft_tail | -16.7 points (?) | 95.0 % | 2 | 6 | 7 | inconclusive | cannot tell |
    | anthropic/claude | inter_token_latency | 1.00x (?) | 95.0 % | 2 | 6 | 8 | inconclusive | cannot tell |
    | anthropic/claude | output_rate | 1.00x (?) | 95.0 % | 2 | 6 | 8 | inconclusive | cannot tell |
    | anthropic/claude | output_tokens | 1.00x (?) | 95.0 % | 2 | 6 | 8 | inconclusive | cannot tell |

    </details>

    <details><summary>On how many prompts, and where most</summary>

    | candidate | metric | worse on | equal on | better on | worst prompt | there | best prompt | there |
    | --- | --- | ---: | ---: | ---: | --- | ---: | --- | ---: |
    | anthropic/claude | ttft | 0 | 0 | 2 | greet | 0.49x | sum | 0.48x |
    | anthropic/claude | cost | 2 | 0 | 0 | sum | 2.50x | greet | 2.50x |
    | anthropic/claude | completed | 0 | 2 | 0 | sum | 0.0 points | greet | 0.0 points |

    </details>

    <details><summary>The effect on each prompt</summary>

    | prompt | candidate | TTFT | cost | completed |
    | --- | --- | ---: | ---: | ---: |
    | greet | anthropic/claude | 0.49x | 2.50x | 0.0 points |
    | sum | anthropic/claude | 0.48x | 2.50x | 0.0 points |

    </details>

    <details><summary>How it was judged, and why so</summary>

    - Both sides of every comparison were asked the same prompts at the same moments, so that drift and load fall on both alike; what is left to allow for is chance, with prompts as the units.
    - TTFT, TTFA, experienced TTFT, latency, gap, output tok, tokens out: ranks around each prompt's own median (clustered aligned ranks), which a few very slow answers cannot sway; prompts are the units, because repetitions of one say little about others.
    - cost: the ratio of mean costs over prompts (Fieller), because a bill is a sum and not a median.
    - completed: the difference of shares on each prompt, by Student's t over prompts (Newcombe's interval where all prompts agree or have one answer a side).
    - TTFT tail: how many answers lie beyond the slowest tenth of both sides together, prompt by prompt (Student's t over prompts).

    </details>

    ## What went wrong

    - **run**: without a sample: 1 of 16 planned trials.
    - **openai/gpt-5-mini**: cold (the server had closed the connection, or a retry came), set aside from TTFT: 1 of 8 samples.
    - **openai/gpt-5-mini**: answer empty because reasoning used up the token limit: 1 of 8 samples (raise max_tokens, or lower reasoning_effort).
    - **anthropic/claude**: 1 of 7 trials failed: 1 rate_limit.
    - **anthropic/claude**: the cost of 6 of 6 samples differs: $0.00750 by list, $0.00900 was billed, +20.0 % (check the date of the price list, and surcharges).

    | variant | outcome | status | trials | first trial | message |
    | --- | --- | ---: | ---: | ---: | --- |
    | anthropic/claude | rate_limited | 429 | 1 | 13 | slow down \| see &lt;a href=x&gt; |

    ## By prompt

    <details><summary>Figures of each prompt</summary>

    | prompt | variant | answered | TTFT p50 | latency p50 | tokens out | cost/request |
    | --- | --- | ---: | ---: | ---: | ---: | ---: |
    | greet | openai/gpt-5-mini (reference) | 4/4 | 418 ms (?) | 523 ms (?) | 101 | $0.000500 |
    | greet | anthropic/claude | 3/4 | 205 ms (?) | 310 ms (?) | 101 | $0.00125 |
    | sum | openai/gpt-5-mini (reference) | 4/4 | 430 ms (?) | 529 ms (?) | 101 | $0.000500 |
    | sum | anthropic/claude | 3/4 | 207 ms (?) | 312 ms (?) | 101 | $0.00125 |

    </details>

    ## How it was run

    | | |
    | --- | --- |
    | run | 20250102T030405Z-7Z |
    | started | 2025-01-02T03:04:05Z |
    | program | bakeoff 0.1.0 on linux x86_64 |
    | endpoint | vercel, https://gateway.example/v1 |
    | plan | 2 prompts x 2 variants x 4 repetitions = 16 trials, digest sha256:914a |
    | order | all variants of a prompt at the same moment; prompts and variants in a fresh order each round, seed 7 |
    | load | slots in flight 4, warm-up requests per variant 1, most attempts 3, streamed |
    | timeouts | connect 5.00 s, headers 30.0 s, gap 20.0 s, total 120 s |
    | suite digest | sha256:5017e |
    | prices | snapshot shipped with bakeoff, 2025-01-01 |
    ");
}

#[test]
fn the_terminal_of_a_small_run() {
    // Aligned columns, no colour when it was not asked for.
    let (run, samples) = small_run();
    let style = Style {
        colour: false,
        width: 120,
    };
    insta::assert_snapshot!(read(&run, &samples).terminal(style), @"
    variant                        answered          TTFT p50       latency p50  output tok  tokens out  cost/request
    openai/gpt-5-mini (reference)       8/8  424 ms (400–442)  526 ms (505–547)       918/s         101     $0.000500
    anthropic/claude                    8/8  208 ms (201–215)  313 ms (306–320)       918/s         101      $0.00125
    left out at this width: TTFT p75, completed

    anthropic/claude was the soonest at the median: TTFT p50 208 ms (201–215, n 8) against 424 ms (400–442, n 7) for the
    reference openai/gpt-5-mini.
    By list price the reference openai/gpt-5-mini is the cheapest: $0.000500 a request (n 8); anthropic/claude costs
    $0.00125 (n 8).

    Against the reference openai/gpt-5-mini
    candidate         metric             effect      CI  prompts  n  n ref  verdict       in words
    anthropic/claude  ttft            0.49x (?)  95.0 %        2  8      7  inconclusive  cannot tell
    anthropic/claude  cost            2.50x (?)  95.0 %        2  8      8  inconclusive  cannot tell
    anthropic/claude  completed  0.0 points (?)  95.0 %        2  8      8  inconclusive  cannot tell
    TTFT of anthropic/claude: Samples set aside (buffered, cold, client-limited) change the verdict, or their shares differ:
    0.0 % of the candidate's, 12.5 % of the reference's.
    TTFT of anthropic/claude; cost of anthropic/claude; completed of anthropic/claude: Prompts with values on both sides: 2;
    a verdict needs 6.
    Effects are candidate over reference (points: candidate less reference), in brackets their 95 % intervals.
    Regressed or improved: by more than the tolerance; ok: surely not worse by more than the margin. Tolerance / margin:
    TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.
    These verdicts fail no build; `against_reference = true` under [gate] would make them.
    In report.md: exploratory comparisons, the effect on each prompt, and how it was judged.

    What went wrong
    openai/gpt-5-mini: cold (the server had closed the connection, or a retry came), set aside from TTFT: 1 of 8 samples
    openai/gpt-5-mini: answer empty because reasoning used up the token limit: 1 of 8 samples (raise max_tokens, or lower
    reasoning_effort)
    anthropic/claude: the cost of 8 of 8 samples differs: $0.0100 by list, $0.0120 was billed, +20.0 % (check the date of
    the price list, and surcharges)

    TTFT: from sending the request to its first token, reasoning included; latency: to the end of the answer. Times are of
    answered trials, the answered attempt alone; samples set aside (buffered, cold, client-limited) are not in TTFT.
    output tok: completion tokens a second after the first chunk. cost: list price of 2025-01-01. completed: share of trials
    answered to the end, rate-limited ones left out.
    In brackets: 95 % intervals, of percentiles (quantiles of type 8) for these prompts, of means and shares for prompts
    like these.
    ? n too small for this end of the interval (both ends need: p50 6, p75 13, p90 36, p95 72, p99 368; means two prompts).
    – not known, or n too small for any estimate (needed: p50 2, p75 4, p90 10, p95 20, p99 100).
    ");
}

#[test]
fn the_terminal_of_a_failing_run_with_little_room() {
    // On 60 columns the dispensable figures go, the names and the medians stay.
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
    left out at this width: TTFT p75, latency p50, output tok,
    tokens out, cost/request, completed

    Only openai/gpt-5-mini could be ranked: TTFT p50 424 ms
    (400–442, n 7).
    By list price openai/gpt-5-mini costs $0.000500 a request (n
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
    cannot be compared.
    TTFT of anthropic/claude: Samples set aside (buffered, cold,
    client-limited) change the verdict, or their shares differ:
    0.0 % of the candidate's, 12.5 % of the reference's.
    TTFT of anthropic/claude; cost of anthropic/claude;
    completed of anthropic/claude: Prompts with values on both
    sides: 2; a verdict needs 6.
    Effects are candidate over reference (points: candidate less
    reference), in brackets their 95 % intervals.
    Regressed or improved: by more than the tolerance; ok:
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
    connection, or a retry came), set aside from TTFT: 1 of 8
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
    answered trials, the answered attempt alone; samples set
    aside (buffered, cold, client-limited) are not in TTFT.
    output tok: completion tokens a second after the first
    chunk. cost: list price of 2025-01-01. completed: share of
    trials answered to the end, rate-limited ones left out.
    In brackets: 95 % intervals, of percentiles (quantiles of
    type 8) for these prompts, of means and shares for prompts
    like these.
    ? n too small for this end of the interval (both ends need:
    p50 6, p75 13, p90 36, p95 72, p99 368; means two prompts).
    – not known, or n too small for any estimate (needed: p50 2,
    p75 4, p90 10, p95 20, p99 100).
    ");
}

#[test]
fn comparison_csv_of_a_small_run() {
    // The whole of comparison.csv, turned on its side to be read.
    let (run, samples) = failing_run();
    let text = written(&read(&run, &samples), Format::ComparisonCsv);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let lines = names.iter().enumerate().map(|(place, name)| {
        let values: Vec<&str> = rows.iter().map(|row| &row[place]).collect();
        format!("{name}: {}", values.join(" | "))
            .trim_end()
            .to_owned()
    });
    let lines: Vec<String> = lines.collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    variant: openai/gpt-5-mini | anthropic/claude
    model: openai/gpt-5-mini | anthropic/claude
    reference: true | false
    planned: 8 | 8
    n: 8 | 7
    answered: 8 | 6
    failed: 0 | 1
    failed_refusal: 0 | 0
    failed_rate_limit: 0 | 1
    failed_timeout: 0 | 0
    failed_server: 0 | 0
    failed_connection: 0 | 0
    failed_request: 0 | 0
    failed_protocol: 0 | 0
    set_aside: 1 | 0
    buffered: 0 | 0
    cold: 1 | 0
    client_limited: 0 | 0
    late: 0 | 0
    fallbacks: 0 | 0
    other_model: 0 | 0
    hidden_reasoning: 0 | 0
    eaten_by_reasoning: 1 | 0
    usage_mismatch: 0 | 0
    retried: 0 | 0
    ttft_n: 7 | 6
    ttft_mean_ms: 421.429 | 206.000
    ttft_p50_ms: 424.000 | 206.000
    ttft_p75_ms: 435.000 | 209.167
    ttft_p90_ms:  |
    ttft_p95_ms:  |
    ttft_p99_ms:  |
    ttft_min_ms: 400.000 | 201.000
    ttft_max_ms: 442.000 | 211.000
    ttfa_n: 7 | 6
    ttfa_mean_ms: 421.429 | 206.000
    ttfa_p50_ms: 424.000 | 206.000
    ttfa_p75_ms: 435.000 | 209.167
    ttfa_p90_ms:  |
    ttfa_p95_ms:  |
    ttfa_p99_ms:  |
    ttfa_min_ms: 400.000 | 201.000
    ttfa_max_ms: 442.000 | 211.000
    experienced_ttft_n: 7 | 6
    experienced_ttft_mean_ms: 421.429 | 206.000
    experienced_ttft_p50_ms: 424.000 | 206.000
    experienced_ttft_p75_ms: 435.000 | 209.167
    experienced_ttft_p90_ms:  |
    experienced_ttft_p95_ms:  |
    experienced_ttft_p99_ms:  |
    experienced_ttft_min_ms: 400.000 | 201.000
    experienced_ttft_max_ms: 442.000 | 211.000
    latency_n: 8 | 6
    latency_mean_ms: 526.000 | 311.000
    latency_p50_ms: 526.000 | 311.000
    latency_p75_ms: 538.500 | 314.167
    latency_p90_ms:  |
    latency_p95_ms:  |
    latency_p99_ms:  |
    latency_min_ms: 505.000 | 306.000
    latency_max_ms: 547.000 | 316.000
    gap_n: 80 | 60
    gap_mean_ms: 10.000 | 10.000
    gap_p50_ms: 10.000 | 10.000
    gap_p75_ms: 10.000 | 10.000
    gap_p90_ms: 10.000 | 10.000
    gap_p95_ms: 10.000 | 10.000
    gap_p99_ms:  |
    gap_min_ms: 10.000 | 10.000
    gap_max_ms: 10.000 | 10.000
    request_gap_n: 8 | 6
    request_gap_mean_ms: 10.000 | 10.000
    request_gap_p50_ms: 10.000 | 10.000
    request_gap_p75_ms: 10.000 | 10.000
    request_gap_p90_ms:  |
    request_gap_p95_ms:  |
    request_gap_p99_ms:  |
    request_gap_min_ms: 10.000 | 10.000
    request_gap_max_ms: 10.000 | 10.000
    coalesced_share: 0.000 | 0.000
    output_rate_n: 8 | 6
    output_rate_mean: 918.182 | 918.182
    output_rate_p50: 918.182 | 918.182
    output_rate_p75: 918.182 | 918.182
    output_rate_p90:  |
    output_rate_p95:  |
    output_rate_p99:  |
    output_rate_min: 918.182 | 918.182
    output_rate_max: 918.182 | 918.182
    end_to_end_rate_n: 8 | 6
    end_to_end_rate_mean: 192.147 | 324.798
    end_to_end_rate_p50: 192.021 | 324.762
    end_to_end_rate_p75: 196.696 | 328.101
    end_to_end_rate_p90:  |
    end_to_end_rate_p95:  |
    end_to_end_rate_p99:  |
    end_to_end_rate_min: 184.644 | 319.620
    end_to_end_rate_max: 200.000 | 330.065
    chars_per_second_n: 8 | 6
    chars_per_second_mean: 837.074 | 1414.962
    chars_per_second_p50: 836.529 | 1414.806
    chars_per_second_p75: 856.893 | 1429.350
    chars_per_second_p90:  |
    chars_per_second_p95:  |
    chars_per_second_p99:  |
    chars_per_second_min: 804.388 | 1392.405
    chars_per_second_max: 871.287 | 1437.908
    lag_p95_ms:  |
    prompt_tokens: 400 | 300
    prompt_tokens_mean: 50.000 | 50.000
    completion_tokens: 808 | 606
    completion_tokens_mean: 101.000 | 101.000
    reasoning_tokens: 0 | 0
    reasoning_tokens_mean: 0.000 | 0.000
    cached_tokens: 0 | 0
    cached_tokens_mean: 0.000 | 0.000
    cache_write_tokens:  |
    cache_write_tokens_mean:  |
    cost_usd_n: 8 | 6
    cost_usd_mean: 0.0005 | 0.00125
    cost_usd_total: 0.004 | 0.0075
    billed_usd_n: 8 | 6
    billed_usd_mean: 0.0005 | 0.0015
    billed_usd_total: 0.004 | 0.009
    market_usd_n: 8 | 0
    market_usd_mean: 0.0005 |
    market_usd_total: 0.004 |
    ratio_ttft_p50: 1.000 | 0.486
    ratio_ttfa_p50: 1.000 | 0.486
    ratio_latency_p50: 1.000 | 0.591
    ratio_output_rate_p50: 1.000 | 1.000
    ratio_completion_tokens_mean: 1.000 | 1.000
    ratio_cost_mean: 1.000 | 2.500
    completed_share: 1.000 | 1.000
    prices_date: 2025-01-01 | 2025-01-01
    ttft_p50_ms_lower: 400.000 | 201.000
    ttft_p50_ms_upper: 442.000 | 211.000
    ttft_p75_ms_lower: 412.000 | 203.000
    ttft_p75_ms_upper:  |
    ttft_p90_ms_lower:  |
    ttft_p90_ms_upper:  |
    ttft_p95_ms_lower:  |
    ttft_p95_ms_upper:  |
    ttft_p99_ms_lower:  |
    ttft_p99_ms_upper:  |
    ttfa_p50_ms_lower: 400.000 | 201.000
    ttfa_p50_ms_upper: 442.000 | 211.000
    ttfa_p75_ms_lower: 412.000 | 203.000
    ttfa_p75_ms_upper:  |
    ttfa_p90_ms_lower:  |
    ttfa_p90_ms_upper:  |
    ttfa_p95_ms_lower:  |
    ttfa_p95_ms_upper:  |
    ttfa_p99_ms_lower:  |
    ttfa_p99_ms_upper:  |
    experienced_ttft_p50_ms_lower: 400.000 | 201.000
    experienced_ttft_p50_ms_upper: 442.000 | 211.000
    experienced_ttft_p75_ms_lower: 412.000 | 203.000
    experienced_ttft_p75_ms_upper:  |
    experienced_ttft_p90_ms_lower:  |
    experienced_ttft_p90_ms_upper:  |
    experienced_ttft_p95_ms_lower:  |
    experienced_ttft_p95_ms_upper:  |
    experienced_ttft_p99_ms_lower:  |
    experienced_ttft_p99_ms_upper:  |
    latency_p50_ms_lower: 505.000 | 306.000
    latency_p50_ms_upper: 547.000 | 316.000
    latency_p75_ms_lower: 517.000 | 308.000
    latency_p75_ms_upper:  |
    latency_p90_ms_lower:  |
    latency_p90_ms_upper:  |
    latency_p95_ms_lower:  |
    latency_p95_ms_upper:  |
    latency_p99_ms_lower:  |
    latency_p99_ms_upper:  |
    request_gap_p50_ms_lower: 10.000 | 10.000
    request_gap_p50_ms_upper: 10.000 | 10.000
    request_gap_p75_ms_lower: 10.000 | 10.000
    request_gap_p75_ms_upper:  |
    request_gap_p90_ms_lower:  |
    request_gap_p90_ms_upper:  |
    request_gap_p95_ms_lower:  |
    request_gap_p95_ms_upper:  |
    request_gap_p99_ms_lower:  |
    request_gap_p99_ms_upper:  |
    output_rate_p50_lower: 918.182 | 918.182
    output_rate_p50_upper: 918.182 | 918.182
    output_rate_p75_lower: 918.182 | 918.182
    output_rate_p75_upper:  |
    output_rate_p90_lower:  |
    output_rate_p90_upper:  |
    output_rate_p95_lower:  |
    output_rate_p95_upper:  |
    output_rate_p99_lower:  |
    output_rate_p99_upper:  |
    end_to_end_rate_p50_lower: 184.644 | 319.620
    end_to_end_rate_p50_upper: 200.000 | 330.065
    end_to_end_rate_p75_lower: 188.785 | 321.656
    end_to_end_rate_p75_upper:  |
    end_to_end_rate_p90_lower:  |
    end_to_end_rate_p90_upper:  |
    end_to_end_rate_p95_lower:  |
    end_to_end_rate_p95_upper:  |
    end_to_end_rate_p99_lower:  |
    end_to_end_rate_p99_upper:  |
    chars_per_second_p50_lower: 804.388 | 1392.405
    chars_per_second_p50_upper: 871.287 | 1437.908
    chars_per_second_p75_lower: 822.430 | 1401.274
    chars_per_second_p75_upper:  |
    chars_per_second_p90_lower:  |
    chars_per_second_p90_upper:  |
    chars_per_second_p95_lower:  |
    chars_per_second_p95_upper:  |
    chars_per_second_p99_lower:  |
    chars_per_second_p99_upper:  |
    completion_tokens_mean_lower: 101.000 | 101.000
    completion_tokens_mean_upper: 101.000 | 101.000
    cost_usd_mean_lower: 0.0005 | 0.00125
    cost_usd_mean_upper: 0.0005 | 0.00125
    market_usd_mean_lower: 0.0005 |
    market_usd_mean_upper: 0.0005 |
    completed_share_lower: 0.012 | 0.012
    completed_share_upper: 1.000 | 1.000
    ");
}

#[test]
fn samples_csv_of_two_samples() {
    // Stored names and nanoseconds; a failure has empty fields, never zeros; no text of answers.
    let (run, samples) = failing_run();
    insta::assert_snapshot!(samples_csv(&run, &samples[12..14]), @r#"
    trial,slot,round,prompt,prompt_digest,repetition,variant,model,weight,tags,outcome,answered,failure,error_status,error_type,error_message,request_id,sent_ns,scheduled_ns,lag_ns,connect_ns,headers_ns,ttft_ns,ttfa_ns,last_token_ns,latency_ns,experienced_ttft_ns,gaps_count,gaps_mean_ns,gaps_p50_ns,gaps_p95_ns,gaps_max_ns,gaps_coalesced,answer_chars,reasoning_chars,first_chunk_chars,prompt_tokens,completion_tokens,reasoning_tokens,cached_tokens,cache_write_tokens,output_rate,end_to_end_rate,chars_per_second,finish_reason,cost_usd,billed_usd,market_usd,provider,served_model,generation_id,flags,attempts
    12,6,4,greet,sha256:greet,4,openai/gpt-5-mini,openai/gpt-5-mini,1,short,complete,true,,,,,01J12,12000000000,12000000000,0,,435000000,436000000,436000000,536000000,541000000,436000000,10,10000000,10000000,,10000000,0,440,,40,50,101,0,0,,918.182,186.691,813.309,stop,0.0005,0.0005,0.0005,azure,,gen_12,,1
    13,6,4,greet,sha256:greet,4,anthropic/claude,anthropic/claude,1,short,rate_limited,false,rate_limit,429,,slow down | see <a href=x>,01J13,13000000000,13000000000,0,,212000000,,,,318000000,,,,,,,,,,,,,,,,,,,,,,,,,gen_13,,1
    "#);
}

#[test]
fn the_comparison_as_json() {
    // Names and numbers of the CSV, absent figures left out; one variant of one prompt.
    let run = manifest(&["a/x"], &["p"], 3);
    let samples: Vec<Sample> = (0..2).map(|t| answered(&run, t, 100 + t)).collect();
    insta::assert_snapshot!(written(&read(&run, &samples), Format::Json), @r#"
    {
      "version": 1,
      "tool": "bakeoff 0.1.0",
      "suite": "quickstart",
      "run": "20250102T030405Z-7Z",
      "status": "complete",
      "warning": "Samples are missing: 2 of 3 trials have a sample.",
      "quantiles": "type 8",
      "finding": [
        "No finding: no variant has answers enough to be ranked.",
        "Not ranked: a/x (usable times: 2, a median needs 6)."
      ],
      "comparison": [
        {
          "variant": "a/x",
          "model": "a/x",
          "reference": true,
          "planned": 3,
          "n": 2,
          "answered": 2,
          "failed": 0,
          "failed_refusal": 0,
          "failed_rate_limit": 0,
          "failed_timeout": 0,
          "failed_server": 0,
          "failed_connection": 0,
          "failed_request": 0,
          "failed_protocol": 0,
          "set_aside": 0,
          "buffered": 0,
          "cold": 0,
          "client_limited": 0,
          "late": 0,
          "fallbacks": 0,
          "other_model": 0,
          "hidden_reasoning": 0,
          "eaten_by_reasoning": 0,
          "usage_mismatch": 0,
          "retried": 0,
          "ttft_n": 2,
          "ttft_mean_ms": 100.5,
          "ttft_p50_ms": 100.5,
          "ttft_min_ms": 100.0,
          "ttft_max_ms": 101.0,
          "ttfa_n": 2,
          "ttfa_mean_ms": 100.5,
          "ttfa_p50_ms": 100.5,
          "ttfa_min_ms": 100.0,
          "ttfa_max_ms": 101.0,
          "experienced_ttft_n": 2,
          "experienced_ttft_mean_ms": 100.5,
          "experienced_ttft_p50_ms": 100.5,
          "experienced_ttft_min_ms": 100.0,
          "experienced_ttft_max_ms": 101.0,
          "latency_n": 2,
          "latency_mean_ms": 205.5,
          "latency_p50_ms": 205.5,
          "latency_min_ms": 205.0,
          "latency_max_ms": 206.0,
          "gap_n": 20,
          "gap_mean_ms": 10.0,
          "gap_p50_ms": 10.0,
          "gap_p75_ms": 10.0,
          "gap_p90_ms": 10.0,
          "gap_p95_ms": 10.0,
          "gap_min_ms": 10.0,
          "gap_max_ms": 10.0,
          "request_gap_n": 2,
          "request_gap_mean_ms": 10.0,
          "request_gap_p50_ms": 10.0,
          "request_gap_min_ms": 10.0,
          "request_gap_max_ms": 10.0,
          "coalesced_share": 0.0,
          "output_rate_n": 2,
          "output_rate_mean": 918.182,
          "output_rate_p50": 918.182,
          "output_rate_min": 918.182,
          "output_rate_max": 918.182,
          "end_to_end_rate_n": 2,
          "end_to_end_rate_mean": 491.487,
          "end_to_end_rate_p50": 491.487,
          "end_to_end_rate_min": 490.291,
          "end_to_end_rate_max": 492.683,
          "chars_per_second_n": 2,
          "chars_per_second_mean": 2141.132,
          "chars_per_second_p50": 2141.132,
          "chars_per_second_min": 2135.922,
          "chars_per_second_max": 2146.341,
          "prompt_tokens": 100,
          "prompt_tokens_mean": 50.0,
          "completion_tokens": 202,
          "completion_tokens_mean": 101.0,
          "reasoning_tokens": 0,
          "reasoning_tokens_mean": 0.0,
          "cached_tokens": 0,
          "cached_tokens_mean": 0.0,
          "cost_usd_n": 2,
          "cost_usd_mean": "0.0005",
          "cost_usd_total": "0.001",
          "billed_usd_n": 2,
          "billed_usd_mean": "0.0005",
          "billed_usd_total": "0.001",
          "market_usd_n": 2,
          "market_usd_mean": "0.0005",
          "market_usd_total": "0.001",
          "ratio_ttft_p50": 1.0,
          "ratio_ttfa_p50": 1.0,
          "ratio_latency_p50": 1.0,
          "ratio_output_rate_p50": 1.0,
          "ratio_completion_tokens_mean": 1.0,
          "ratio_cost_mean": 1.0,
          "completed_share": 1.0,
          "prices_date": "2025-01-01",
          "completed_share_lower": 0.0,
          "completed_share_upper": 1.0,
          "thin": [
            "ttft_p50_ms",
            "ttfa_p50_ms",
            "experienced_ttft_p50_ms",
            "latency_p50_ms",
            "gap_p90_ms",
            "gap_p95_ms",
            "request_gap_p50_ms",
            "output_rate_p50",
            "end_to_end_rate_p50",
            "chars_per_second_p50",
            "completion_tokens_mean",
            "cost_usd_mean",
            "market_usd_mean",
            "ratio_ttft_p50",
            "ratio_ttfa_p50",
            "ratio_latency_p50",
            "ratio_output_rate_p50"
          ]
        }
      ],
      "verdicts": [],
      "limits": [],
      "prompts": [
        {
          "prompt": "p",
          "variant": "a/x",
          "planned": 3,
          "n": 2,
          "answered": 2,
          "failed": 0,
          "ttft_n": 2,
          "ttft_mean_ms": 100.5,
          "ttft_p50_ms": 100.5,
          "ttft_min_ms": 100.0,
          "ttft_max_ms": 101.0,
          "latency_n": 2,
          "latency_mean_ms": 205.5,
          "latency_p50_ms": 205.5,
          "latency_min_ms": 205.0,
          "latency_max_ms": 206.0,
          "prompt_tokens": 100,
          "prompt_tokens_mean": 50.0,
          "completion_tokens": 202,
          "completion_tokens_mean": 101.0,
          "reasoning_tokens": 0,
          "reasoning_tokens_mean": 0.0,
          "cached_tokens": 0,
          "cached_tokens_mean": 0.0,
          "cost_usd_n": 2,
          "cost_usd_mean": "0.0005",
          "cost_usd_total": "0.001",
          "billed_usd_n": 2,
          "billed_usd_mean": "0.0005",
          "billed_usd_total": "0.001",
          "market_usd_n": 2,
          "market_usd_mean": "0.0005",
          "market_usd_total": "0.001",
          "ratio_ttft_p50": 1.0,
          "ratio_ttfa_p50": 1.0,
          "ratio_latency_p50": 1.0,
          "ratio_output_rate_p50": 1.0,
          "ratio_completion_tokens_mean": 1.0,
          "ratio_cost_mean": 1.0,
          "thin": [
            "ttft_p50_ms",
            "latency_p50_ms",
            "ratio_ttft_p50",
            "ratio_ttfa_p50",
            "ratio_latency_p50",
            "ratio_output_rate_p50"
          ]
        }
      ],
      "errors": [],
      "problems": [
        {
          "subject": "run",
          "text": "without a sample: 1 of 3 planned trials"
        }
      ],
      "method": {
        "run": "20250102T030405Z-7Z",
        "started": "2025-01-02T03:04:05Z",
        "program": "bakeoff 0.1.0 on linux x86_64",
        "endpoint": "vercel, https://gateway.example/v1",
        "plan": "1 prompts x 1 variants x 3 repetitions = 3 trials, digest sha256:914a",
        "order": "all variants of a prompt at the same moment; prompts and variants in a fresh order each round, seed 7",
        "load": "slots in flight 4, warm-up requests per variant 1, most attempts 3, streamed",
        "timeouts": "connect 5.00 s, headers 30.0 s, gap 20.0 s, total 120 s",
        "suite digest": "sha256:5017e",
        "prices": "snapshot shipped with bakeoff, 2025-01-01"
      }
    }
    "#);
}
