import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from specs.edit import Change
from tools.client import Tailor
from tools.demo.project import write_demo

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tailor_command() -> Command:
    """Return a function that runs `tailor` as a person would, with its exit code, stdout and stderr."""

    def run(*arguments: str | Path, cwd: Path | None = None, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agent.cli", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TAILOR_TRACKING": "off", "OMP_NUM_THREADS": "1"}
        settings: dict = {"stdin": subprocess.DEVNULL, "timeout": 240} | options
        return subprocess.run(
            command, cwd=cwd or ROOT, env=environment, capture_output=True, text=True, check=False, **settings
        )

    return run


@pytest.fixture(scope="session")
def make_project() -> Callable[[Path], Tailor]:
    """Return a function that writes the example project with a spec that trains for seconds, not for quality."""
    return _make_project


def _make_project(folder: Path) -> Tailor:
    write_demo(folder)
    tailor = Tailor(folder)
    columns = {"prompt": "text", "completion": "intent"}
    tailor.create_spec(
        {
            "name": "demo-intents",
            "goal": {"task": "Name the intent of a message."},
            "data": {
                "sources": [{"path": "data/train.csv", "columns": columns, "rights": "made by Tailor"}],
                "test": {"path": "data/test.csv", "columns": columns},
            },
            "train": [{"method": "sft", "epochs": 3}],
            "compute": {"threads": 1},
            "evaluation": {"checks": [{"name": "accuracy", "scorer": "exact_match", "threshold": 0.05}]},
        }
    )
    tailor.patch_spec([Change(path="model.license_accepted", value=True)], by_person=True)
    return tailor


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tailor_command: Command) -> Iterator[tuple[Path, list[dict]]]:
    """Run the whole road once by the command line; return the project and the lines it printed."""
    folder = tmp_path_factory.mktemp("trained") / "demo"
    _make_project(folder)
    done = tailor_command("-C", folder, "run", "--approve", "all", "--json")
    assert done.returncode == 0, done.stderr
    (folder / "narration.txt").write_text(done.stderr)
    yield folder, [json.loads(line) for line in done.stdout.splitlines()]
    tailor_command("-C", folder, "teardown", "--all")
