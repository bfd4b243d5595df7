#!/usr/bin/env bash
# Hugging Face datasets: if all answers of a JSONL file are dates, they become timestamps, and a correct model scores 0 in lm-eval
#
# Expected: a string in JSON stays a string, as quotes say what it is; CSV is where types are guessed. And a column that is
#   declared as a string holds the text of the file.
# Happens: the other way round. From CSV "2024-05-01" comes as text. From JSON lines it is a datetime if every row of the column looks like
#   a date or is null, in contents of `messages`, too; one row "unknown" or "" makes all of them text. A time zone
#   is applied and lost. With features that declare a string the text is another one, "2024-05-01 00:00:00", so it is in a second
#   file whose column was text in the first; in the other order the read fails. to_json writes milliseconds as numbers.
#   With fractions of seconds strings are left alone, and so they are with field="data". No warning; load_dataset's
#   documentation does not say it (the JSON reader of pyarrow does it, and its documentation does).
# Why it matters: lm-eval and Inspect's hf_dataset read JSON lines with this package. In lm-eval a model that
#   answers every question of a task with dates right scores 0, and 1 after a row is added whose answer is no date.
# Packages: datasets 5.2.0, pyarrow 26.0.1, lm_eval 0.4.13 (PyPI).
# Seen 2026-12-01 (the first row of each):
#   CSV                                    '2024-05-01'
#   JSON lines                             datetime(2024-05-01 00:00:00)
#   the same and a row "unknown"           '2024-05-01'
#   the same and a row null                datetime(2024-05-01 00:00:00)
#   features say string                    '2024-05-01 00:00:00'
#   "2024-05-01T10:00:00+02:00"            datetime(2024-05-01 08:00:00)
#   "2024-05-01T10:00:00.5Z"               '2024-05-01T10:00:00.5Z'
#   file of words, then file of dates      '2024-05-01 00:00:00'
#   file of dates, then file of words      DatasetGenerationError
#   JSON lines, read and written again     1714521600000
#   lm-eval, a model that is right, exact_match: 0.0 for three dates, 1.0 for three dates and "unknown"
# Needs: python3 (3.10 or newer) with venv. The server is on 127.0.0.1.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 'lm_eval[api]==0.4.13'
cat > "$dir/check.py" <<'PY'
import datetime
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import datasets
import lm_eval

datasets.disable_progress_bars()
folder = sys.argv[1]
DATES = ["2024-05-01", "2024-06-01", "2024-07-01"]


def write(name, answers):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        if name.endswith("csv"):
            file.write("\n".join(["answer", *answers]) + "\n")
        else:
            file.writelines(json.dumps({"question": f"Repeat: {answer}", "answer": answer}) + "\n" for answer in answers)
    return path


def load(paths, **options):
    kind = "csv" if "csv" in paths else "json"
    return datasets.load_dataset(kind, data_files=paths, split="train", cache_dir=os.path.join(folder, "cache"), **options)


def show(paths, row=0, **options):
    try:
        answer = load(paths, **options)[row]["answer"]
    except datasets.exceptions.DatasetGenerationError as error:
        return type(error).__name__
    return f"datetime({answer})" if isinstance(answer, datetime.datetime) else repr(answer)


def written_again(path):
    copy = os.path.join(folder, "copy.jsonl")
    load(path).to_json(copy)
    with open(copy) as file:
        return str(json.loads(file.readline())["answer"])


dates, words = write("dates.jsonl", DATES), write("words.jsonl", ["soon"])
mixed = write("mixed.jsonl", [*DATES, "unknown"])
text = datasets.Features({"question": datasets.Value("string"), "answer": datasets.Value("string")})
for label, seen, expected in [
    ("CSV", show(write("dates.csv", DATES)), "'2024-05-01'"),
    ("JSON lines", show(dates), "datetime(2024-05-01 00:00:00)"),
    ('the same and a row "unknown"', show(mixed), "'2024-05-01'"),
    ("the same and a row null", show(write("null.jsonl", [*DATES, None])), "datetime(2024-05-01 00:00:00)"),
    ("features say string", show(dates, features=text), "'2024-05-01 00:00:00'"),
    ('"2024-05-01T10:00:00+02:00"', show(write("zone.jsonl", ["2024-05-01T10:00:00+02:00"])), "datetime(2024-05-01 08:00:00)"),
    ('"2024-05-01T10:00:00.5Z"', show(write("half.jsonl", ["2024-05-01T10:00:00.5Z"])), "'2024-05-01T10:00:00.5Z'"),
    ("file of words, then file of dates", show([words, dates], row=1), "'2024-05-01 00:00:00'"),
    ("file of dates, then file of words", show([dates, words]), "DatasetGenerationError"),
    ("JSON lines, read and written again", written_again(dates), "1714521600000"),
]:
    print(f"{label:<37}  {seen}")
    assert seen == expected


class Server(BaseHTTPRequestHandler):
    """A model that is right: it answers what the question asks it to repeat."""

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"][-1]["content"]
        message = {"role": "assistant", "content": question.removeprefix("Repeat: ")}
        body = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                           "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def exact_match(path):
    name = os.path.basename(path).split(".")[0]
    task = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": path}}, "test_split": "test",
            "output_type": "generate_until", "doc_to_text": "{{question}}", "doc_to_target": "{{answer}}",
            "metric_list": [{"metric": "exact_match"}]}
    model = {"model": "m", "base_url": f"http://127.0.0.1:{server.server_port}/v1/chat/completions"}
    run = lm_eval.simple_evaluate(model="local-chat-completions", model_args=model, tasks=[task], apply_chat_template=True,
                                  bootstrap_iters=0, log_samples=False)
    return float(run["results"][name]["exact_match,none"])


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
scores = exact_match(dates), exact_match(mixed)
print(f'lm-eval, a model that is right, exact_match: {scores[0]} for three dates, {scores[1]} for three dates and "unknown"')
assert scores == (0.0, 1.0)
server.shutdown()
PY
HF_HOME="$dir/hub" HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 timeout 200 "$dir/venv/bin/python" -W ignore "$dir/check.py" "$dir" 2> "$dir/log" \
  || { cat "$dir/log" >&2; exit 1; }
