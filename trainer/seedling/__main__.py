"""The command that makes Seedling: `python -m trainer.seedling build OUT_DIR [--seconds N | --steps N] [--seed N]`."""

import argparse
import sys
from pathlib import Path

SHIPPED_STEPS = 2500
"""Steps of the shipped weights."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0 done, 1 the folder cannot be written)."""
    options = _parser().parse_args(arguments)
    from trainer.seedling.build import build
    from trainer.seedling.pretrain import Budget

    budget = Budget(options.steps, options.seconds)
    if budget.steps is None and budget.seconds is None:
        budget = Budget(steps=SHIPPED_STEPS)
    try:
        outcome = build(options.folder, budget, options.seed, _say)
    except OSError as error:
        _say(f"The model cannot be written to {options.folder}: {error.strerror or error}. Name another folder.")
        return 1
    trained = f"{outcome.steps} steps, {outcome.tokens} tokens, {outcome.seconds:.0f} s, loss {outcome.loss:.3f}"
    _say(f"{options.folder}: {trained}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.seedling", description="Make the bundled base model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("build", help="generate the text, train tokenizer and model, write the folder")
    command.add_argument("folder", type=Path, metavar="OUT_DIR")
    length = command.add_mutually_exclusive_group()
    length.add_argument("--steps", type=_positive_int, help=f"optimizer steps (default {SHIPPED_STEPS})")
    length.add_argument("--seconds", type=_positive_float, help="seconds of training instead of steps")
    command.add_argument("--seed", type=int, default=0)
    return parser


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
