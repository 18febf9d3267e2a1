import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.tui.play_source import PlaygroundSource
from agent.tui.play_state import PlayState, parse_setting
from agent.tui.viewmodels.play import Said, Setting
from agent.tui.widgets.play_pane import PlayPane
from agent.tui.widgets.play_parts import AnswerSide, PlayPrompt, SettingField, VoteRow
from specs.layout import ProjectLayout
from tests.fakes.chat_script import Failure, Recorded, Reply, say
from tests.fakes.pane_app import PaneApp, settled
from tests.fakes.served_project import NAMES, RUN, ServedProject, served
from tools.votes import read_votes

SIZES = ((80, 24), (140, 40))
BASE_SAYS = "The customer seems upset about an invoice. They should contact the billing department."
CUSTOM_SAYS = '{"label": "billing"}'


def both(request: Recorded) -> Reply:
    if request.body["model"] == NAMES[0]:
        return say(BASE_SAYS, output_tokens=96)
    return say(CUSTOM_SAYS, output_tokens=41)


class Shuffled(random.Random):
    """Shuffles by turning round."""

    def shuffle(self, x) -> None:
        x.reverse()


def play_app(source: PlaygroundSource) -> PaneApp:
    return PaneApp(lambda: PlayPane(source.layout, source=source, rng=Shuffled()))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator:
    """Return a function that serves a script and gives the project and an app on it."""
    with ExitStack() as open_servers:

        def start(script, names=NAMES) -> tuple[ServedProject, PaneApp]:
            project = open_servers.enter_context(served(tmp_path, script, names))
            return project, play_app(PlaygroundSource(project.layout, project.backend))

        yield start


async def opened(pilot: Pilot[None]) -> None:
    pilot.app.screen.query_one(PlayPane).reload()
    await settled(pilot)


async def begun(pilot: Pilot[None], prompt: str = "Where is it?") -> None:
    field = pilot.app.screen.query_one(PlayPrompt)
    field.focus()
    field.insert(prompt)
    await pilot.press("enter")


async def asked(pilot: Pilot[None], prompt: str = "Where is it?") -> None:
    await begun(pilot, prompt)
    await settled(pilot)


async def shows(pilot: Pilot[None], screen_text, part: str) -> None:
    for _ in range(400):
        if part in screen_text(pilot.app):
            return
        await pilot.pause(0.01)
    raise AssertionError(f"{part!r} was not shown:\n{screen_text(pilot.app)}")


@pytest.mark.parametrize("size", SIZES)
def test_playground_shows_both_answers_with_their_figures(serve, drive, screen_text, size):
    _, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        await asked(pilot)
        text = " ".join(re.sub("[│╭╮╰╯─]", " ", screen_text(app)).split())
        for part in ("A · seedling", "B · bank@1", "96 tok", "41 tok", "first token", "tok/s · $0", "valid JSON"):
            assert part in text
        assert text.count("seed 7 · temperature 0 (greedy)") == 2
        assert "› Where is it?" in text
        left, right = app.screen.query(AnswerSide)
        assert (left.region.y == right.region.y) == (size[0] >= 110)

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_playground_looks_as_before(serve, drive, screen_text, screen_snapshot, size, monkeypatch):
    def said(answer) -> Said:
        return Said(answer.model, answer.text, answer.num_tokens, 0.8, 0.1, is_cut=False, is_json="{" in answer.text)

    monkeypatch.setattr("agent.tui.play_source._said", said)
    _, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        assert screen_text(app) == screen_snapshot(name=f"open-{size[0]}")
        await asked(pilot)
        app.screen.query_one(VoteRow).focus()
        await pilot.press("2")
        await settled(pilot)
        assert screen_text(app) == screen_snapshot(name=f"voted-{size[0]}")

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_playground_says_the_next_step_when_nothing_is_served(tmp_path, drive, screen_text, screen_snapshot, size):
    app = play_app(PlaygroundSource(ProjectLayout(tmp_path)))

    async def script(pilot):
        await opened(pilot)
        text = screen_text(app)
        assert "No server is running in this project." in text
        assert "--approve deploy" in text
        assert text == screen_snapshot(name=f"empty-{size[0]}")

    drive(app, script, size)


def test_both_sides_stream_at_once(serve, drive, screen_text):
    def script_of(request: Recorded) -> Reply:
        return say(f"{request.body['model']} begins " + "and goes on " * 200, pause_s=0.01)

    project, app = serve(script_of)

    async def script(pilot):
        await opened(pilot)
        await begun(pilot)
        await shows(pilot, screen_text, "seedling begins")
        await shows(pilot, screen_text, "bank@1 begins")
        assert "answering, " in screen_text(app)
        assert len(project.server.requests) == 2
        await pilot.press("escape")
        await settled(pilot)

    drive(app, script, (140, 40))


def test_esc_stops_the_answers_and_gives_the_prompt_back(serve, drive, screen_text):
    _, app = serve(lambda _: say("word " * 4000, pause_s=0.02))

    async def script(pilot):
        await opened(pilot)
        await begun(pilot, "Where?")
        await shows(pilot, screen_text, "word word")
        await pilot.press("enter")
        await pilot.press("escape")
        await settled(pilot)
        text = screen_text(app)
        assert text.count("stopped before its end") == 2
        assert "word word" in text
        assert app.screen.query_one(PlayPrompt).text == "Where?"
        app.screen.query_one(VoteRow).focus()
        await pilot.press("1")
        await settled(pilot)
        assert "Vote once both answers are whole." in screen_text(app)

    drive(app, script, (140, 40))


def test_leaving_ends_the_requests(serve, drive, screen_text):
    _, app = serve(lambda _: say("word " * 4000, pause_s=0.02))

    async def script(pilot):
        await opened(pilot)
        await begun(pilot)
        await shows(pilot, screen_text, "word word")

    drive(app, script)
    deadline = time.monotonic() + 20
    while any(thread.name.startswith("ask ") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(("key", "better"), [("1", 1), ("2", 2), ("0", 0)])
def test_votes_are_saved_and_counted(serve, drive, screen_text, key: str, better: int):
    project, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        await asked(pilot)
        app.screen.query_one(VoteRow).focus()
        await pilot.press(key)
        await settled(pilot)
        text = screen_text(app)
        assert "Your vote is saved" in text
        counts = [int(better == 1), int(better == 2), int(better == 0)]
        assert "1 vote: seedling {} · bank@1 {} · tie {} · kept in .tailor/votes.jsonl".format(*counts) in text
        await pilot.press("0")
        await settled(pilot)
        assert "1 vote: seedling 0 · bank@1 0 · tie 1" in screen_text(app)

    drive(app, script, (140, 40))
    (vote,) = read_votes(project.layout)
    assert (vote.prompt, vote.better, vote.blind) == ("Where is it?", 0, False)
    assert [(answer.model, answer.text) for answer in vote.answers] == [(NAMES[0], BASE_SAYS), (NAMES[1], CUSTOM_SAYS)]
    assert {(answer.setting.temperature, answer.setting.seed) for answer in vote.answers} == {(0, 7)}
    assert len(project.layout.votes_path.read_bytes().splitlines()) == 2


def test_keys_are_text_while_the_prompt_is_in_focus(serve, drive):
    project, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        await asked(pilot)
        app.screen.query_one(PlayPrompt).focus()
        await pilot.press("1", "2", "0", "b", "t", "equals_sign", "m", "r", "ctrl+j", "x")
        await settled(pilot)
        assert app.screen.query_one(PlayPrompt).text == "120bt=mr\nx"

    drive(app, script)
    assert read_votes(project.layout) == ()


def test_blind_hides_names_and_order_until_the_vote(serve, drive, screen_text):
    project, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        app.screen.query_one(VoteRow).focus()
        await pilot.press("b")
        await asked(pilot)
        text = screen_text(app)
        assert text.count("name hidden until you vote") == 2
        for told in ("seedling", "bank@1", "96 tok", "41 tok", "seed 7"):
            assert told not in text
        app.screen.query_one(VoteRow).focus()
        await pilot.press("1")
        await settled(pilot)
        text = screen_text(app)
        assert "A · bank@1" in text
        assert "✓ better" in text
        assert "seedling 0 · bank@1 1 · tie 0" in text
        assert "41 tok" in text

    drive(app, script, (140, 40))
    (vote,) = read_votes(project.layout)
    assert (vote.winner, vote.better, vote.blind) == ("bank@1", 1, True)


def test_a_look_at_the_names_makes_the_vote_an_open_one(serve, drive, screen_text):
    project, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        app.screen.query_one(VoteRow).focus()
        await pilot.press("b")
        await asked(pilot)
        app.screen.query_one(VoteRow).focus()
        await pilot.press("b")
        assert "A · bank@1" in screen_text(app)
        await pilot.press("2")
        await settled(pilot)

    drive(app, script, (140, 40))
    (vote,) = read_votes(project.layout)
    assert (vote.winner, vote.blind) == ("seedling", False)


def test_temperature_and_seed_reach_the_side_they_were_set_for_and_equals_copies_them(serve, drive, screen_text):
    project, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        app.screen.query_one("#side-b").query_one("VerticalScroll").focus()
        await pilot.press("t")
        field = app.screen.query_one(SettingField)
        assert field.has_focus
        field.value = "warm"
        await pilot.press("enter")
        assert "Give a temperature from 0 to 2" in screen_text(app)
        field.value = "0.7 11"
        await pilot.press("enter")
        assert "Side B: seed 11 · temperature 0.7" in screen_text(app)
        await asked(pilot)
        sent = {request.body["model"]: request.body for request in project.server.requests}
        assert (sent["bank@1"]["temperature"], sent["bank@1"]["seed"]) == (0.7, 11)
        assert sent["seedling"]["temperature"] == 0
        app.screen.query_one("#side-b").query_one("VerticalScroll").focus()
        await pilot.press("equals_sign")
        await asked(pilot)
        assert [request.body["temperature"] for request in project.server.requests[2:]] == [0.7, 0.7]
        app.screen.query_one(VoteRow).focus()
        await pilot.press("t", "escape")
        assert not field.has_class("-open")
        assert app.screen.query_one(VoteRow).has_focus

    drive(app, script, (140, 40))


FAILURES = {
    "long": (Failure(400, "context_length_exceeded", "The prompt has 900 tokens, the model takes 512."), "900 tokens"),
    "boom": (Failure(500, "server_error", "boom \x1b[2J [/x]"), "boom \\x1b[2J [/x]"),
    "died": (say("some longer text to cut", hang_up_after=2), "does not answer"),
    "broke": (say("some longer text to cut", break_after=2), "The answer broke off"),
}


def test_failures_are_sentences_and_give_the_prompt_back(serve, drive, screen_text):
    _, app = serve(lambda request: FAILURES[request.body["messages"][-1]["content"]][0])

    async def script(pilot):
        await opened(pilot)
        for prompt, (_, words) in FAILURES.items():
            await asked(pilot, prompt)
            text = screen_text(app)
            assert words in text
            assert "✗" in text
            assert "broke off" in text
            assert app.screen.query_one(PlayPrompt).text == prompt
            app.screen.query_one(PlayPrompt).clear()

    drive(app, script, (140, 40))


def test_answers_stay_and_a_sentence_comes_when_the_server_has_ended(serve, drive, screen_text):
    project, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        await asked(pilot)
        project.backend.states[RUN] = "finished"
        await opened(pilot)
        text = screen_text(app)
        assert CUSTOM_SAYS in text
        assert "No server is running" in text
        await asked(pilot, "Again?")
        assert "No server is running" in screen_text(app)

    drive(app, script, (140, 40))


def test_r_looks_again_when_there_was_no_server(serve, drive, screen_text):
    project, app = serve(both)
    project.backend.states[RUN] = "finished"

    async def script(pilot):
        await opened(pilot)
        assert "No server is running" in screen_text(app)
        project.backend.states[RUN] = "running"
        app.screen.set_focus(None)
        await pilot.press("tab", "r")
        await settled(pilot)
        assert "A · seedling" in screen_text(app)
        assert app.screen.query_one(PlayPrompt).has_focus

    drive(app, script)


def test_one_model_alone_is_shown_on_one_side(serve, drive, screen_text):
    _, app = serve(both, NAMES[:1])

    async def script(pilot):
        await opened(pilot)
        await asked(pilot)
        assert BASE_SAYS[:20] in screen_text(app)
        assert not app.screen.query_one("#side-b").display

    drive(app, script)


def test_m_puts_the_next_model_on_side_b_when_more_are_served(serve, drive, screen_text):
    _, app = serve(lambda request: say(f"this is {request.body['model']}"), ("seedling", "bank@1", "bank@2"))

    async def script(pilot):
        await opened(pilot)
        assert "B · bank@2" in screen_text(app)
        app.screen.query_one(VoteRow).focus()
        await pilot.press("m")
        await asked(pilot)
        assert "this is bank@1" in screen_text(app)

    drive(app, script)


HOSTILE = (
    "[", "[/x]", "[=1]", "[bold]x", "\x1b[2J\x1b[31mred", "\u202eevil\u200b", "你好世界", "x" * 60_000
)  # fmt: skip


def test_answers_draw_nothing_of_their_own(serve, drive, screen_text):
    _, app = serve(lambda request: say(request.body["messages"][-1]["content"][:3_000]), ("[/x]", "\x1b[31m@1"))

    async def script(pilot):
        await opened(pilot)
        for text in HOSTILE:
            await asked(pilot, text)
            shown = screen_text(app)
            assert not set(shown) & set("\x1b\u202e\u200b")
            assert "A · [/x]" in shown
            assert "B · \\x1b[31m@1" in shown
            safe = text.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e").replace("\u200b", "\\u200b")
            assert shown.count(safe[:50]) >= 3

    drive(app, script)


def test_nothing_is_drawn_again_when_no_answer_is_on_its_way(serve, drive):
    _, app = serve(both)

    async def script(pilot):
        await opened(pilot)
        pane = app.screen.query_one(PlayPane)
        assert not pane._pulse._active.is_set()
        await asked(pilot)
        assert not pane._pulse._active.is_set()

    drive(app, script)


@pytest.mark.parametrize(
    ("text", "setting"),
    [("0", Setting(0, 5)), ("0.7 11", Setting(0.7, 11)), (" 1,5   3 ", Setting(1.5, 3)), ("2", Setting(2, 5))],
)
def test_settings_are_read_as_typed(text: str, setting: Setting):
    assert parse_setting(text, Setting(0, 5)) == setting


@pytest.mark.parametrize("text", ["", "warm", "2.1", "-1", "nan", "0.5 x", "0.5 -1", "0.5 1.5", "1 2 3"])
def test_settings_that_cannot_be_are_refused_with_a_sentence(text: str):
    with pytest.raises(ValueError, match="Give a temperature"):
        parse_setting(text, Setting())


def test_blind_order_is_drawn_anew_for_each_prompt():
    state = PlayState(random.Random(1))
    state.serve(NAMES)
    state.toggle_blind()
    orders = {state.start("hello").models for _ in range(40)}
    assert orders == {NAMES, NAMES[::-1]}


def test_tab_goes_to_nothing_hidden_when_there_is_no_server(tmp_path, drive):
    app = play_app(PlaygroundSource(ProjectLayout(tmp_path)))

    async def script(pilot):
        await opened(pilot)
        for _ in range(3):
            await pilot.press("tab")
            assert app.focused is None or app.focused.region.area

    drive(app, script)
