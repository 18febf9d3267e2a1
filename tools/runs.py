"""Runs as people see them: state, progress and log, derived from the run directories alone. Reads only.

What is shown is never stored: the trainer's closing event decides, then the job's lock and marks, then the age of the
last event.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import ValidationError

from specs.errors import ExitCode
from specs.events import TRAIN_EVENT, EndState, Finished, Progress, Serving, StepDone, TrainEvent
from specs.layout import ProjectLayout, RunLayout
from specs.run import RunManifest
from tools.backends.base import JobStatus
from tools.backends.local.marks import launches
from tools.backends.local.probe import probe
from tools.errors import UsageError
from tools.escape import one_line, visible

RunState: TypeAlias = Literal["waiting", "running", "succeeded", "failed", "stopped", "lost"]

SILENT_S = 600.0
"""Seconds without an event after which a job that left no other mark counts as lost."""

_MAX_LINE_BYTES = 1 << 20
_READ_BYTES = 1 << 23
_TAIL_BYTES = 1 << 17
_LOG_TAIL_BYTES = 4096
_LOG_LINE_CHARACTERS = 4000
_POLL_S = 0.2
_NUM_LAST = 50


@dataclass(frozen=True)
class PlacedEvent:
    """An event and where it stands in the file."""

    offset: int
    """Of the first byte of its line."""
    event: TrainEvent


class EventReader:
    """Reads events.jsonl as it grows. A torn last line is left for the next call; a line nobody knows is skipped.

    Args:
        path: the file; it may not exist yet.
        offset: byte to begin at, the start of a line.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self.offset = offset
        self.num_skipped = 0
        """Lines that were no known event."""

    def read(self) -> list[PlacedEvent]:
        """Return the events that were added since the last call."""
        placed: list[PlacedEvent] = []
        while block := self._block():
            for line in block.splitlines(keepends=True):
                event = self._event(line)
                if event is not None:
                    placed.append(PlacedEvent(self.offset, event))
                self.offset += len(line)
        return placed

    def _block(self) -> bytes:
        """Return the next whole lines."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self.offset)
                block = stream.read(_READ_BYTES)
        except OSError:
            return b""
        end = block.rfind(b"\n") + 1
        if end == 0 and len(block) == _READ_BYTES:
            return block
        return block[:end]

    def _event(self, line: bytes) -> TrainEvent | None:
        try:
            if len(line) <= _MAX_LINE_BYTES:
                return TRAIN_EVENT.validate_json(line)
        except ValidationError:
            pass
        self.num_skipped += 1
        return None


@dataclass(frozen=True)
class JobEnd:
    """How a job that does not run ended."""

    state: EndState
    message: str = ""
    hint: str = ""
    died: bool = False
    """Ended from outside, without anybody's wish: a kill, a crash of the machine."""


@dataclass(frozen=True)
class RunInfo:
    """One run."""

    run_id: str
    plan: str
    step: str
    task: Literal["train", "generate", "serve"]
    state: RunState
    created_at: float
    started_at: float | None
    ended_at: float | None
    seconds: float
    """Seconds of work over all launches."""
    launches: int
    done: int = 0
    total: int = 0
    """Optimizer steps or rows; 0 while unknown."""
    message: str = ""
    hint: str = ""
    url: str | None = None
    """Of a server that runs."""
    last: tuple[TrainEvent, ...] = field(default=())
    """The latest events, oldest first."""
    num_skipped: int = 0
    """Lines of the latest events that were no known event."""

    @property
    def progress(self) -> float | None:
        """Return the part that is done, 0 to 1, None while unknown."""
        return min(1.0, self.done / self.total) if self.total else None


def list_runs(layout: ProjectLayout) -> tuple[RunInfo, ...]:
    """Return the project's runs, oldest first; a folder without a readable run.json is left out."""
    folders = [path for path in layout.runs_dir.glob("r*") if re.fullmatch(r"r[0-9]+", path.name)]
    found = (_info(RunLayout(path)) for path in sorted(folders, key=lambda path: int(path.name[1:])))
    return tuple(info for info in found if info is not None)


def run_info(layout: ProjectLayout, run_id: str) -> RunInfo:
    """Return one run. Raises UsageError for an unknown id."""
    info = _info(_known(layout, run_id))
    if info is None:
        raise _unknown(layout, run_id)
    return info


def run_manifest(layout: ProjectLayout, run_id: str) -> RunManifest:
    """Return what a run was told to do. Raises UsageError for an unknown id."""
    manifest = _manifest(_known(layout, run_id))
    if manifest is None:
        raise _unknown(layout, run_id)
    return manifest


def read_log(layout: ProjectLayout, run_id: str, *, follow: bool = False) -> Iterator[str]:
    """Return an iterator over a run's log by lines, made harmless for a terminal; with `follow` until the run ended.

    Raises:
        UsageError: there is no such run.
    """
    return _log_lines(_known(layout, run_id), follow)


def work_seconds(run: RunLayout, now: float, *, first_launch: int = 1, until: float | None = None) -> float:
    """Return the seconds a job has worked, from launch `first_launch` on.

    Args:
        run: the run directory.
        now: seconds since the epoch.
        first_launch: launches before this one are left out.
        until: end of the latest launch where it is known better: a server's work ends when it answers.
    """
    begun = launches(run)
    ends = _launch_ends(run, [launch.events_offset for launch in begun[1:]])
    total = 0.0
    for index, launch in enumerate(begun):
        if index < len(begun) - 1:
            end = ends[index]
        else:
            status = probe(run)
            end = until or (now if status.state == "running" else status.ended_at or _last_event_time(run))
        if launch.number >= first_launch:
            total += max(0.0, (end or launch.started_at) - launch.started_at)
    return total


def job_end(run: RunLayout, status: JobStatus, finished: Finished | None) -> JobEnd:
    """Return how a job that does not run ended.

    Args:
        run: the run directory.
        status: how the latest launch stands.
        finished: the closing event of that launch, None when it wrote none.
    """
    if finished is not None and finished.state == "succeeded":
        return JobEnd("succeeded", finished.message, finished.hint)
    if finished is not None and (finished.state == "stopped" or not _stopped_before(run, finished)):
        return JobEnd(finished.state, finished.message, finished.hint)
    if status.stop_requested:
        return JobEnd("stopped", f"Run {status.run_id} was stopped on request.", "Approve the step again to go on.")
    return _silent_end(run, status)


def _stopped_before(run: RunLayout, finished: Finished) -> bool:
    """Whether a stop was asked for before a job said that it failed, so that the failure is the stop's doing."""
    try:
        return run.stop_path.stat().st_mtime <= finished.time
    except OSError:
        return False


def _silent_end(run: RunLayout, status: JobStatus) -> JobEnd:
    name = status.run_id
    if status.signal is not None:
        hint = "It may have used up the memory" if status.signal == 9 else "Something ended it"
        return JobEnd(
            "failed",
            f"Run {name} was killed by signal {status.signal}.",
            f"{hint}; see `tailor logs {name}`.",
            died=True,
        )
    if status.state == "lost":
        return JobEnd(
            "failed",
            f"Run {name} ended without a word: it was killed, or the machine restarted.",
            "Run the plan again; training goes on from its last checkpoint.",
            died=True,
        )
    if status.exit_code == ExitCode.STOPPED:
        return JobEnd("stopped", f"Run {name} stopped.")
    last = _last_log_line(run)
    return JobEnd(
        "failed",
        f"Run {name} ended with exit code {status.exit_code} and no closing event{f': {last}' if last else '.'}",
        f"`tailor logs {name}` shows the rest.",
    )


def _info(run: RunLayout) -> RunInfo | None:
    manifest = _manifest(run)
    if manifest is None:
        return None
    status = probe(run)
    # A server tells its address first and then may tell much; of other jobs the last lines say all.
    reader = EventReader(run.events_path, 0 if manifest.task.type == "serve" else _tail_offset(run.events_path))
    placed = reader.read()
    finished = next((p.event for p in reversed(placed) if _closes(p, status)), None)
    now = time.time()
    state, end = _state(run, status, finished if isinstance(finished, Finished) else None, placed, now)
    begun = launches(run)
    done, total = _done(placed)
    serving = next((p.event for p in reversed(placed) if isinstance(p.event, Serving)), None)
    return RunInfo(
        run_id=run.run_dir.name,
        plan=manifest.plan,
        step=manifest.step,
        task=manifest.task.type,
        state=state,
        created_at=manifest.created_at,
        started_at=begun[0].started_at if begun else None,
        ended_at=None if state in {"waiting", "running"} else status.ended_at or _last_event_time(run),
        seconds=work_seconds(run, now),
        launches=len(begun),
        done=done,
        total=total,
        message=end.message if end else "",
        hint=end.hint if end else "",
        url=serving.url if isinstance(serving, Serving) and state == "running" else None,
        last=tuple(p.event for p in placed[-_NUM_LAST:]),
        num_skipped=reader.num_skipped,
    )


def _manifest(run: RunLayout) -> RunManifest | None:
    try:
        return RunManifest.model_validate_json(run.manifest_path.read_bytes())
    except (OSError, ValidationError):
        return None


def _tail_offset(path: Path) -> int:
    """Return where a line begins not far before the end of a file."""
    try:
        with path.open("rb") as stream:
            start = max(0, path.stat().st_size - _TAIL_BYTES)
            stream.seek(start)
            return start + stream.read(_MAX_LINE_BYTES).find(b"\n") + 1 if start else 0
    except OSError:
        return 0


def _closes(placed: PlacedEvent, status: JobStatus) -> bool:
    return isinstance(placed.event, Finished) and placed.offset >= status.events_offset


def _state(
    run: RunLayout, status: JobStatus, finished: Finished | None, placed: list[PlacedEvent], now: float
) -> tuple[RunState, JobEnd | None]:
    if finished is None and status.state == "running":
        return "running", None
    if finished is None and status.state == "not_started":
        if placed:
            # No lock and no marks: it runs elsewhere, or was copied here.
            return ("running" if now - placed[-1].event.time < SILENT_S else "lost"), None
        return ("stopped" if status.stop_requested else "waiting"), None
    end = job_end(run, status, finished)
    return ("lost" if end.died and status.state == "lost" else end.state), end


def _done(placed: list[PlacedEvent]) -> tuple[int, int]:
    for item in reversed(placed):
        if isinstance(item.event, StepDone):
            return item.event.step, item.event.total_steps
        if isinstance(item.event, Progress):
            return item.event.done, item.event.total
    return 0, 0


def _launch_ends(run: RunLayout, boundaries: list[int]) -> list[float | None]:
    """Return the time of the last event before each byte position, None where there is none after the one before."""
    ends: list[float | None] = [None] * len(boundaries)
    if not boundaries:
        return ends
    for placed in EventReader(run.events_path).read():
        index = next((i for i, boundary in enumerate(boundaries) if placed.offset < boundary), None)
        if index is None:
            break
        ends[index] = placed.event.time
    return ends


def _last_event_time(run: RunLayout) -> float | None:
    try:
        return run.events_path.stat().st_mtime
    except OSError:
        return None


def _known(layout: ProjectLayout, run_id: str) -> RunLayout:
    run = layout.run(run_id)
    if not re.fullmatch(r"r[0-9]+", run_id) or not run.manifest_path.is_file():
        raise _unknown(layout, run_id)
    return run


def _unknown(layout: ProjectLayout, run_id: str) -> UsageError:
    known = [info.run_id for info in list_runs(layout)]
    shown = f"The project has {', '.join(known[-10:])}." if known else "The project has no runs yet: `tailor run`."
    return UsageError(f"There is no run {one_line(run_id)}.", shown)


def _log_lines(run: RunLayout, follow: bool) -> Iterator[str]:
    offset, rest = 0, b""
    while True:
        running = follow and probe(run).state in {"running", "not_started"}
        try:
            with run.log_path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(_READ_BYTES)
        except OSError:
            data = b""
        offset += len(data)
        *lines, rest = (rest + data).split(b"\n")
        yield from (_shown(line) for line in lines)
        if not data:
            if not running:
                break
            time.sleep(_POLL_S)
    if rest:
        yield _shown(rest)


def _shown(line: bytes) -> str:
    # A progress bar draws over itself with carriage returns; its last state is what a person would see.
    last = line.rstrip(b"\r").rpartition(b"\r")[2]
    return visible(last.decode("utf-8", "replace"), _LOG_LINE_CHARACTERS)


def _last_log_line(run: RunLayout) -> str:
    try:
        with run.log_path.open("rb") as stream:
            stream.seek(max(0, run.log_path.stat().st_size - _LOG_TAIL_BYTES))
            lines = [line for line in stream.read().split(b"\n") if line.strip()]
    except OSError:
        return ""
    return one_line(_shown(lines[-1])) if lines else ""
