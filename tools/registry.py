"""The agent's tools: each a name, an argument model, an effect and the `Tailor` method that does it.

Framework-free data. The agent adapts these to its chat model; the command line and the SDK call the same methods.
A tool with the effect `execute` or `spend` is called only with grants that a person gave.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from specs.base import StrictModel
from specs.edit import Change
from specs.plan import Effect
from tools.client import Tailor
from tools.events import ExecutorEvent, PlanFinished
from tools.glossary import explain
from tools.steps import JsonDict


@dataclass(frozen=True)
class ToolCall:
    """What the caller of a tool brings along beside the arguments."""

    grants: Mapping[str, str] = field(default_factory=dict[str, str])
    """Grant id by step id; empty where no person approved anything."""
    emit: Callable[[ExecutorEvent], None] = lambda _event: None
    """Receives the progress of long work."""


@dataclass(frozen=True)
class ToolDef:
    """One tool."""

    name: str
    description: str
    args: type[StrictModel]
    effect: Effect
    run: Callable[[Tailor, Any, ToolCall], JsonDict]


class NoArgs(StrictModel):
    """No arguments."""


class InspectArgs(StrictModel):
    """Arguments of inspect_data."""

    path: str
    """File in the project, or an absolute path."""


class DataArgs(StrictModel):
    """Arguments of show_data."""

    name: str | None = None
    """Dataset, or name@version; left out = the one of the last plan."""


class CreateSpecArgs(StrictModel):
    """Arguments of create_spec."""

    fields: JsonDict
    """The spec's sections as a nested mapping, in the shape of spec.yaml; what is left out gets its default."""


class UpdateSpecArgs(StrictModel):
    """Arguments of update_spec."""

    changes: tuple[Change, ...] = Field(min_length=1)
    """Edits in order; all of them or none are made."""


class RunStepsArgs(StrictModel):
    """Arguments of run_steps."""

    plan: str
    """Hash of the plan, as make_plan returned it."""
    steps: tuple[str, ...] | Literal["all"] = "all"
    """Ids of the steps to run; earlier steps they depend on must have run."""


class ExplainArgs(StrictModel):
    """Arguments of explain."""

    topic: str
    """A term such as LoRA, epochs, macro-F1, baseline."""


class RunArgs(StrictModel):
    """Arguments of stop_run."""

    run: str
    """Run id, as r3."""


class PlayArgs(StrictModel):
    """Arguments of play."""

    prompt: str = Field(min_length=1)
    """What to ask both models."""


class TeardownArgs(StrictModel):
    """Arguments of teardown."""

    name: str | None = None
    """Model whose server is stopped, as bank-intents@1; left out = every server of the project."""


def _project_status(tailor: Tailor, _args: NoArgs, _call: ToolCall) -> JsonDict:
    return tailor.status()


def _inspect(tailor: Tailor, args: InspectArgs, _call: ToolCall) -> JsonDict:
    return tailor.inspect_data(args.path).model_dump(mode="json")


def _show_data(tailor: Tailor, args: DataArgs, _call: ToolCall) -> JsonDict:
    from tools.status import data_quality

    found = data_quality(tailor.layout, args.name)
    return {"name": found.name, "version": found.version, **found.report.model_dump(mode="json")}


def _show_spec(tailor: Tailor, _args: NoArgs, _call: ToolCall) -> JsonDict:
    return {"text": tailor.load_spec().text}


def _create(tailor: Tailor, args: CreateSpecArgs, _call: ToolCall) -> JsonDict:
    return {"diff": tailor.create_spec(args.fields).diff}


def _update(tailor: Tailor, args: UpdateSpecArgs, _call: ToolCall) -> JsonDict:
    return {"diff": tailor.patch_spec(args.changes).diff}


def _undo(tailor: Tailor, _args: NoArgs, _call: ToolCall) -> JsonDict:
    return {"diff": tailor.undo_spec().diff}


def _make_plan(tailor: Tailor, _args: NoArgs, _call: ToolCall) -> JsonDict:
    plan = tailor.plan()
    states: dict[str, str] = tailor.status()["plan"]["steps"]
    return {"plan": plan.hash, **plan.model_dump(mode="json", exclude={"spec_text"}), "states": states}


def _run_steps(tailor: Tailor, args: RunStepsArgs, call: ToolCall) -> JsonDict:
    only = None if args.steps == "all" else args.steps
    finished: JsonDict = {}
    for event in tailor.run(tailor.known_plan(args.plan), call.grants, only=only):
        call.emit(event)
        if isinstance(event, PlanFinished):
            finished = event.model_dump(mode="json")
    return finished


def _results(tailor: Tailor, _args: NoArgs, _call: ToolCall) -> JsonDict:
    return tailor.results()


def _explain(_tailor: Tailor, args: ExplainArgs, _call: ToolCall) -> JsonDict:
    return {"text": explain(args.topic)}


def _stop(tailor: Tailor, args: RunArgs, _call: ToolCall) -> JsonDict:
    return tailor.stop(args.run)


def _play(tailor: Tailor, args: PlayArgs, _call: ToolCall) -> JsonDict:
    return tailor.play(args.prompt)


def _teardown(tailor: Tailor, args: TeardownArgs, _call: ToolCall) -> JsonDict:
    return {"stopped": tailor.teardown(args.name)}


TOOLS: tuple[ToolDef, ...] = (
    ToolDef(
        "project_status",
        "What this project has: spec, data files, plan, steps done, runs, servers.",
        NoArgs,
        "read",
        _project_status,
    ),
    ToolDef(
        "inspect_data",
        "Read a data file strictly and return its columns, labels, defects and the columns it suggests.",
        InspectArgs,
        "read",
        _inspect,
    ),
    ToolDef(
        "show_data",
        "Quality report of the prepared data: rows by split, lengths, label balance, leaks, personal data, warnings.",
        DataArgs,
        "read",
        _show_data,
    ),
    ToolDef("show_spec", "Return the text of spec.yaml.", NoArgs, "read", _show_spec),
    ToolDef("create_spec", "Write a new spec.yaml; refused when there is one.", CreateSpecArgs, "write", _create),
    ToolDef("update_spec", "Edit spec.yaml and return the difference.", UpdateSpecArgs, "write", _update),
    ToolDef("undo_spec", "Take the last edit of spec.yaml made here back.", NoArgs, "write", _undo),
    ToolDef(
        "make_plan",
        "Resolve the spec into a plan: steps, every value with its reason, time, memory, disk and money.",
        NoArgs,
        "read",
        _make_plan,
    ),
    ToolDef(
        "run_steps",
        "Run steps of a plan. The person is asked for approval of each before anything starts.",
        RunStepsArgs,
        "execute",
        _run_steps,
    ),
    ToolDef("show_results", "Measured results of the last plan, with intervals.", NoArgs, "read", _results),
    ToolDef("explain", "Explain a term of model customization in a few sentences.", ExplainArgs, "read", _explain),
    ToolDef("stop_run", "Stop a running job; training saves a checkpoint first.", RunArgs, "write", _stop),
    ToolDef("play", "Ask the base and the custom model the same prompt, side by side.", PlayArgs, "read", _play),
    ToolDef("teardown", "Stop the servers of a model, or all of them.", TeardownArgs, "write", _teardown),
)
"""Every tool, in the order a model sees them. Stopping only ever takes spending back, so it needs no grant."""


def tool(name: str) -> ToolDef:
    """Return the tool of that name. Raises KeyError for an unknown name."""
    for candidate in TOOLS:
        if candidate.name == name:
            return candidate
    raise KeyError(name)
