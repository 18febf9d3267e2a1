"""Writes the example project: `python -m tools.demo DIR [--seed N]`."""

import argparse
import sys
from pathlib import Path

from specs.errors import TailorError
from tools.demo.project import write_demo
from tools.project import open_project


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 1 the folder cannot be written)."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description="Write the example project's data.")
    parser.add_argument("dir", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    try:
        project = write_demo(options.dir, options.seed)
        open_project(options.dir)
    except OSError as error:
        sys.stderr.write(f"The example cannot be written to {options.dir}: {error.strerror}. Name another folder.\n")
        return 1
    except TailorError as error:
        sys.stderr.write(f"{error.message} {error.hint}\n")
        return int(error.exit_code)
    sys.stdout.write(
        f"{project.train_path}: {project.num_train} rows, {project.num_intents} intents\n"
        f"{project.test_path}: {project.num_test} rows\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
