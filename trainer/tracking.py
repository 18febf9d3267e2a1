# pyright: basic
"""Sends parameters, metrics and the dataset of a run to MLflow from a thread of its own.

Training never waits for it and never fails by it: what cannot be sent in time is dropped, with one warning event.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from specs.run import DatasetRef, TrackingRef
from trainer.events import EventLog

_SQLITE = "sqlite:///"
_QUEUE_SIZE = 2000
_TRIES = 4
_RETRY_S = 0.5
_BATCH = 200
_LONGEST_VALUE = 500

Call = Callable[["_Store"], None]


class Tracker:
    """Queues what a run has to tell.

    Args:
        target: the store, None for no tracking.
        run_name: name of the MLflow run.
        run_id: MLflow run of an earlier launch, which is gone on with.
        events: where the one warning goes.
    """

    def __init__(self, target: TrackingRef | None, run_name: str, run_id: str | None, events: EventLog) -> None:
        self.run_id = run_id
        self._target = target
        self._name = run_name
        self._events = events
        self._queue: queue.Queue[Call | None] = queue.Queue(_QUEUE_SIZE)
        self._broken = target is None
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)

    def start(self, params: dict[str, Any], dataset: DatasetRef) -> None:
        """Open the run, with its parameters and its dataset, in the background."""
        if self._target is None:
            return
        self._thread.start()
        self._put(lambda store: store.params(params))
        self._put(lambda store: store.dataset(dataset))

    def metrics(self, step: int, values: dict[str, float | None]) -> None:
        """Queue metrics of an optimizer step."""
        now = int(time.time() * 1000)
        known = {name: value for name, value in values.items() if value is not None}
        self._put(lambda store: store.metrics(known, step, now))

    def finish(self, state: str, tags: dict[str, str], timeout_s: float = 10.0) -> None:
        """Queue the end of the run and wait for the queue, but not longer than `timeout_s`."""
        if self._target is None or not self._thread.is_alive():
            return
        self._put(lambda store: store.finish(state, tags))
        self._put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._give_up(f"it did not answer within {timeout_s:.0f} s")

    def _put(self, call: Call | None) -> None:
        if self._broken:
            return
        try:
            self._queue.put_nowait(call)
        except queue.Full:
            self._give_up("it is too slow")

    def _give_up(self, why: str) -> None:
        self._broken = True
        uri = self._target.uri if self._target else ""
        self._events.warn(
            "tracking",
            f"MLflow got only a part of this run or none of it ({uri}): {why}.",
            "The run itself is complete in its run directory; look at the tracking store with: tailor doctor",
        )

    def _work(self) -> None:
        try:
            store = _retried(lambda: _Store(self._target, self._name, self.run_id))  # pyright: ignore
            self.run_id = store.run_id
            while (call := self._queue.get()) is not None and not self._broken:
                _retried(lambda call=call: call(store))
        except Exception as error:  # noqa: BLE001 - whatever a store raises, training goes on
            self._give_up(f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}")


class _Store:
    """One MLflow run."""

    def __init__(self, target: TrackingRef, name: str, run_id: str | None) -> None:
        os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet")
        import mlflow
        from mlflow.exceptions import MlflowException

        for name_of_log in ("mlflow", "alembic"):
            logging.getLogger(name_of_log).setLevel(logging.ERROR)
        _make_store(target.uri)
        self._client = mlflow.MlflowClient(tracking_uri=target.uri)
        found = self._client.get_experiment_by_name(target.experiment)
        if found is None:
            # without a location of its own, artifacts would go to the folder the job was started in
            place = (
                Path(target.artifacts_dir).as_uri() if target.artifacts_dir.startswith("/") else target.artifacts_dir
            )
            try:
                experiment = self._client.create_experiment(target.experiment, artifact_location=place)
            except MlflowException:  # another process was first
                experiment = self._client.get_experiment_by_name(target.experiment).experiment_id  # pyright: ignore
        else:
            experiment = found.experiment_id
        if run_id is None:
            run = self._client.create_run(experiment, run_name=name, tags=dict(target.tags))
            run_id = run.info.run_id
        else:
            self._client.update_run(run_id, status="RUNNING")
        self.run_id = run_id

    def params(self, values: dict[str, Any]) -> None:
        from mlflow.entities import Param

        known = set(self._client.get_run(self.run_id).data.params)
        new = [Param(name, str(value)[:_LONGEST_VALUE]) for name, value in values.items() if name not in known]
        for start in range(0, len(new), _BATCH // 2):
            self._client.log_batch(self.run_id, params=new[start : start + _BATCH // 2])

    def dataset(self, dataset: DatasetRef) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        digest = dataset.version.removeprefix("sha256:")[:36]
        entity = Dataset(name=dataset.name, digest=digest, source_type="local", source=f'{{"uri": "{dataset.dir}"}}')
        tags = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self.run_id, [DatasetInput(entity, tags=tags)])

    def metrics(self, values: dict[str, float], step: int, time_ms: int) -> None:
        from mlflow.entities import Metric

        self._client.log_batch(self.run_id, metrics=[Metric(k, v, time_ms, step) for k, v in values.items()])

    def finish(self, state: str, tags: dict[str, str]) -> None:
        for name, value in tags.items():
            self._client.set_tag(self.run_id, name, value)
        status = {"succeeded": "FINISHED", "stopped": "KILLED"}.get(state, "FAILED")
        self._client.set_terminated(self.run_id, status=status)


def _make_store(uri: str) -> None:
    """Make the tables of a SQLite store that is not there yet, out of sight, and let the finished file appear.

    MLflow makes them step by step in place: two processes at it at once, or a kill in between, leave a store that can
    never be opened again.
    """
    path = Path(uri.removeprefix(_SQLITE))
    if not uri.startswith(_SQLITE) or path.exists():
        return
    from mlflow import MlflowClient

    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        MlflowClient(tracking_uri=f"{_SQLITE}{fresh}").search_experiments(max_results=1)
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _retried(call: Callable[[], Any]) -> Any:
    """Call again after a pause: another process may hold the store's lock, or be making its tables."""
    for left in reversed(range(_TRIES)):
        try:
            return call()
        except ModuleNotFoundError:
            raise
        except Exception:
            if left == 0:
                raise
            time.sleep(_RETRY_S)
    raise AssertionError("unreachable")
