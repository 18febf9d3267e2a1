"""Follows a run by its directory, and lists runs. For threads: everything here touches the disk.

The directory is the truth, so an app that is opened anew shows the whole curve and the log of what happened meanwhile.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from agent.tui.run_fold import fold, fold_all
from agent.tui.run_lines import LogTail, LogWeaver
from agent.tui.run_machine import JobMeter
from agent.tui.viewmodels.run import JobRow, LogLine, MachineView, RunView
from specs.events import Finished
from specs.layout import ProjectLayout, RunLayout
from specs.run import RunManifest, ServeTask, TrainReport
from tools.backends.base import JobStatus
from tools.backends.local.marks import Launch, launches
from tools.backends.local.probe import probe
from tools.errors import ToolError
from tools.escape import one_line
from tools.runs import EventReader, PlacedEvent, RunInfo, run_info, run_manifest

__all__ = ["JobList", "RunFollower", "RunLook", "fold", "fold_all", "run_ids", "stop_sentences"]

_STATE_EVERY_S = 5.0
"""How often the state of a run without marks of its own is looked at; of others whenever a mark changes."""
_CHUNK = 25


@dataclass(frozen=True)
class RunLook:
    """What one look at a run found."""

    view: RunView
    lines: tuple[LogLine, ...]
    """Of the log, added since the look before."""


class RunFollower:
    """Reads what a run told since the last look.

    Args:
        layout: the project.
        run_id: the run.
        clock: seconds since the epoch.
    """

    def __init__(self, layout: ProjectLayout, run_id: str, clock: Callable[[], float] = time.time) -> None:
        self._layout = layout
        self._run: RunLayout = layout.run(run_id)
        self._clock = clock
        self._reader = EventReader(self._run.events_path)
        self._log = LogTail(self._run.log_path)
        self._weaver = LogWeaver()
        self._meter = JobMeter(self._run)
        self._view: RunView | None = None
        self._ends: dict[int, float] = {}
        """Time of the last event of each launch."""
        self._closed_by: tuple[int, Finished] | None = None
        self._known: tuple[JobStatus, int] | None = None
        """Marks and size of the record when the state was last worked out."""
        self._known_at = 0.0

    def look(self) -> RunLook:
        """Return the run as it stands. Raises UsageError when there is no such run."""
        view = self._view or _opening_view(run_manifest(self._layout, self._run.run_dir.name))
        placed = self._reader.read()
        begun = launches(self._run)
        for item in placed:
            self._note(item, begun)
        events = [item.event for item in placed]
        view = replace(fold_all(view, events), num_skipped=self._reader.num_skipped)
        log = self._log.read()
        lines = tuple(self._weaver.weave(events, log, is_cut=self._log.is_cut))
        view = self._with_state(view, begun)
        self._view = view
        return RunLook(view, lines)

    def _note(self, item: PlacedEvent, begun: list[Launch]) -> None:
        number = next((launch.number for launch in reversed(begun) if launch.events_offset <= item.offset), 0)
        self._ends[number] = item.event.time
        if isinstance(item.event, Finished):
            self._closed_by = (item.offset, item.event)

    def _with_state(self, view: RunView, begun: list[Launch]) -> RunView:
        status = probe(self._run)
        now = self._clock()
        closes = self._closed_by is not None and self._closed_by[0] >= status.events_offset
        if status.state == "running" and not closes:
            self._known = None
            machine = self._meter.read(with_gpu=view.device.startswith("cuda"))
            return replace(view, state="running", seconds=self._seconds(begun, now) or view.seconds, machine=machine)
        mark = (status, self._reader.offset)
        if mark == self._known and (status.launch or now - self._known_at < _STATE_EVERY_S):
            return view
        self._known, self._known_at = mark, now
        return _ended(view, run_info(self._layout, self._run.run_dir.name), self._run)

    def _seconds(self, begun: list[Launch], now: float) -> float:
        if not begun:
            return 0.0
        earlier = sum(
            max(0.0, self._ends.get(launch.number, launch.started_at) - launch.started_at) for launch in begun[:-1]
        )
        return earlier + max(0.0, now - begun[-1].started_at)


def _opening_view(manifest: RunManifest) -> RunView:
    task = manifest.task
    models = task.models if isinstance(task, ServeTask) else (task.model,)
    limit = task.ttl_s if isinstance(task, ServeTask) else task.limits.max_seconds
    return RunView(
        run_id=manifest.run_id,
        step_title=one_line(manifest.step, 40),
        task=task.type,
        model=", ".join(one_line(model.name, 60) for model in models),
        limit_s=limit,
    )


def _ended(view: RunView, info: RunInfo, run: RunLayout) -> RunView:
    """Return the view of a run that does not run, as the run's marks have it."""
    told = {"message": one_line(info.message, 600), "hint": one_line(info.hint, 400)} if info.message else {}
    machine = view.machine
    if info.state != "waiting" and info.task == "train":
        machine = MachineView(peak_bytes=_peak(run) or machine.peak_bytes)
    elif info.state not in ("waiting", "running"):
        machine = MachineView(peak_bytes=machine.peak_bytes)
    is_over = info.state not in ("waiting", "running")
    return replace(
        view,
        state=info.state,
        seconds=info.seconds or view.seconds,
        eta_s=None if is_over else view.eta_s,
        url="" if is_over else view.url,
        machine=machine,
        **told,
    )


def _peak(run: RunLayout) -> int | None:
    try:
        return TrainReport.model_validate_json(run.report_path.read_bytes()).peak_memory_bytes
    except (OSError, ValueError):
        return None


def run_ids(layout: ProjectLayout) -> tuple[str, ...]:
    """Return the ids of a project's runs, oldest first."""
    try:
        names = [path.name for path in layout.runs_dir.iterdir() if re.fullmatch(r"r[0-9]+", path.name)]
    except OSError:
        return ()
    return tuple(sorted(names, key=lambda name: int(name[1:])))


class JobList:
    """The project's runs as rows. A run that has ended is read once and then only when its directory changes."""

    def __init__(self, layout: ProjectLayout) -> None:
        self._layout = layout
        self._rows: dict[str, tuple[object, JobRow]] = {}

    def chunks(self) -> Iterator[tuple[JobRow, ...]]:
        """Yield the rows newest first, some at a time: reading 1,000 runs takes seconds."""
        chunk: list[JobRow] = []
        for run_id in reversed(run_ids(self._layout)):
            row, was_read = self._row(run_id)
            if row is not None:
                chunk.append(row)
            if was_read and len(chunk) >= _CHUNK:
                yield tuple(chunk)
                chunk = []
        yield tuple(chunk)

    def _row(self, run_id: str) -> tuple[JobRow | None, bool]:
        run = self._layout.run(run_id)
        mark = _marks(run)
        known = self._rows.get(run_id)
        if known is not None and known[0] == mark and known[1].state not in ("waiting", "running"):
            return known[1], False
        try:
            row = _job_row(run_info(self._layout, run_id), run_manifest(self._layout, run_id))
        except ToolError:
            # Made this moment, and its manifest not yet written; or half deleted.
            return None, True
        self._rows[run_id] = (mark, row)
        return row, True


def _marks(run: RunLayout) -> object:
    found: list[tuple[int, int] | None] = []
    for path in (run.run_dir, run.events_path, run.exit_path, run.stop_path):
        try:
            stat = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _job_row(info: RunInfo, manifest: RunManifest) -> JobRow:
    task = manifest.task
    models = task.models if isinstance(task, ServeTask) else (task.model,)
    reason = info.message if info.state in ("failed", "stopped", "lost") else ""
    return JobRow(
        run_id=info.run_id,
        step=one_line(info.step, 40),
        task=info.task,
        state=info.state,
        done=info.done,
        total=info.total,
        seconds=info.seconds,
        created_at=info.created_at,
        note=one_line(info.url or reason or ", ".join(model.name for model in models), 300),
    )


def stop_sentences(view: RunView) -> tuple[str, ...]:
    """Return what stopping a run does and what is lost, for the question that is asked before."""
    if view.is_over:
        return (f"Run {view.run_id} is not running any more.",)
    match view.task:
        case "train":
            return _stop_training(view)
        case "generate":
            told = f"{view.done} of {view.total} rows are answered and kept" if view.done else "No row is answered yet"
            return (f"Answering stops. {told}.", "`go on` or `tailor run` answers the rest.")
        case "serve":
            return (
                "The server stops at once; requests on their way are cut off.",
                "The models are kept: `go on` or `tailor run` serves them again.",
            )


def _stop_training(view: RunView) -> tuple[str, ...]:
    if not view.done:
        return (
            "Training has not done its first step; nothing is lost but the time to start again.",
            "`go on` or `tailor run` starts it.",
        )
    saved = f"the checkpoint of step {view.checkpoint}" if view.checkpoint else "the beginning"
    return (
        f"Training stops after this step and saves a checkpoint: step {view.done} of {view.total}.",
        "`go on` or `tailor run` takes it up. Nothing is lost but the time to start again.",
        f"If it does not end within 30 seconds it is ended by force, and goes on from {saved}.",
    )
