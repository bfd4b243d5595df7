//! The whole of report.md.

#![allow(clippy::too_many_lines, reason = "a test holds a whole page")]

use super::*;

/// The differences of a page from a known page: of a paragraph that both have, only the beginning.
fn diff_to(known: &str, page: &str) -> String {
    let paragraphs = page.split("\n\n").map(|paragraph| {
        if known.split("\n\n").all(|other| other != paragraph) {
            return paragraph.to_owned();
        }
        let first_line = paragraph.lines().next().unwrap();
        let beginning: String = first_line.chars().take(60).collect();
        format!("(as there: {beginning})")
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn the_page_of_a_small_run() {
    // The whole of report.md, as a person would paste it into a pull request.
    let (run, samples) = small_run();
    insta::assert_snapshot!(render(&read(&run, &samples), ReportFormat::Markdown), @r"
    # bakeoff: quickstart

    quickstart: 2 models x 2 prompts x 4, 16 of 16 answered, 15 s, $0.0140

    | model | TTFT p50 | cost/req | against the reference |
    | --- | ---: | ---: | --- |
    | openai/gpt-5-mini | 424 ms | $0.000500 | reference |
    | anthropic/claude | 208 ms | $0.00125 | \~ undecided: cost inconclusive (2.50x), TTFT inconclusive (0.49x) |

    The same for all: tok/s 918, tokens 101. Inconclusive: TTFT, cost of claude. Answer quality was not graded.

    - gpt-5-mini: 1 of 8 empty: reasoning used up max_tokens; raise it
    - 1 of 16 answers excluded from TTFT (1 cold)
    - claude: 8 of 8 with another price at the gateway than listed; see report.md

    <details><summary>All figures, with 95 % intervals</summary>

    | variant | answered | TTFT p50 | TTFT p75 | latency p50 | tok/s | output tokens | cost/request | completed |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | openai/gpt-5-mini (reference) | 8/8 | 424 ms (400–442) | 435 ms (412–) | 526 ms (505–547) | 918/s (918–918) | 101 (101–101) | $0.000500 (0.000500–0.000500) | 100.0 % (34.2–100.0) |
    | anthropic/claude | 8/8 | 208 ms (201–215) | 212 ms (205–) | 313 ms (306–320) | 918/s (918–918) | 101 (101–101) | $0.00125 (0.00125–0.00125) | 100.0 % (34.2–100.0) |

    - TTFT: from sending the request to its first token, reasoning included; latency: to the end of the answer. Times are of answered trials, the answered attempt alone; excluded samples (buffered, cold, client-limited) are not in TTFT.
    - tok/s: completion tokens a second after the first chunk. cost: list price of 2025-01-01. completed: share of trials answered to the end, rate-limited ones left out.
    - In brackets: 95 % intervals, percentiles (quantiles of type 8) for these prompts, means and shares for prompts like these.
    - An interval that is open, such as 407–, or missing: n too small for its end (both ends need: p50 6, p75 13, p90 36, p95 72, p99 368; means two prompts).
    - – unknown, or n too small for any estimate (needed: p50 2, p75 4, p90 10, p95 20, p99 100).

    </details>

    <details><summary>Verdicts: Against the reference openai/gpt-5-mini</summary>

    - **inconclusive**: Whether anthropic/claude has a higher TTFT is inconclusive: 0.49x the TTFT of openai/gpt-5-mini, 95 % CI without ends, 2 prompts, 8 against 7 values. Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ: 0.0 % of the candidate's, 12.5 % of the reference's.
    - **inconclusive**: Whether anthropic/claude costs more is inconclusive: 2.50x the cost of openai/gpt-5-mini, 95 % CI without ends, 2 prompts x 4.
    - **inconclusive**: Whether anthropic/claude has a lower completed share is inconclusive: 0.0 points in the share of completed answers against that of openai/gpt-5-mini, 95 % CI without ends, 2 prompts x 4.
    - TTFT, cost, completed of anthropic/claude: Prompts with values on both sides: 2; a verdict needs 6.

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttft | 0.49x | 95.0 % | 2 | 8 | 7 | inconclusive | inconclusive |
    | anthropic/claude | cost | 2.50x | 95.0 % | 2 | 8 | 8 | inconclusive | inconclusive |
    | anthropic/claude | completed | 0.0 points | 95.0 % | 2 | 8 | 8 | inconclusive | inconclusive |

    - Effects are candidate over reference (points: candidate less reference), in brackets their 95 % intervals. Of times: the typical ratio on the same prompt (aligned ranks), not the ratio of medians; of cost: the ratio of mean costs over prompts.
    - Worse or better: by more than the tolerance; not worse: surely not worse by more than the margin. Tolerance / margin: TTFT 5 % / 20 % (floor 10.0 ms), cost 5 % / 20 %, completed 2 points / 5 points.
    - These verdicts do not affect the exit code; \`against_reference = true\` under \[gate\] would make them.

    </details>

    <details><summary>Exploratory comparisons, adjusted for their number (Benjamini-Hochberg); they fail nothing</summary>

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttfa | 0.49x | 95.0 % | 2 | 8 | 7 | inconclusive | inconclusive |
    | anthropic/claude | experienced_ttft | 0.49x | 95.0 % | 2 | 8 | 7 | inconclusive | inconclusive |
    | anthropic/claude | latency | 0.59x | 95.0 % | 2 | 8 | 8 | inconclusive | inconclusive |
    | anthropic/claude | ttft_tail | -16.7 points | 95.0 % | 2 | 8 | 7 | inconclusive | inconclusive |
    | anthropic/claude | inter_token_latency | 1.00x | 95.0 % | 2 | 8 | 8 | inconclusive | inconclusive |
    | anthropic/claude | output_rate | 1.00x | 95.0 % | 2 | 8 | 8 | inconclusive | inconclusive |
    | anthropic/claude | output_tokens | 1.00x | 95.0 % | 2 | 8 | 8 | inconclusive | inconclusive |

    - TTFA, experienced TTFT, TTFT tail of anthropic/claude: Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ: 0.0 % of the candidate's, 12.5 % of the reference's.
    - TTFA, experienced TTFT, latency, TTFT tail, gap, tok/s, output tokens of anthropic/claude: Prompts with values on both sides: 2; a verdict needs 6.

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

    - Both sides of every comparison got the same prompts at the same moments, so drift and load affect both alike; the intervals cover chance, with prompts as the units.
    - TTFT, TTFA, experienced TTFT, latency, gap, tok/s, output tokens: ranks around each prompt's own median (clustered aligned ranks), robust to a few very slow answers; prompts are the units, because repetitions of one say little about others.
    - cost: the ratio of mean costs over prompts (Fieller), because a bill is a sum and not a median.
    - completed: the difference of shares on each prompt, by Student's t over prompts (Newcombe's interval where all prompts agree or have one answer a side).
    - TTFT tail: the share of answers beyond the slowest tenth of both sides together, prompt by prompt (Student's t over prompts).

    </details>

    <details><summary>Problems</summary>

    - **openai/gpt-5-mini**: cold (the server had closed the connection, or a retry came), excluded from TTFT: 1 of 8 samples.
    - **openai/gpt-5-mini**: answer empty because reasoning used up the token limit: 1 of 8 samples (raise max_tokens, or lower reasoning_effort).
    - **anthropic/claude**: the cost of 8 of 8 samples differs: $0.0100 by list, $0.0120 was billed, +20.0 % (check the date of the price list, and surcharges).

    </details>

    <details><summary>Figures of each prompt</summary>

    | prompt | variant | answered | TTFT p50 | latency p50 | output tokens | cost/request |
    | --- | --- | ---: | ---: | ---: | ---: | ---: |
    | greet | openai/gpt-5-mini (reference) | 4/4 | 418 ms | 523 ms | 101 | $0.000500 |
    | greet | anthropic/claude | 4/4 | 207 ms | 312 ms | 101 | $0.00125 |
    | sum | openai/gpt-5-mini (reference) | 4/4 | 430 ms | 529 ms | 101 | $0.000500 |
    | sum | anthropic/claude | 4/4 | 209 ms | 314 ms | 101 | $0.00125 |

    </details>

    <details><summary>How it was run</summary>

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
    | delay before sending | at most 0.00 us, waits of our own and of rate limits: in no figure of a variant |

    </details>
    ");
}

#[test]
fn the_page_of_an_interrupted_run_with_failures() {
    // What spoils a comparison stands above it, and a failing variant is not praised.
    let (whole, failing) = (small_run(), failing_run());
    let [whole, failing] = [whole, failing]
        .map(|(run, samples)| render(&read(&run, &samples), ReportFormat::Markdown));
    insta::assert_snapshot!(diff_to(&whole, &failing), @r"
    (as there: # bakeoff: quickstart)

    > **This run was interrupted: 15 of 16 trials have a sample.**

    quickstart: 2 models x 2 prompts x 4, 14 of 16 answered, 15 s, $0.0115

    | model | TTFT p50 | cost/req | failed | against the reference |
    | --- | ---: | ---: | ---: | --- |
    | openai/gpt-5-mini | 424 ms | $0.000500 | 0 | reference |
    | anthropic/claude | 206 ms | $0.00125 | 1 | \~ undecided: cost inconclusive (2.50x), TTFT inconclusive (0.49x) |

    (as there: The same for all: tok/s 918, tokens 101. Inconclusive: TTFT,)

    - claude: 1 of 7 failed (1 rate_limit)
    - gpt-5-mini: 1 of 8 empty: reasoning used up max_tokens; raise it
    - 1 of 14 answers excluded from TTFT (1 cold)
    - claude: 6 of 7 with another price at the gateway than listed; see report.md

    (as there: <details><summary>All figures, with 95 % intervals</summary>)

    | variant | answered | TTFT p50 | TTFT p75 | latency p50 | tok/s | output tokens | cost/request | completed |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | openai/gpt-5-mini (reference) | 8/8 | 424 ms (400–442) | 435 ms (412–) | 526 ms (505–547) | 918/s (918–918) | 101 (101–101) | $0.000500 (0.000500–0.000500) | 100.0 % (34.2–100.0) |
    | anthropic/claude | 6/8 | 206 ms (201–211) | 209 ms (203–) | 311 ms (306–316) | 918/s (918–918) | 101 (101–101) | $0.00125 (0.00125–0.00125) | 100.0 % (34.2–100.0) |

    (as there: - TTFT: from sending the request to its first token, reasoni)

    (as there: </details>)

    (as there: <details><summary>Verdicts: Against the reference openai/gpt)

    - **inconclusive**: Whether anthropic/claude has a higher TTFT is inconclusive: 0.49x the TTFT of openai/gpt-5-mini, 95 % CI without ends, 2 prompts x 3. 14.3 % of the requests of one side failed or ran into a deadline (more than 10 %): its times cannot be compared. Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ: 0.0 % of the candidate's, 12.5 % of the reference's.
    - **inconclusive**: Whether anthropic/claude costs more is inconclusive: 2.50x the cost of openai/gpt-5-mini, 95 % CI without ends, 2 prompts, 6 against 7 values.
    - **inconclusive**: Whether anthropic/claude has a lower completed share is inconclusive: 0.0 points in the share of completed answers against that of openai/gpt-5-mini, 95 % CI without ends, 2 prompts, 6 against 7 values.
    - TTFT, cost, completed of anthropic/claude: Prompts with values on both sides: 2; a verdict needs 6.

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttft | 0.49x | 95.0 % | 2 | 6 | 6 | inconclusive | inconclusive |
    | anthropic/claude | cost | 2.50x | 95.0 % | 2 | 6 | 7 | inconclusive | inconclusive |
    | anthropic/claude | completed | 0.0 points | 95.0 % | 2 | 6 | 7 | inconclusive | inconclusive |

    (as there: - Effects are candidate over reference (points: candidate le)

    (as there: </details>)

    (as there: <details><summary>Exploratory comparisons, adjusted for thei)

    | candidate | metric | effect | CI | prompts | n | n ref | verdict | in words |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |
    | anthropic/claude | ttfa | 0.49x | 95.0 % | 2 | 6 | 6 | inconclusive | inconclusive |
    | anthropic/claude | experienced_ttft | 0.49x | 95.0 % | 2 | 6 | 6 | inconclusive | inconclusive |
    | anthropic/claude | latency | 0.59x | 95.0 % | 2 | 6 | 7 | inconclusive | inconclusive |
    | anthropic/claude | ttft_tail | -25.0 points | 95.0 % | 2 | 6 | 6 | inconclusive | inconclusive |
    | anthropic/claude | inter_token_latency | 1.00x | 95.0 % | 2 | 6 | 7 | inconclusive | inconclusive |
    | anthropic/claude | output_rate | 1.00x | 95.0 % | 2 | 6 | 7 | inconclusive | inconclusive |
    | anthropic/claude | output_tokens | 1.00x | 95.0 % | 2 | 6 | 7 | inconclusive | inconclusive |

    - TTFA, experienced TTFT, latency, TTFT tail, gap, tok/s of anthropic/claude: 14.3 % of the requests of one side failed or ran into a deadline (more than 10 %): its times cannot be compared.
    - TTFA, experienced TTFT, TTFT tail of anthropic/claude: Excluded samples (buffered, cold, client-limited) change the verdict, or their shares differ: 0.0 % of the candidate's, 12.5 % of the reference's.
    - TTFA, experienced TTFT, latency, TTFT tail, gap, tok/s, output tokens of anthropic/claude: Prompts with values on both sides: 2; a verdict needs 6.

    (as there: </details>)

    (as there: <details><summary>On how many prompts, and where most</summa)

    | candidate | metric | worse on | equal on | better on | worst prompt | there | best prompt | there |
    | --- | --- | ---: | ---: | ---: | --- | ---: | --- | ---: |
    | anthropic/claude | ttft | 0 | 0 | 2 | sum | 0.49x | greet | 0.49x |
    | anthropic/claude | cost | 2 | 0 | 0 | sum | 2.50x | greet | 2.50x |
    | anthropic/claude | completed | 0 | 2 | 0 | sum | 0.0 points | greet | 0.0 points |

    (as there: </details>)

    (as there: <details><summary>The effect on each prompt</summary>)

    (as there: | prompt | candidate | TTFT | cost | completed |)

    (as there: </details>)

    (as there: <details><summary>How it was judged, and why so</summary>)

    (as there: - Both sides of every comparison got the same prompts at the)

    (as there: </details>)

    (as there: <details><summary>Problems</summary>)

    - **run**: trials without a sample: 1 of 16.
    - **openai/gpt-5-mini**: cold (the server had closed the connection, or a retry came), excluded from TTFT: 1 of 8 samples.
    - **openai/gpt-5-mini**: answer empty because reasoning used up the token limit: 1 of 8 samples (raise max_tokens, or lower reasoning_effort).
    - **anthropic/claude**: 1 of 7 trials failed: 1 rate_limit.
    - **anthropic/claude**: the cost of 6 of 6 samples differs: $0.00750 by list, $0.00900 was billed, +20.0 % (check the date of the price list, and surcharges).

    | variant | outcome | status | trials | first trial | message |
    | --- | --- | ---: | ---: | ---: | --- |
    | anthropic/claude | rate_limited | 429 | 1 | 13 | slow down \| see &lt;a href=x&gt; |

    (as there: </details>)

    (as there: <details><summary>Figures of each prompt</summary>)

    | prompt | variant | answered | TTFT p50 | latency p50 | output tokens | cost/request |
    | --- | --- | ---: | ---: | ---: | ---: | ---: |
    | greet | openai/gpt-5-mini (reference) | 4/4 | 418 ms | 523 ms | 101 | $0.000500 |
    | greet | anthropic/claude | 3/4 | 205 ms | 310 ms | 101 | $0.00125 |
    | sum | openai/gpt-5-mini (reference) | 4/4 | 430 ms | 529 ms | 101 | $0.000500 |
    | sum | anthropic/claude | 3/4 | 207 ms | 312 ms | 101 | $0.00125 |

    (as there: </details>)

    (as there: <details><summary>How it was run</summary>)

    (as there: | | |)

    (as there: </details>)
    ");
}
