import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, Static

from agent.tui.messages import Failed, SpecStateChanged
from agent.tui.theme import THEMES
from agent.tui.widgets import spec_rounds
from agent.tui.widgets.spec_conflict import SpecConflictBar
from agent.tui.widgets.spec_pane import SpecPane
from agent.tui.widgets.spec_text import _SYNTAX, SpecText, contrast
from specs.edit import Change
from specs.layout import ProjectLayout
from tools import spec_file
from tools.client import Tailor
from tools.spec_file import starter_text

NASTY = ["[", "[/x]", "[=1]", "[bold]x", "\x1b[31mred", "a\u202eb", "a\u200bb", "漢字", "🙂", "x" * 100_000]


class SpecScreen(Screen[None]):
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (110, "-wide")]

    def __init__(self, layout: ProjectLayout) -> None:
        super().__init__()
        self.spec_layout = layout

    def compose(self) -> ComposeResult:
        yield Input(id="chat")
        yield SpecPane(self.spec_layout)


class SpecApp(App[None]):
    CSS = """
    SpecScreen {
        & #chat { width: 1fr; }
        &.-wide { layout: horizontal; }
        &.-wide SpecPane { width: 50; }
        &.-narrow #chat { height: 3; width: 100%; }
        &.-hidden SpecPane { display: none; }
    }
    """

    def __init__(self, layout: ProjectLayout, *, is_hidden: bool = False, theme: str = THEMES[0].name) -> None:
        super().__init__()
        self.spec_layout = layout
        self.is_hidden = is_hidden
        self.states: list[SpecStateChanged] = []
        self.failures: list[Failed] = []
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme

    def get_default_screen(self) -> Screen[None]:
        screen = SpecScreen(self.spec_layout)
        if self.is_hidden:
            screen.add_class("-hidden")
        return screen

    def on_spec_state_changed(self, event: SpecStateChanged) -> None:
        self.states.append(event)

    def on_failed(self, event: Failed) -> None:
        self.failures.append(event)

    @property
    def pane(self) -> SpecPane:
        return self.screen.query_one(SpecPane)

    @property
    def editor(self) -> SpecText:
        return self.screen.query_one(SpecText)

    @property
    def head(self) -> str:
        return str(self.screen.query_one(".spec-head", Static).content)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spec_rounds, "CHECK_AFTER_S", 0.01)
    monkeypatch.setattr(spec_rounds, "SAVE_AFTER_S", 0.05)
    monkeypatch.setattr(spec_rounds, "LOOK_EVERY_S", 0.15)


@pytest.fixture
def slow_saves(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(spec_rounds, "SAVE_AFTER_S", 1000)


@pytest.fixture
def tailor(project_dir: Path) -> Tailor:
    return Tailor(project_dir)


@pytest.fixture
def spec(tailor: Tailor) -> Path:
    path = tailor.layout.spec_path
    path.write_text(starter_text())
    return path


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    for _ in range(250):
        await pilot.pause(0.02)
        if condition():
            return
    raise AssertionError("it did not happen")


async def opened(pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: bool(pilot.app.screen.query(SpecText)) and bool(pilot.app.states))
    await pilot.pause()


async def edit_line(pilot: Pilot[Any], key: str, *keys: str) -> None:
    """Put the cursor at the end of the line that begins with `key` and press keys."""
    editor = pilot.app.editor
    editor.focus()
    row = next(row for row, line in enumerate(editor.lines) if line.strip().startswith(key))
    editor.move_cursor((row, len(editor.lines[row])))
    await pilot.press(*keys)


def line_of(text: str, key: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(key))


def draft(path: Path) -> Path:
    return path.parent / ".tailor" / "drafts" / "spec.yaml"


def test_spec_is_shown_in_colours_and_is_saved_when_it_was_valid(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert app.editor.is_syntax_aware
        assert app.editor.text == spec.read_text()
        assert app.head == "Spec ✓ valid · saved"
        assert [(event.state, event.problems) for event in app.states] == [("saved", ())]
        assert app.pane.state == "saved"

    drive(app, script)


def test_editor_is_made_only_when_the_pane_is_seen(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout, is_hidden=True)

    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: bool(app.states))
        assert not app.screen.query(SpecText)
        app.screen.remove_class("-hidden")
        await until(pilot, lambda: bool(app.screen.query(SpecText)))
        assert app.editor.text == spec.read_text()

    drive(app, script)


def test_edit_found_on_disk_first_is_the_agents_once_the_agent_tells_of_it(
    drive: Any, tailor: Tailor, spec: Path, screen_text: Any
):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        change = tailor.patch_spec([Change(path="train.0.epochs", value=3)])
        await until(pilot, lambda: "epochs: 3" in app.editor.text)
        await until(pilot, lambda: "◂ you" in screen_text(app))
        app.pane.agent_edited(change.diff)
        await until(pilot, lambda: "◂ agent" in screen_text(app))
        assert "◂ you" not in screen_text(app)

    drive(app, script, size=(140, 40))


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
def test_colours_can_be_read_on_the_apps_background(drive: Any, tailor: Tailor, spec: Path, theme: str):
    app = SpecApp(tailor.layout, theme=theme)

    async def script(pilot: Pilot[Any]) -> None:
        from textual.color import Color

        await opened(pilot)
        surface = Color.parse(app.theme_variables["surface"])
        styles = app.editor._theme.syntax_styles
        assert set(styles) == set(_SYNTAX)
        for name, style in styles.items():
            assert contrast(Color.from_rich_color(style.color), surface) >= 4.5, name
        assert len({str(style.color) for style in styles.values()}) >= 5

    drive(app, script)


def test_valid_edit_is_saved_by_itself(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "hours:", "2")
        await until(pilot, lambda: app.pane.state == "saved")
        assert line_of(spec.read_text(), "hours:").startswith("  hours: 1")
        assert line_of(spec.read_text(), "hours:").endswith("2")
        assert [event.state for event in app.states] == ["saved", "unsaved", "saved"]
        assert "1 edit" in app.head

    drive(app, script)


def test_invalid_text_shows_line_and_reason_and_the_last_valid_one_stays_on_disk(
    drive: Any, tailor: Tailor, spec: Path, screen_text: Any
):
    app = SpecApp(tailor.layout)
    before = spec.read_text()

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "version:", "x")
        await until(pilot, lambda: app.pane.state == "invalid" and draft(spec).exists())
        assert spec.read_text() == before
        line = app.editor.lines.index("version: 1x") + 1
        assert app.head.startswith(f"Spec ✗ line {line}: version")
        assert app.states[-1].problems[0].startswith(f"line {line}: version")
        assert "✗ line" in screen_text(app)
        assert "keeps its last valid text" in screen_text(app)
        assert draft(spec).read_text() == app.editor.text
        await pilot.press("backspace")
        await until(pilot, lambda: app.pane.state == "saved" and not draft(spec).exists())

    drive(app, script, size=(140, 40))


def test_draft_is_back_at_the_next_start_with_a_notice(drive: Any, tailor: Tailor, spec: Path, screen_text: Any):
    before = spec.read_text()

    async def break_it(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "version:", "x")

    drive(SpecApp(tailor.layout), break_it)
    assert spec.read_text() == before
    spec.write_text(before.replace("hours: 1", "hours: 3"))
    app = SpecApp(tailor.layout)

    async def look(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await until(pilot, lambda: app.pane.state == "invalid")
        assert "version: 1x" in app.editor.text
        assert "hours: 3" in app.editor.text
        assert "Your unsaved text is back. spec.yaml keeps its last valid text" in screen_text(app)
        await edit_line(pilot, "version:", "backspace")
        await until(pilot, lambda: app.pane.state == "saved")
        assert spec.read_text() == before.replace("hours: 1", "hours: 3")

    drive(app, look)

    other = SpecApp(tailor.layout)
    draft(spec).parent.mkdir(exist_ok=True)
    draft(spec).write_text(spec.read_text() + "# mine\n")
    (draft(spec).parent / "spec.yaml.base.json").unlink(missing_ok=True)

    async def see_notice(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert other.pane.state == "conflict"
        assert "Your unsaved text is back." in screen_text(other)

    drive(other, see_notice, size=(140, 40))


def test_text_is_kept_when_the_interface_ends_before_it_was_checked(
    drive: Any, tailor: Tailor, spec: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("CHECK_AFTER_S", "SAVE_AFTER_S", "LOOK_EVERY_S"):
        monkeypatch.setattr(spec_rounds, name, 1000)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "hours:", "7")

    drive(SpecApp(tailor.layout), script)
    assert line_of(spec.read_text(), "hours:").endswith("7")


@pytest.mark.usefixtures("slow_saves")
def test_leaving_the_pane_saves_at_once_and_ctrl_s_does(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "hours:", "2", "ctrl+s")
        await until(pilot, lambda: line_of(spec.read_text(), "hours:").endswith("2"))
        await pilot.press("3")
        app.screen.query_one(Input).focus()
        await until(pilot, lambda: line_of(spec.read_text(), "hours:").endswith("23"))
        app.editor.focus()
        await pilot.press("4")
        assert app.pane.save_now()
        assert line_of(spec.read_text(), "hours:").endswith("234")
        assert app.pane.state == "saved"
        await edit_line(pilot, "version:", "x")
        assert not app.pane.save_now()
        assert draft(spec).read_text() == app.editor.text

    drive(app, script)


@pytest.mark.usefixtures("slow_saves")
def test_agents_edit_of_other_lines_is_merged_while_the_person_types(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "hours:", "2")
        row, column = app.editor.cursor_location
        change = tailor.patch_spec([Change(path="train.0.epochs", value=3)])
        app.pane.agent_edited(change.diff)
        await until(pilot, lambda: "epochs: 3" in app.editor.text)
        assert line_of(app.editor.text, "hours:").endswith("2")
        assert app.editor.cursor_location == (row + 1, column)
        assert app.pane.state == "unsaved"
        await pilot.press("3")
        assert app.editor.lines[row + 1].endswith("23")
        assert app.pane.save_now()
        assert app.pane.state == "saved"
        assert "epochs: 3" in spec.read_text()
        assert line_of(spec.read_text(), "hours:").endswith("23")
        await pilot.press("ctrl+z", "ctrl+z", "ctrl+z")
        assert app.editor.lines[row].endswith("caps saves and stops") or "epochs: 3" not in app.editor.text
        await pilot.press("ctrl+y", "ctrl+y", "ctrl+y")
        assert "epochs: 3" in app.editor.text

    drive(app, script)


@pytest.mark.usefixtures("slow_saves")
@pytest.mark.parametrize("key", ["m", "t", "b"])
def test_agents_edit_of_the_line_being_typed_in_waits_and_asks(
    drive: Any, tailor: Tailor, spec: Path, screen_text: Any, key: str
):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "task:", "X")
        mine = line_of(app.editor.text, "task:")
        change = tailor.patch_spec([Change(path="goal.task", value="Something else.")])
        app.pane.agent_edited(change.diff)
        await until(pilot, lambda: app.pane.state == "conflict")
        assert app.states[-1].state == "conflict"
        assert line_of(app.editor.text, "task:") == mine
        assert "Something else." in line_of(spec.read_text(), "task:")
        shown = screen_text(app)
        assert mine.strip()[:40] in shown
        assert "Something else." in shown
        assert "m keep mine" in shown
        await pilot.press(key, "ctrl+s")
        await pilot.pause()
        assert app.failures[-1].message == "Nothing is saved while a conflict waits."
        assert line_of(app.editor.text, "task:") == mine + key
        assert "Something else." in line_of(spec.read_text(), "task:")
        await pilot.press("f8")
        assert isinstance(app.focused, SpecConflictBar)
        await pilot.press("x", "escape")
        assert app.pane.state == "conflict"
        await until(pilot, lambda: app.focused is app.editor)
        await pilot.press("f8", key)
        await until(pilot, lambda: app.pane.state != "conflict")
        assert app.pane.save_now()
        assert app.pane.state == "saved"
        text = spec.read_text()
        assert (mine + key in text) == (key in "mb")
        assert ("\n  task: Something else." in text) == (key == "t")
        assert ("# task: Something else." in text) == (key == "b")

    drive(app, script, size=(140, 40))


@pytest.mark.usefixtures("slow_saves")
def test_conflict_survives_the_end_of_the_interface(drive: Any, tailor: Tailor, spec: Path):
    async def collide(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "task:", "X")
        pilot.app.pane.agent_edited(tailor.patch_spec([Change(path="goal.task", value="Something else.")]).diff)
        await until(pilot, lambda: pilot.app.pane.state == "conflict")

    drive(SpecApp(tailor.layout), collide)
    assert "Something else." in spec.read_text()
    app = SpecApp(tailor.layout)

    async def look(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert app.pane.state == "conflict"
        assert line_of(app.editor.text, "task:").endswith("X")

    drive(app, look)


def test_another_editors_save_is_found_and_taken_over(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        spec.write_text(spec.read_text().replace("name: my-model", "name: ours"))
        await until(pilot, lambda: "name: ours" in app.editor.text)
        assert app.pane.state == "saved"
        spec.write_text("name: [")
        await until(pilot, lambda: app.pane.state == "invalid")
        assert app.editor.text == "name: ["
        spec.write_text(starter_text())
        app.pane.reload()
        await until(pilot, lambda: app.pane.state == "saved")

    drive(app, script)


def test_marks_of_both_sides_are_drawn_and_outlive_the_interface(
    drive: Any, tailor: Tailor, spec: Path, screen_text: Any
):
    app = SpecApp(tailor.layout)

    async def both_edit(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        app.pane.agent_edited(tailor.patch_spec([Change(path="train.0.epochs", value=3)]).diff)
        await until(pilot, lambda: "◂ agent" in screen_text(app))
        assert re.search(r"epochs: 3 +◂ agent", screen_text(app))
        await edit_line(pilot, "name: my", "2")
        await until(pilot, lambda: app.pane.state == "saved")
        assert re.search(r"name: my-model2 +◂ you", screen_text(app))
        assert "◂" not in app.editor.text
        assert "◂" not in spec.read_text()
        row = app.editor.cursor_location[0]
        line = app.editor.lines[row]
        app.editor.insert(f" #{'x' * (app.editor.wrap_width - len(line) - 2)}", (row, len(line)))
        await until(pilot, lambda: f"{row + 1}y name" in screen_text(app).replace("  ", " "))
        assert "◂ you" not in screen_text(app)
        await pilot.press("ctrl+z")
        await until(pilot, lambda: app.pane.state == "saved" and "◂ you" in screen_text(app))

    drive(app, both_edit, size=(140, 40))
    again = SpecApp(tailor.layout)

    async def look(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert re.search(r"epochs: 3 +◂ agent", screen_text(again))
        assert re.search(r"name: my-model2 +◂ you", screen_text(again))
        again.pane.agent_read()
        again.editor.focus()
        await pilot.pause()
        again.screen.query_one(Input).focus()
        await until(pilot, lambda: "◂" not in screen_text(again))

    drive(again, look, size=(140, 40))


def test_hostile_content_is_shown_and_kept(drive: Any, tailor: Tailor, spec: Path, screen_text: Any):
    text = starter_text() + "".join(f"# {nasty}\n" for nasty in NASTY)
    spec.write_text(text)
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert app.editor.text == text
        app.pane.show_lines(text.count("\n") - len(NASTY), 400)
        await pilot.pause()
        shown = screen_text(app)
        assert all(f"# {nasty}" in shown for nasty in NASTY[:4])
        assert "\u241b[31mred" in shown
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u200b]", shown)
        app.editor.go_to(10_000)
        await pilot.press("x")
        await until(pilot, lambda: bool(app.states))

    drive(app, script)


@pytest.mark.parametrize("form", ["\ufeff{}", "{}"])
def test_file_keeps_its_form_when_it_is_edited_here(drive: Any, tailor: Tailor, spec: Path, form: str):
    text = starter_text().rstrip("\n")
    end = "\r\n" if form == "{}" else "\n"
    spec.write_bytes(form.format(text.replace("\n", end)).encode())
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        assert app.pane.state == "saved"
        await edit_line(pilot, "name: my", "2")
        await until(pilot, lambda: app.pane.state == "saved")

    drive(app, script)
    expected = text.replace("name: my-model", "name: my-model2").replace("\n", end)
    assert spec.read_bytes() == form.format(expected).encode()


def test_deleted_file_keeps_the_text_and_is_written_again_only_when_asked(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        spec.unlink()
        await until(pilot, lambda: "deleted" in app.head)
        await edit_line(pilot, "name: my", "2")
        app.pane.save_now()
        await until(pilot, lambda: draft(spec).exists())
        assert not spec.exists()
        await pilot.press("ctrl+s")
        await until(pilot, spec.exists)
        assert "name: my-model2" in spec.read_text()

    drive(app, script)


def test_unreadable_file_is_told_in_a_sentence(drive: Any, tailor: Tailor, screen_text: Any):
    tailor.layout.spec_path.write_bytes(b"name: \xff\n")
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: app.pane.state == "invalid")
        assert "is not UTF-8" in screen_text(app)
        assert "is not UTF-8" in app.states[-1].problems[0]
        tailor.layout.spec_path.write_text(starter_text())
        await until(pilot, lambda: app.pane.state == "saved")

    drive(app, script)


def test_full_disk_is_told_once_and_the_text_stays(
    drive: Any, tailor: Tailor, spec: Path, monkeypatch: pytest.MonkeyPatch
):
    before = spec.read_text()
    app = SpecApp(tailor.layout)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        with monkeypatch.context() as disk:
            disk.setattr(spec_file, "write_text", full)
            await edit_line(pilot, "name: my", "2")
            await until(pilot, lambda: bool(app.failures))
            await pilot.pause(0.2)
            assert [failure.message for failure in app.failures] == [
                f"{spec} cannot be written: No space left on device. The old content is kept."
            ]
            assert spec.read_text() == before
            assert "name: my-model2" in app.editor.text
            assert draft(spec).read_text() == app.editor.text
        await until(pilot, lambda: app.pane.state == "saved")

    drive(app, script)


def test_no_spec_says_how_it_comes_about_and_one_can_be_begun(drive: Any, tailor: Tailor, screen_text: Any):
    path = tailor.layout.spec_path
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "There is no spec yet" in screen_text(app))
        assert [event.state for event in app.states] == ["none"]
        app.pane.start_editing()
        await until(pilot, lambda: bool(app.screen.query(SpecText)) and app.focused is app.editor)
        assert app.editor.text == starter_text()
        assert app.pane.state == "none"
        await pilot.pause(0.1)
        assert not path.exists()
        await edit_line(pilot, "name: my", "2")
        await until(pilot, path.exists)
        await until(pilot, lambda: app.pane.state == "saved")
        assert "name: my-model2" in path.read_text()

    drive(app, script)


def test_person_may_accept_the_licence_here(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        row = next(row for row, line in enumerate(app.editor.lines) if "license_accepted" in line)
        app.editor.focus()
        start = app.editor.lines[row].index("false")
        app.editor.replace("true", (row, start), (row, start + 5))
        await until(pilot, lambda: "license_accepted: true" in spec.read_text())

    drive(app, script)


def test_keys_of_the_editor(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await edit_line(pilot, "task:", "enter", "tab", "#")
        row = app.editor.cursor_location[0]
        assert app.editor.lines[row] == "    #"
        await pilot.press("ctrl+z", "ctrl+z", "ctrl+z")
        assert app.editor.text == starter_text()
        await pilot.press("ctrl+y")
        assert app.editor.lines[row] == "  "
        app.pane.show_lines(2, 3)
        await pilot.pause()
        await pilot.press("escape")
        assert app.focused is app.editor
        assert app.editor.cursor_location == (1, 0)
        await pilot.press("ctrl+end")
        assert app.editor.cursor_location == app.editor.document.end

    drive(app, script)


def test_tab_indents_selected_lines_instead_of_replacing_them(drive: Any, tailor: Tailor, spec: Path):
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        app.editor.focus()
        app.editor.move_cursor((1, 0))
        await pilot.press("shift+down", "shift+down", "tab")
        assert app.editor.lines[1:3] == ["  version: 1", "  name: my-model"]

    drive(app, script)


def test_f8_goes_from_problem_to_problem(drive: Any, tailor: Tailor, spec: Path):
    spec.write_text(starter_text().replace("hours: 1", "hours: x").replace("usd: 0", "usd: y"))
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(pilot)
        await until(pilot, lambda: app.pane.state == "invalid")
        app.editor.focus()
        rows = []
        for _ in range(3):
            await pilot.press("f8")
            rows.append(app.editor.lines[app.editor.cursor_location[0]].split(":")[0].strip())
        assert rows == ["usd", "hours", "usd"]

    drive(app, script)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])
@pytest.mark.parametrize("state", ["valid", "invalid", "conflict", "none"])
@pytest.mark.usefixtures("slow_saves")
def test_pane_looks_as_it_did(
    drive: Any,
    tailor: Tailor,
    screen_text: Any,
    screen_snapshot: Any,
    size: tuple[int, int],
    state: str,
    request: pytest.FixtureRequest,
):
    if state != "none":
        request.getfixturevalue("spec")
    app = SpecApp(tailor.layout)

    async def script(pilot: Pilot[Any]) -> None:
        if state == "none":
            await until(pilot, lambda: "no spec yet" in screen_text(app))
        else:
            await opened(pilot)
        if state == "valid":
            app.pane.agent_edited(tailor.patch_spec([Change(path="train.0.epochs", value=3)]).diff)
            await until(pilot, lambda: "◂ agent" in screen_text(app))
            await edit_line(pilot, "name: my", "2")
        if state == "invalid":
            await edit_line(pilot, "ttl_hours:", "y")
            await edit_line(pilot, "version:", "x")
            await until(pilot, lambda: len(app.states[-1].problems) == 2)
        if state == "conflict":
            await edit_line(pilot, "task:", "X")
            app.pane.agent_edited(tailor.patch_spec([Change(path="goal.task", value="Something else.")]).diff)
        await until(pilot, lambda: app.pane.state == {"valid": "unsaved"}.get(state, state))
        await pilot.pause()
        assert screen_text(app) == screen_snapshot(name=f"{state}-{size[0]}x{size[1]}")

    drive(app, script, size=size)
