"""Starts `python -m trainer serve` for tests, waits for its events, and always ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from specs.events import TRAIN_EVENT, Finished, Serving, TrainEvent
from specs.layout import RunLayout
from specs.run import JobLimits, ModelRef, RunManifest, ServeTask

API_KEY = "test-key-of-the-server"
PATIENCE_S = 60.0


@dataclass
class ServeProcess:
    """A server in its own process."""

    run: RunLayout
    process: subprocess.Popen[bytes]

    def events(self) -> list[TrainEvent]:
        """Return the events so far."""
        lines = self.run.events_path.read_bytes().splitlines() if self.run.events_path.exists() else []
        return [TRAIN_EVENT.validate_json(line) for line in lines]

    def serving(self) -> Serving:
        """Wait for the server to answer."""
        found = [event for event in self._wait((Serving, Finished)) if isinstance(event, Serving)]
        assert found, self.run.log_path.read_text() + str(self.events())
        return found[-1]

    def finished(self) -> Finished:
        """Wait for the last event and the end of the process."""
        last = self._wait((Finished,))[-1]
        assert isinstance(last, Finished)
        assert self.process.wait(PATIENCE_S) == last.exit_code
        return last

    def stop(self) -> None:
        """Ask for a stop as the launcher does."""
        self.run.stop_path.touch()

    def _wait(self, kinds: tuple[type, ...]) -> list[TrainEvent]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            events = self.events()
            if any(isinstance(event, kinds) for event in events):
                return events
            assert self.process.poll() is None or self.events(), self.run.log_path.read_text()
            time.sleep(0.02)
        raise AssertionError(f"no {kinds} within {PATIENCE_S} s: {self.events()} {self.run.log_path.read_text()}")


def write_manifest(
    run_dir: Path, models: Sequence[ModelRef], *, port: int = 0, ttl_s: float = 600.0, **changes: object
) -> RunLayout:
    """Make a run directory that serves `models`."""
    run_dir.mkdir(parents=True, exist_ok=True)
    key_path = run_dir / "api_key"
    key_path.write_text(API_KEY)
    task = ServeTask(
        models=tuple(models),
        port=port,
        api_key_path=str(key_path),
        ttl_s=ttl_s,
        max_batch=8,
        limits=JobLimits(device="cpu", threads=1, max_seconds=None),
    )
    manifest = RunManifest(
        run_id=run_dir.name,
        project="p",
        plan="sha256:0",
        step="deploy",
        created_at=0.0,
        task=task.model_copy(update=changes),
    )
    run = RunLayout(run_dir)
    run.manifest_path.write_text(manifest.model_dump_json())
    return run


@contextmanager
def launched(run: RunLayout) -> Iterator[ServeProcess]:
    """Start the server of a run directory; kill it at the end if it still runs."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "trainer", "serve"]
    with run.log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, str(run.run_dir)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield ServeProcess(run, process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
