"""Hostile text in every place of the workspace that shows what others wrote, and keys nobody meant."""

import asyncio
import random
import unicodedata
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot

from agent.cards import plan_cards
from agent.events import (
    AgentEvent,
    ApprovalAnswered,
    ApprovalRequested,
    Notice,
    PlanReady,
    Question,
    RunProgress,
    SessionRefused,
    SessionStarted,
    Shown,
    SpecChanged,
    Text,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TurnFailed,
)
from agent.tui.messages import ApprovalGiven
from agent.tui.screens.confirm import Confirm
from agent.tui.state import ProjectFacts
from agent.tui.widgets.play_pane import PlayPane
from agent.tui.widgets.prompt import Prompt
from specs.events import Sample, Warned
from specs.layout import ProjectLayout
from specs.plan import Plan
from tests.fakes import run_folder
from tests.fakes.granted_project import a_plan, a_step
from tests.fakes.planned_project import project_with_spec
from tests.fakes.recorded_project import record_measurement
from tests.fakes.screen_scenes import (
    BEGIN,
    QuietApp,
    a_figure,
    facts_of,
    the_interview,
    the_plan,
    the_question,
    the_request,
    waits,
)
from tools.events import StepFinished, StepProgress, StepStarted

NASTY = (
    "[",
    "[/x] [=1] [bold]x [@click=app.quit]y[/]",
    "\x1b[31mred\x1b[2J\x1b[?5h \x9b31m",
    "\x1b]8;;http://evil\x07click\x1b]8;;\x07 \x1b]52;c;eA==\x1b\\ \x1bP1$r\x1b\\",
    "\u202eevil\u2066\u200b\ufeff \u2028 \ue000",
    "漢字かな交じり文 한국어",
    "👩\u200d👩\u200d👧 🏳️\u200d🌈 👍🏽 é",
    "one\ttwo\r\nthree\x00\x07\x08",
    "```\n|a|\n|-|\n# $x$ <b>&lt; ![i](x) [a]: b",
)
ALL = " ".join(NASTY)
LONG = "z[/x]" * 20_000
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
SIZES = ((80, 24), (60, 20), (200, 60))
KEYS = (
    *(f"f{number}" for number in range(1, 13)),
    *(f"ctrl+{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
    *"abcdefghijklmnopqrstuvwxyz0123456789",
    *("slash", "at", "question_mark", "left_square_bracket", "right_square_bracket", "equals_sign", "full_stop"),
    *("enter", "escape", "tab", "shift+tab", "space", "backspace", "delete", "home", "end", "pageup", "pagedown"),
    *("up", "down", "left", "right", "shift+up", "shift+down", "ctrl+up", "ctrl+down", "G", "N", "Y", "A"),
)
NUM_KEYS = 400


def shown_text(app: QuietApp) -> str:
    """Return the screen; fail where a character on it could move the cursor or hide itself."""
    strips = app.screen._compositor.render_strips()
    text = "\n".join("".join(segment.text for segment in strip) for strip in strips)
    bad = {character for character in text if character != "\n" and unicodedata.category(character) in HIDDEN}
    assert not bad, f"{bad!r} on the screen:\n{text}"
    return text


def a_nasty_plan(nasty: str) -> Plan:
    """A plan whose every name and label is hostile."""
    value = {"name": nasty, "value": nasty, "reason": nasty, "source": nasty}
    figure = {**a_figure(60), "basis": f"b {nasty}"}
    return a_plan(
        a_step("prepare_data", effect="write", title=nasty, estimate=figure),
        a_step(
            "train", title=nasty, reads=(f"data/{nasty}",), writes=(nasty,), undo=nasty, values=(value,),
            inputs={f"data/{nasty}": "sha256:aa", nasty: "sha256:bb"}, estimate=figure, after=("prepare_data",),
        ),
        name=nasty,
        spec_text=f"name: {nasty}\n",
    )  # fmt: skip


def told_by_the_agent(nasty: str, number: int) -> list[AgentEvent]:
    """Each event with the hostile text in all its words."""
    at, node = BEGIN + 10 * number, f"x{number}"
    diff = f"--- a\n+++ b\n@@ -1 +1 @@ {nasty}\n-{nasty}\n+{nasty}\n"
    started = StepStarted(step=nasty, run="r1", resumed=False)
    warned = StepProgress(step=nasty, run="r1", event=Warned(time=at, code=nasty, message=nasty, hint=nasty))
    ended = StepFinished(step=nasty, state="failed", run="r1", seconds=1, message=nasty, hint=nasty)
    return [
        SessionStarted(time=at, project=nasty, thread=nasty, brain=nasty, resumed=False),
        Text(time=at, node=f"u{node}", role="user", text=nasty),
        ToolStarted(time=at, node=node, call=node, tool=nasty, arguments={"path": nasty}),
        ToolProgress(time=at, node=node, call=node, message=nasty),
        ToolFinished(time=at, node=node, call=node, tool=nasty, ok=False, message=nasty, seconds=0.1),
        ToolStarted(time=at, node=node, call=f"{node}b", tool="inspect_data", arguments={"path": nasty}),
        Text(time=at, node=f"a{node}", role="assistant", text=f"{nasty}\n\n- {nasty}\n\n> {nasty}\n\n|{nasty}|\n|-|"),
        SpecChanged(time=at, node=node, by="agent", diff=diff, problems=(nasty,)),
        Shown(time=at, node=node, what="results", text=nasty, data={}),
        Shown(time=at, node=node, what="answers", text=nasty, data={}),
        Notice(time=at, node=node, message=nasty, hint=nasty),
        Notice(time=at, node=node, message=nasty, again=True),
        *(RunProgress(time=at, node=node, event=event) for event in (started, warned, ended)),
        Question(time=at, node=node, text=nasty, why=nasty, default=nasty, options=(nasty, "b", nasty), number=nasty),
        TurnFailed(time=at, node=node, message=nasty, hint=nasty),
        *(TextDelta(time=at, text=nasty[start : start + 997]) for start in range(0, min(len(nasty), 9_970), 997)),
    ]  # fmt: skip


def asked_by_the_agent(nasty: str, number: int) -> list[AgentEvent]:
    plan = a_nasty_plan(nasty)
    cards = plan_cards(plan)
    at, node, diff = BEGIN + 10 * number, f"p{number}", f"--- a\n+++ b\n-{nasty}\n+{nasty}\n"
    return [
        PlanReady(time=at, node=node, plan=nasty, name=nasty, steps=cards, notes=(nasty,), max_usd=1, max_seconds=9),
        ApprovalRequested(
            time=at, request_id=f"q{number}{nasty}", plan=plan, steps=cards, diff=diff, reasons=(nasty,)
        ),
    ]  # fmt: skip


def a_nasty_project(parent: Path) -> Path:
    """A project whose folder, files, spec, rows, answers, runs and history are hostile."""
    folder = parent / f"p[bold]\x1b[31m\u202e{'漢' * 20}"
    (folder / "data").mkdir(parents=True)
    for number, nasty in enumerate(NASTY):
        (folder / "data" / f"{number}{nasty.replace('/', '_').replace(chr(0), '')}.csv").write_text("a,b\n")
    labels = [*NASTY, LONG] * 2
    answers = [NASTY[index % len(NASTY)] for index in range(len(labels))]
    layout = record_measurement(folder, labels, answers, labels).layout
    (folder / "spec.yaml").write_text(f"name: '{ALL.translate(dict.fromkeys(range(32)))}'\n# [/x] {LONG}\n")
    run = run_folder.make_run(layout, "r9")
    run_folder.launch(run)
    run_folder.write_log(run, *NASTY, LONG)
    sample = Sample(time=run_folder.BEGIN, step=1, prompt=ALL, completion=LONG, expected=ALL)
    run_folder.tell(run, run_folder.step(1, 0.4), sample, run_folder.finished("failed", ALL, ALL))
    run_folder.end(run, rc=1)
    return folder


async def work(app: QuietApp, pilot: Pilot[Any]) -> str:
    """Let threads end that end at all, and look at the screen."""
    for _ in range(2):
        for _ in range(20):
            if all(worker.is_finished for worker in app.workers if worker.group != "default"):
                break
            await pilot.pause(0.01)
        await pilot.pause(0.01)
    return shown_text(app)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.tui.typing_guard.QUIET_S", 0.0)
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)


def test_hostile_text_is_drawn_as_text_wherever_the_engine_tells_it(tmp_path: Path, drive: Any) -> None:
    project = tmp_path / "[bold]\x1b[31m\u202e漢字"
    project.mkdir()
    app = QuietApp(project, facts=ProjectFacts())

    async def script(pilot: Pilot[Any]) -> None:
        assert r"[bold]\x1b[31m\u202e漢字" in await work(app, pilot)
        for number, nasty in enumerate((*NASTY, ALL, LONG)):
            await pilot.resize_terminal(*SIZES[number % 3])
            app.hear(*told_by_the_agent(nasty, number))
            await pilot.press("ctrl+o", "pageup")
            shown_text(app)
            app.hear(*asked_by_the_agent(nasty, number))
            await pilot.pause(0.02)
            await work(app, pilot)
            assert app.workspace.approval.display
            await pilot.press("end")
            shown_text(app)
            app.hear(
                ApprovalAnswered(time=BEGIN, request_id=f"q{number}", decision="deny", steps=(nasty,), reason=nasty)
            )
            app.tell(nasty, nasty, is_error=True)
            await pilot.pause()
            shown_text(app)
            app.clear_notifications()
        app.hear(SessionRefused(time=BEGIN, message=ALL, hint=ALL, exit_code=1))
        app.desk.failed(ALL, LONG)
        await work(app, pilot)

    drive(app, script, (80, 24))


PLACES: dict[str, Callable[[QuietApp], object]] = {
    "results": lambda app: app.commands.carry_out("results"),
    "data": lambda app: app.commands.carry_out("data"),
    "play": lambda app: app.commands.carry_out("play", ALL),
    "run": lambda app: app.workspace.panes.open_run("r9"),
    "no such run": lambda app: app.workspace.panes.open_run(ALL),
    "jobs": lambda app: app.commands.carry_out("jobs"),
    "spec": lambda app: app.commands.carry_out("spec"),
    "history": lambda app: app.commands.carry_out("history"),
    "stages": lambda app: app.commands.carry_out("stages"),
    "unknown command": lambda app: app.commands.carry_out(ALL, ALL),
    "wrong arguments": lambda app: [app.commands.carry_out(name, ALL) for name in ("mode", "mouse", "bell", "theme")],
    "prompt": lambda app: app.workspace.query_one(Prompt).set_text(ALL),
    "completion": lambda app: app.workspace.query_one(Prompt).set_text("@data/"),
    "error": lambda app: app._show_error(ALL, LONG),
    "confirm": lambda app: app.push_screen(Confirm(ALL, (ALL, LONG), yes="Do it")),
    "palette": lambda app: app.action_command_palette(),
}


def test_hostile_text_is_drawn_as_text_wherever_the_project_holds_it(tmp_path: Path, drive: Any) -> None:
    app = QuietApp(a_nasty_project(tmp_path))
    prompt_history = [*NASTY, LONG]

    async def script(pilot: Pilot[Any]) -> None:
        for text in prompt_history:
            app.workspace.query_one(Prompt).history.add(text)
        app.hear(*the_interview(), waits())
        await work(app, pilot)
        for open_place in PLACES.values():
            open_place(app)
            await work(app, pilot)
            for key in ("down", "l", "tab", "enter", "x"):
                await pilot.press(key)
                await work(app, pilot)
            await pilot.press("escape", "escape")
            app.clear_notifications()
            while app.screen is not app.workspace:
                app.pop_screen()
            app.workspace.query_one(Prompt).clear()
        assert app.workspace.query(PlayPane)
        await work(app, pilot)

    drive(app, script, (80, 24))


async def in_the_interview(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), *the_question())


async def with_an_approval(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), *the_request())
    await pilot.pause(0.2)
    assert app.workspace.approval.display


async def with_a_paid_approval(app: QuietApp, pilot: Pilot[Any]) -> None:
    plan = a_plan(a_step("train", effect="spend", title="Train", estimate=a_figure(60, 12.0)), max_usd=15.0)
    app.hear(*the_interview(), *the_request(plan))
    await pilot.pause(0.2)


def in_pane(name: str) -> Callable[[QuietApp, Pilot[Any]], Awaitable[None]]:
    async def begin(app: QuietApp, pilot: Pilot[Any]) -> None:
        app.hear(*the_interview(), waits())
        app.commands.carry_out(name)

    return begin


async def in_a_run(app: QuietApp, pilot: Pilot[Any]) -> None:
    app.hear(*the_interview(), waits())
    app.know(facts_of(the_plan(), train="succeeded"))
    app.workspace.panes.open_run("r9")


STATES: dict[str, tuple[Callable[[QuietApp, Pilot[Any]], Awaitable[None]], frozenset[str]]] = {
    "interview": (in_the_interview, frozenset()),
    "approval": (with_an_approval, frozenset({"y", "a", "enter", "ctrl+m"})),
    "paid approval": (with_a_paid_approval, frozenset()),
    "run": (in_a_run, frozenset()),
    "results": (in_pane("results"), frozenset()),
    "data": (in_pane("data"), frozenset()),
    "play": (in_pane("play"), frozenset()),
    "spec": (in_pane("spec"), frozenset()),
    "jobs": (in_pane("jobs"), frozenset()),
    "help": (in_pane("help"), frozenset()),
}


class Watched(QuietApp):
    """Never leaves, examines nothing, and counts approvals."""

    def __init__(self, project: Path) -> None:
        super().__init__(project)
        self.given: list[ApprovalGiven] = []
        decide = self.deciding.decide

        def note(given: ApprovalGiven) -> None:
            self.given.append(given)
            decide(given)

        self.deciding.decide = note  # type: ignore[method-assign]
        self.commands.deeds.doctor = lambda: None  # type: ignore[method-assign]

    def leave(self) -> None:
        """Stay."""

    def exit(self, *_: object, **__: object) -> None:
        """Stay."""


async def press_at_random(app: Watched, pilot: Pilot[Any], keys: list[str], rng: random.Random) -> None:
    for start in range(0, len(keys), 40):
        await pilot.resize_terminal(*rng.choice(SIZES))
        for key in keys[start : start + 40]:
            # as a terminal sends them: the next may come before this one had its effect
            app.post_message(Key(key, key if len(key) == 1 else None))
            if rng.random() < 0.1:
                await asyncio.sleep(0.001)
        await pilot.pause()
        shown_text(app)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    folder = tmp_path / "project"
    project_with_spec(folder)
    run = run_folder.make_run(ProjectLayout(folder), "r9")
    run_folder.launch(run)
    run_folder.tell(run, *(run_folder.step(number, 1 / number) for number in range(1, 50)), run_folder.finished())
    run_folder.end(run)
    return Watched(folder)


@pytest.mark.parametrize("name", STATES)
def test_random_keys_break_and_approve_nothing(name: str, watched: Watched, drive: Any) -> None:
    begin, left_out = STATES[name]
    rng = random.Random(name)
    table = [key for key in KEYS if key not in left_out]

    async def script(pilot: Pilot[Any]) -> None:
        await watched.workers.wait_for_complete()
        await begin(watched, pilot)
        await pilot.pause()
        await press_at_random(watched, pilot, rng.choices(table, k=NUM_KEYS), rng)
        assert [given for given in watched.given if given.decision == "approve"] == []
        assert [answer for answer in watched.engine.answers if answer[1] == "approve"] == []

    drive(watched, script, (80, 24))


def test_no_key_decides_while_the_approval_has_just_come(watched: Watched, drive: Any) -> None:
    rng = random.Random(16)

    async def script(pilot: Pilot[Any]) -> None:
        await watched.workers.wait_for_complete()
        now = watched.guard._clock()
        watched.guard._clock = lambda: now
        await with_an_approval(watched, pilot)
        await press_at_random(watched, pilot, [*KEYS, *rng.choices(KEYS, k=200)], rng)
        await asyncio.sleep(0.1)
        assert watched.given == []
        assert watched.engine.answers == []
        assert watched.desk.state.request is not None
        assert not watched.desk.state.is_put_off

    drive(watched, script, (80, 24))
