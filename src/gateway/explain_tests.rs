use super::*;

fn report(status: Option<u16>, kind: &str, message: &str) -> ErrorReport {
    ErrorReport {
        status,
        kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        message: message.to_owned(),
    }
}

fn explain_outcome(
    outcome: Outcome,
    error: Option<&ErrorReport>,
    flags: &[Flag],
) -> Option<String> {
    explain_with(outcome, error, flags, |context| context)
}

fn explain_with(
    outcome: Outcome,
    error: Option<&ErrorReport>,
    flags: &[Flag],
    change: impl for<'a> FnOnce(FailureContext<'a>) -> FailureContext<'a>,
) -> Option<String> {
    let model = "openai/gpt-5-mni".parse().unwrap();
    let key_variables = ["AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN"].map(str::to_owned);
    let nearest = ["openai/gpt-5-mini", "openai/gpt-5-nano"].map(str::to_owned);
    let context = change(FailureContext {
        outcome,
        error,
        flags,
        profile: "vercel",
        base_url: "https://ai-gateway.vercel.sh/v1",
        key_variables: &key_variables,
        model: &model,
        nearest: &nearest,
        others_answer: false,
        retry_after: None,
    });
    explain(&context).map(|explanation| format!("{}\n{}", explanation.what, explanation.remedy))
}

#[test]
fn every_failure_is_explained_and_no_answer_is() {
    // A failure without a remedy does not help its user.
    for outcome in Outcome::ALL {
        let text = explain_outcome(outcome, None, &[]);
        assert_eq!(text.is_some(), outcome.failure().is_some(), "{outcome:?}");
        if let Some(text) = text {
            assert!(
                text.lines().all(|line| line.ends_with(['.', '?'])),
                "{text}"
            );
        }
    }
}

#[test]
fn the_common_failures_read_well() {
    // These sentences are all that most users will ever see of a failure.
    let cases = [
        (
            Outcome::Unauthorized,
            report(Some(401), "authentication_error", "Invalid API key"),
        ),
        (
            Outcome::ModelNotFound,
            report(
                Some(404),
                "model_not_found",
                "Model 'openai/gpt-5-mni' not found",
            ),
        ),
        (
            Outcome::ProtocolError,
            report(Some(200), "", "an HTML page titled \"Log in\""),
        ),
        (
            Outcome::ConnectFailed,
            report(None, "", "connection refused"),
        ),
        (Outcome::TimedOutGap, report(None, "", "")),
    ];
    let text: Vec<String> = cases
        .iter()
        .filter_map(|(outcome, report)| explain_outcome(*outcome, Some(report), &[]))
        .collect();
    insta::assert_snapshot!(text.join("\n\n"), @r#"
    https://ai-gateway.vercel.sh/v1 did not accept the key: "Invalid API key".
    Check the value of `AI_GATEWAY_API_KEY` or `VERCEL_OIDC_TOKEN`: a gateway's key works at the gateway's URL only, a provider's key at the provider's.

    `vercel` does not know the model `openai/gpt-5-mni`: "Model 'openai/gpt-5-mni' not found".
    Did you mean `openai/gpt-5-mini` or `openai/gpt-5-nano`?

    https://ai-gateway.vercel.sh/v1 answered with an HTML page titled "Log in".
    Check the base URL (it usually ends in `/v1`), and whether a proxy or a log-in page answers in its place.

    no connection to https://ai-gateway.vercel.sh/v1: "connection refused".
    Check the URL, that the server is running, and the network.

    `openai/gpt-5-mni` stopped sending in the middle of its answer.
    To wait longer, raise `timeouts.gap` in the suite.
    "#);
}

#[test]
fn a_remedy_fits_the_cause() {
    // A reader who is sent to the wrong place looks there for an hour.
    let rejected = |status, message: &str| {
        let report = report(Some(status), "invalid_request_error", message);
        explain_outcome(Outcome::Rejected, Some(&report), &[]).unwrap()
    };
    for message in [
        "prompt is too long: 300001 tokens > 200000 maximum",
        "This model's maximum context length is 8192 tokens",
        "litellm.ContextWindowExceededError: too long",
    ] {
        assert!(
            rejected(400, message).contains("Shorten the prompt"),
            "{message}"
        );
    }
    let tools = rejected(404, "No endpoints found that support tool use.");
    assert!(tools.contains("Leave out the parameter"), "{tools}");
    assert!(rejected(404, "Not Found").contains("Check the base URL"));
    let report_404 = report(Some(404), "", "Not Found");
    let explanation = explain_with(Outcome::Rejected, Some(&report_404), &[], |context| {
        FailureContext {
            others_answer: true,
            ..context
        }
    });
    assert!(explanation.unwrap().contains("the base URL is right"));
    let policy = report(
        Some(404),
        "404",
        "No endpoints found matching your data policy",
    );
    let policy = explain_outcome(Outcome::Forbidden, Some(&policy), &[]).unwrap();
    assert!(policy.contains("Change the setting"), "{policy}");
    let page = report(
        Some(504),
        "",
        "an HTML page titled \"504\", from the proxy nginx",
    );
    let page = explain_outcome(Outcome::ServerError, Some(&page), &[]).unwrap();
    assert!(page.contains("the proxy nginx") && page.contains("proxy_read_timeout"));
}

#[test]
fn an_id_is_never_its_own_neighbour() {
    // "Did you mean" with the very id that was sent helps no one.
    let retired = explain_with(Outcome::ModelNotFound, None, &[], |context| {
        let listed = ["openai/gpt-5-mni", "openai/gpt-5-mini"].map(str::to_owned);
        FailureContext {
            nearest: Box::leak(Box::new(listed)),
            ..context
        }
    });
    insta::assert_snapshot!(retired.unwrap(), @r"
    `vercel` does not know the model `openai/gpt-5-mni`.
    The list of models has this id, but no provider serves it now. Near ids are `openai/gpt-5-mini`.
    ");
}

#[test]
fn a_wait_that_is_too_long_is_printed() {
    // The trial failed at once: its reader must learn that an hour would have helped.
    let wait = |seconds: u64| {
        explain_with(Outcome::RateLimited, None, &[], |context| FailureContext {
            retry_after: Some(Nanos::from_millis(seconds * 1_000)),
            ..context
        })
        .unwrap()
    };
    insta::assert_snapshot!(wait(3_600), @r"
    `vercel` limits the rate of requests to `openai/gpt-5-mni` and demands a wait of 3600 s.
    Run again after that wait: more than 60.0 s is not waited for.
    ");
    assert!(wait(60).contains("Lower `concurrency`"));
}

#[test]
fn a_limit_used_up_by_reasoning_has_a_remedy() {
    // An empty answer that ended by length looks like a broken model without this explanation.
    let text = explain_outcome(Outcome::Length, None, &[Flag::TruncatedInReasoning]).unwrap();
    assert!(text.contains("max_tokens") && text.contains("reasoning_effort"));
}

#[test]
fn a_missing_key_names_its_variables() {
    // The first error that a new user meets.
    let text = missing_key(
        "vercel",
        &[
            "AI_GATEWAY_API_KEY".to_owned(),
            "VERCEL_OIDC_TOKEN".to_owned(),
        ],
    );
    insta::assert_snapshot!(format!("{}\n{}", text.what, text.remedy), @r"
    no key for the endpoint `vercel`: none was found in `AI_GATEWAY_API_KEY` or `VERCEL_OIDC_TOKEN`.
    Set AI_GATEWAY_API_KEY in the environment or in a `.env` file; `--endpoint sim` needs no key.
    ");
}
