"""Which pane belongs to which stage, and the panes themselves, imported when they are first opened."""

from typing import Literal, TypeAlias

from textual.widget import Widget

from agent.tui.state import ProjectFacts
from agent.tui.viewmodels.frame import StageName
from specs.layout import ProjectLayout

PaneName: TypeAlias = Literal["chat", "run", "results", "data", "play"]
STAGE_OF_PANE: dict[PaneName, StageName] = {
    "chat": "interview",
    "run": "train",
    "results": "eval",
    "data": "data",
    "play": "play",
}
_KINDS: dict[StageName, tuple[str, ...]] = {
    "train": ("train",),
    "eval": ("baseline", "evaluate"),
    "deploy": ("deploy",),
}


def pane_of_stage(stage: StageName, facts: ProjectFacts) -> PaneName:
    """Return the pane that shows a stage as it stands: what is being measured is a run, what was measured results."""
    match stage:
        case "interview":
            return "chat"
        case "data" | "play":
            return stage
        case "eval":
            return "run" if run_of_stage(stage, facts) in facts.running else "results"
        case "train" | "deploy":
            return "run"


def run_of_stage(stage: StageName, facts: ProjectFacts) -> str | None:
    """Return the run of a stage, one at work before others; None when there is none."""
    steps = [step for step, kind, _title, _state in facts.steps if kind in _KINDS.get(stage, ())]
    runs = [run for step, run in facts.runs if step in steps]
    working = [run for run in runs if run in facts.running]
    return (working or runs or [None])[-1]


def make_pane(name: PaneName, layout: ProjectLayout) -> Widget:
    """Return a new pane of that name, any but the chat."""
    match name:
        case "run":
            from agent.tui.widgets.run_pane import RunPane

            return RunPane(layout, id="run")
        case "results":
            from agent.tui.widgets.results_pane import ResultsPane

            return ResultsPane(layout, id="results")
        case "data":
            from agent.tui.widgets.data_pane import DataPane

            return DataPane(layout, id="data")
        case _:
            from agent.tui.widgets.play_pane import PlayPane

            return PlayPane(layout, id="play")
