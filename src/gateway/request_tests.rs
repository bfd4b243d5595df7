use super::*;
use crate::suite::{CacheControl, CacheKind, CacheTtl, DeclaredCall, Image, ReasoningEffort, Role};

fn id(text: &str) -> ModelId {
    text.parse().unwrap()
}

fn question() -> Vec<Message> {
    vec![Message::text(
        Role::User,
        "Why \"is\" the sky blue?".to_owned(),
    )]
}

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_bare_request_has_only_the_required_keys() {
    // Parameters without a value must not be sent: their defaults belong to the endpoint.
    let sent = body(
        &id("openai/gpt-5-mini"),
        &question(),
        &Parameters::default(),
        false,
        Wording::default(),
    )
    .unwrap();
    insta::assert_snapshot!(
        String::from_utf8(sent).unwrap(),
        @r#"{"messages":[{"content":"Why \"is\" the sky blue?","role":"user"}],"model":"openai/gpt-5-mini","stream":false}"#
    );
}

#[test]
fn every_parameter_is_sent_under_its_wire_name() {
    // A misspelt key is silently ignored by servers, and the comparison would be of defaults.
    let parameters = Parameters {
        max_tokens: Some(64),
        max_tokens_name: None,
        temperature: Some(0.2),
        top_p: Some(0.9),
        stop: Some(vec!["END".to_owned()]),
        seed: Some(-7),
        reasoning_effort: Some(ReasoningEffort::Low),
        tools: Some(vec![Tool {
            name: "add".to_owned(),
            description: None,
            parameters: json!({"type": "object"}),
        }]),
        response_format: Some(json!({"type": "text"})),
        caching: Some(Caching::Auto),
        system_cache_control: None,
        provider_options: object(json!({"gateway": {"only": ["azure"]}})),
        extra: object(
            json!({"model": "other", "n": 1, "stream_options": {"include_obfuscation": false}}),
        ),
    };
    let sent = body(&id("m"), &question(), &parameters, true, Wording::default()).unwrap();
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(
        sent,
        json!({
            "model": "m",
            "messages": [{"role": "user", "content": "Why \"is\" the sky blue?"}],
            "stream": true,
            "stream_options": {"include_usage": true, "include_obfuscation": false},
            "max_tokens": 64,
            "temperature": 0.2,
            "top_p": 0.9,
            "stop": ["END"],
            "seed": -7,
            "reasoning_effort": "low",
            "tools": [{"type": "function",
                "function": {"name": "add", "parameters": {"type": "object"}}}],
            "response_format": {"type": "text"},
            "providerOptions": {"gateway": {"only": ["azure"], "caching": "auto"}},
            "n": 1,
        })
    );
}

#[test]
fn the_token_limit_has_the_name_that_the_model_wants() {
    // OpenAI rejects the older name for reasoning models; other servers know only that.
    for (model, name) in [
        ("o3", TokenLimitName::MaxCompletionTokens),
        ("o4-mini-2025-04-16", TokenLimitName::MaxCompletionTokens),
        ("gpt-5", TokenLimitName::MaxCompletionTokens),
        ("gpt-5.4-mini", TokenLimitName::MaxCompletionTokens),
        ("gpt-4o", TokenLimitName::MaxTokens),
        ("gpt-oss-120b", TokenLimitName::MaxTokens),
        ("olmo-2", TokenLimitName::MaxTokens),
        ("openai/o3", TokenLimitName::MaxTokens),
        ("openai/gpt-5", TokenLimitName::MaxTokens),
    ] {
        assert_eq!(token_limit_name(&id(model)), name, "{model}");
    }
}

#[test]
fn the_suites_name_wins_over_the_endpoints_and_that_over_the_models() {
    // The most specific setting is the most deliberate one.
    let names = |own, endpoint| {
        let parameters = Parameters {
            max_tokens: Some(1),
            max_tokens_name: own,
            ..Parameters::default()
        };
        let wording = Wording {
            max_tokens_name: endpoint,
            ..Wording::default()
        };
        let sent = body(&id("o3"), &[], &parameters, false, wording).unwrap();
        let sent: Map<String, Value> = serde_json::from_slice(&sent).unwrap();
        sent.keys()
            .find(|key| key.starts_with("max_"))
            .unwrap()
            .clone()
    };
    let older = Some(TokenLimitName::MaxTokens);
    let newer = Some(TokenLimitName::MaxCompletionTokens);
    assert_eq!(names(None, None), "max_completion_tokens");
    assert_eq!(names(None, older), "max_tokens");
    assert_eq!(names(newer, older), "max_completion_tokens");
}

fn sent(messages: &[Message], parameters: &Parameters, wording: Wording) -> Value {
    let bytes = body(&id("m"), messages, parameters, true, wording).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn stream_options_are_left_out_where_the_endpoint_says_so() {
    // TGI, LM Studio and others answer 422 to the key; without it token counts come if the server sends them anyway.
    let sent = |omits_stream_options, stream| {
        let wording = Wording {
            omits_stream_options,
            ..Wording::default()
        };
        let body = body(&id("m"), &[], &Parameters::default(), stream, wording).unwrap();
        let body: Map<String, Value> = serde_json::from_slice(&body).unwrap();
        body.contains_key("stream_options")
    };
    assert_eq!(
        [sent(false, true), sent(true, true), sent(false, false)],
        [true, false, false]
    );
}

#[test]
fn metadata_is_requested_from_openrouter_alone() {
    // An unknown header is harmless at most servers, but is none of theirs.
    for (host, count) in [
        ("openrouter.ai", 1),
        ("eu.openrouter.ai", 1),
        ("notopenrouter.ai", 0),
        ("127.0.0.1", 0),
    ] {
        assert_eq!(host_headers(host).len(), count, "{host}");
    }
}

fn wording_for(api: Api) -> Wording {
    Wording {
        api,
        ..Wording::default()
    }
}

/// A conversation with all parts that a turn can have.
fn conversation() -> Vec<Message> {
    let result = |id: &str, content: &str| Message {
        tool_call_id: Some(id.to_owned()).into(),
        ..Message::text(Role::Tool, content)
    };
    let call = |id: &str| DeclaredCall {
        id: id.to_owned(),
        name: "weather".to_owned(),
        arguments: "{\"city\":\"Bern\"}".to_owned(),
    };
    vec![
        Message::text(Role::System, "Be brief."),
        Message {
            images: vec![
                Image::Url("https://example.org/a.png".to_owned()),
                Image::Bytes {
                    media_type: "image/png".to_owned(),
                    base64: "aGk=".to_owned(),
                },
            ]
            .into(),
            ..Message::text(Role::User, "Where?")
        },
        Message {
            tool_calls: vec![call("a"), call("b")].into(),
            ..Message::text(Role::Assistant, "")
        },
        result("a", "rain"),
        result("b", "sun"),
        Message::text(Role::User, "And?"),
    ]
}

/// All parameters that the routes other than chat support.
fn all_parameters() -> Parameters {
    let schema = json!({"name": "n", "schema": {"type": "object"}, "strict": true});
    Parameters {
        max_tokens: Some(64),
        temperature: Some(0.5),
        top_p: Some(0.9),
        reasoning_effort: Some(ReasoningEffort::Low),
        tools: Some(vec![Tool {
            name: "weather".to_owned(),
            description: Some("Reports the weather.".to_owned()),
            parameters: json!({"type": "object"}),
        }]),
        response_format: Some(json!({"type": "json_schema", "json_schema": schema})),
        provider_options: object(json!({"gateway": {"only": ["azure"]}})),
        extra: object(json!({"store": false, "model": "other"})),
        ..Parameters::default()
    }
}

#[test]
fn the_messages_route_carries_the_same_conversation() {
    // The same suite on another route must send the same prompt: without a turn it is another question.
    let mut parameters = all_parameters();
    parameters.stop = Some(vec!["END".to_owned()]);
    let tool_use =
        |id| json!({"type": "tool_use", "id": id, "name": "weather", "input": {"city": "Bern"}});
    let result =
        |id, content| json!({"type": "tool_result", "tool_use_id": id, "content": content});
    assert_eq!(
        sent(&conversation(), &parameters, wording_for(Api::Messages)),
        json!({
            "model": "m",
            "stream": true,
            "store": false,
            "max_tokens": 64,
            "temperature": 0.5,
            "top_p": 0.9,
            "stop_sequences": ["END"],
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": [
                    {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                    {"type": "image", "source":
                        {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                    {"type": "text", "text": "Where?"},
                ]},
                {"role": "assistant", "content": [tool_use("a"), tool_use("b")]},
                {"role": "user", "content": [result("a", "rain"), result("b", "sun")]},
                {"role": "user", "content": "And?"},
            ],
            "tools": [{"name": "weather", "description": "Reports the weather.",
                "input_schema": {"type": "object"}}],
            "output_config": {"effort": "low",
                "format": {"type": "json_schema", "schema": {"type": "object"}}},
            "providerOptions": {"gateway": {"only": ["azure"]}},
        })
    );
}

#[test]
fn the_responses_route_carries_the_same_conversation() {
    // As above: items in place of turns, and the same order.
    let call = |id| {
        json!({"type": "function_call", "call_id": id, "name": "weather",
        "arguments": "{\"city\":\"Bern\"}"})
    };
    let result =
        |id, output| json!({"type": "function_call_output", "call_id": id, "output": output});
    assert_eq!(
        sent(
            &conversation(),
            &all_parameters(),
            wording_for(Api::Responses)
        ),
        json!({
            "model": "m",
            "stream": true,
            "store": false,
            "max_output_tokens": 64,
            "temperature": 0.5,
            "top_p": 0.9,
            "input": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "input_text", "text": "Where?"},
                    {"type": "input_image", "image_url": "https://example.org/a.png"},
                    {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
                ]},
                call("a"), call("b"), result("a", "rain"), result("b", "sun"),
                {"role": "user", "content": "And?"},
            ],
            "tools": [{"type": "function", "name": "weather", "description": "Reports the weather.",
                "parameters": {"type": "object"}, "strict": false}],
            "reasoning": {"effort": "low"},
            "text": {"format": {"type": "json_schema", "name": "n",
                "schema": {"type": "object"}, "strict": true}},
            "providerOptions": {"gateway": {"only": ["azure"]}},
        })
    );
}

#[test]
fn what_a_route_cannot_carry_is_named() {
    // If a parameter were dropped silently, different questions would be compared.
    let plain = || Parameters {
        max_tokens: Some(1),
        ..Parameters::default()
    };
    let message = |api, messages: &[Message], parameters: Parameters| {
        let message = body(&id("m"), messages, &parameters, true, wording_for(api));
        message.unwrap_err().to_string()
    };
    let seeded = || Parameters {
        seed: Some(1),
        ..plain()
    };
    let grammar = || Parameters {
        response_format: Some(json!({"type": "grammar"})),
        ..plain()
    };
    let question = question();
    let mut broken = conversation();
    broken[2].tool_calls[0].arguments = "Bern".to_owned();
    let late = [
        question[0].clone(),
        Message::text(Role::System, "Be brief."),
    ];
    let messages = |turns, parameters| message(Api::Messages, turns, parameters);
    let responses = |parameters| message(Api::Responses, &question, parameters);
    for (message, what) in [
        (
            messages(&question, Parameters::default()),
            "a request without `max_tokens`",
        ),
        (messages(&question, seeded()), "`seed`"),
        (messages(&question, grammar()), "this `response_format`"),
        (
            messages(
                &question,
                Parameters {
                    reasoning_effort: Some(ReasoningEffort::Minimal),
                    ..plain()
                },
            ),
            "`reasoning_effort = \"minimal\"`",
        ),
        (
            messages(
                &question,
                Parameters {
                    max_tokens_name: Some(TokenLimitName::MaxTokens),
                    ..plain()
                },
            ),
            "`max_tokens_name`",
        ),
        (messages(&broken, plain()), "the call `a` of a turn"),
        (
            messages(&late, plain()),
            "a system message after the first turn",
        ),
        (responses(seeded()), "`seed`"),
        (responses(grammar()), "this `response_format`"),
        (
            responses(Parameters {
                stop: Some(vec!["END".to_owned()]),
                ..plain()
            }),
            "`stop`",
        ),
    ] {
        assert!(
            message.starts_with(&format!("{what} cannot be sent on the `")),
            "{message}"
        );
    }
}

/// The conversation with a mark on its system text, on the user's turn, on a call and on a result.
fn marked_conversation() -> Vec<Message> {
    let mark = |ttl| CacheControl {
        kind: CacheKind::Ephemeral,
        ttl,
    };
    let mut messages = conversation();
    "Looking.".clone_into(&mut messages[2].content);
    messages[0].cache_control = Some(mark(Some(CacheTtl::Hour)));
    for turn in &mut messages[1..4] {
        turn.cache_control = Some(mark(None));
    }
    messages
}

#[test]
fn marks_stand_where_each_route_looks_for_them() {
    // A mark in the wrong position is silently ignored, and the cache stays empty.
    let mark = json!({"type": "ephemeral"});
    let long = json!({"type": "ephemeral", "ttl": "1h"});
    let text = |text, mark| json!({"type": "text", "text": text, "cache_control": mark});
    let chat = sent(
        &marked_conversation(),
        &all_parameters(),
        wording_for(Api::Chat),
    );
    let turns = &chat["messages"];
    assert_eq!(turns[0]["content"], json!([text("Be brief.", &long)]));
    let parts = turns[1]["content"].as_array().unwrap();
    assert_eq!(parts[0], text("Where?", &mark));
    assert_eq!((parts.len(), &parts[1]["type"]), (3, &json!("image_url")));
    assert_eq!(turns[2]["content"], json!([text("Looking.", &mark)]));
    assert_eq!(turns[3]["content"], json!([text("rain", &mark)]));
    assert_eq!(turns[3]["tool_call_id"], "a");
    assert_eq!(turns[4]["content"], "sun");

    let messages = sent(
        &marked_conversation(),
        &all_parameters(),
        wording_for(Api::Messages),
    );
    assert_eq!(messages["system"], json!([text("Be brief.", &long)]));
    let turns = &messages["messages"];
    assert_eq!(turns[0]["content"][2], text("Where?", &mark));
    // The last block of a turn: the prefix up to it is the whole turn.
    assert_eq!(turns[1]["content"][0]["cache_control"], Value::Null);
    assert_eq!(turns[1]["content"][2]["cache_control"], mark);
    assert_eq!(turns[2]["content"][0]["cache_control"], mark);
    assert_eq!(turns[2]["content"][1]["cache_control"], Value::Null);
    assert_eq!(turns[3]["content"], "And?");
    let mut alone = vec![marked_conversation().swap_remove(1)];
    alone[0].images.clear();
    let alone = sent(&alone, &all_parameters(), wording_for(Api::Messages));
    assert_eq!(
        alone["messages"][0]["content"],
        json!([text("Where?", &mark)])
    );

    let rejection = body(
        &id("m"),
        &marked_conversation(),
        &all_parameters(),
        true,
        wording_for(Api::Responses),
    );
    let message = rejection.unwrap_err().to_string();
    assert!(
        message.starts_with("a prompt marked by `cache_control` cannot be sent"),
        "{message}"
    );
}

#[test]
fn caching_is_set_in_one_place_on_every_route() {
    // The suite's own key has precedence over the raw options of any level, and changes no other.
    let options_sent = |api, caching, options| {
        let parameters = Parameters {
            caching,
            provider_options: object(options),
            ..all_parameters()
        };
        sent(&question(), &parameters, wording_for(api))["providerOptions"].clone()
    };
    let auto = json!({"gateway": {"caching": "auto"}});
    for api in [Api::Chat, Api::Messages, Api::Responses] {
        assert_eq!(options_sent(api, Some(Caching::Auto), json!({})), auto);
        let raw = json!({"gateway": {"only": ["azure"]}, "openai": {"store": false}});
        let both = json!({
            "gateway": {"only": ["azure"], "caching": "auto"}, "openai": {"store": false},
        });
        assert_eq!(options_sent(api, Some(Caching::Auto), raw.clone()), both);
        assert_eq!(options_sent(api, Some(Caching::Off), both.clone()), raw);
        assert_eq!(
            options_sent(api, Some(Caching::Off), auto.clone()),
            Value::Null
        );
        assert_eq!(options_sent(api, None, both.clone()), both);
    }
}

#[test]
fn the_reasoning_effort_has_the_key_that_the_endpoint_wants() {
    // Servers ignore a key they do not know, and would reason without a limit.
    let effort_sent = |reasoning_name, effort| {
        let parameters = Parameters {
            reasoning_effort: Some(effort),
            extra: object(json!({
                "reasoning": {"exclude": true, "effort": "max"},
                "chat_template_kwargs": {"thinking": true},
            })),
            ..Parameters::default()
        };
        let wording = Wording {
            reasoning_name,
            ..Wording::default()
        };
        let sent = sent(&question(), &parameters, wording);
        sent[reasoning_name.word()].clone()
    };
    let low = ReasoningEffort::Low;
    assert_eq!(
        effort_sent(ReasoningName::ReasoningEffort, low),
        json!("low")
    );
    assert_eq!(
        effort_sent(ReasoningName::Reasoning, low),
        json!({"effort": "low", "exclude": true})
    );
    assert_eq!(
        effort_sent(ReasoningName::ChatTemplateKwargs, low),
        json!({"enable_thinking": true, "reasoning_effort": "low", "thinking": true})
    );
    assert_eq!(
        effort_sent(ReasoningName::ChatTemplateKwargs, ReasoningEffort::None),
        json!({"enable_thinking": false, "thinking": true})
    );
}

#[test]
fn the_manifest_says_how_requests_were_worded() {
    // Without it a run on another route could not be distinguished from one on the chat route.
    assert_eq!(settings(Wording::default()), []);
    let message = settings(wording_for(Api::Messages));
    let message: Vec<_> = message
        .iter()
        .map(|row| (&*row.name, &*row.value))
        .collect();
    assert_eq!(message, [("api", "messages")]);
}
