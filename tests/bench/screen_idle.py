"""Measures the interface at rest: its CPU, the engine's, and the bytes it sends to the terminal, which is 140x40.

Usage: python tests/bench/screen_idle.py [--seconds N] [--project DIR] [--blurred]
Without --project it is an empty project with the guide's first question open. With --project the conversation of that
project is opened as it stands; a job that runs there is then part of what is measured. Not part of the test suite.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fakes.screen_terminal import ScreenTerminal

SETTLE_S = 6.0


def cpu_s(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds of these processes, to the nanosecond, from /proc."""
    total = 0
    for process in processes:
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def measure(folder: Path, seconds: float, *, is_blurred: bool) -> None:
    """Open the interface there, let it settle, and print what it uses while nobody touches it."""
    command = [sys.executable, "-m", "agent.cli", "-C", folder]
    with ScreenTerminal(command, cwd=folder, size=(140, 40)) as terminal:
        terminal.wait_for("nswer, or", timeout_s=60)
        terminal.wait_for(lambda _: len(terminal.descendants()) > 1, timeout_s=60)
        terminal.focus(not is_blurred)
        time.sleep(SETTLE_S)
        everything = [psutil.Process(terminal.process.pid), *terminal.descendants()]
        engine = [process for process in everything if "agent.engine" in " ".join(process.cmdline())]
        screen = [process for process in everything[:2] if process not in engine]
        before = (cpu_s(screen), cpu_s(engine), len(terminal.raw))
        time.sleep(seconds)
        after = (cpu_s(screen), cpu_s(engine), len(terminal.raw))
        memory = sum(process.memory_info().rss for process in screen) / 1e6
        print(terminal.text if "--show" in sys.argv else "", end="")
    interface, other, sent = (late - early for early, late in zip(before, after, strict=True))
    print(f"interface {100 * interface / seconds:.2f} % CPU, {sent / seconds:.0f} bytes/s, {memory:.0f} MB")
    print(f"engine    {100 * other / seconds:.2f} % CPU")


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--project", type=Path, metavar="DIR")
    parser.add_argument("--blurred", action="store_true", help="the terminal's window is in the background")
    parser.add_argument("--show", action="store_true", help="print the screen as it was at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.project.resolve() if options.project else Path(made)
        (folder / ".tailor").mkdir(exist_ok=True)
        measure(folder, options.seconds, is_blurred=options.blurred)


if __name__ == "__main__":
    main()
