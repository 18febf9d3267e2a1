"""Folds the events of a run into what is shown of it. Pure: a view and events in, a view out."""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from agent.tui.run_curve import CurveDraft
from agent.tui.viewmodels.run import RunView, SampleView
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

_NUM_SAMPLES = 8
_SAMPLE_CHARACTERS = 2000
_NUM_METRICS = 6


def fold(view: RunView, event: TrainEvent) -> RunView:
    """Return the view after one event."""
    return fold_all(view, (event,))


def fold_all(view: RunView, events: Iterable[TrainEvent]) -> RunView:
    """Return the view after events, in order."""
    draft = _Draft(view)
    for event in events:
        draft.take(event)
    return draft.view()


class _Draft:
    """A view that is being changed; copying it whole for each of 100,000 events would take seconds."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._changed: dict[str, Any] = {}
        self._train = CurveDraft(view.train)
        self._evals = CurveDraft(view.evals)
        self._samples = list(view.samples)

    def view(self) -> RunView:
        """Return what it has become."""
        known = {item.name for item in fields(RunView)}
        assert self._changed.keys() <= known
        return replace(
            self._view,
            **self._changed,
            train=self._train.curve(),
            evals=self._evals.curve(),
            samples=tuple(self._samples),
        )

    def take(self, event: TrainEvent) -> None:
        """Take in one event."""
        match event:
            case StepDone():
                self._step(event)
            case Started():
                self._started(event)
            case Progress():
                self._progress(event)
            case Evaluated():
                self._evaluated(event)
            case Sample():
                self._sample(event)
            case CheckpointSaved():
                self._changed["checkpoint"] = event.step
            case Serving():
                self._serving(event)
            case Warned():
                self._told(event.message, event.hint)
            case Finished():
                self._told(event.message, event.hint)
                self._changed.update(state=event.state, eta_s=None)

    def _get(self, name: str) -> Any:
        return self._changed.get(name, getattr(self._view, name))

    def _started(self, event: Started) -> None:
        begun = event.resumed_from
        kept = begun or 0
        # Steps after the checkpoint are trained again; the curve must not go backwards.
        self._train.cut(kept)
        self._evals.cut(kept)
        self._samples = [sample for sample in self._samples if sample.step <= kept]
        threads = "1 thread" if event.threads == 1 else f"{event.threads} threads"
        device = one_line(event.device, 40)
        self._changed.update(
            state="running",
            task=event.task,
            device=", ".join((device, one_line(event.dtype, 20), *((threads,) if device == "cpu" else ()))),
            launches=self._get("launches") + 1,
            resumed_from=begun,
            checkpoint=begun,
            done=kept,
            total=event.total_steps or (event.num_examples if event.task == "generate" else 0),
            eta_s=None,
            url="",
            message="",
            hint="",
        )

    def _step(self, event: StepDone) -> None:
        self._train.add(event.step, event.loss)
        self._changed.update(
            done=event.step,
            total=event.total_steps,
            epoch=event.epoch,
            loss=event.loss,
            learning_rate=event.learning_rate,
            grad_norm=event.grad_norm,
            tokens_per_s=event.tokens_per_s or self._get("tokens_per_s"),
            seconds=event.elapsed_s,
            eta_s=event.eta_s,
        )
        left = event.total_steps - event.step
        if event.eta_s and left > 0:
            self._changed["s_per_step"] = event.eta_s / left
        elif self._get("s_per_step") is None and event.step:
            self._changed["s_per_step"] = event.elapsed_s / event.step

    def _progress(self, event: Progress) -> None:
        rate = event.done / event.elapsed_s if event.elapsed_s > 0 else None
        self._changed.update(
            done=event.done,
            total=event.total,
            seconds=event.elapsed_s,
            rows_per_s=rate,
            eta_s=(event.total - event.done) / rate if rate else None,
        )

    def _evaluated(self, event: Evaluated) -> None:
        if "loss" in event.metrics:
            self._evals.add(event.step, event.metrics["loss"])
        others = [(one_line(name, 30), value) for name, value in event.metrics.items() if name != "loss"]
        self._changed["metrics"] = tuple(others[:_NUM_METRICS])

    def _sample(self, event: Sample) -> None:
        self._samples.append(
            SampleView(
                event.step,
                visible(event.prompt, _SAMPLE_CHARACTERS),
                visible(event.completion, _SAMPLE_CHARACTERS),
                visible(event.expected, _SAMPLE_CHARACTERS) if event.expected is not None else None,
            )
        )
        del self._samples[:-_NUM_SAMPLES]

    def _serving(self, event: Serving) -> None:
        self._changed.update(
            url=one_line(event.url, 200),
            models=tuple(one_line(name, 80) for name in event.models),
            expires_at=event.expires_at,
        )

    def _told(self, message: str, hint: str) -> None:
        self._changed.update(message=one_line(message, 600), hint=one_line(hint, 400))
