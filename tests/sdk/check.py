"""Asks `bakeoff sim` through the official OpenAI and Anthropic SDKs, with no special case for it.

Starts the simulator by itself (argument: the path of the `bakeoff` binary), once for each scenario it
needs, checks texts, usage, tool calls and the types of errors, and ends with 0 only if everything
held. See README.md beside this file.
"""

import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import anthropic
import openai

QUESTION = "Why is the sky blue?"
MODEL = "openai/gpt-4.1-nano"
THINKER = "google/gemini-2.5-pro"
LIMIT = 500
# So few tokens that every answer is cut.
SMALL_LIMIT = 5
# No answer of this check takes longer; a simulator that hangs must fail the check, not stop it.
PATIENCE_SECONDS = 30

CHAT_TOOL = {
    "type": "function",
    "function": {"name": "find", "description": "Finds.", "parameters": {"type": "object"}},
}
RESPONSES_TOOL = {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": False}
MESSAGES_TOOL = {"name": "find", "description": "Finds.", "input_schema": {"type": "object"}}

checked = 0


def expect(holds, what):
    """Counts a check, or ends with what did not hold."""
    global checked
    if not holds:
        sys.exit(f"FAILED: {what}")
    checked += 1


@contextmanager
def simulator(binary, scenario):
    """A running simulator of that scenario; gives its base URL."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scenario.toml"
        path.write_text(scenario)
        process = subprocess.Popen(
            [binary, "sim", "--port", "0", "--scenario", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            for line in process.stdout:
                if "http://" in line:
                    yield line[line.index("http://") :].split()[0].rstrip(".,")
                    break
            else:
                sys.exit("FAILED: the simulator did not say where it listens")
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)


def raises(kind, ask, what, says=None):
    """Expects the SDK's own type of error, and gives it."""
    try:
        ask()
    except kind as error:
        expect(type(error) is kind, f"{what}: {type(error).__name__} instead of {kind.__name__}")
        expect(says is None or says in str(error), f"{what}: {error} does not say {says}")
        return error
    except Exception as error:  # Returned rather than raised: the check names what came instead.
        sys.exit(f"FAILED: {what}: {type(error).__name__}: {error}")
    sys.exit(f"FAILED: {what}: no error")


def openai_client(url, key="sim-key"):
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=PATIENCE_SECONDS)


def anthropic_client(url, key="sim-key"):
    # This SDK adds /v1 by itself.
    base = url.removesuffix("/v1")
    return anthropic.Anthropic(
        base_url=base, api_key=key, max_retries=0, timeout=PATIENCE_SECONDS
    )


def chat(client, model=MODEL, **more):
    """A streamed chat, put together: text, arguments of a tool, finish reason, usage."""
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": QUESTION}],
        max_completion_tokens=LIMIT,
        stream=True,
        stream_options={"include_usage": True},
        **more,
    )
    text, arguments, finish, usage = "", "", None, None
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices or []:
            finish = choice.finish_reason or finish
            if isinstance(choice.delta.content, str):
                text += choice.delta.content
            for part in choice.delta.content if isinstance(choice.delta.content, list) else []:
                text += part.get("text", "")
            for call in choice.delta.tool_calls or []:
                arguments += call.function.arguments or ""
    return text, arguments, finish, usage


def respond(client, model=MODEL, **more):
    """A streamed response, by the SDK's own accumulation; gives the final response and the text
    of its deltas."""
    text = ""
    with client.responses.stream(
        model=model, input=QUESTION, max_output_tokens=LIMIT, **more
    ) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
        return stream.get_final_response(), text


def message(client, model=MODEL, **more):
    """A streamed message, by the SDK's own accumulation; gives the message and its text."""
    text = ""
    with client.messages.stream(
        model=model,
        max_tokens=LIMIT,
        messages=[{"role": "user", "content": QUESTION}],
        **more,
    ) as stream:
        for event in stream:
            if event.type == "text":
                text += event.text
        return stream.get_final_message(), text


def check_answers(url, dialect):
    """All routes of one scenario give one answer; returns its text."""
    client, claude = openai_client(url), anthropic_client(url)
    text, _, finish, usage = chat(client)
    expect(text and finish in ("stop", "length"), f"{dialect}: chat ends with {finish}")
    expect(usage.completion_tokens > 0, f"{dialect}: chat has usage")

    response, deltas = respond(client)
    expect(response.output_text == deltas == text, f"{dialect}: the response has the chat's text")
    expect(response.usage.input_tokens == usage.prompt_tokens, f"{dialect}: prompt tokens")
    expect(response.usage.output_tokens == usage.completion_tokens, f"{dialect}: output tokens")
    expect(response.status in ("completed", "incomplete"), f"{dialect}: status {response.status}")

    answered, deltas = message(claude)
    texts = [block.text for block in answered.content if block.type == "text"]
    expect(["".join(texts), deltas] == [text, text], f"{dialect}: the message has the chat's text")
    expect(answered.usage.input_tokens == usage.prompt_tokens, f"{dialect}: message input")
    expect(answered.usage.output_tokens == usage.completion_tokens, f"{dialect}: message output")
    expect(answered.stop_reason in ("end_turn", "max_tokens"), f"{dialect}: {answered.stop_reason}")
    return text, usage.prompt_tokens, usage.completion_tokens


def check_tools(url, dialect):
    """A forced tool call arrives by every route, with arguments that are JSON."""
    client, claude = openai_client(url), anthropic_client(url)
    _, arguments, finish, _ = chat(client, tools=[CHAT_TOOL], tool_choice="required")
    expect(finish == "tool_calls" and '"query"' in arguments, f"{dialect}: chat calls a tool")
    response, _ = respond(client, tools=[RESPONSES_TOOL], tool_choice="required")
    calls = [item for item in response.output if item.type == "function_call"]
    expect(calls[0].name == "find", f"{dialect}: the response calls a tool")
    expect(calls[0].arguments == arguments, f"{dialect}: with the chat's arguments")
    answered, _ = message(claude, tools=[MESSAGES_TOOL], tool_choice={"type": "any"})
    uses = [block for block in answered.content if block.type == "tool_use"]
    expect(uses[0].name == "find" and uses[0].input["query"], f"{dialect}: the message calls it")
    expect(answered.stop_reason == "tool_use", f"{dialect}: {answered.stop_reason}")


def check_whole(url, dialect):
    """Answers that are not streamed fit the SDKs' types too."""
    client, claude = openai_client(url), anthropic_client(url)
    asked = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(
        model=MODEL, messages=asked, max_completion_tokens=LIMIT
    )
    expect(whole.choices[0].message.content, f"{dialect}: a whole chat")
    response = client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=LIMIT)
    expect(response.output_text, f"{dialect}: a whole response")
    answered = claude.messages.create(model=MODEL, max_tokens=LIMIT, messages=asked)
    expect(answered.content[0].text, f"{dialect}: a whole message")
    models = [model.id for model in client.models.list()]
    expect(any(MODEL in model for model in models), f"{dialect}: the list of models")


def check_thinking(url):
    """Thinking comes as each SDK's own kind of block."""
    answered, _ = message(anthropic_client(url), model=THINKER)
    expect(answered.content[0].type == "thinking", "a thinking block comes first")
    expect(answered.content[0].thinking and answered.content[0].signature, "it is signed")
    response, _ = respond(openai_client(url), model=THINKER)
    expect(response.output[0].type == "reasoning", "a reasoning item comes first")
    expect(response.output[0].summary[0].text, "it has a summary")
    expect(response.usage.output_tokens_details.reasoning_tokens > 0, "and tokens")


def check_limit(url):
    """An answer cut by its token limit says so in each SDK's own words."""
    asked = [{"role": "user", "content": QUESTION}]
    client, claude = openai_client(url), anthropic_client(url)
    whole = client.chat.completions.create(
        model=MODEL, messages=asked, max_completion_tokens=SMALL_LIMIT
    )
    expect(whole.choices[0].finish_reason == "length", "a cut chat")
    expect(whole.usage.completion_tokens == SMALL_LIMIT, "has as many tokens as allowed")
    stream = client.responses.create(
        model=MODEL, input=QUESTION, max_output_tokens=SMALL_LIMIT, stream=True
    )
    last = list(stream)[-1]
    expect(last.type == "response.incomplete", f"a cut response ends with {last.type}")
    expect(last.response.incomplete_details.reason == "max_output_tokens", "and says why")
    answered = claude.messages.create(model=MODEL, max_tokens=SMALL_LIMIT, messages=asked)
    expect(answered.stop_reason == "max_tokens", "a cut message")


def check_errors(url, dialect):
    """Each status is raised as the SDK's own type, by every route."""
    client, claude = openai_client(url), anthropic_client(url)
    for fault, status, openai_type, anthropic_type in [
        ("400", 400, openai.BadRequestError, anthropic.BadRequestError),
        ("401", 401, openai.AuthenticationError, anthropic.AuthenticationError),
        ("403-forbidden", 403, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
        ("404", 404, openai.NotFoundError, anthropic.NotFoundError),
        ("429-seconds", 429, openai.RateLimitError, anthropic.RateLimitError),
        ("500", 500, openai.InternalServerError, anthropic.InternalServerError),
    ]:
        model = f"{MODEL}+{fault}"
        for ask, kind, route in [
            (lambda: chat(client, model), openai_type, "chat"),
            (lambda: respond(client, model), openai_type, "responses"),
            (lambda: message(claude, model), anthropic_type, "messages"),
        ]:
            error = raises(kind, ask, f"{dialect}: {fault} by {route}")
            expect(error.status_code == status, f"{dialect}: {fault}: {error.status_code}")
    overloaded = f"{MODEL}+529"
    raises(anthropic.OverloadedError, lambda: message(claude, overloaded), f"{dialect}: 529")
    broken = f"{MODEL}+error-midstream"
    if dialect != "openrouter":
        # There the error stands in a chunk with choices; other SDK versions may read past it.
        raises(openai.APIError, lambda: chat(client, broken), f"{dialect}: chat breaks")
    answered = raises_any(anthropic.APIError, lambda: message(claude, broken), f"{dialect}: breaks")
    expect("overloaded_error" in str(answered), f"{dialect}: a message breaks by its own error")
    reset = f"{MODEL}+reset-headers"
    raises(openai.APIConnectionError, lambda: chat(client, reset), f"{dialect}: a reset")
    raises(anthropic.APIConnectionError, lambda: message(claude, reset), f"{dialect}: a reset")


def raises_any(kind, ask, what):
    """Expects an error of that type or of a narrower one, and gives it."""
    try:
        ask()
    except kind as error:
        return error
    sys.exit(f"FAILED: {what}: no error")


def check_keys(binary):
    """A wrong key is an authentication error to both SDKs, however they send it."""
    scenario = 'fixed_sim_seed = true\n[access]\nkeys = ["right"]\nmissing_key = "refuse"\n'
    with simulator(binary, scenario) as url:
        raises(openai.AuthenticationError, lambda: chat(openai_client(url, "wrong")), "a key")
        raises(
            anthropic.AuthenticationError, lambda: message(anthropic_client(url, "wrong")), "a key"
        )
        expect(chat(openai_client(url, "right"))[0], "a bearer key")
        expect(message(anthropic_client(url, "right"))[1], "a key in x-api-key")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python check.py PATH_OF_BAKEOFF")
    binary = sys.argv[1]
    print(f"openai {openai.__version__}, anthropic {anthropic.__version__}")
    answers = set()
    dialects = "vercel openrouter openai litellm vllm llamacpp ollama groq deepseek mistral azure anthropic"
    for dialect in dialects.split():
        before = checked
        with simulator(binary, f'dialect = "{dialect}"\nfixed_salt = true\n') as url:
            answers.add(check_answers(url, dialect))
            check_tools(url, dialect)
            check_whole(url, dialect)
            check_errors(url, dialect)
            check_thinking(url)
            check_limit(url)
        print(f"{dialect}: {checked - before} checks")
    expect(len(answers) == 1, f"every dialect tells the same text and counts: {answers}")
    check_keys(binary)
    print(f"all {checked} checks held")


if __name__ == "__main__":
    main()
