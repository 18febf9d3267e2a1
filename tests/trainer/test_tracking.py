import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specs.run import DatasetRef, ModelRef, TrackingRef
from tests.fakes import train_run as runs
from trainer import tracking
from trainer.events import EventLog


def reference(folder: Path) -> TrackingRef:
    artifacts = str(folder / "artifacts")
    return TrackingRef(
        uri=f"sqlite:///{folder}/mlflow.db", experiment="colours", artifacts_dir=artifacts, tags={"project": "tests"}
    )


def table(folder: Path, query: str) -> list[Any]:
    with sqlite3.connect(folder / "mlflow.db") as store:
        return sorted(store.execute(query).fetchall())


@pytest.mark.slow
def test_two_runs_at_once_are_tracked_each_as_one_run_when_one_is_killed(
    tmp_path: Path, base: ModelRef, dataset: DatasetRef, start_child: Callable[..., Any], run_child: Callable[..., int]
) -> None:
    layouts = [
        runs.train_run(tmp_path / name, base, dataset, tracking=reference(tmp_path), epochs=epochs, save_every=50)
        for name, epochs in (("r1", 40), ("r2", 1))
    ]
    first = start_child(layouts[0])
    second = start_child(layouts[1])
    state = layouts[0].checkpoints_dir / "state.json"
    runs.wait_for(lambda: state.exists() and '"tracking_run":null' not in state.read_text().replace(" ", ""))
    first.kill()
    second.join(60)
    first.join(60)
    assert second.exitcode == 0, layouts[1].log_path.read_text()
    assert run_child(layouts[0]) == 0, layouts[0].log_path.read_text()
    assert table(tmp_path, "select name, status from runs") == [("r1", "FINISHED"), ("r2", "FINISHED")]
    assert ("learning_rate", "0.003") in table(tmp_path, "select key, value from params")
    keys = {key for (key,) in table(tmp_path, "select distinct key from latest_metrics")}
    assert {"loss", "learning_rate", "validation_loss", "train_loss"} <= keys
    assert table(tmp_path, "select distinct name, digest from datasets") == [("colours", "0")]
    weights = {value for (value,) in table(tmp_path, "select value from tags where key = 'weights_sha256'")}
    assert weights == {runs.report(layout)["weights_sha256"] for layout in layouts}
    assert all("tracking" not in event.code for event in runs.events(layouts[0]) if event.type == "warning")


class Slow:
    """A store that never answers."""

    run_id = "1"

    def __init__(self, *arguments: object) -> None:
        time.sleep(60)


class Broken:
    """A store that fails at the first metric."""

    run_id = "1"

    def __init__(self, *arguments: object) -> None:
        pass

    def params(self, values: object) -> None:
        """Take parameters."""

    dataset = params

    def metrics(self, *arguments: object) -> None:
        """Fail."""
        raise RuntimeError("database is locked")


@pytest.mark.parametrize(
    ("store", "why"), [(Slow, "it did not answer within 0 s"), (Slow, "it is too slow"), (Broken, "database is locked")]
)
def test_training_goes_on_with_one_warning_when_the_store_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: DatasetRef, store: type, why: str
) -> None:
    monkeypatch.setattr(tracking, "_Store", store)
    monkeypatch.setattr(tracking, "_RETRY_S", 0.0)
    monkeypatch.setattr(tracking, "_QUEUE_SIZE", 5 if "slow" in why else 1000)
    with EventLog(tmp_path / "events.jsonl") as log:
        tracker = tracking.Tracker(reference(tmp_path), "r1", None, log)
        tracker.start({"a": 1}, dataset)
        for step in range(100):
            tracker.metrics(step, {"loss": 1.0, "grad_norm": None})
        tracker.finish("succeeded", {}, timeout_s=0.2 if store is Slow else 30)
        tracker.finish("succeeded", {}, timeout_s=0.2)
    (warning,) = runs.events(runs.RunLayout(tmp_path))
    assert warning.type == "warning"
    assert why in warning.message
    assert "run directory" in warning.hint


def test_nothing_happens_when_there_is_no_tracking(tmp_path: Path, dataset: DatasetRef) -> None:
    with EventLog(tmp_path / "events.jsonl") as log:
        tracker = tracking.Tracker(None, "r1", None, log)
        tracker.start({"a": 1}, dataset)
        tracker.metrics(1, {"loss": 1.0})
        tracker.finish("succeeded", {})
    assert (tmp_path / "events.jsonl").read_bytes() == b""
