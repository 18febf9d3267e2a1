"""Measure the conversation on a real pseudo-terminal: streaming, long sessions, keys, resizing. Not a test.

    python -m tests.bench.screen_chat --seconds 30 --json

Times are CPU times, since wall times depend on what else the machine does. A block is the CPU time that the loop's
thread spent between two ticks of a task which sleeps 5 ms.
"""

import argparse
import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from agent.tui.textual_fixes import apply_fixes, settle_memory
from agent.tui.viewmodels.chat import ChatItem, Note, Said, SpecEdit, ToolUse
from agent.tui.widgets.chat_items import ItemView
from agent.tui.widgets.transcript import Transcript

COLUMNS, ROWS = 140, 40
TOKENS_PER_SECOND = 200
NUM_MESSAGES = 1_000
NUM_KEYS = 60
NUM_RESIZES = 6
GOALS = {
    "stream_worst_ms": 120,
    "stream_memory_mb": 200,
    "mounted": 60,
    "key_ms": 10,
    "resize_ms": 300,
    "restore_ms": 1500,
}
PASSAGE = """## What I found in part {n}

The tickets come from **one export**; most of them are short, and `label` is missing in 12 of them. I would leave
those out rather than guess, because a guess would be learned.

- billing: 512 rows, most of them about an invoice that was charged twice
- bug: 498 rows
  - of which 40 hold a stack trace
- how-to: 505 rows

| label | rows | example |
|---|---|---|
| billing | 512 | Charged twice for invoice 8812 |
| how-to | 505 | How do I change the address? |

```python
def route(ticket: str) -> str:
    return "billing" if "invoice" in ticket else "other"
```

1. Take the rows without a label out.
2. Keep 300 rows aside, and never train on them.

"""
DIFF = "--- spec.yaml\n+++ spec.yaml\n@@ -3,2 +3,2 @@\n train:\n-  epochs: 3\n+  epochs: 2\n"


def tokens() -> Iterator[str]:
    """Yield pieces of about four characters without an end."""
    number = 0
    while True:
        number += 1
        text = PASSAGE.format(n=number)
        for start in range(0, len(text), 4):
            yield text[start : start + 4]


def conversation(count: int) -> list[ChatItem]:
    """Return a long session of mixed items."""
    kinds: list[ChatItem] = []
    for number in range(count):
        key, at = f"k{number}", 1_790_000_000.0 + number * 30
        match number % 5:
            case 0:
                kinds.append(Said(key, at, "user", f"Question {number}: what does the table say about the labels?"))
            case 1 | 2:
                kinds.append(ToolUse(key, at, f"Read data/part-{number}.csv", "done", 0.4, "2,000 rows"))
            case 3:
                kinds.append(Said(key, at, "agent", PASSAGE.format(n=number)))
            case _ if number % 2:
                kinds.append(SpecEdit(key, at, "agent", DIFF))
            case _:
                kinds.append(Note(key, at, "info", "Saved."))
    return kinds


class BenchApp(App[None]):
    """A transcript above a prompt. F5 reports; F6 streams; F7 restores the long session."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "mark", priority=True),
        Binding("f6", "stream", priority=True),
        Binding("f7", "restore", priority=True),
    ]

    def __init__(self, report: int, seconds: float) -> None:
        super().__init__()
        self.report = os.fdopen(report, "w", buffering=1)
        self.seconds = seconds

    def compose(self) -> ComposeResult:
        yield Transcript()
        prompt = TextArea()
        prompt.styles.height = 4
        yield prompt

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()
        self.set_timer(0.3, self.action_mark)
        settle_memory()

    def tell(self, **values: float) -> None:
        self.report.write(json.dumps(values) + "\n")

    def action_mark(self) -> None:
        self.tell(cpu=time.process_time(), mounted=len(self.query(ItemView)), rss=memory_mb())

    def action_restore(self) -> None:
        self.run_worker(self.restore())

    def action_stream(self) -> None:
        self.run_worker(self.stream())

    async def restore(self) -> None:
        items = conversation(NUM_MESSAGES)
        started, wall = time.process_time(), time.perf_counter()
        self.query_one(Transcript).show(items)
        painted = asyncio.Event()
        self.query_one(Transcript).call_after_refresh(painted.set)
        await painted.wait()
        took = (time.perf_counter() - wall) * 1000
        self.tell(restore_cpu=(time.process_time() - started) * 1000, restore_wall=took)

    async def stream(self) -> None:
        transcript = self.query_one(Transcript)
        blocks: list[float] = []
        ticker = asyncio.create_task(tick(blocks))
        source = tokens()
        text, sent, cpu, started = "", 0, time.process_time(), time.monotonic()
        while (passed := time.monotonic() - started) < self.seconds:
            for _ in range(int(passed * TOKENS_PER_SECOND) - sent):
                token = next(source)
                text += token
                transcript.stream(token)
                sent += 1
            await asyncio.sleep(1 / TOKENS_PER_SECOND)
        share = (time.process_time() - cpu) / self.seconds * 100
        count = len(blocks)
        transcript.settle(Said("end", time.time(), "agent", text))
        await asyncio.sleep(0.5)
        ticker.cancel()
        ordered = sorted(blocks[:count])
        self.tell(
            tokens_per_s=sent / self.seconds,
            cpu_percent=share,
            p95=ordered[int(count * 0.95)],
            p99=ordered[int(count * 0.99)],
            worst=ordered[-1],
            settle=max(blocks[count:], default=0.0),
            rss=memory_mb(),
            kb=len(text) / 1000,
        )


async def tick(blocks: list[float]) -> None:
    """Note the CPU time of the loop's thread between ticks, in ms."""
    while True:
        before = time.thread_time()
        await asyncio.sleep(0.005)
        blocks.append((time.thread_time() - before) * 1000)


def memory_mb() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Terminal:
    """The program on a pseudo-terminal, whose output is read and thrown away."""

    def __init__(self, seconds: float) -> None:
        self.master, slave = pty.openpty()
        self.resize(COLUMNS, ROWS, tell=False)
        report, give = os.pipe()
        self.program = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.screen_chat", "--inside", str(give), "--seconds", str(seconds)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            pass_fds=[give],
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(slave)
        os.close(give)
        self.reports = os.fdopen(report)
        self.num_bytes = 0
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        try:
            while data := os.read(self.master, 65536):
                self.num_bytes += len(data)
        except OSError:
            return

    def resize(self, columns: int, rows: int, tell: bool = True) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.program.send_signal(signal.SIGWINCH)

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def ask(self, key: bytes) -> dict[str, float]:
        self.send(key)
        return self.read()

    def read(self) -> dict[str, float]:
        line = self.reports.readline()
        if not line:
            raise SystemExit("the program ended before it reported")
        return json.loads(line)

    def close(self) -> None:
        self.program.kill()
        self.program.wait()
        os.close(self.master)


F5, F6, F7 = b"\x1b[15~", b"\x1b[17~", b"\x1b[18~"


def cpu_over(terminal: Terminal, seconds: float) -> float:
    """Return the CPU time that passes in so many seconds, in ms."""
    before = terminal.ask(F5)["cpu"]
    time.sleep(seconds)
    return (terminal.ask(F5)["cpu"] - before) * 1000


def measure(seconds: float) -> dict[str, Any]:
    """Run both measurements and return the figures."""
    figures: dict[str, Any] = {}
    terminal = Terminal(seconds)
    try:
        terminal.read()
        figures |= {f"stream_{name}": value for name, value in terminal.ask(F6).items()}
        figures["stream_terminal_kb_s"] = terminal.num_bytes / 1000 / seconds
    finally:
        terminal.close()
    terminal = Terminal(seconds)
    try:
        terminal.read()
        figures |= terminal.ask(F7)
        time.sleep(0.5)
        figures["mounted"] = terminal.ask(F5)["mounted"]
        idle = cpu_over(terminal, 2.0) / 2
        before = terminal.ask(F5)["cpu"]
        for number in range(NUM_KEYS):
            terminal.send(b" " if number % 8 == 7 else b"x")
            time.sleep(0.05)
        time.sleep(0.3)
        figures["key"] = ((terminal.ask(F5)["cpu"] - before) * 1000 - idle * (NUM_KEYS * 0.05 + 0.3)) / NUM_KEYS
        before = terminal.ask(F5)["cpu"]
        for number in range(NUM_RESIZES):
            terminal.resize(COLUMNS - 20 * (number % 2 + 1), ROWS - number % 3)
            time.sleep(0.6)
        figures["resize"] = ((terminal.ask(F5)["cpu"] - before) * 1000 - idle * NUM_RESIZES * 0.6) / NUM_RESIZES
        figures["long_rss"] = terminal.ask(F5)["rss"]
    finally:
        terminal.close()
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures beside their goals."""
    rows = [
        ("streaming, tokens a second", "stream_tokens_per_s", None),
        ("streaming, CPU %", "stream_cpu_percent", None),
        ("streaming, p95 block ms", "stream_p95", None),
        ("streaming, p99 block ms", "stream_p99", None),
        ("streaming, worst block ms", "stream_worst", GOALS["stream_worst_ms"]),
        ("streaming, block of the end ms", "stream_settle", GOALS["stream_worst_ms"]),
        ("streaming, memory MB", "stream_rss", GOALS["stream_memory_mb"]),
        ("1,000 messages, mounted", "mounted", GOALS["mounted"]),
        ("1,000 messages, restore wall ms", "restore_wall", GOALS["restore_ms"]),
        ("1,000 messages, restore CPU ms", "restore_cpu", None),
        ("1,000 messages, a key CPU ms", "key", GOALS["key_ms"]),
        ("1,000 messages, a resize CPU ms", "resize", GOALS["resize_ms"]),
        ("1,000 messages, memory MB", "long_rss", None),
    ]
    lines = [f"{'':34}{'measured':>10}{'goal':>8}"]
    for name, key, goal in rows:
        limit = f"≤ {goal}" if goal is not None else ""
        mark = "" if goal is None or figures[key] <= goal else "  missed"
        lines.append(f"{name:34}{figures[key]:>10.1f}{limit:>8}{mark}")
    return "\n".join(lines)


def main() -> None:
    """Measure, or be the program that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the answer streams")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        apply_fixes()
        BenchApp(options.inside, options.seconds).run()
        return
    figures = measure(options.seconds)
    print(table(figures))
    if options.json:
        print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
