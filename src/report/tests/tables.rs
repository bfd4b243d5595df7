//! Tests of the tables of a run: comparison.csv, samples.csv and the comparison as JSON.

#![allow(clippy::too_many_lines, reason = "a test holds a whole page")]

use super::*;

#[test]
fn comparison_csv_of_a_small_run() {
    // The whole of comparison.csv, turned on its side to be read.
    let (run, samples) = failing_run();
    let text = render(&read(&run, &samples), ReportFormat::ComparisonCsv);
    insta::assert_snapshot!(on_its_side(text.as_bytes()), @"
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
    excluded: 1 | 0
    buffered: 0 | 0
    cold: 1 | 0
    client_limited: 0 | 0
    fallbacks: 0 | 0
    other_model: 0 | 0
    hidden_reasoning: 0 | 0
    truncated_in_reasoning: 1 | 0
    usage_mismatch: 0 | 0
    usage_impossible: 0 | 0
    usage_ambiguous: 0 | 0
    usage_unread: 0 | 0
    unpriced_tier: 0 | 0
    response_cached: 0 | 0
    own_key_refused: 0 | 0
    proxy_retried: 0 | 0
    deferred: 0 | 0
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
    cache_reported: 8 | 6
    cache_hits: 0 | 0
    cache_hit_share: 0.000 | 0.000
    cache_read_share: 0.000 | 0.000
    cache_saved_usd_n: 0 | 0
    cache_saved_usd_total:  |
    cache_saved_usd_mean:  |
    cache_without_usd_total:  |
    cache_break_even_reuses:  |
    cache_hit_ttft_n: 0 | 0
    cache_hit_ttft_p50_ms:  |
    cache_miss_ttft_n: 7 | 6
    cache_miss_ttft_p50_ms: 424.000 | 206.000
    ratio_cache_hit_ttft_p50:  |
    prices_date: 2025-01-01 | 2025-01-01
    status: interrupted | interrupted
    simulated: false | false
    graded: 0 | 0
    passed: 0 | 0
    pass_rate:  |
    score_mean:  |
    consistency:  |
    cost_usd_per_completed: 0.0005 | 0.00125
    cost_usd_per_passed:  |
    latency_per_completed_ms: 526.000 | 364.000
    latency_per_passed_ms:  |
    dominated_by:  |
    first_unit_n: 7 | 6
    first_unit_mean_ms: 451.429 | 236.000
    first_unit_p50_ms: 454.000 | 236.000
    first_unit_p75_ms: 465.000 | 239.167
    first_unit_p90_ms:  |
    first_unit_p95_ms:  |
    first_unit_p99_ms:  |
    first_unit_min_ms: 430.000 | 231.000
    first_unit_max_ms: 472.000 | 241.000
    ttft_error_ms:  |
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
    completed_share_lower: 0.342 | 0.342
    completed_share_upper: 1.000 | 1.000
    cache_hit_share_lower: 0.000 | 0.000
    cache_hit_share_upper: 0.658 | 0.658
    cache_saved_usd_mean_lower:  |
    cache_saved_usd_mean_upper:  |
    cache_hit_ttft_p50_ms_lower:  |
    cache_hit_ttft_p50_ms_upper:  |
    cache_miss_ttft_p50_ms_lower: 400.000 | 201.000
    cache_miss_ttft_p50_ms_upper: 442.000 | 211.000
    pass_rate_lower:  |
    pass_rate_upper:  |
    first_unit_p50_ms_lower: 430.000 | 231.000
    first_unit_p50_ms_upper: 472.000 | 241.000
    first_unit_p75_ms_lower: 442.000 | 233.000
    first_unit_p75_ms_upper:  |
    first_unit_p90_ms_lower:  |
    first_unit_p90_ms_upper:  |
    first_unit_p95_ms_lower:  |
    first_unit_p95_ms_upper:  |
    first_unit_p99_ms_lower:  |
    first_unit_p99_ms_upper:  |
    ");
}

#[test]
fn samples_csv_of_two_samples() {
    // Stored names and nanoseconds; a failure has empty fields, never zeros; no text of answers.
    let (run, samples) = failing_run();
    insta::assert_snapshot!(samples_csv(&run, &samples[12..14]), @"
    trial,slot,round,prompt,prompt_digest,repetition,variant,model,weight,tags,outcome,answered,failure,error_status,error_type,error_message,request_id,sent_ns,scheduled_ns,lag_ns,connect_ns,tcp_ns,tls_ns,headers_ns,ttft_ns,ttfa_ns,first_unit_ns,last_token_ns,latency_ns,experienced_ttft_ns,gaps_count,gaps_mean_ns,gaps_p50_ns,gaps_p95_ns,gaps_max_ns,gaps_coalesced,answer_chars,reasoning_chars,first_chunk_chars,prompt_tokens,completion_tokens,reasoning_tokens,cached_tokens,cache_write_tokens,output_rate,end_to_end_rate,chars_per_second,finish_reason,cost_usd,billed_usd,surcharge_usd,market_usd,provider,served_model,generation_id,flags,attempts,passed,score,failed_checks,metadata
    12,6,4,greet,sha256:greet,4,openai/gpt-5-mini,openai/gpt-5-mini,1.0,short,complete,true,,,,,01J12,12000000000,12000000000,0,,,,435000000,436000000,436000000,466000000,536000000,541000000,436000000,10,10000000,10000000,,10000000,0,440,,40,50,101,0,0,,918.182,186.691,813.309,stop,0.0005,0.0005,,0.0005,azure,,gen_12,,1,,,,
    13,6,4,greet,sha256:greet,4,anthropic/claude,anthropic/claude,1.0,short,rate_limited,false,rate_limit,429,,slow down | see <a href=x>,01J13,13000000000,13000000000,0,,,,212000000,,,,,318000000,,,,,,,,,,,,,,,,,,,,,,,,,,gen_13,,1,,,,
    ");
}

#[test]
fn the_comparison_as_json() {
    // Names and numbers of the CSV, absent figures left out; one variant of one prompt.
    let run = manifest(&["a/x"], &["p"], 3);
    let samples: Vec<Sample> = (0..2).map(|t| answered(&run, t, 100 + t)).collect();
    insta::assert_snapshot!(render(&read(&run, &samples), ReportFormat::Json), @r#"
    {
      "version": 2,
      "tool": "bakeoff 0.1.0",
      "suite": "quickstart",
      "run": "20250102T030405Z-7Z",
      "status": "complete",
      "warning": "Samples are missing: 2 of 3 trials have a sample.",
      "quantiles": "type 8",
      "finding": [],
      "recommendations": [],
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
          "excluded": 0,
          "buffered": 0,
          "cold": 0,
          "client_limited": 0,
          "fallbacks": 0,
          "other_model": 0,
          "hidden_reasoning": 0,
          "truncated_in_reasoning": 0,
          "usage_mismatch": 0,
          "usage_impossible": 0,
          "usage_ambiguous": 0,
          "usage_unread": 0,
          "unpriced_tier": 0,
          "response_cached": 0,
          "own_key_refused": 0,
          "proxy_retried": 0,
          "deferred": 0,
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
          "cache_reported": 2,
          "cache_hits": 0,
          "cache_hit_share": 0.0,
          "cache_read_share": 0.0,
          "cache_saved_usd_n": 0,
          "cache_hit_ttft_n": 0,
          "cache_miss_ttft_n": 2,
          "cache_miss_ttft_p50_ms": 100.5,
          "prices_date": "2025-01-01",
          "status": "complete",
          "simulated": false,
          "graded": 0,
          "passed": 0,
          "cost_usd_per_completed": "0.0005",
          "latency_per_completed_ms": 205.5,
          "first_unit_n": 2,
          "first_unit_mean_ms": 130.5,
          "first_unit_p50_ms": 130.5,
          "first_unit_min_ms": 130.0,
          "first_unit_max_ms": 131.0,
          "completed_share_lower": 0.207,
          "completed_share_upper": 1.0,
          "cache_hit_share_lower": 0.0,
          "cache_hit_share_upper": 0.793,
          "low_n": [
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
            "ratio_output_rate_p50",
            "cache_miss_ttft_p50_ms",
            "first_unit_p50_ms"
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
          "graded": 0,
          "passed": 0,
          "low_n": [
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
          "text": "trials without a sample: 1 of 3"
        }
      ],
      "remarks": [],
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
        "prices": "snapshot shipped with bakeoff, 2025-01-01",
        "delay before sending": "at most 0.00 us, waits of our own and of rate limits: in no figure of a variant"
      }
    }
    "#);
}
