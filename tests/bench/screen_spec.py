"""Measure how soon the spec editor says what is wrong, through the whole program. Not a test.

    python -m tests.bench.screen_spec --rounds 15 --json

In each round a key makes the spec invalid, and another one valid again. A latency is the wall time from the key until
line and reason stand on the screen, or until they are gone; it includes the pause after which typing counts as over.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.screen_chat import COLUMNS, ROWS
from tests.fakes.quick_engine import write_data
from tests.fakes.screen_terminal import ScreenTerminal
from tools.spec_file import starter_text

GOALS = {"told_p50_ms": 300, "told_max_ms": 300}
_REST_S = 1.5


def measure(rounds: int) -> dict[str, float]:
    """Run the program once and return the figures."""
    with tempfile.TemporaryDirectory() as parent:
        folder = write_data(Path(parent) / "project")
        (folder / "spec.yaml").write_text(starter_text())
        command = [sys.executable, "-m", "agent.cli", "-C", str(folder)]
        env = {"TAILOR_TRACKING": "off", "OMP_NUM_THREADS": "1"}
        with ScreenTerminal(command, size=(COLUMNS, ROWS), cwd=folder, env=env) as terminal:
            terminal.wait_for(" YOU ", 40)
            terminal.wait_for("Spec ✓ valid")
            terminal.press("f2")
            time.sleep(_REST_S)
            terminal.press("down", "down", "end")
            time.sleep(_REST_S)
            told, mended = [], []
            for _ in range(rounds):
                told.append(_until(terminal, "x", "Spec ✗ line 2:"))
                time.sleep(_REST_S)
                mended.append(_until(terminal, "backspace", "Spec ✓ valid"))
                time.sleep(_REST_S)
    return {
        "told_p50_ms": statistics.median(told),
        "told_max_ms": max(told),
        "mended_p50_ms": statistics.median(mended),
        "load": os.getloadavg()[0],
    }


def _until(terminal: ScreenTerminal, key: str, wanted: str) -> float:
    press: Callable[[str], None] = terminal.type if len(key) == 1 else terminal.press
    sent = time.monotonic()
    press(key)
    while wanted not in terminal.text:
        if time.monotonic() - sent > 10:
            raise RuntimeError(f"{wanted!r} never came:\n{terminal.text}")
        time.sleep(0.002)
    return (time.monotonic() - sent) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    options = parser.parse_args()
    figures = measure(options.rounds)
    for name, value in figures.items():
        limit = f"   ≤ {GOALS[name]}{'' if value <= GOALS[name] else '  missed'}" if name in GOALS else ""
        print(f"{name:28}{value:>10.1f}{limit}")
    if options.json:
        print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
