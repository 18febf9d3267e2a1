"""Measures the start: from the shell's command to the first frame in a terminal of 140x40, beside other programs.

Usage: python tests/bench/screen_start.py [--runs N] [--peer VENV]
CPU is that of the program and its helpers up to the moment its text was written, from /proc; wall time says little on a
busy machine. --peer names a virtual environment with posting or harlequin. Not part of the test suite.
"""

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 30.0
MINIMAL = """
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    def compose(self):
        yield Static("FIRST")
Minimal().run()
"""


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process and what it started so far, engine left out."""
    total = 0
    process = psutil.Process(pid)
    for member in [process, *process.children(recursive=True)]:
        if "agent.engine" in " ".join(member.cmdline()):
            continue
        for task in Path(f"/proc/{member.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        times = member.cpu_times()
        total += int((times.children_user + times.children_system) * 1e9)
    return total / 1e6


def first_frame(command: list[str], marker: bytes, folder: str, environment: dict[str, str]) -> tuple[float, float]:
    """Return the milliseconds of wall time and of CPU until the marker was written; zero CPU when it is empty."""
    began = time.monotonic()
    pid, screen = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        os.chdir(folder)
        os.execve(command[0], command, environment)
    seen = bytearray()
    try:
        while not marker or marker not in seen:
            if time.monotonic() - began > LIMIT_S:
                raise RuntimeError(f"{command[:3]} never wrote {marker!r}: {bytes(seen[-300:])!r}")
            if select.select([screen], [], [], 0.01)[0]:
                seen += os.read(screen, 65_536)
        return (time.monotonic() - began) * 1e3, cpu_ms(pid)
    except OSError:
        if marker:
            raise RuntimeError(f"{command[:3]} ended: {bytes(seen[-300:])!r}") from None
        _, _, usage = os.wait4(pid, 0)
        return (time.monotonic() - began) * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3
    finally:
        end(pid)
        os.close(screen)


def end(pid: int) -> None:
    """Kill the program with all it started."""
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in members:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def contestants(peer: Path | None, project: str, bare: str) -> list[tuple[str, list[str], bytes, str]]:
    """Return name, command, what its first frame holds, and folder of everything that is measured."""
    tailor = [sys.executable, "-m", "agent.cli"]
    found = [
        ("python -c pass", [sys.executable, "-c", "pass"], b"", bare),
        ("minimal Textual", [sys.executable, "-c", MINIMAL], b"FIRST", bare),
        ("tailor --version", [*tailor, "--version"], b"", bare),
        ("tailor --help", [*tailor, "--help"], b"", bare),
        ("tailor, in a project", tailor, b"nswer, or", project),
        ("tailor, in a bare folder", tailor, b"Make a project here", bare),
    ]
    for name, marker in (("posting", b"Collection"), ("harlequin", b"Query")):
        if peer is not None and (peer / "bin" / name).exists():
            found.append((name, [str(peer / "bin" / name)], marker, bare))
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peer", type=Path, metavar="VENV")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bare, home, project = (str(Path(folder, name)) for name in ("bare", "home", "project"))
        for path in (bare, home, str(Path(project, ".tailor"))):
            Path(path).mkdir(parents=True)
        environment = {
            "HOME": home, "PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLORTERM": "truecolor",
            "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        rows = contestants(options.peer, project, bare)
        times: dict[str, list[tuple[float, float]]] = {row[0]: [] for row in rows}
        for turn in range(options.runs + 1):
            for row in list(rows):
                name, command, marker, where = row
                try:
                    measured = first_frame(command, marker, where, environment)
                except RuntimeError as error:
                    print(f"{name} is left out: {error}")
                    rows.remove(row)
                    continue
                if turn:
                    times[name].append(measured)
    print(f"{'median of ' + str(options.runs):<28}{'wall ms':>9}{'CPU ms':>9}   lowest and highest CPU")
    for name, pairs in times.items():
        if not pairs:
            continue
        wall, cpu = (statistics.median(values) for values in zip(*pairs, strict=True))
        all_cpu = [pair[1] for pair in pairs]
        print(f"{name:<28}{wall:>9.0f}{cpu:>9.0f}   {min(all_cpu):.0f}-{max(all_cpu):.0f}")


if __name__ == "__main__":
    main()
