"""Says whether a job has to end early: a signal, the `stop` file, or the end of its time. Acts on nothing itself."""

import contextlib
import signal
import time
from collections.abc import Generator
from pathlib import Path
from types import FrameType

from trainer.errors import JobStopped

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopWatch:
    """Collects the reasons to stop. The job asks at its safe points.

    Args:
        stop_path: the file whose existence asks for a stop; it is used up by the stop it caused.
        max_seconds: work allowed over all launches of the job, None for no end.
        worked_s: work of the earlier launches, in seconds.
    """

    def __init__(self, stop_path: Path, max_seconds: float | None, worked_s: float = 0.0) -> None:
        self._stop_path = stop_path
        self._max_seconds = max_seconds
        self._worked_s = worked_s
        self._started = time.monotonic()
        self._signal: str | None = None

    @property
    def worked_s(self) -> float:
        """Seconds of work over all launches."""
        return self._worked_s + time.monotonic() - self._started

    @contextlib.contextmanager
    def listening(self) -> Generator[None]:
        """Take SIGTERM and SIGINT as requests; a second one interrupts at once. Main thread only."""
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def reason(self) -> JobStopped | None:
        """Return why the job has to stop now, None to go on."""
        if self._signal is not None:
            return JobStopped(f"Stopped by {self._signal}.", "Start the step again to go on from its checkpoint.")
        if self._stop_path.exists():
            return JobStopped("Stopped on request.", "Start the step again to go on from its checkpoint.")
        if self._max_seconds is not None and self.worked_s >= self._max_seconds:
            return JobStopped(
                f"The job used up its {self._max_seconds:.0f} s.",
                "Raise budget.hours in spec.yaml and start the step again to go on from its checkpoint.",
            )
        return None

    def check(self) -> None:
        """Raise JobStopped when there is a reason to."""
        reason = self.reason()
        if reason is not None:
            raise reason

    def used(self) -> None:
        """Take the stop file away, so that a later launch goes on."""
        self._stop_path.unlink(missing_ok=True)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = signal.Signals(number).name
