//! What holds in every dialect and by every route: the same answer, however it is told.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::bill::Usage;
use super::dialect::Dialect;
use super::fault::Selection;
use super::request::{Api, ChatRequest};
use super::script::Script;
use super::tests::MOMENT;
use super::world::World;

/// What one question gets.
struct Told {
    script: Script,
    text: String,
}

impl Told {
    fn usage(&self) -> Usage {
        self.script.account.as_ref().unwrap().usage
    }

    /// The JSON of the events, in order.
    fn events(&self) -> Vec<Value> {
        let lines = self.text.lines();
        let lines = lines.filter_map(|line| line.strip_prefix("data: "));
        let lines = lines.filter(|line| *line != "[DONE]");
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The same question by any route: model, limit, text and whether a tool must be called.
#[derive(Debug, Clone)]
struct Question {
    model: String,
    limit: u64,
    text: String,
    tool: bool,
}

impl Question {
    fn body(&self, api: Api, stream: bool) -> Value {
        let messages = json!([{ "role": "user", "content": self.text }]);
        let mut body = json!({ "model": self.model, "stream": stream });
        match api {
            Api::Chat => {
                body["messages"] = messages;
                body["max_completion_tokens"] = json!(self.limit);
                body["stream_options"] = json!({ "include_usage": true });
            }
            Api::Messages => {
                body["messages"] = messages;
                body["max_tokens"] = json!(self.limit);
            }
            Api::Responses => {
                body["input"] = json!(self.text);
                body["max_output_tokens"] = json!(self.limit);
            }
        }
        if self.tool {
            body["tools"] = match api {
                Api::Chat => json!([{ "type": "function", "function": { "name": "find" } }]),
                Api::Messages | Api::Responses => json!([{ "name": "find" }]),
            };
            body["tool_choice"] = match api {
                Api::Messages => json!({ "type": "any" }),
                Api::Chat | Api::Responses => json!("required"),
            };
        }
        body
    }

    fn ask(&self, world: &str, api: Api, stream: bool) -> Told {
        let world = World::parse(world).unwrap();
        let body = self.body(api, stream).to_string();
        let request = ChatRequest::read(body.as_bytes(), api).unwrap();
        let selection: Selection = request.model.parse().unwrap();
        let model = world.model(&selection.model).unwrap();
        let script = Script::write(&world, &model, &selection, &request, &MOMENT);
        let bytes = script.steps.iter().flat_map(|step| step.bytes.clone());
        let text = String::from_utf8(bytes.collect()).unwrap();
        Told { script, text }
    }
}

/// The answer's text and tool arguments out of a stream, as a reader of that route joins them.
fn said(api: Api, events: &[Value]) -> String {
    let piece = |event: &Value| -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match api {
            Api::Chat => {
                let delta = &event["choices"][0]["delta"];
                let parts = delta["content"].as_array().into_iter().flatten();
                let parts: String = parts.map(|part| text(&part["text"])).collect();
                let call = &delta["tool_calls"][0]["function"];
                text(&delta["content"]) + &parts + &text(&call["name"]) + &text(&call["arguments"])
            }
            Api::Messages => {
                let (delta, block) = (&event["delta"], &event["content_block"]);
                text(&delta["text"]) + &text(&block["name"]) + &text(&delta["partial_json"])
            }
            Api::Responses => match event["type"].as_str().unwrap() {
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

/// Prompt, completion and cached tokens of the last usage in a stream.
fn told_usage(api: Api, events: &[Value]) -> [u64; 3] {
    let last = |find: &dyn Fn(&Value) -> Value| {
        let found = events.iter().map(find).filter(Value::is_object);
        found.last().unwrap()
    };
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    match api {
        Api::Chat => {
            let usage = last(&|event| event["usage"].clone());
            let cached = &usage["prompt_tokens_details"]["cached_tokens"];
            let completion = &usage["completion_tokens"];
            [
                count(&usage["prompt_tokens"]),
                count(completion),
                count(cached),
            ]
        }
        Api::Messages => {
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
        Api::Responses => {
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

const APIS: [Api; 3] = [Api::Chat, Api::Messages, Api::Responses];

proptest! {
    // The promise of the room: one world, one seed, one answer, told in any words by any route.
    #[test]
    fn every_dialect_and_route_tells_the_same_answer(question in any_question()) {
        let plain = question.ask("", Api::Chat, true);
        let text = said(Api::Chat, &plain.events());
        let usage = plain.usage();
        for dialect in Dialect::ALL {
            let world = format!("dialect = \"{dialect}\"");
            for api in APIS {
                let told = question.ask(&world, api, true);
                let events = told.events();
                prop_assert_eq!(&said(api, &events), &text, "{} {:?}", dialect, api);
                prop_assert_eq!(told.usage(), usage);
                let counts = [usage.prompt, usage.completion, usage.cached];
                prop_assert_eq!(told_usage(api, &events), counts, "{} {:?}", dialect, api);
            }
        }
    }

    // Whoever names a dialect in a model id gets what a world of that dialect says, the id apart.
    #[test]
    fn a_word_in_the_id_is_as_good_as_a_world(
        dialect in prop::sample::select(Dialect::ALL.to_vec()), api in prop::sample::select(APIS.to_vec()),
        question in any_question(), stream in any::<bool>(),
    ) {
        let world = question.ask(&format!("dialect = \"{dialect}\""), api, stream);
        let model = format!("{}+{dialect}", question.model);
        let character = format!("[default]\ndialect = \"{dialect}\"");
        if !question.model.starts_with("sim/") {
            let by_model = question.ask(&character, api, stream);
            prop_assert_eq!(&by_model.script, &world.script);
        }
        let word = Question { model, ..question };
        let named = word.ask("", api, stream);
        prop_assert_eq!(named.text.replace(&format!("+{dialect}"), ""), world.text);
    }

    // Readers keep a block, a part or an item open until it is closed: opened and closed must match.
    #[test]
    fn what_is_opened_is_closed(question in any_question(), own in any::<bool>()) {
        let world = if own { "dialect = \"anthropic\"" } else { "" };
        let events = question.ask(world, Api::Messages, true).events();
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

    // The streamed response adds up to the whole one that its last event holds, and the whole one
    // is what a request without streaming gets.
    #[test]
    fn a_streamed_response_adds_up_to_the_whole(question in any_question()) {
        let world = "dialect = \"openai\"";
        let events = question.ask(world, Api::Responses, true).events();
        for (index, event) in events.iter().enumerate() {
            prop_assert_eq!(&event["sequence_number"], &json!(index));
        }
        let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
        let done: Vec<Value> = done.map(|event| event["item"].clone()).collect();
        let whole = &events.last().unwrap()["response"];
        prop_assert_eq!(&whole["output"], &json!(done));
        let unstreamed: Value =
            serde_json::from_str(&question.ask(world, Api::Responses, false).text).unwrap();
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
        let told = question.ask(&format!("dialect = \"{dialect}\""), Api::Chat, true);
        for mark in marks {
            assert!(
                told.text.contains(mark),
                "{dialect} lacks {mark}: {}",
                told.text
            );
        }
        let vercels = dialect == "vercel";
        assert_eq!(
            told.text.contains("provider_metadata"),
            vercels,
            "{dialect}"
        );
    }
    let header = |dialect: &str, name: &str| {
        let told = question.ask(&format!("dialect = \"{dialect}\""), Api::Chat, false);
        told.script.headers.iter().any(|(found, _)| *found == name)
    };
    assert!(header("openrouter", "x-generation-id"));
    assert!(header("litellm", "x-litellm-response-cost"));
    assert!(header("openai", "x-request-id"));
}

#[test]
fn the_o_series_wants_the_new_name_of_the_limit() {
    // Only OpenAI refuses, only its o-series, and it names what to write instead.
    let status = |model: &str, limit: &str| {
        let messages = json!([{ "role": "user", "content": "x" }]);
        let mut body = json!({ "model": model, "messages": messages });
        body[limit] = json!(50);
        let request = ChatRequest::read(body.to_string().as_bytes(), Api::Chat).unwrap();
        let selection: Selection = request.model.parse().unwrap();
        let world = World::built_in();
        let model = world.model(&selection.model).unwrap();
        Script::write(&world, &model, &selection, &request, &MOMENT).status
    };
    assert_eq!(status("openai/o3+openai", "max_tokens"), 400);
    assert_eq!(status("openai/o3+openai", "max_completion_tokens"), 200);
    assert_eq!(status("openai/gpt-4.1-nano+openai", "max_tokens"), 200);
    assert_eq!(status("openai/o3", "max_tokens"), 200);
}

#[test]
fn breaks_and_errors_reach_every_route() {
    // Faults of bytes and statuses are the same everywhere; an error wears its route's clothes.
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
        (Api::Messages, "message_stop"),
        (Api::Responses, "response.completed"),
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
            let told = ask(fault, api);
            assert!(!told.text.contains(&format!("event: {last}\n")), "{fault}");
            let tokens: u32 = told.script.steps.iter().map(|step| step.chunks).sum();
            assert!(tokens > 0, "{fault}");
        }
        let error = ask("error-first", api).text;
        assert!(error.starts_with("event: error\ndata: {"), "{error}");
        assert_eq!(ask("429-seconds", api).script.status, 429);
        assert!(ask("bytewise", api).script.steps.len() > plain.text.len() / 2);
    }
    let limited: Value = serde_json::from_str(&ask("429", Api::Messages).text).unwrap();
    assert_eq!(limited["error"]["type"], "rate_limit_error");
    let overloaded: Value = serde_json::from_str(&ask("529", Api::Messages).text).unwrap();
    assert_eq!(overloaded["error"]["type"], "overloaded_error");
}
