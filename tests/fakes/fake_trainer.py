"""A program with a trainer's manners and none of its work: events, log, effects counted in a file, told by options.

Standard library only, so that it starts in a few milliseconds.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ASKED: list[int] = []


def tell(run_dir: Path, kind: str, **fields: object) -> None:
    with (run_dir / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"type": kind, "time": time.time(), **fields}) + "\n")


def finish(run_dir: Path, state: str, message: str, code: int) -> int:
    tell(run_dir, "finished", state=state, message=message, exit_code=code, seconds=0.1)
    # as the trainer does: a request to stop that comes while the interpreter ends changes nothing
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return code


def begin(run_dir: Path, options: argparse.Namespace) -> int:
    """Count this start; return how many there were before."""
    effects = run_dir / "effects"
    earlier = len(effects.read_text().splitlines()) if effects.exists() else 0
    with effects.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    (run_dir / "environment.json").write_text(json.dumps(dict(os.environ)))
    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.ignore_term else lambda number, _: ASKED.append(number))
    if options.grandchild:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
        (run_dir / "grandchild").write_text(str(child.pid))
    for _ in range(options.print_bytes // 1000):
        print("x" * 999)
    return earlier


def work(run_dir: Path, options: argparse.Namespace, earlier: int) -> int | None:
    num_steps = max(1, round(options.work_s / 0.02))
    for step in range(1, num_steps + 1):
        if ASKED or (not options.ignore_term and (run_dir / "stop").exists()):
            return finish(run_dir, "stopped", "Stopped on request.", 4)
        tell(run_dir, "progress", done=step, total=num_steps, elapsed_s=0.02 * step)
        if earlier < options.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
    return None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--work-s", type=float, default=0.05)
    parser.add_argument("--print-bytes", type=int, default=0)
    parser.add_argument("--deaths", type=int, default=0)
    parser.add_argument("--exit-code", type=int, default=0)
    parser.add_argument("--grandchild", action="store_true")
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    earlier = begin(options.run_dir, options)
    if options.serve:
        tell(options.run_dir, "serving", url="http://127.0.0.1:1/v1", models=["base"], expires_at=time.time() + 60)
    code = work(options.run_dir, options, earlier)
    if code is not None:
        return code
    if options.silent:
        print("the last words")
        return options.exit_code
    state = "succeeded" if options.exit_code == 0 else "failed"
    return finish(options.run_dir, state, "Done." if state == "succeeded" else "Out of luck.", options.exit_code)


if __name__ == "__main__":
    sys.exit(main())
