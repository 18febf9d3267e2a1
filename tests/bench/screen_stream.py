"""Measure a long answer through the whole program: fake model, engine, socket, screen. Not a test.

    python -m tests.bench.screen_stream --seconds 30 --json

A key is typed every 0.2 s while the answer streams; its latency is the time until its letter stands on the screen.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.screen_chat import COLUMNS, ROWS, TOKENS_PER_SECOND, tokens
from tests.fakes.bedrock import ACCESS_KEY, MODEL, REGION, SECRET_KEY, BedrockServer
from tests.fakes.chat_script import Reply, say
from tests.fakes.quick_engine import write_data
from tests.fakes.screen_terminal import ScreenTerminal

GOALS = {"key_p95_ms": 120, "key_max_ms": 300, "memory_mb": 200}
_DELTA_CHARS = 7
_TOKEN_CHARS = 4
_EVERY_S = 0.2


def an_answer(seconds: float) -> Reply:
    """Return an answer that streams about so long at the rate."""
    source = tokens()
    text = "".join(next(source) for _ in range(int(seconds * TOKENS_PER_SECOND)))
    return say(text, pause_s=_DELTA_CHARS / _TOKEN_CHARS / TOKENS_PER_SECOND * 0.97)


def measure(seconds: float) -> dict[str, float]:
    """Run the program once and return the figures."""
    with tempfile.TemporaryDirectory() as parent, BedrockServer(lambda _request: an_answer(seconds + 5)) as server:
        folder = write_data(Path(parent) / "project")
        (folder / ".tailor").mkdir()
        env = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
            "TAILOR_TRACKING": "off",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "agent.cli", "-C", str(folder), "--brain", f"bedrock:{MODEL}@{REGION}"]
        with ScreenTerminal(command, size=(COLUMNS, ROWS), cwd=folder, env=env) as terminal:
            terminal.wait_for(" YOU ", 40)
            terminal.type("Tell me all")
            terminal.wait_for("Tell me all")
            terminal.press("enter")
            terminal.wait_for("What I found in part", 30)
            return watch(terminal, seconds)


def watch(terminal: ScreenTerminal, seconds: float) -> dict[str, float]:
    """Type while the answer streams; return latencies, CPU time and memory."""
    drawing = terminal.descendants()[0]
    engine = next(one for one in terminal.descendants() if "agent.engine" in " ".join(one.cmdline()))
    before = {one.pid: sum(one.cpu_times()[:2]) for one in (drawing, engine)}
    begun, num_bytes = time.monotonic(), len(terminal.raw)
    latencies: list[float] = []
    most = 0.0
    while (now := time.monotonic()) - begun < seconds:
        if len(latencies) % 20 == 19:
            terminal.press("ctrl+c")
            time.sleep(_EVERY_S)
        letter = "qxzjkvwy"[len(latencies) % 8]
        wanted = typed(terminal) + letter
        sent = time.monotonic()
        terminal.press(letter)
        while typed(terminal) != wanted and time.monotonic() - sent < 5:
            time.sleep(0.002)
        latencies.append((time.monotonic() - sent) * 1000)
        most = max(most, drawing.memory_info().rss / 1e6)
        time.sleep(max(0.0, _EVERY_S - (time.monotonic() - now)))
    took = time.monotonic() - begun
    ordered = sorted(latencies)
    return {
        "keys": len(ordered),
        "key_p50_ms": statistics.median(ordered),
        "key_p95_ms": ordered[int(len(ordered) * 0.95)],
        "key_max_ms": ordered[-1],
        "screen_cpu_percent": (sum(drawing.cpu_times()[:2]) - before[drawing.pid]) / took * 100,
        "engine_cpu_percent": (sum(engine.cpu_times()[:2]) - before[engine.pid]) / took * 100,
        "memory_mb": most,
        "terminal_kb_s": (len(terminal.raw) - num_bytes) / 1000 / took,
        "is_streaming_at_the_end": float(" AGENT " in terminal.text),
        "load": os.getloadavg()[0],
    }


def typed(terminal: ScreenTerminal) -> str:
    """Return what stands in the prompt's first line."""
    lines = [line for line in terminal.text.splitlines()[-5:] if line.startswith("│ ")]
    text = lines[-1][2:].split("│")[0].strip() if lines else ""
    return "" if text.startswith("Answer, or") else text


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the answer streams")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    options = parser.parse_args()
    figures: dict[str, Any] = measure(options.seconds)
    for name, value in figures.items():
        goal = GOALS.get(name)
        limit = f"   ≤ {goal}{'' if value <= goal else '  missed'}" if goal is not None else ""
        print(f"{name:28}{value:>10.1f}{limit}")
    if options.json:
        print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
