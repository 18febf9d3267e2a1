"""What a run told while it was watched, and the short form of it that a chat model gets."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from agent.context import TrainingPointless, TurnControl
from tools.events import ExecutorEvent, PlanFinished, PlanState, StepFinished, StepStarted, StepWaiting
from tools.steps import JsonDict


class RunWatch:
    """Receives the executor's events, passes them on, and ends the watching when the turn shall end."""

    def __init__(self, forward: Callable[[ExecutorEvent], None], control: TurnControl) -> None:
        self._forward = forward
        self._control = control
        self._steps: dict[str, JsonDict] = {}
        self._waiting: dict[str, StepWaiting] = {}
        self._plan: PlanFinished | None = None

    def __call__(self, event: ExecutorEvent) -> None:
        """Take one event. Raises WatchingStopped or EngineLeaves when watching shall end."""
        self._forward(event)
        match event:
            case StepStarted():
                self._steps[event.step] = {"step": event.step, "state": "running", "run": event.run}
            case StepFinished():
                self._steps[event.step] = event.model_dump(mode="json", exclude={"type"})
            case StepWaiting():
                self._waiting[event.step] = event
            case PlanFinished():
                self._plan = event
            case _:
                pass
        if self._plan is None:
            self._control.check_watching()
            if isinstance(event, StepFinished) and _is_pointless(event):
                raise TrainingPointless

    @property
    def finished(self) -> bool:
        """Whether the run came to its end, whatever the end was."""
        return self._plan is not None

    @property
    def state(self) -> PlanState | None:
        """How the plan stands, None while the run goes on."""
        return self._plan.state if self._plan is not None else None

    @property
    def succeeded(self) -> frozenset[str]:
        """Steps that need nothing more."""
        return frozenset(step for step, told in self._steps.items() if told["state"] == "succeeded")

    def refused_grants(self, grants: Mapping[str, str]) -> dict[str, str]:
        """Return why approvals that were given did not hold, by step: made in an earlier session, or out of date."""
        return {
            step: told.message or "The approval is no longer valid."
            for step, told in self._waiting.items()
            if step in grants
        }

    def waits_beyond(self, grants: Mapping[str, str]) -> bool:
        """Return whether the approved steps are done and the plan waits for the approval of the next."""
        is_done = all(self._steps.get(step, {}).get("state") == "succeeded" for step in grants)
        return self.state == "waiting" and is_done and any(step not in grants for step in self._waiting)

    def summary(self) -> JsonDict:
        """Return the outcome of the run for a chat model."""
        plan: dict[str, Any] = self._plan.model_dump(mode="json", exclude={"type"}) if self._plan is not None else {}
        plan["steps"] = [*self._steps.values()]
        plan["waiting_for_approval"] = [*self._waiting]
        return plan

    def paused(self) -> JsonDict:
        """Return the outcome of a run that ended before training, because the base model is good enough."""
        note = "The base model reaches the threshold, so training was not started. Ask the user before going on."
        return {"state": "paused", "note": note, "steps": [*self._steps.values()]}

    def left_running(self) -> JsonDict:
        """Return the outcome of a run that is no longer watched."""
        return {"state": "running", "note": "The user stopped watching. Jobs go on.", "steps": [*self._steps.values()]}


def verdict_text(event: StepFinished) -> str:
    """Return what a fresh measurement concluded, empty when the step was no measurement or was done before."""
    verdict = _verdict(event)
    return str(verdict.get("text", "")) if not event.skipped else ""


def _verdict(event: StepFinished) -> JsonDict:
    found = (event.result or {}).get("verdict")
    return cast("JsonDict", found) if isinstance(found, dict) else {}


def _is_pointless(event: StepFinished) -> bool:
    return event.step == "baseline" and not event.skipped and _verdict(event).get("decision") == "skip_training"
