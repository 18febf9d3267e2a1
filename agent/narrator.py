"""Turns what the executor tells into a few readable lines. Says nothing twice and not more than people can read."""

from specs.events import (
    CheckpointSaved,
    Evaluated,
    Finished,
    Progress,
    Sample,
    Serving,
    Started,
    StepDone,
    TrainEvent,
    Warned,
)
from tools.escape import one_line, visible
from tools.events import ExecutorEvent, PlanFinished, StepFinished, StepProgress, StepStarted, StepWaiting
from tools.wording import count, duration

_SHARE_BETWEEN_LINES = 0.1
_LONGEST_LINE = 2_000
# codes of warnings that only say how things are
_NEWS = frozenset({"trained_tokens"})


class Narrator:
    """Narrates one plan. Feed it every event; it returns the lines worth printing."""

    def __init__(self) -> None:
        self._told = 0.0

    def feed(self, event: ExecutorEvent) -> list[str]:
        """Return the lines for `event`, often none; outside text in them is escaped."""
        return [_shown(line) for line in self._lines(event)]

    def _lines(self, event: ExecutorEvent) -> list[str]:
        match event:
            case StepStarted():
                self._told = 0.0
                run = f" ({event.run})" if event.run else ""
                return [f"● {event.step}{run}{', taken up again' if event.resumed else ''}"]
            case StepProgress():
                return [f"  {line}" for line in self._progress(event.event)]
            case StepFinished():
                return _finished(event)
            case StepWaiting():
                said = event.message or f"Step {event.step} waits for your approval."
                return [f"! {said} {event.hint}".rstrip()]
            case PlanFinished():
                return [_plan_line(event)]

    def _progress(self, event: TrainEvent) -> list[str]:
        match event:
            case Started():
                return _started(event)
            case StepDone():
                return self._step(event)
            case Progress():
                return self._items(event)
            case Evaluated():
                shown = ", ".join(f"{name} {value:.3f}" for name, value in event.metrics.items())
                return [f"after step {event.step:,}: {shown}"]
            case Sample():
                wanted = f" (wanted: {one_line(event.expected, 40)})" if event.expected else ""
                return [
                    f"it now answers {one_line(event.prompt, 50)!r} with {one_line(event.completion, 40)!r}{wanted}"
                ]
            case Warned():
                mark = "" if event.code in _NEWS else "! "
                return [f"{mark}{event.message} {event.hint}".rstrip()]
            case Serving():
                return [f"serving {', '.join(event.models)} at {event.url}"]
            case CheckpointSaved() | Finished():
                return []

    def _step(self, event: StepDone) -> list[str]:
        if not self._due(event.step, event.total_steps):
            return []
        left = f", {duration(event.eta_s)} left" if event.eta_s is not None and event.step < event.total_steps else ""
        return [f"step {event.step:,} of {event.total_steps:,}  loss {event.loss:.3f}{left}"]

    def _items(self, event: Progress) -> list[str]:
        if not self._due(event.done, event.total):
            return []
        return [f"{event.done:,} of {event.total:,} rows"]

    def _due(self, done: int, total: int) -> bool:
        share = done / total if total else 1.0
        if share < 1.0 and share - self._told < _SHARE_BETWEEN_LINES:
            return False
        if share == self._told:
            return False
        self._told = share
        return True


def _shown(line: str) -> str:
    # indented, so that a second line of a message is not taken for one of ours
    return visible(line, _LONGEST_LINE).replace("\n", "\n    ")


def _started(event: Started) -> list[str]:
    if event.task == "serve":
        return []
    resumed = f", from the checkpoint of step {event.resumed_from:,}" if event.resumed_from else ""
    what = f"{event.num_parameters:,} parameters" if event.task == "generate" else f"{event.num_trainable:,} trained"
    machine = f"{event.device}, {event.dtype}, {count(event.threads, 'thread')}"
    return [f"{machine}; {count(event.num_examples, 'row')}; {what}{resumed}"]


def _finished(event: StepFinished) -> list[str]:
    mark = {"succeeded": "✓", "failed": "✗", "stopped": "■"}[event.state]
    if event.skipped:
        return [f"{mark} {event.step} was done before"]
    lines = [f"{mark} {event.step} {event.state} in {duration(event.seconds)}"]
    if event.state != "succeeded":
        lines += [f"  {part}" for part in (event.message, event.hint) if part]
    return lines


def _plan_line(event: PlanFinished) -> str:
    if event.state == "succeeded":
        served = f" It is served at {event.endpoint}." if event.endpoint else ""
        return f"Done in {duration(event.seconds)}: {event.model or 'nothing was trained'}.{served}"
    if event.state == "waiting":
        return "Waiting for your approval."
    return f"The plan {event.state}."
