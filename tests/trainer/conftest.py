"""A tiny model, a dataset, and children that have the training stack loaded already."""

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from specs.layout import RunLayout
from specs.run import DatasetRef, ModelRef
from tests.fakes import tiny_chat_model, train_run


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    """A tiny random chat model."""
    return tiny_chat_model.ref("tiny", tiny_chat_model.make_model(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetRef:
    """A dataset version of 44 training rows, which no batch size of these tests divides."""
    return train_run.write_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def start_child() -> Callable[..., BaseProcess]:
    """Start a job in a child forked from a server that has imported the training stack and done nothing else."""
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trainer.sft", "trainer.generate", "tests.fakes.train_run"])

    def start(layout: RunLayout, mine: Callable[..., None] | None = None, *arguments: Any) -> BaseProcess:
        child = context.Process(
            target=train_run.run_in_child, args=(layout.run_dir, layout.log_path, mine, arguments), daemon=True
        )
        child.start()
        return child

    return start


@pytest.fixture(scope="session")
def run_child(start_child: Callable[..., BaseProcess]) -> Callable[..., int]:
    """Run a job in a child to its end and return its exit code, -9 when it was killed."""

    def run(layout: RunLayout, mine: Callable[..., None] | None = None, *arguments: Any) -> int:
        child = start_child(layout, mine, *arguments)
        child.join(60)
        assert child.exitcode is not None, layout.log_path.read_text()
        return child.exitcode

    return run


@pytest.fixture
def rows_path(tmp_path: Path) -> Path:
    """Thirteen prompts of different lengths."""
    return train_run.write_rows(tmp_path / "prompts.jsonl", [train_run.row(i) for i in range(13)])
