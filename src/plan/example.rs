//! A suite for tests, of any size.

use crate::suite::{CacheMode, Message, Parameters, Prompt, Reuse, Role, Suite, Timeouts, Variant};
use crate::units::Nanos;

/// A suite `example` of prompts `p0`, `p1`, ... and variants `v0`, `v1`, ... with seed 7.
pub(crate) fn suite(prompts: usize, variants: usize, repetitions: u32) -> Suite {
    let prompt = |index: usize| {
        let messages = vec![Message::text(Role::User, format!("Question {index}?"))];
        Prompt::new(format!("p{index}"), messages)
    };
    let variant = |index: usize| Variant {
        label: format!("v{index}"),
        model: format!("maker/m{index}").parse().expect("a valid id"),
        cache: None,
        system: None,
        parameters: Parameters::default(),
    };
    let second = Nanos::from_millis(1_000);
    Suite {
        name: "example".to_owned(),
        description: None,
        endpoint: "sim".to_owned(),
        variants: (0..variants).map(variant).collect(),
        reference: "v0".to_owned(),
        repetitions,
        warmup: 1,
        concurrency: 1,
        seed: 7,
        stream: true,
        keep_answers: true,
        gate: None,
        max_attempts: 1,
        patience_ns: Nanos::from_millis(300_000),
        load: None,
        max_cost: None,
        timeouts: Timeouts {
            connect_ns: second,
            headers_ns: second,
            gap_ns: second,
            total_ns: second,
        },
        cache: CacheMode::AsIs,
        reuse: Reuse::default(),
        system: None,
        parameters: Parameters::default(),
        judge: None,
        embedding_model: None,
        prompts: (0..prompts).map(prompt).collect(),
    }
}
