//! Traces in the common shapes, their units and their faults.

use super::*;

const PLAIN: TraceOptions = TraceOptions {
    unit: None,
    speed: 1.0,
    rows: 1_000,
};

fn read(text: &str, options: TraceOptions) -> Result<Vec<(u64, u32, u64)>, String> {
    let format = if text.starts_with('{') {
        RowFormat::Jsonl
    } else {
        RowFormat::Csv
    };
    let read = requests(text.as_bytes(), format, options);
    let read = read.map_err(|problem| format!("{}: {}", problem.line, problem.message))?;
    let rows = read
        .iter()
        .map(|one| (one.at.0 / 1_000, one.input_tokens, one.output_tokens));
    Ok(rows.collect())
}

#[test]
fn the_common_shapes_have_their_own_units() {
    // The same three requests, two seconds apart, in milliseconds, seconds and dates.
    let expected = Ok(vec![(0, 655, 52), (2_000_000, 672, 26), (4_500_000, 40, 9)]);
    let mooncake = "{\"timestamp\": 10000, \"input_length\": 655, \"output_length\": 52, \"hash_ids\": [46, 47]}\n\
        {\"timestamp\": 12000, \"input_length\": 672, \"output_length\": 26, \"hash_ids\": [46, 48]}\n\
        {\"timestamp\": 14500, \"input_length\": 40, \"output_length\": 9, \"hash_ids\": []}\n";
    let burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
        5,ChatGPT,655,52,707,Conversation log\n6,GPT-4,0,0,0,API log\n7,ChatGPT,672,26,698,Conversation log\n\
        9.5,ChatGPT,40,9,49,Conversation log\n";
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5000000,655,52\n\
        2023-11-16 18:15:48.5000000,672,26\n2023-11-16 18:15:51.0,40,9\n";
    let zoned = azure
        .replace(",655", "+00:00,655")
        .replace(",672", "+00:00,672")
        .replace(",40", "+00:00,40");
    for text in [mooncake, burst, azure, &zoned] {
        assert_eq!(read(text, PLAIN), expected, "{text}");
    }
    let faster = TraceOptions {
        speed: 2.0,
        rows: 2,
        ..PLAIN
    };
    assert_eq!(
        read(mooncake, faster),
        Ok(vec![(0, 655, 52), (1_000_000, 672, 26)])
    );
}

#[test]
fn a_unit_is_checked() {
    // Seconds where the shape has milliseconds would send an hour of traffic within four seconds.
    let line =
        |at: f64| format!("{{\"timestamp\": {at}, \"input_length\": 5, \"output_length\": 5}}\n");
    let fractions = [0.25, 1.5].map(line).concat();
    let error = read(&fractions, PLAIN).unwrap_err();
    assert!(
        error.starts_with("1: ") && error.contains("`trace_unit` is \"s\""),
        "{error}"
    );
    let seconds = TraceOptions {
        unit: Some(TraceUnit::Seconds),
        ..PLAIN
    };
    assert_eq!(read(&fractions, seconds).unwrap()[1].0, 1_250_000);
    let dense: String = (0..500_u32).map(|at| line(f64::from(at / 100))).collect();
    assert!(
        read(&dense, PLAIN)
            .unwrap_err()
            .contains("`trace_unit` may be wrong")
    );
    let days = [0.0, 2e9].map(line).concat();
    assert!(read(&days, PLAIN).unwrap_err().contains("555.6 hours"));
}

#[test]
fn a_trace_with_a_fault_names_its_line() {
    let good = "{\"timestamp\": 5, \"input_length\": 5, \"output_length\": 5}\n";
    for (bad, complaint) in [
        (
            "{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 5}",
            "2: earlier",
        ),
        (
            "{\"timestamp\": -1, \"input_length\": 5, \"output_length\": 5}",
            "2: `timestamp` is `-1`",
        ),
        (
            "{\"timestamp\": 9, \"input_length\": 5.5, \"output_length\": 5}",
            "2: `input_length` is `5.5`",
        ),
        (
            "{\"timestamp\": 9, \"input_length\": 5}",
            "2: `output_length` is missing",
        ),
        (
            "{\"timestamp\": 9, \"input_length\": 5, \"output_length\": 5, \"hash_ids\": [\"a\"]}",
            "2: `hash_ids`",
        ),
        ("nonsense", "2: "),
    ] {
        let error = read(&format!("{good}{bad}"), PLAIN).unwrap_err();
        assert!(error.starts_with(complaint), "{error}");
    }
    assert!(
        read("{\"t\": 1}", PLAIN)
            .unwrap_err()
            .contains("no known trace")
    );
    assert!(
        read("a,b\n1,2\n", PLAIN)
            .unwrap_err()
            .contains("no known trace")
    );
    assert!(read("a,b\n", PLAIN).unwrap_err().contains("no request"));
}

#[test]
fn a_trace_is_known_by_its_name_or_its_first_character() {
    // A pipe has no extension; a line of a fault counts the header and the failed calls before it.
    let burst = "Timestamp,Model,Request tokens,Response tokens\n5,A,655,52\n6,A,0,0\n7,A,672,26\n";
    let mooncake = "{\"timestamp\": 3, \"input_length\": 655, \"output_length\": 52}\n";
    let read = |name: &str, text: &str| {
        let trace = RequestTrace::read(name, text.as_bytes(), TraceOptions::default());
        trace.map(|trace| trace.stage().instants_ns.len())
    };
    assert_eq!(read("standard input", burst), Ok(2));
    assert_eq!(read("/dev/fd/63", mooncake), Ok(1));
    assert_eq!(read("trace.csv", burst), Ok(2));
    let unsorted = format!("{burst}6,A,672,26\n");
    let error = read("trace.csv", &unsorted).unwrap_err();
    assert!(
        error.starts_with("trace.csv:5: earlier than the request before it"),
        "{error}"
    );
    for empty in [
        "",
        "\n\n",
        "Timestamp,Model,Request tokens,Response tokens\n",
    ] {
        let error = read("trace.csv", empty).unwrap_err();
        assert_eq!(
            error,
            "trace.csv:1: no request with input and output tokens"
        );
    }
    let micros = TraceOptions {
        unit: Some(TraceUnit::Microseconds),
        ..TraceOptions::default()
    };
    let of_micros = RequestTrace::read("t.csv", burst.as_bytes(), micros).unwrap();
    assert_eq!(of_micros.stage().instants_ns, [Nanos::ZERO, Nanos(2_000)]);
}

#[test]
fn equal_blocks_are_equal_prefixes() {
    // What a prompt cache could reuse in the traced system it can reuse here: one block of 512 tokens, not two.
    let trace = "{\"timestamp\": 0, \"input_length\": 700, \"output_length\": 52, \"hash_ids\": [46, 47]}\n\
        {\"timestamp\": 1, \"input_length\": 1200, \"output_length\": 26, \"hash_ids\": [46, 48, 49]}\n";
    let read = requests(trace.as_bytes(), RowFormat::Jsonl, PLAIN).unwrap();
    let prompts: Vec<Prompt> = trace_prompts(&read, 7).collect();
    let words = |prompt: &Prompt| -> Vec<String> {
        prompt.messages[0]
            .content
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    let (first, second) = (words(&prompts[0]), words(&prompts[1]));
    // The request has 11 words and 12 tokens.
    assert_eq!((first.len(), second.len()), (699, 1_199));
    let common = first
        .iter()
        .zip(&second)
        .take_while(|(a, b)| a == b)
        .count();
    assert!((512..520).contains(&common), "{common}");
    assert_eq!(prompts[1].parameters.max_tokens, Some(26));
}
