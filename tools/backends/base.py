"""What every place that runs jobs can do, and the words for how a job stands. No implementation here."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from specs.run import RunManifest

JobState: TypeAlias = Literal["not_started", "running", "finished", "lost"]
"""`lost`: it began, it does not run, and nothing says how it ended."""


@dataclass(frozen=True)
class JobStatus:
    """How the latest launch of a job stands."""

    run_id: str
    state: JobState
    launch: int = 0
    """Number of the latest launch that has begun, from 1; 0 for none."""
    exit_code: int | None = None
    """Of a finished job that ended by itself."""
    signal: int | None = None
    """Number of the signal that ended a finished job."""
    started_at: float | None = None
    ended_at: float | None = None
    events_offset: int = 0
    """Size of events.jsonl in bytes when the latest launch began; what stands before is of earlier launches."""
    stop_requested: bool = False

    @property
    def died(self) -> bool:
        """Whether the job was ended from outside rather than by its own decision."""
        return self.state == "lost" or self.signal is not None


@dataclass(frozen=True)
class LogChunk:
    """A part of a job's log."""

    text: str
    offset: int
    """Where to read on, in bytes."""


class JobBackend(Protocol):
    """A place that runs jobs. Every method may be called again after a crash at any point of an earlier call."""

    def submit(self, manifest: "RunManifest", launch: int) -> JobStatus:
        """Begin a launch of a job whose run.json is written; a launch that has begun before is never begun twice.

        Args:
            manifest: what the job shall do.
            launch: number of the launch, from 1; one more than before starts the job again in the same run directory.

        Raises:
            BackendError: the job could not be started.
        """
        ...

    def status(self, run_id: str) -> JobStatus:
        """Return how a job stands. Raises BackendError when that cannot be found out."""
        ...

    def stop(self, run_id: str, *, grace_s: float = 30.0) -> JobStatus:
        """Ask a job to save and end, end it by force after `grace_s` seconds, and return how it stands then.

        Stopping a job that has ended, or never began, is fine.

        Raises:
            BackendError: it still runs.
        """
        ...

    def read_log(self, run_id: str, offset: int = 0, limit_bytes: int = 1 << 16) -> LogChunk:
        """Return what the job wrote for people from `offset` on, nothing when there is no more. Raises BackendError."""
        ...
