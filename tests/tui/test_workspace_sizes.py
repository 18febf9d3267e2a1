"""The whole workspace in each of its states, at several sizes: what a person sees, and that nothing needed is cut."""

import asyncio
import fcntl
import json
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion
from textual.color import Color
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widget import Widget

from agent.events import TextDelta
from agent.tui import panes, run_machine
from agent.tui.keys import KeyBar
from agent.tui.play_source import PlaygroundSource
from agent.tui.theme import THEMES
from agent.tui.viewmodels.play import Said
from agent.tui.viewmodels.run import MachineView
from agent.tui.widgets import run_pane
from agent.tui.widgets.approval_options import OptionRow
from agent.tui.widgets.frame import HeaderLine, StageRail, StatusLine
from agent.tui.widgets.play_pane import PlayPane
from agent.tui.widgets.play_parts import PlayPrompt, VoteRow
from agent.tui.widgets.prompt import Prompt
from agent.tui.widgets.question_bar import QuestionBar
from agent.tui.widgets.run_pane import RunPane
from agent.tui.widgets.spec_pane import SpecPane
from agent.tui.widgets.spec_text import contrast
from specs.events import CheckpointSaved, Evaluated, Started
from specs.layout import ProjectLayout
from tests.fakes import run_folder
from tests.fakes.chat_script import Recorded, Reply, say
from tests.fakes.planned_project import project_with_spec
from tests.fakes.recorded_project import record_measurement
from tests.fakes.screen_scenes import (
    BEGIN,
    QuietApp,
    facts_of,
    started,
    the_edit,
    the_interview,
    the_plan,
    the_question,
    the_request,
    waits,
)
from tests.fakes.served_project import NAMES, served

SMALL, WIDE, LOW, VAST = (80, 24), (140, 40), (60, 20), (200, 60)
LABELS = ["billing", "bug", "how-to", "other"] * 15


@dataclass
class Scene:
    """A state of the workspace: what stands on disk before the app, and what happens in it."""

    play: Callable[[QuietApp, Pilot[Any]], Awaitable[None]]
    prepare: Callable[[Path, ExitStack], None] = field(default=lambda _folder, _stack: None)


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fix what differs from machine to machine and from day to day."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    time.tzset()
    monkeypatch.setattr("agent.tui.app._machine", lambda: "local, 2 cores")
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.0)
    monkeypatch.setattr(run_pane, "now", lambda: run_folder.BEGIN + 100)
    use = MachineView(cpu_percent=93.0, memory_bytes=812_000_000, peak_bytes=1_240_000_000)
    monkeypatch.setattr(run_machine.JobMeter, "read", lambda self, *, with_gpu: use)
    monkeypatch.setattr("agent.tui.play_source._said", _said)
    yield
    monkeypatch.undo()
    time.tzset()


def _said(answer: Any) -> Said:
    return Said(answer.model, answer.text, answer.num_tokens, 0.8, 0.1, is_cut=False, is_json="{" in answer.text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "support-triage"
    project_with_spec(folder)
    return folder


async def at_rest(app: QuietApp, pilot: Pilot[Any]) -> str:
    """Wait until the screen stands still; return it."""
    before, num_same = "", 0
    # a curve is drawn five times a second at most
    num_wanted = 14 if app.workspace.query("LossPlot") else 3
    for _ in range(150):
        await pilot.pause(0.02)
        text = "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips()) + "\n"
        num_same = num_same + 1 if text == before else 0
        before = text
        if num_same == num_wanted:
            return text
    raise AssertionError(f"the screen did not come to rest:\n{before}")


def both(request: Recorded) -> Reply:
    if request.body["model"] == NAMES[0]:
        return say("The customer seems upset. They should contact the billing department.", output_tokens=96)
    return say('{"label": "billing"}', output_tokens=41)


def train(folder: Path, stack: ExitStack) -> None:
    """Leave a training that stands at step 312 and lives."""
    run = run_folder.make_run(ProjectLayout(folder), "r2", step="train")
    run_folder.launch(run, time=time.time() - 900)
    told: list[Any] = [
        Started.model_validate(
            {
                "time": run_folder.BEGIN, "task": "train", "pid": 1, "device": "cpu", "dtype": "bf16", "threads": 2,
                "num_parameters": 10, "num_trainable": 10, "num_examples": 2000, "total_steps": 500,
                "resumed_from": None,
            }
        )
    ]  # fmt: skip
    for number in range(1, 313):
        wave = 0.05 * math.sin(number) + 0.03 * math.cos(7 * number)
        told.append(run_folder.step(number, 0.4 + 2.2 * math.exp(-number / 80) + wave))
        if number % 50 == 0:
            at = run_folder.BEGIN + 2.9 * number
            told.append(Evaluated(time=at, step=number, metrics={"loss": 0.5 + 2.1 * math.exp(-number / 80)}))
            told.append(CheckpointSaved(time=at, step=number, path="x", size_bytes=4_300_000))
    run_folder.tell(run, *told)
    stream = stack.enter_context(run_folder.lock(run).open("r+"))
    fcntl.flock(stream, fcntl.LOCK_EX)


def measure(folder: Path, _stack: ExitStack) -> None:
    base = [wanted if index % 3 else "billing" for index, wanted in enumerate(LABELS)]
    custom = [wanted if index % 9 else "billing" for index, wanted in enumerate(LABELS)]
    record_measurement(folder, LABELS, base, custom)


def prepare_data(folder: Path, _stack: ExitStack) -> None:
    from tools.client import Tailor

    tailor = Tailor(folder)
    plan = tailor.plan()
    list(tailor.run(plan, tailor.approve(plan, ["prepare_data"]), only=["prepare_data"]))


def serve(folder: Path, stack: ExitStack) -> None:
    project = stack.enter_context(served(folder, both))
    patch = stack.enter_context(pytest.MonkeyPatch.context())
    make = panes.make_pane

    def make_pane(name: Any, layout: ProjectLayout) -> Widget:
        if name != "play":
            return make(name, layout)
        return PlayPane(layout, source=PlaygroundSource(layout, project.backend), id="play")

    patch.setattr(panes, "make_pane", make_pane)


async def ask_both(app: QuietApp, pilot: Pilot[Any]) -> None:
    """Ask both models in the playground and wait for their answers."""
    app.hear(started(), waits())
    app.workspace.panes.open("play")
    await at_rest(app, pilot)
    app.workspace.query_one(PlayPrompt).insert("Where is my invoice?")
    await pilot.press("enter")
    for _ in range(100):
        await pilot.pause(0.02)
        if "41 tok" in "".join(strip.text for strip in app.screen._compositor.render_strips()):
            return


def telling(*events: Any) -> Callable[[QuietApp, Pilot[Any]], Awaitable[None]]:
    async def play(app: QuietApp, pilot: Pilot[Any]) -> None:
        app.hear(*events)
        await pilot.pause()

    return play


def opening(name: Any) -> Callable[[QuietApp, Pilot[Any]], Awaitable[None]]:
    async def play(app: QuietApp, pilot: Pilot[Any]) -> None:
        app.hear(*the_interview(), waits())
        await pilot.pause()
        app.commands.carry_out(name)

    return play


async def begin(app: QuietApp, pilot: Pilot[Any]) -> None:
    """Stand before the first words."""


async def stream(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.workspace.query_one("#chat")._clock = lambda: BEGIN + 9
    app.hear(*the_interview()[:3])
    app.desk.change(is_working=True)
    app.hear(TextDelta(time=BEGIN + 9, text="I read the tickets.\n\n| label | rows |\n|---|---|\n"))
    await pilot.pause()
    app.hear(TextDelta(time=BEGIN + 9, text="| billing | 512 |\n| bug | 498 |\n| how-"))


async def watch_training(app: QuietApp, pilot: Pilot[Any]) -> None:
    plan = the_plan()
    app.hear(*the_interview(), waits())
    app.know(facts_of(plan, prepare_data="succeeded", baseline="succeeded", train="running"))
    app.workspace.panes.open_stage("train")
    for _ in range(200):
        await pilot.pause(0.02)
        view = app.workspace.query_one(RunPane).view
        if view is not None and view.done == 312:
            return


async def put_off(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), *the_request())
    await at_rest(app, pilot)
    await asyncio.sleep(0.6)
    await pilot.press("escape")


async def open_palette(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), waits())
    await pilot.pause()
    await pilot.press("ctrl+p")


async def open_spec(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), waits())
    await at_rest(app, pilot)
    await pilot.press("f2")


async def fail(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), waits())
    app.desk.failed("Bedrock refused the credentials.", "Set AWS_PROFILE or run `aws sso login`, then start `tailor`.")


async def crash(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), waits())
    app._show_error("Something went wrong in the interface (KeyError).", "The details are in .tailor/tailor.log.")


SCENES: dict[str, Scene] = {
    "start": Scene(begin),
    "question": Scene(telling(*the_interview(), *the_question())),
    "streaming": Scene(stream),
    "edit": Scene(telling(*the_interview(), *the_edit())),
    "approval": Scene(telling(*the_interview(), *the_request())),
    "put-off": Scene(put_off),
    "training": Scene(watch_training, train),
    "results": Scene(opening("results"), measure),
    "play": Scene(ask_both, serve),
    "data": Scene(opening("data"), prepare_data),
    "jobs": Scene(opening("jobs"), train),
    "help": Scene(opening("help")),
    "palette": Scene(open_palette),
    "stages": Scene(opening("stages")),
    "jump": Scene(opening("jump")),
    "spec": Scene(open_spec),
    "failed": Scene(fail),
    "crash": Scene(crash),
}


@pytest.mark.parametrize("name", SCENES)
def test_workspace_looks_as_before_and_shows_every_control_whole_at_every_size(
    name: str, project: Path, drive: Any, screen_snapshot: SnapshotAssertion
) -> None:
    scene = SCENES[name]
    with ExitStack() as stack:
        scene.prepare(project, stack)
        app = QuietApp(project)

        async def script(pilot: Pilot[Any]) -> None:
            await app.workers.wait_for_complete()
            await pilot.pause()
            await scene.play(app, pilot)
            for size in (SMALL, WIDE, LOW, VAST):
                await pilot.resize_terminal(*size)
                text = await at_rest(app, pilot)
                assert_controls_are_whole(app, text, size)
                if size in (SMALL, WIDE):
                    assert text == screen_snapshot(name=f"{name}-{size[0]}")

        drive(app, script, SMALL)


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
@pytest.mark.parametrize("name", SCENES)
def test_workspace_can_be_read_when_the_theme_was_changed(name: str, theme: str, project: Path, drive: Any) -> None:
    scene = SCENES[name]
    with ExitStack() as stack:
        scene.prepare(project, stack)
        app = QuietApp(project)

        async def script(pilot: Pilot[Any]) -> None:
            app.theme = next(other.name for other in THEMES if other.name != theme)
            await app.workers.wait_for_complete()
            await pilot.pause()
            await scene.play(app, pilot)
            await at_rest(app, pilot)
            app.theme = theme
            await at_rest(app, pilot)
            assert list(hard_to_read(app)) == []

        drive(app, script, WIDE)


def hard_to_read(app: QuietApp) -> Iterator[tuple[str, str, float]]:
    """Yield words whose contrast is below 4.5, with the widget and the contrast; what lies under a dialog is dimmed."""
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        x = 0
        for text, style, _control in strip:
            widget = app.screen.get_widget_at(x, y)[0]
            x += cell_len(text)
            if not any(map(str.isalnum, text)) or (widget is app.screen and len(app.screen_stack) > 1):
                continue
            ratio = contrast(Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor))
            if ratio < 4.5:
                yield type(widget).__name__, text.strip(), round(ratio, 2)


def assert_controls_are_whole(app: QuietApp, text: str, size: tuple[int, int]) -> None:
    lines = text.splitlines()
    assert len(lines) == size[1]
    below = app.workspace
    kinds = (HeaderLine, StageRail, StatusLine, KeyBar, Prompt, QuestionBar, OptionRow)
    shown = [widget for kind in kinds for widget in below.query(kind) if is_shown(widget)]
    assert {HeaderLine, StageRail, StatusLine, KeyBar} <= {type(widget) for widget in shown}, text
    assert [widget for widget in shown if not is_whole(app, widget)] == [], text
    if app.screen is below:
        assert "^q Quit" in lines[-1], text
        if any(isinstance(widget, Prompt) for widget in shown):
            assert "Answer, or / for commands" in text, text


def is_shown(widget: Widget) -> bool:
    """Whether neither a widget nor what it stands in was put away; a box without any line counts as put away."""
    is_put_away = not all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))
    return not is_put_away and not (isinstance(widget, QuestionBar) and widget.asked is None)


def is_whole(app: QuietApp, widget: Widget) -> bool:
    """Whether nothing of a widget is outside the screen or outside one of the boxes it stands in."""
    found = app.workspace.find_widget(widget)
    return found.region.area > 0 and found.clip.contains_region(found.region)


def test_approval_has_one_frame_and_all_its_answers_when_a_list_of_textual_was_shown_before(
    project: Path, drive: Any
) -> None:
    app = QuietApp(project)

    async def script(pilot: Pilot[Any]) -> None:
        await app.workers.wait_for_complete()
        app.commands.carry_out("stages")
        await at_rest(app, pilot)
        await pilot.press("escape")
        app.hear(*the_interview(), *the_request())
        text = await at_rest(app, pilot)
        assert "n  Deny, and tell the agent why" in text
        assert "▔" not in text
        assert "▊" not in text

    drive(app, script, SMALL)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_tab_in_the_playground_goes_to_the_votes_and_never_into_the_spec(
    project: Path, drive: Any, size: tuple[int, int]
) -> None:
    with ExitStack() as stack:
        serve(project, stack)
        app = QuietApp(project)

        async def script(pilot: Pilot[Any]) -> None:
            await app.workers.wait_for_complete()
            await ask_both(app, pilot)
            await at_rest(app, pilot)
            spec = app.workspace.query_one(SpecPane)
            seen = []
            for _ in range(4):
                await pilot.press("tab")
                assert app.focused is not None
                assert spec not in app.focused.ancestors_with_self
                seen.append(app.focused)
            assert [type(widget) for widget in seen] == [VoteRow, VerticalScroll, VerticalScroll, PlayPrompt]
            await pilot.press("tab", "2")
            await app.workers.wait_for_complete()
            kept = ProjectLayout(project).votes_path.read_text()
            assert json.loads(kept)["better"] == 2

        drive(app, script, size)
