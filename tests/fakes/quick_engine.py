"""The engine with quick jobs: `python -m tests.fakes.quick_engine` takes the arguments of `agent.engine`.

Also what tests in one process need: `use_quick_jobs`, and small projects with data.
"""

import os
import sys
from pathlib import Path

from specs.layout import ProjectLayout, RunLayout
from specs.run import RunManifest

_TRAINER = Path(__file__).with_name("quick_trainer.py")
MODULE = "tests.fakes.quick_engine"
LABELS = ("card_arrival", "lost_card", "exchange_rate", "top_up")


def quick_command(_manifest: RunManifest, run: RunLayout) -> list[str]:
    return [sys.executable, "-S", str(_TRAINER), str(run.run_dir)]


def quick_backend(layout: ProjectLayout) -> object:
    from tools.backends.local.backend import LocalBackend

    return LocalBackend(layout, quick_command)


def write_data(root: Path, num_train: int = 80, num_test: int = 24) -> Path:
    """Make a project's data folder with training and test rows of four labels; return the project's folder."""
    (root / "data").mkdir(parents=True)
    for name, count in (("train", num_train), ("test", num_test)):
        lines = ["text,intent"]
        for index in range(count):
            label = LABELS[index % len(LABELS)]
            lines.append(f"{name} message {index} about {label.replace('_', ' ')},{label}")
        (root / "data" / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def main() -> int:
    from agent import engine
    from tools import running

    running.backend = quick_backend
    os.environ["TAILOR_TRACKING"] = "off"
    return engine.main()


if __name__ == "__main__":
    sys.exit(main())
