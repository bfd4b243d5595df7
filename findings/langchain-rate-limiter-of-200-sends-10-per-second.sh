#!/usr/bin/env bash
# LangChain: InMemoryRateLimiter(requests_per_second=200) sends about 10 requests per second, with one caller or with twenty
#
# Expected: a token bucket of 200 a second lets about 200 a second through when twenty callers wait for it, and the
#   time of a request, as callbacks see it, is that of the model.
# Happens: a caller that finds no token sleeps 100 ms, the default of check_every_n_seconds. The bucket holds one token, the default of
#   max_bucket_size, so that what is added during the sleep is lost. Other callers do not use it: they began to wait at the
#   same time, sleep at the same time, and one of them gets the token. The limit is 10 to 18 a second, whatever was
#   asked for; rates up to 10 are kept. With check_every_n_seconds=0.001, or a bucket of a second, it is the rate. No warning.
#   on_chat_model_start comes before the wait, so that tracers which time callbacks (the class's documentation says so in a
#   line) show 100 ms for a model that answers at once, in batches a second and more; the first request waits, too.
# Why it matters: a paced comparison takes twenty times as long as planned, a load test of 200 requests per second is one of 10,
#   and a trace shows the limiter's timer as the latency of each model, so that the ratio of two models goes to 1.
# Package: langchain-core 1.8.3 (PyPI), langchain_core/rate_limiters.py.
# Seen 2026-12-01 (60 requests to a model that answers at once; 20 callers of 200 vary from 10 to 18 per second):
#   asked  option                       callers     per second  ms of a request, median
#       5                               one                4.9                      202
#      50                               one                9.8                      101
#     200                               one                9.8                      102
#     200                               20 threads        12.8                     1111
#     200                               20 tasks          16.7                      304
#      50  check_every_n_seconds=0.001  20 threads        46.3                      315
#      50  max_bucket_size=50           20 threads        49.0                        0
# Needs: python3 (3.10 or newer) with venv. Sends nothing.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --no-compile --disable-pip-version-check langchain-core==1.8.3
cat > "$dir/check.py" <<'PY'
import asyncio
import itertools
import statistics
import time

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.rate_limiters import InMemoryRateLimiter

REQUESTS = 60


class Timer(BaseCallbackHandler):
    def __init__(self):
        self.started, self.seconds = {}, []

    def on_chat_model_start(self, *arguments, run_id, **more):
        self.started[run_id] = time.perf_counter()

    def on_llm_end(self, *arguments, run_id, **more):
        self.seconds.append(time.perf_counter() - self.started[run_id])


def measure(callers, rate, **options):
    """Requests per second, and the median milliseconds of a request between its callbacks."""
    timer, limiter = Timer(), InMemoryRateLimiter(requests_per_second=rate, **options)
    model = GenericFakeChatModel(messages=itertools.repeat("x"), rate_limiter=limiter, callbacks=[timer])
    start = time.perf_counter()
    if callers == "one":
        for _ in range(REQUESTS):
            model.invoke("?")
    elif callers == "20 threads":
        model.batch(["?"] * REQUESTS, config={"max_concurrency": 20})
    else:
        asyncio.run(model.abatch(["?"] * REQUESTS, config={"max_concurrency": 20}))
    return REQUESTS / (time.perf_counter() - start), 1000 * statistics.median(timer.seconds)


print("asked  option                       callers     per second  ms of a request, median")
for callers, rate, options, low, high in [
    ("one", 5, {}, 4, 5.2),
    ("one", 50, {}, 8, 12),
    ("one", 200, {}, 8, 12),
    ("20 threads", 200, {}, 8, 40),
    ("20 tasks", 200, {}, 8, 40),
    ("20 threads", 50, {"check_every_n_seconds": 0.001}, 25, 52),
    ("20 threads", 50, {"max_bucket_size": 50}, 25, 60),
]:
    rate_seen, latency = measure(callers, rate, **options)
    option = " ".join(f"{name}={value}" for name, value in options.items())
    print(f"{rate:5}  {option:<27}  {callers:<10}{rate_seen:12.1f}{latency:25.0f}")
    assert low < rate_seen < high and (options or latency > 90)
PY
timeout 200 "$dir/venv/bin/python" "$dir/check.py"
