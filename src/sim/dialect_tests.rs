//! Invariants of every dialect and route: the same answer in any form.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::bill::SimulatedUsage;
use super::dialect::Dialect;
use super::fault::ModelSelector;
use super::request::{ChatRequest, ChatRoute};
use super::scenario::Scenario;
use super::script::Script;
use super::tests::MOMENT;

/// The response to one question.
struct RenderedAnswer {
    script: Script,
    text: String,
}

impl RenderedAnswer {
    fn usage(&self) -> SimulatedUsage {
        self.script.account.as_ref().unwrap().usage
    }

    /// Returns the JSON of the events, in order.
    fn events(&self) -> Vec<Value> {
        let lines = self.text.lines();
        let lines = lines.filter_map(|line| line.strip_prefix("data: "));
        let lines = lines.filter(|line| *line != "[DONE]");
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The same question on any route: model, limit, text and a flag for a required tool call.
#[derive(Debug, Clone)]
struct Question {
    model: String,
    limit: u64,
    text: String,
    tool: bool,
}

impl Question {
    fn body(&self, api: ChatRoute, stream: bool) -> Value {
        let messages = json!([{ "role": "user", "content": self.text }]);
        let mut body = json!({ "model": self.model, "stream": stream });
        match api {
            ChatRoute::Chat => {
                body["messages"] = messages;
                body["max_completion_tokens"] = json!(self.limit);
                body["stream_options"] = json!({ "include_usage": true });
            }
            ChatRoute::Messages => {
                body["messages"] = messages;
                body["max_tokens"] = json!(self.limit);
            }
            ChatRoute::Responses => {
                body["input"] = json!(self.text);
                body["max_output_tokens"] = json!(self.limit);
            }
        }
        if self.tool {
            body["tools"] = match api {
                ChatRoute::Chat => json!([{ "type": "function", "function": { "name": "find" } }]),
                ChatRoute::Messages | ChatRoute::Responses => json!([{ "name": "find" }]),
            };
            body["tool_choice"] = match api {
                ChatRoute::Messages => json!({ "type": "any" }),
                ChatRoute::Chat | ChatRoute::Responses => json!("required"),
            };
        }
        body
    }

    fn ask(&self, scenario: &str, api: ChatRoute, stream: bool) -> RenderedAnswer {
        let scenario = parsed(scenario);
        let body = self.body(api, stream).to_string();
        let request = ChatRequest::from_body(body.as_bytes(), api).unwrap();
        let selector: ModelSelector = request.model.parse().unwrap();
        let model = scenario.model(&selector.model).unwrap();
        let script = Script::write(&scenario, &model, &selector, &request, &MOMENT);
        let bytes = script.steps.iter().flat_map(|step| step.bytes.clone());
        let text = String::from_utf8(bytes.collect()).unwrap();
        RenderedAnswer { script, text }
    }
}

/// The scenario of a text. Each text is read once: thousands of cases name the same few.
fn parsed(text: &str) -> Rc<Scenario> {
    thread_local! {
        static SCENARIOS: RefCell<HashMap<String, Rc<Scenario>>> = RefCell::default();
    }
    SCENARIOS.with_borrow_mut(|scenarios| {
        let parse = || Rc::new(Scenario::parse(text).unwrap());
        Rc::clone(scenarios.entry(text.to_owned()).or_insert_with(parse))
    })
}

/// Returns the answer's text and tool arguments from a stream, as a reader of that route joins them.
fn joined_text(api: ChatRoute, events: &[Value]) -> String {
    let piece = |event: &Value| -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match api {
            ChatRoute::Chat => {
                let delta = &event["choices"][0]["delta"];
                let parts = delta["content"].as_array().into_iter().flatten();
                let parts: String = parts.map(|part| text(&part["text"])).collect();
                let call = &delta["tool_calls"][0]["function"];
                text(&delta["content"]) + &parts + &text(&call["name"]) + &text(&call["arguments"])
            }
            ChatRoute::Messages => {
                let (delta, block) = (&event["delta"], &event["content_block"]);
                text(&delta["text"]) + &text(&block["name"]) + &text(&delta["partial_json"])
            }
            ChatRoute::Responses => match event["type"].as_str().unwrap() {
                "response.output_text.delta" | "response.function_call_arguments.delta" => {
                    text(&event["delta"])
                }
                "response.output_item.added" => text(&event["item"]["name"]),
                _ => String::new(),
            },
        }
    };
    events.iter().map(piece).collect()
}

/// Returns prompt, completion and cached tokens of the last usage in a stream.
fn last_usage(api: ChatRoute, events: &[Value]) -> [u64; 3] {
    let last = |find: &dyn Fn(&Value) -> Value| {
        let found = events.iter().map(find).filter(Value::is_object);
        found.last().unwrap()
    };
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    match api {
        ChatRoute::Chat => {
            let usage = last(&|event| event["usage"].clone());
            let cached = &usage["prompt_tokens_details"]["cached_tokens"];
            let completion = &usage["completion_tokens"];
            [
                count(&usage["prompt_tokens"]),
                count(completion),
                count(cached),
            ]
        }
        ChatRoute::Messages => {
            let usage = last(&|event| event["usage"].clone());
            let parts = [
                "input_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
            ];
            let prompt = parts.map(|key| count(&usage[key])).iter().sum();
            let cached = count(&usage["cache_read_input_tokens"]);
            [prompt, count(&usage["output_tokens"]), cached]
        }
        ChatRoute::Responses => {
            let usage = last(&|event| event["response"]["usage"].clone());
            let cached = &usage["input_tokens_details"]["cached_tokens"];
            let completion = &usage["output_tokens"];
            [
                count(&usage["input_tokens"]),
                count(completion),
                count(cached),
            ]
        }
    }
}

fn any_question() -> impl Strategy<Value = Question> {
    let models = [
        "openai/gpt-5-mini",
        "openai/gpt-4.1-nano",
        "google/gemini-2.5-pro",
        "spacexai/grok-4.1-fast-reasoning",
        "sim/constant-20ms-5ms-16",
    ];
    let model = prop::sample::select(models.to_vec());
    (model, 1u64..200, "[a-z ]{1,30}", any::<bool>()).prop_map(|(model, limit, text, tool)| {
        Question {
            model: model.to_owned(),
            limit,
            text,
            tool,
        }
    })
}

const APIS: [ChatRoute; 3] = [ChatRoute::Chat, ChatRoute::Messages, ChatRoute::Responses];

proptest! {
    // The promise of the simulator: one scenario, one seed, one answer, in any dialect on any route.
    #[test]
    fn every_dialect_and_route_has_the_same_answer(question in any_question()) {
        let plain = question.ask("", ChatRoute::Chat, true);
        let text = joined_text(ChatRoute::Chat, &plain.events());
        let usage = plain.usage();
        for dialect in Dialect::ALL {
            let scenario = format!("dialect = \"{dialect}\"");
            for api in APIS {
                let rendered = question.ask(&scenario, api, true);
                let events = rendered.events();
                prop_assert_eq!(&joined_text(api, &events), &text, "{} {:?}", dialect, api);
                prop_assert_eq!(rendered.usage(), usage);
                let counts = [usage.prompt, usage.completion, usage.cached];
                prop_assert_eq!(last_usage(api, &events), counts, "{} {:?}", dialect, api);
            }
        }
    }

    // A dialect named in a model id has the same effect as a scenario of that dialect, except for the id.
    #[test]
    fn a_dialect_in_the_id_equals_one_in_the_scenario(
        dialect in prop::sample::select(Dialect::ALL.to_vec()), api in prop::sample::select(APIS.to_vec()),
        question in any_question(), stream in any::<bool>(),
    ) {
        let scenario = question.ask(&format!("dialect = \"{dialect}\""), api, stream);
        let model = format!("{}+{dialect}", question.model);
        let profile = format!("[default]\ndialect = \"{dialect}\"");
        if !question.model.starts_with("sim/") {
            let by_model = question.ask(&profile, api, stream);
            prop_assert_eq!(&by_model.script, &scenario.script);
        }
        let word = Question { model, ..question };
        let named = word.ask("", api, stream);
        prop_assert_eq!(named.text.replace(&format!("+{dialect}"), ""), scenario.text);
    }

    // Readers hold a block, a part or an item open until it is closed: opened and closed must match.
    #[test]
    fn opened_blocks_are_closed(question in any_question(), own in any::<bool>()) {
        let scenario = if own { "dialect = \"anthropic\"" } else { "" };
        let events = question.ask(scenario, ChatRoute::Messages, true).events();
        let mut open: Vec<Value> = Vec::new();
        for event in &events {
            match event["type"].as_str().unwrap() {
                "content_block_start" => open.push(event["index"].clone()),
                "content_block_delta" => prop_assert_eq!(open.last(), Some(&event["index"])),
                "content_block_stop" => prop_assert_eq!(open.pop(), Some(event["index"].clone())),
                _ => prop_assert!(open.is_empty()),
            }
            prop_assert!(open.len() <= 1);
        }
        let names: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        prop_assert!(names.starts_with(&["message_start"]));
        prop_assert!(names.ends_with(&["message_delta", "message_stop"]));
        prop_assert_eq!(names.contains(&"ping"), own);
        let begun = events[0]["message"]["usage"]["input_tokens"].as_u64().unwrap();
        prop_assert_eq!(begun > 0, own, "the gateway begins with zeros");
    }

    // The streamed response adds up to the complete one that its last event holds, and the complete one is the
    // response to a request without streaming.
    #[test]
    fn a_streamed_response_adds_up_to_the_complete_one(question in any_question()) {
        let scenario = "dialect = \"openai\"";
        let events = question.ask(scenario, ChatRoute::Responses, true).events();
        for (index, event) in events.iter().enumerate() {
            prop_assert_eq!(&event["sequence_number"], &json!(index));
        }
        let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
        let done: Vec<Value> = done.map(|event| event["item"].clone()).collect();
        let whole = &events.last().unwrap()["response"];
        prop_assert_eq!(&whole["output"], &json!(done));
        let unstreamed: Value =
            serde_json::from_str(&question.ask(scenario, ChatRoute::Responses, false).text).unwrap();
        prop_assert_eq!(&unstreamed["usage"], &whole["usage"]);
        prop_assert_eq!(&unstreamed["status"], &whole["status"]);
        let texts = |response: &Value| {
            let parts = response["output"].as_array().unwrap().iter();
            let parts = parts.map(|item| (item["content"].clone(), item["arguments"].clone()));
            parts.collect::<Vec<_>>()
        };
        prop_assert_eq!(texts(&unstreamed), texts(whole));
    }
}

#[test]
fn each_dialect_has_its_marks() {
    // A dialect that looked like another would make the client's test of it pass for no reason.
    let question = Question {
        model: "google/gemini-2.5-pro".to_owned(),
        limit: 120,
        text: "Why is the sky blue?".to_owned(),
        tool: false,
    };
    for (dialect, marks) in [
        (
            "vercel",
            &["provider_metadata", "reasoning_details", "\"market_cost\""][..],
        ),
        (
            "openrouter",
            &[
                ": OPENROUTER PROCESSING",
                "\"cost\"",
                "\"choices\":[],\"usage\"",
            ],
        ),
        (
            "openai",
            &["obfuscation", "\"usage\":null", "\"choices\":[],\"usage\""],
        ),
        (
            "litellm",
            &["reasoning_content", "\"choices\":[],\"usage\""],
        ),
        ("vllm", &["\"reasoning\":", "\"choices\":[],\"usage\""]),
        ("llamacpp", &["reasoning_content", "predicted_per_second"]),
        ("ollama", &["fp_ollama", "\"content\":\"\",\"reasoning\""]),
        ("groq", &["x_groq", "queue_time"]),
        (
            "deepseek",
            &[
                ": keep-alive",
                "prompt_cache_miss_tokens",
                "reasoning_content",
            ],
        ),
        ("mistral", &["\"type\":\"thinking\"", "\"p\":"]),
        (
            "azure",
            &["prompt_filter_results", "\"choices\":[],\"usage\""],
        ),
    ] {
        let rendered = question.ask(&format!("dialect = \"{dialect}\""), ChatRoute::Chat, true);
        for mark in marks {
            assert!(
                rendered.text.contains(mark),
                "{dialect} lacks {mark}: {}",
                rendered.text
            );
        }
        let vercels = dialect == "vercel";
        assert_eq!(
            rendered.text.contains("provider_metadata"),
            vercels,
            "{dialect}"
        );
    }
    let header = |dialect: &str, name: &str| {
        let rendered = question.ask(&format!("dialect = \"{dialect}\""), ChatRoute::Chat, false);
        rendered
            .script
            .headers
            .iter()
            .any(|(found, _)| *found == name)
    };
    assert!(header("openrouter", "x-generation-id"));
    assert!(header("litellm", "x-litellm-response-cost"));
    assert!(header("openai", "x-request-id"));
}

#[test]
fn the_o_series_requires_the_new_name_of_the_limit() {
    // Only OpenAI rejects it, only for its o-series, and it names the replacement.
    let status = |model: &str, limit: &str| {
        let messages = json!([{ "role": "user", "content": "x" }]);
        let mut body = json!({ "model": model, "messages": messages });
        body[limit] = json!(50);
        let request = ChatRequest::from_body(body.to_string().as_bytes(), ChatRoute::Chat).unwrap();
        let selector: ModelSelector = request.model.parse().unwrap();
        let scenario = Scenario::built_in();
        let model = scenario.model(&selector.model).unwrap();
        Script::write(&scenario, &model, &selector, &request, &MOMENT).status
    };
    assert_eq!(status("openai/o3+openai", "max_tokens"), 400);
    assert_eq!(status("openai/o3+openai", "max_completion_tokens"), 200);
    assert_eq!(status("openai/gpt-4.1-nano+openai", "max_tokens"), 200);
    assert_eq!(status("openai/o3", "max_tokens"), 200);
}

#[test]
fn breaks_and_errors_reach_every_route() {
    // Faults of bytes and statuses are the same everywhere; an error has its route's shape.
    let ask = |fault: &str, api| {
        let question = Question {
            model: format!("openai/gpt-4.1-nano+{fault}"),
            limit: 4_000,
            text: "x".to_owned(),
            tool: false,
        };
        question.ask("", api, true)
    };
    for (api, last) in [
        (ChatRoute::Messages, "message_stop"),
        (ChatRoute::Responses, "response.completed"),
    ] {
        let plain = ask("vercel", api);
        assert!(
            plain.text.contains(&format!("event: {last}\n")),
            "{}",
            plain.text
        );
        for fault in [
            "cut",
            "cut-transport",
            "stall",
            "reset",
            "no-done",
            "error-midstream",
        ] {
            let rendered = ask(fault, api);
            assert!(
                !rendered.text.contains(&format!("event: {last}\n")),
                "{fault}"
            );
            let tokens: u32 = rendered.script.steps.iter().map(|step| step.chunks).sum();
            assert!(tokens > 0, "{fault}");
        }
        let error = ask("error-first", api).text;
        assert!(error.starts_with("event: error\ndata: {"), "{error}");
        assert_eq!(ask("429-seconds", api).script.status, 429);
        assert!(ask("bytewise", api).script.steps.len() > plain.text.len() / 2);
    }
    let limited: Value = serde_json::from_str(&ask("429", ChatRoute::Messages).text).unwrap();
    assert_eq!(limited["error"]["type"], "rate_limit_error");
    let overloaded: Value = serde_json::from_str(&ask("529", ChatRoute::Messages).text).unwrap();
    assert_eq!(overloaded["error"]["type"], "overloaded_error");
}
