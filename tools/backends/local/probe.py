"""How a local job stands, read from its run directory. Looks only; changes nothing and signals nobody."""

from specs.layout import RunLayout
from tools.backends.base import JobStatus
from tools.backends.local.marks import is_locked, launches, read_exit


def probe(run: RunLayout) -> JobStatus:
    """Return how the latest launch of a job stands."""
    # The lock is asked before the exit is read: an exit is written before its lock is freed.
    locked = is_locked(run)
    begun = launches(run)
    run_id = run.run_dir.name
    stop_requested = run.stop_path.exists()
    if not begun:
        state = "running" if locked else "not_started"
        return JobStatus(run_id, state, stop_requested=stop_requested)
    latest = begun[-1]
    ended = read_exit(run, latest.number)
    state = "finished" if ended else "running" if locked else "lost"
    return JobStatus(
        run_id,
        state,
        launch=latest.number,
        exit_code=ended.rc if ended else None,
        signal=ended.signal if ended else None,
        started_at=latest.started_at,
        ended_at=ended.time if ended else None,
        events_offset=latest.events_offset,
        stop_requested=stop_requested,
    )
