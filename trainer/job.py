"""What every task of a run shares: paths, manifest, events, the stop watch and the state kept over launches."""

import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from specs.atomic import write_text
from specs.base import StrictModel
from specs.errors import ExitCode
from specs.events import Finished
from specs.layout import RunLayout
from specs.run import RunManifest
from trainer.errors import TrainerError
from trainer.events import EventLog
from trainer.stop import StopWatch

_SAVE_EVERY_S = 2.0


class RunState(StrictModel):
    """What a run remembers from launch to launch, beside its checkpoints."""

    launches: int = 0
    threads: int | None = None
    """CPU threads chosen by the first launch; a resumed run must compute with as many to give the same weights."""
    work_s: float = 0.0
    """Seconds of all launches, start-up included."""
    train_s: float = 0.0
    """Seconds in the training loop over all launches."""
    tracking_run: str | None = None
    """MLflow run that the launches share."""


@dataclass
class Job:
    """One launch of a run."""

    layout: RunLayout
    manifest: RunManifest
    events: EventLog
    stop: StopWatch
    state: RunState
    _saved: float = field(default_factory=time.monotonic)

    def remember(self, *, force: bool = True, **changes: Any) -> None:
        """Note changes of the run's state; unforced ones reach the disk every two seconds at most."""
        self.state = self.state.model_copy(update={"work_s": self.stop.worked_s, **changes})
        if force or time.monotonic() - self._saved >= _SAVE_EVERY_S:
            write_state(self.layout, self.state)
            self._saved = time.monotonic()


def open_manifest(layout: RunLayout) -> RunManifest:
    """Return the run's manifest. Raises TrainerError when there is none or it does not fit."""
    try:
        return RunManifest.model_validate_json(layout.manifest_path.read_bytes())
    except OSError as error:
        raise TrainerError(
            f"{layout.manifest_path} cannot be read: {error.strerror}.",
            "Give the run directory of a planned step.",
            exit_code=ExitCode.USAGE,
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise TrainerError(
            f"{layout.manifest_path} is not a run manifest: {place}: {first['msg']}.",
            "Plan the step again with this version of Tailor.",
            exit_code=ExitCode.USAGE,
        ) from error


def read_state(layout: RunLayout) -> RunState:
    """Return the state the earlier launches left, a fresh one for the first launch."""
    with contextlib.suppress(OSError, ValidationError):
        return RunState.model_validate_json(_state_path(layout).read_bytes())
    return RunState()


def write_state(layout: RunLayout, state: RunState) -> None:
    """Write the run's state atomically."""
    layout.checkpoints_dir.mkdir(mode=0o700, exist_ok=True)
    write_text(_state_path(layout), state.model_dump_json(indent=2))


def finished(state: str, message: str, hint: str, exit_code: ExitCode, seconds: float) -> Finished:
    """Return the last event of a launch."""
    return Finished.model_validate(
        {
            "time": time.time(),
            "state": state,
            "message": message,
            "hint": hint,
            "exit_code": int(exit_code),
            "seconds": seconds,
        }
    )


def _state_path(layout: RunLayout) -> Path:
    return layout.checkpoints_dir / "state.json"
