//! The dialects of the chat route, one test each: what a vendor's server sends, through the whole
//! reading. No dialect is declared anywhere: the bytes speak for themselves.

#![allow(
    clippy::unwrap_used,
    reason = "a failed step of a test is a failed test"
)]

use crate::support::recorded;

use bakeoff::gateway::Reading;
use bakeoff::record::{Flag, Outcome, Usage, UsageDialect};
use recorded::{answered, failed, ms, read_recording, recording};

const DONE: &str = "data: [DONE]\n\n";

fn event(chunk: &str) -> String {
    format!("data: {chunk}\n\n")
}

/// The events of these chunks, and `[DONE]`, each in a frame of its own.
fn stream(chunks: &[&str]) -> Vec<String> {
    let events = chunks.iter().map(|chunk| event(chunk));
    events.chain([DONE.to_owned()]).collect()
}

fn answer(reading: &Reading) -> (&str, &str) {
    (
        reading.reasoning.as_deref().unwrap_or(""),
        reading.answer.as_deref().unwrap_or(""),
    )
}

/// Prompt, completion, reasoning, cached, written.
fn counts(reading: &Reading) -> [Option<u64>; 5] {
    let Usage {
        prompt_tokens,
        completion_tokens,
        reasoning_tokens,
        cached_tokens,
        cache_write_tokens,
        ..
    } = reading.usage.unwrap_or_default();
    [
        prompt_tokens,
        completion_tokens,
        reasoning_tokens,
        cached_tokens,
        cache_write_tokens,
    ]
}

fn usd(text: &str) -> bakeoff::units::Usd {
    text.parse().unwrap()
}

fn error(reading: &Reading) -> (Outcome, &str, &str) {
    let error = reading.error.as_ref().unwrap();
    let kind = error.kind.as_deref().unwrap_or("");
    (reading.outcome, kind, &error.message)
}

#[test]
fn vercel() {
    // One last chunk holds everything at once: reason, counts, costs, route.
    let reading = answered(
        "google/gemini-2.5-flash",
        true,
        &stream(&[
            r#"{"id":"gen_1","model":"google/gemini-2.5-flash","choices":[{"index":0,"delta":{"role":"assistant"},"logprobs":null,"finish_reason":null}]}"#,
            r#"{"id":"gen_1","choices":[{"index":0,"delta":{"reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm","format":"unknown","index":0}]}}]}"#,
            r#"{"id":"gen_1","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#,
            r#"{"id":"gen_1","choices":[{"index":0,"delta":{"provider_metadata":{"gateway":{"routing":{"finalProvider":"vertex","totalProviderAttemptCount":1,"modelAttemptCount":1,"modelAttempts":[{"canonicalSlug":"google/gemini-2.5-flash","success":true,"providerAttempts":[{"provider":"vertex","success":true}]}],"clientSessionId":"f00"},"cost":"0.002","marketCost":"0.002","generationId":"gen_1"}}},"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":9,"total_tokens":49,"cost":0.002,"is_byok":false,"prompt_tokens_details":{"cached_tokens":30},"completion_tokens_details":{"reasoning_tokens":5},"cache_creation_input_tokens":0,"market_cost":0.002,"gateway_cost":0.0021},"generationId":"gen_1"}"#,
        ]),
    );
    assert_eq!(reading.outcome, Outcome::Complete);
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!(
        counts(&reading),
        [Some(40), Some(9), Some(5), Some(30), Some(0)]
    );
    assert_eq!(reading.billed_usd, Some(usd("0.0021")));
    assert_eq!(reading.market_usd, Some(usd("0.002")));
    assert_eq!(reading.provider.as_deref(), Some("vertex"));
    assert_eq!(reading.flags, []);
}

#[test]
fn openrouter() {
    // Comments while it waits, the provider on each chunk, counts after the finish chunk, the id in
    // a header; errors with numbers as codes, also in a stream that began well.
    let mut frames = vec![": OPENROUTER PROCESSING\n\n".to_owned()];
    frames.extend(stream(&[
        r#"{"id":"gen-9","provider":"DeepInfra","model":"qwen/qwen3-14b","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm"}]}}]}"#,
        r#"{"id":"gen-9","provider":"DeepInfra","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}"#,
        r#"{"id":"gen-9","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","native_finish_reason":"stop"}]}"#,
        r#"{"id":"gen-9","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16,"cost":0,"is_byok":true,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":3},"cost_details":{"upstream_inference_cost":0.00012},"completion_tokens_details":{"reasoning_tokens":1}}}"#,
    ]));
    let recorded = recording(200, &[("x-generation-id", "gen-9")], &frames);
    let reading = read_recording("qwen/qwen3-14b", true, &recorded);
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!((reading.first_token, reading.end), (Some(ms(20)), ms(60)));
    assert_eq!(
        counts(&reading),
        [Some(12), Some(4), Some(1), Some(2), Some(3)]
    );
    assert_eq!(reading.billed_usd, Some(usd("0")));
    assert_eq!(reading.market_usd, Some(usd("0.00012")));
    assert_eq!(reading.provider.as_deref(), Some("DeepInfra"));
    assert_eq!(reading.generation_id.as_deref(), Some("gen-9"));

    let broken = answered(
        "m",
        true,
        &stream(&[
            r#"{"id":"gen-9","choices":[{"index":0,"delta":{"content":"H"}}]}"#,
            r#"{"id":"gen-9","error":{"code":429,"message":"slow down","metadata":{"error_type":"rate_limit_exceeded"}},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
        ]),
    );
    assert_eq!(error(&broken), (Outcome::RateLimited, "429", "slow down"));
    let overloaded = r#"{"error":{"code":529,"message":"overloaded","metadata":{"error_type":"provider_overloaded"}}}"#;
    let overloaded = failed("m", 529, overloaded);
    assert_eq!(
        error(&overloaded),
        (Outcome::ServerError, "529", "overloaded")
    );
}

#[test]
fn openai() {
    // Padding that is not a string, counts in a chunk of their own after chunks that deny them.
    let reading = answered(
        "gpt-5-mini",
        true,
        &stream(&[
            r#"{"id":"chatcmpl-1","model":"gpt-5-mini-2025-08-07","service_tier":"default","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null}}],"usage":null,"obfuscation":"aB3"}"#,
            r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":null}],"usage":null,"obfuscation":"xyzxyz"}"#,
            r#"{"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null,"obfuscation":"q"}"#,
            r#"{"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":20,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":16,"accepted_prediction_tokens":0}},"obfuscation":""}"#,
        ]),
    );
    assert_eq!(answer(&reading), ("", "Hi"));
    assert_eq!(reading.first_token, Some(ms(20)));
    assert_eq!(
        counts(&reading),
        [Some(9), Some(20), Some(16), Some(4), None]
    );
    assert_eq!(reading.billed_usd, None);
    // It thought out of sight; a date behind the id is the same model.
    assert_eq!(reading.flags, [Flag::HiddenReasoning]);
    let wrong = r#"{"error":{"message":"Unsupported parameter: 'max_tokens'","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}"#;
    assert_eq!(
        error(&failed("o3", 400, wrong)),
        (
            Outcome::Rejected,
            "invalid_request_error",
            "Unsupported parameter: 'max_tokens'"
        )
    );
}

#[test]
fn litellm() {
    // The cost in a header, reasoning under its own name, counts on every chunk that add up.
    let frames = stream(&[
        r#"{"id":"1","choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"Hm"}}],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#,
    ]);
    let headers = [
        ("x-litellm-response-cost", "0.000031"),
        ("x-litellm-attempted-fallbacks", "1"),
    ];
    let reading = read_recording("m", true, &recording(200, &headers, &frames));
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!(counts(&reading)[..2], [Some(5), Some(2)]);
    assert_eq!(reading.billed_usd, Some(usd("0.000031")));
    assert_eq!(reading.flags, [Flag::Fallback]);
    let limited = r#"{"error":{"message":"litellm.RateLimitError: slow down","type":null,"param":null,"code":"429"}}"#;
    assert_eq!(
        error(&failed("m", 429, limited)),
        (
            Outcome::RateLimited,
            "429",
            "litellm.RateLimitError: slow down"
        )
    );
}

#[test]
fn vllm() {
    // Reasoning under the newer and the older name, cumulative counts that may be null, token ids.
    for name in ["reasoning", "reasoning_content"] {
        let thought = format!(
            r#"{{"id":"c","choices":[{{"index":0,"delta":{{"{name}":"Hm"}},"token_ids":[1,2]}}],"usage":{{"prompt_tokens":7,"completion_tokens":null}}}}"#
        );
        let reading = answered(
            "qwen3",
            true,
            &stream(&[
                r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"prompt_token_ids":[5,6],"usage":{"prompt_tokens":7,"completion_tokens":0}}"#,
                &thought,
                r#"{"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#,
                r#"{"id":"c","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","stop_reason":151645}],"usage":{"prompt_tokens":7,"completion_tokens":4},"system_fingerprint":"v"}"#,
                r#"{"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11}}"#,
            ]),
        );
        assert_eq!(answer(&reading), ("Hm", "Hi"));
        assert_eq!(counts(&reading)[..2], [Some(7), Some(4)]);
        assert_eq!(reading.outcome, Outcome::Complete);
    }
    let unknown = r#"{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","param":"model","code":404}}"#;
    let unknown = failed("x", 404, unknown);
    assert_eq!(error(&unknown).0, Outcome::ModelNotFound);
}

#[test]
fn llama_cpp() {
    // Progress before any token, timings next to the counts, a file's name for a model, and the error of a
    // prompt that is too long inside HTTP 200.
    let reading = answered(
        "my-model",
        true,
        &stream(&[
            r#"{"id":"c","created":1,"model":"/models/q4.gguf","choices":[{"index":0,"delta":{"role":"assistant","content":null}}],"prompt_progress":{"total":90,"cache":0,"processed":45,"time_ms":12}}"#,
            r#"{"id":"c","created":2,"choices":[{"index":0,"delta":{"reasoning_content":"Hm"}}]}"#,
            r#"{"id":"c","created":3,"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#,
            r#"{"id":"c","created":3,"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
            r#"{"id":"c","created":4,"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":2,"total_tokens":92},"timings":{"cache_n":0,"prompt_n":90,"prompt_ms":31.5,"predicted_n":2,"predicted_ms":9.1}}"#,
        ]),
    );
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!(reading.outcome, Outcome::Length);
    assert_eq!(reading.first_token, Some(ms(20)));
    assert_eq!(counts(&reading)[..2], [Some(90), Some(2)]);
    assert_eq!(reading.served_model.as_deref(), Some("q4.gguf"));
    assert_eq!(reading.flags, []);
    let long = answered(
        "my-model",
        true,
        &[event(
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
        )],
    );
    assert_eq!(
        error(&long),
        (
            Outcome::Rejected,
            "exceed_context_size_error",
            "the request exceeds the available context size"
        )
    );
}

#[test]
fn ollama() {
    // Empty content beside reasoning, and a whole answer that gives no reason for its end.
    let reading = answered(
        "qwen3:8b",
        true,
        &stream(&[
            r#"{"id":"chatcmpl-7","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Hm"}}]}"#,
            r#"{"id":"chatcmpl-7","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#,
            r#"{"id":"chatcmpl-7","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"id":"chatcmpl-7","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":6,"total_tokens":17}}"#,
        ]),
    );
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!(reading.first_answer, Some(ms(20)));
    assert_eq!(counts(&reading), [Some(11), Some(6), None, None, None]);
    let whole = r#"{"id":"chatcmpl-7","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#;
    assert_eq!(
        answered("qwen3:8b", false, &[whole]).outcome,
        Outcome::Ended
    );
    let unknown = r#"{"error":{"message":"model \"x\" not found, try pulling it first","type":"not_found_error","param":null,"code":null}}"#;
    let unknown = failed("x", 404, unknown);
    assert_eq!(error(&unknown).0, Outcome::ModelNotFound);
}

#[test]
fn groq() {
    // Counts and the word that it stopped early in a block of its own.
    let reading = answered(
        "openai/gpt-oss-120b",
        true,
        &stream(&[
            r#"{"id":"chatcmpl-g","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"x_groq":{"id":"req_1","seed":5}}"#,
            r#"{"id":"chatcmpl-g","choices":[{"index":0,"delta":{"reasoning":"Hm","channel":"analysis"}}]}"#,
            r#"{"id":"chatcmpl-g","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#,
            r#"{"id":"chatcmpl-g","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":{"queue_time":0.02,"prompt_tokens":70,"prompt_time":0.004,"completion_tokens":8,"completion_time":0.01,"total_tokens":78,"total_time":0.014,"prompt_tokens_details":{"cached_tokens":64}}}}"#,
        ]),
    );
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!(counts(&reading), [Some(70), Some(8), None, Some(64), None]);
    let stopped = answered(
        "m",
        true,
        &stream(&[
            r#"{"id":"g","choices":[{"index":0,"delta":{"content":"H"}}]}"#,
            r#"{"id":"g","choices":[{"index":0,"delta":{}}],"x_groq":{"error":"over_capacity"}}"#,
        ]),
    );
    assert_eq!(error(&stopped), (Outcome::StreamError, "", "over_capacity"));
}

#[test]
fn deepseek() {
    // Comments while it queues, or blank lines before a body; the cache counted as hits and misses.
    let mut frames = vec![": keep-alive\n\n".to_owned(), ": keep-alive\n\n".to_owned()];
    frames.extend(stream(&[
        r#"{"id":"d","model":"deepseek-reasoner","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"Hm"}}]}"#,
        r#"{"id":"d","choices":[{"index":0,"delta":{"content":"Hi","reasoning_content":null}}]}"#,
        r#"{"id":"d","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":6,"total_tokens":106,"completion_tokens_details":{"reasoning_tokens":3},"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}}"#,
    ]));
    let reading = answered("deepseek-reasoner", true, &frames);
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!(reading.first_token, Some(ms(30)));
    assert_eq!(
        counts(&reading),
        [Some(100), Some(6), Some(3), Some(64), None]
    );
    let whole = r#"{"id":"d","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","reasoning_content":"Hm"},"finish_reason":"insufficient_system_resource"}]}"#;
    let whole = answered("deepseek-reasoner", false, &["\n\n", "\n", whole]);
    assert_eq!(answer(&whole), ("Hm", "Hi"));
    assert_eq!(whole.outcome, Outcome::StreamError);
}

#[test]
fn mistral() {
    // Content as a list of parts, thinking inside it, the last text beside reason and counts.
    let reading = answered(
        "magistral-medium",
        true,
        &stream(&[
            r#"{"id":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"p":"abc"}"#,
            r#"{"id":"m","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}}],"p":"abcdefgh"}"#,
            r#"{"id":"m","choices":[{"index":0,"delta":{"content":[{"type":"text","text":"H"}]}}]}"#,
            r#"{"id":"m","choices":[{"index":0,"delta":{"content":"i"},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"total_tokens":20,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":8}}}"#,
        ]),
    );
    assert_eq!(answer(&reading), ("Hm", "Hi"));
    assert_eq!(
        (reading.first_token, reading.last_token),
        (Some(ms(20)), Some(ms(40)))
    );
    assert_eq!(counts(&reading), [Some(14), Some(6), None, Some(8), None]);
    let unknown = r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}"#;
    assert_eq!(
        error(&failed("x", 400, unknown)),
        (Outcome::ModelNotFound, "invalid_model", "Invalid model: x")
    );
}

#[test]
fn azure() {
    // A first chunk about its filters that names nothing, a deployment in place of a model, and a
    // prompt that the filter rejected.
    let reading = answered(
        "my-deployment",
        true,
        &stream(&[
            r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#,
            r#"{"id":"chatcmpl-z","model":"my-deployment","choices":[{"index":0,"delta":{"role":"assistant","content":""},"content_filter_results":{}}]}"#,
            r#"{"id":"chatcmpl-z","choices":[{"index":0,"delta":{"content":"Hi"},"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}"#,
            r#"{"id":"chatcmpl-z","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"id":"chatcmpl-z","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
        ]),
    );
    assert_eq!(answer(&reading), ("", "Hi"));
    assert_eq!(reading.first_token, Some(ms(30)));
    assert_eq!(reading.generation_id.as_deref(), Some("chatcmpl-z"));
    assert_eq!(counts(&reading)[..2], [Some(3), Some(1)]);
    for (status, body, outcome, kind) in [
        (
            404,
            r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            Outcome::ModelNotFound,
            "DeploymentNotFound",
        ),
        (
            400,
            r#"{"error":{"message":"The prompt was filtered.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Outcome::Filtered,
            "content_filter",
        ),
        (
            401,
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key."}}"#,
            Outcome::Unauthorized,
            "401",
        ),
    ] {
        let reading = failed("my-deployment", status, body);
        assert_eq!((error(&reading).0, error(&reading).1), (outcome, kind));
    }
}

#[test]
fn moonshot() {
    // Usage inside the choice of the last chunk, and cache hits at its top.
    let reading = answered(
        "kimi-k3",
        true,
        &stream(&[
            r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":2000,"completion_tokens":50,"total_tokens":2050,"cached_tokens":1900}}]}"#,
        ]),
    );
    assert_eq!(
        counts(&reading),
        [Some(2000), Some(50), None, Some(1900), None]
    );
    assert_eq!(reading.total_tokens, Some(2050));
}

#[test]
fn xai() {
    // Reasoning beside the completion, and the bill in ticks, which give the dialect away.
    let reading = answered(
        "grok-4.6",
        true,
        &stream(&[
            r#"{"id":"a","choices":[{"index":0,"delta":{"content":"Four."},"finish_reason":"stop"}]}"#,
            r#"{"id":"a","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":300},"cost_in_usd_ticks":21200000}}"#,
        ]),
    );
    assert_eq!(reading.usage_dialect, UsageDialect::Xai);
    assert_eq!(reading.billed_usd, Some(usd("0.00212")));
}

#[test]
fn dialects_of_usage_are_distinguished() {
    // The same counts are a ninth of the cost at one server and all of it at another.
    let dialect = |model: &str, headers: &[(&str, &str)], chunk: &str| {
        let recorded = recording(200, headers, &stream(&[chunk]));
        read_recording(model, true, &recorded).usage_dialect
    };
    let plain =
        r#"{"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}"#;
    let vercel = r#"{"id":"a","choices":[{"index":0,"delta":{"content":"x","provider_metadata":{"gateway":{"routing":{"finalProvider":"vertex"}}}},"finish_reason":"stop"}]}"#;
    for (model, headers, chunk, expected) in [
        (
            "google/gemini-3.5-flash",
            &[][..],
            vercel,
            UsageDialect::VercelGoogle,
        ),
        ("openai/gpt-5-mini", &[], vercel, UsageDialect::Standard),
        ("gemini-3.5-flash", &[], plain, UsageDialect::Gemini),
        ("google/gemini-3.5-flash", &[], plain, UsageDialect::Gemini),
        ("google/gemma-4", &[], plain, UsageDialect::Standard),
        (
            "gemini-3.5-flash",
            &[("x-litellm-call-id", "1")],
            plain,
            UsageDialect::Recounting,
        ),
        ("m", &[], plain, UsageDialect::Standard),
    ] {
        assert_eq!(
            dialect(model, headers, chunk),
            expected,
            "{model} {headers:?}"
        );
    }
}

#[test]
fn a_later_zero_replaces_no_count() {
    // Proxies write 0 where another event has the count; nothing that was counted goes away.
    let named = |name: &str, data: &str| format!("event: {name}\ndata: {data}\n\n");
    let messages = |start: &str, delta: &str| {
        let frames = [
            named(
                "message_start",
                &format!(
                    r#"{{"type":"message_start","message":{{"id":"m","model":"m","content":[],"usage":{start}}}}}"#
                ),
            ),
            named(
                "content_block_delta",
                r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
            ),
            named(
                "message_delta",
                &format!(
                    r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{delta}}}"#
                ),
            ),
            named("message_stop", r#"{"type":"message_stop"}"#),
        ];
        counts(&answered("m", true, &frames))
    };
    let zero = r#"{"input_tokens":0,"output_tokens":15}"#;
    assert_eq!(
        messages(r#"{"input_tokens":1500,"output_tokens":1}"#, zero)[..2],
        [Some(1500), Some(15)]
    );
    // The cache that came before stays counted, too.
    let cached = r#"{"input_tokens":100,"cache_read_input_tokens":1900,"output_tokens":1}"#;
    let repeated = r#"{"input_tokens":0,"cache_read_input_tokens":1900,"output_tokens":15}"#;
    assert_eq!(
        messages(cached, repeated),
        [Some(2000), Some(15), None, Some(1900), None]
    );
    // A prompt that was read from the cache as a whole.
    let whole = r#"{"input_tokens":0,"cache_read_input_tokens":1500,"output_tokens":15}"#;
    assert_eq!(
        messages(r#"{"input_tokens":1500,"output_tokens":1}"#, whole)[0],
        Some(1500)
    );

    let chat = answered(
        "m",
        true,
        &stream(&[
            r#"{"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25,"cost":0.1}}"#,
            r#"{"id":"c","choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"cost":0}}"#,
        ]),
    );
    assert_eq!(counts(&chat)[..2], [Some(20), Some(5)]);
    assert_eq!(
        (chat.total_tokens, chat.billed_usd),
        (Some(25), Some(usd("0.1")))
    );
}

#[test]
fn routes_of_gateways_are_read() {
    // What spoils a comparison, and what only costs money, are different remedies.
    let vercel = |attempts: &str| {
        answered(
            "a/x",
            true,
            &stream(&[&format!(
                r#"{{"id":"g","choices":[{{"index":0,"delta":{{"content":"x","provider_metadata":{{"gateway":{{"routing":{{"finalProvider":"p","modelAttempts":[{{"canonicalSlug":"a/x","success":true,"providerAttempts":[{attempts}]}}]}}}}}}}},"finish_reason":"stop"}}]}}"#
            )]),
        )
    };
    let own = r#"{"provider":"p","credentialType":"byok","success":false,"statusCode":401}"#;
    let gateways = r#"{"provider":"p","credentialType":"system","success":true,"statusCode":200}"#;
    let other = r#"{"provider":"q","credentialType":"system","success":false,"statusCode":429}"#;
    assert_eq!(
        vercel(&format!("{own},{gateways}")).flags,
        [Flag::OwnKeyRefused]
    );
    assert_eq!(
        vercel(&format!("{own},{other},{gateways}")).flags,
        [Flag::Fallback, Flag::OwnKeyRefused]
    );
    // An own key that only ran into a limit was not refused.
    let limited = own.replace("401", "429");
    assert_eq!(
        vercel(&format!("{limited},{gateways}")).flags,
        [Flag::Fallback]
    );

    let openrouter = |metadata: &str| {
        answered(
            "a/x",
            true,
            &stream(&[&format!(
                r#"{{"id":"g","openrouter_metadata":{metadata},"choices":[{{"index":0,"delta":{{"content":"x"}},"finish_reason":"stop"}}]}}"#
            )]),
        )
    };
    let second = openrouter(
        r#"{"attempt":2,"attempts":[{"model":"a/x","provider":"One","status":503},{"model":"a/x","provider":"Two","status":200}],"region":"eu"}"#,
    );
    assert_eq!(
        (second.provider.as_deref(), second.provider_attempts),
        (Some("Two"), Some(2))
    );
    assert_eq!(second.flags, [Flag::Fallback]);
    let first =
        openrouter(r#"{"attempt":1,"attempts":[{"model":"a/x","provider":"One","status":200}]}"#);
    assert_eq!(
        (first.provider.as_deref(), first.flags.as_slice()),
        (Some("One"), &[][..])
    );

    let plain = stream(&[
        r#"{"id":"g","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}"#,
    ]);
    let with_header = |name, value| {
        let reading = read_recording("a/x", true, &recording(200, &[(name, value)], &plain));
        (reading.flags.clone(), reading.provider_attempts)
    };
    assert_eq!(
        with_header("x-litellm-attempted-retries", "2"),
        (vec![Flag::ProxyRetried], Some(3))
    );
    assert_eq!(
        with_header("x-litellm-attempted-retries", "0"),
        (vec![], None)
    );
    assert_eq!(
        with_header("cf-aig-cache-status", "HIT").0,
        [Flag::ResponseCached]
    );
    assert_eq!(with_header("cf-aig-cache-status", "MISS").0, []);
}
