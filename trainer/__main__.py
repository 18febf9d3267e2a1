"""`python -m trainer run|generate|serve RUN_DIR`: runs the job whose manifest lies in RUN_DIR/run.json.

Must not import torch or any other heavy package itself: `--help` works with pydantic and ruamel.yaml alone.
"""

import argparse
import faulthandler
import signal
import sys
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Run the job of a run directory and return its exit code (specs.errors.ExitCode)."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer",
        description="Run one job of Tailor: its run.json in, events.jsonl, a model and an exit code out.",
        epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 backend, 4 stopped (start again to go on), 130 interrupted.",
    )
    parser.add_argument(
        "command",
        choices=("run", "generate", "serve"),
        help="run: whatever the manifest asks for; generate and serve: the same, refused for another kind of task",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder that holds run.json")
    arguments = parser.parse_args(argv)

    faulthandler.enable()
    from trainer.run import run

    return run(arguments.run_dir, None if arguments.command == "run" else arguments.command)


if __name__ == "__main__":
    code = main()
    # Python's own end takes the default handlers back: a request to stop that comes then would read as a killed job
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)
