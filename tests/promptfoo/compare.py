"""Compares the prompts of each imported configuration with those that promptfoo itself would send.

Usage: python3 tests/promptfoo/compare.py COMMAND..., where COMMAND starts promptfoo. Exit code 1: some differ.
"""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def of_suite(folder):
    """The conversations of the imported suite, rows of its tables among them."""
    suite = tomllib.loads((folder / "made.toml").read_text())
    for prompt in suite.get("prompts", []):
        system = [("system", prompt["system"])] if "system" in prompt else []
        turns = prompt.get("messages") or [{"role": "user", "content": prompt["user"]}]
        yield system + [(turn["role"], turn["content"]) for turn in turns]
    for file in suite.get("prompt_files", []):
        path = folder / file["path"]
        if file.get("format") == "text":
            yield [("user", path.read_text())]
            continue
        for row in csv.DictReader(path.open()):
            text = file["user"]
            for column, value in row.items():
                text = text.replace("{{" + column + "}}", value)
            yield [("user", text)]


def of_promptfoo(results):
    """The conversations that the provider `echo` received."""
    for result in results:
        raw = result["prompt"]["raw"]
        try:
            yield [(turn["role"], turn["content"]) for turn in json.loads(raw)]
        except ValueError:
            yield [("user", raw)]


def trimmed(conversations):
    return sorted([(role, text.strip()) for role, text in one] for one in conversations)


def main():
    quiet = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "MODEL": "any"}
    different = 0
    with tempfile.TemporaryDirectory() as work:
        for source in sorted((ROOT / "tests/promptfoo/configs").iterdir()):
            folder = pathlib.Path(work) / source.name
            shutil.copytree(source, folder)
            config = next(folder.glob("promptfooconfig.*")).name
            made = [ROOT / "target/debug/bakeoff", "import", "promptfoo", config, "-o", "made.toml"]
            subprocess.run(made, cwd=folder, check=True, stderr=subprocess.DEVNULL)
            flags = "-r echo -o out.json --no-cache --no-table --no-progress-bar --repeat 1".split()
            env = os.environ | quiet | {"PROMPTFOO_CONFIG_DIR": f"{work}/state"}
            # Asserts fail on an echo, which is no matter here.
            subprocess.run([*sys.argv[1:], "eval", "-c", config, *flags], cwd=folder, env=env, capture_output=True)
            results = json.loads((folder / "out.json").read_text())["results"]["results"]
            ours, theirs = trimmed(of_suite(folder)), trimmed(of_promptfoo(results))
            print(source.name, len(ours), "prompts", "same" if ours == theirs else f"DIFFERENT: {ours} {theirs}")
            different += ours != theirs
    sys.exit(different > 0)


main()
