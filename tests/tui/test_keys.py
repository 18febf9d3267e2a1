"""The keys, the key bar, and the settings file with the person's own keys."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.pilot import Pilot

from agent.tui.keys import KEYS, KeyBar, bar_entries, bindings_for, check_keymap, key_display
from agent.tui.settings import InterfaceSettings, load_settings, save_settings, settings_path

Drive = Callable[..., None]


class BarApp(App[None]):
    """A key bar at the bottom; notes which actions were carried out."""

    BINDINGS = [*bindings_for("workspace"), *bindings_for("panes")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def compose(self) -> ComposeResult:
        yield KeyBar()

    def on_resize(self) -> None:
        self.query_one(KeyBar).set_entries(bar_entries(is_wide=self.size.width >= 110))

    def action_help(self) -> None:
        self.done.append("help")

    def action_editor(self) -> None:
        self.done.append("editor")

    def action_stage(self, number: int) -> None:
        self.done.append(f"stage {number}")


def test_keys_have_ids_actions_and_keys_of_their_own() -> None:
    assert len({entry.id for entry in KEYS}) == len(KEYS)
    assert len({entry.action for entry in KEYS}) == len(KEYS)
    keys = [key for entry in KEYS for key in entry.keys.split(",")]
    assert len(set(keys)) == len(keys)
    bindings: list[Binding] = [*bindings_for("workspace"), *bindings_for("panes")]
    assert {(binding.id, binding.action) for binding in bindings} == {(entry.id, entry.action) for entry in KEYS}


@pytest.mark.parametrize(
    ("key", "shown"),
    [("ctrl+q", "^q"), ("f1", "f1"), ("escape", "esc"), ("pageup", "PgUp"), ("shift+tab", "shift+Tab"), ("x", "x")],
)
def test_key_is_shown_short(key: str, shown: str) -> None:
    assert key_display(key) == shown


@pytest.mark.parametrize(
    ("keymap", "kept", "problems"),
    [
        ({"jobs": "f5", "help": "f6,ctrl+y"}, {"jobs": "f5", "help": "f6,ctrl+y"}, ()),
        ({"help": "f2", "next_pane": "f1"}, {"help": "f2", "next_pane": "f1"}, ()),
        ({"jbos": "f5"}, {}, ("there is no key id 'jbos'. Did you mean 'jobs'?",)),
        ({"jobs": "f1"}, {}, ("'jobs' cannot have the key 'f1', which 'help' has; change that one, too.",)),
        (
            {"jobs": "f5", "fold": "f5"},
            {"jobs": "f5"},
            ("'fold' cannot have the key 'f5', which 'jobs' has; change that one, too.",),
        ),
        ({"jobs": "ctlr+x"}, {}, ("'jobs' has the key 'ctlr+x', which no terminal sends. Did you mean 'ctrl+x'?",)),
        ({"jobs": "enter"}, {}, ("'jobs' cannot have the key 'enter', which sends in the input.",)),
        (
            {"jobs": "x"},
            {},
            ("'jobs' cannot have the key 'x', which is typed in the input; add ctrl or take an F key.",),
        ),
        ({"stage.1": "a"}, {"stage.1": "a"}, ()),
        ({"jobs": None}, {}, ("the key of 'jobs' is no key name; write one such as f5 or ctrl+y.",)),
        ({"jobs": ""}, {}, ("'jobs' has the key '', which no terminal sends.",)),
    ],
)
def test_keymap_keeps_what_holds_and_tells_the_rest(
    keymap: dict[str, object], kept: dict[str, str], problems: tuple[str, ...]
) -> None:
    found, told = check_keymap(keymap)
    assert (found, tuple(told.values())) == (kept, problems)


def test_keymap_has_no_key_twice_when_a_refused_key_falls_back_to_its_default() -> None:
    kept, problems = check_keymap({"jobs": "f1", "help": "ctrl+q"})
    assert kept == {}
    assert len(problems) == 2


def test_keymap_changes_what_a_key_does(drive: Drive) -> None:
    app = BarApp()

    async def script(pilot: Pilot[Any]) -> None:
        app.set_keymap(check_keymap({"help": "f2", "next_pane": "f1"})[0])
        await pilot.press("f2", "f1", "2")

    drive(app, script)
    assert app.done == ["help", "stage 2"]


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (60, 20), (10, 3)])
def test_key_bar_shows_whole_entries_only(
    drive: Drive, screen_text: Callable[[App[Any]], str], screen_snapshot: SnapshotAssertion, size: tuple[int, int]
) -> None:
    app = BarApp()
    rows: list[str] = []

    async def script(pilot: Pilot[Any]) -> None:
        rows.append(screen_text(app).splitlines()[0] + "\n")

    drive(app, script, size=size)
    assert rows[0] == screen_snapshot(name=f"{size[0]}x{size[1]}")


def test_key_bar_presses_the_key_that_was_clicked(drive: Drive) -> None:
    app = BarApp()

    async def script(pilot: Pilot[Any]) -> None:
        assert app.query_one(KeyBar).places()[1][:3] == (10, 17, "f1")
        for column in (10, 16, 8, 9, 17, 79):
            await pilot.click(KeyBar, offset=(column, 0))
        await pilot.pause()

    drive(app, script)
    assert app.done == ["help", "help"]


def test_settings_lie_where_the_desktop_says() -> None:
    assert settings_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == Path("/c/tailor/settings.yaml")
    assert settings_path({"XDG_CONFIG_HOME": "rel", "HOME": "/h"}) == Path("/h/.config/tailor/settings.yaml")
    assert settings_path({"HOME": "/h"}) == Path("/h/.config/tailor/settings.yaml")


def test_settings_are_the_usual_when_there_is_no_file(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.yaml") == (InterfaceSettings(), ())


@pytest.mark.parametrize(
    ("text", "settings", "problems"),
    [
        ("", InterfaceSettings(), ()),
        ("# nothing yet\n", InterfaceSettings(), ()),
        ("bell: off\nmouse: false\ntheme: nord\n", InterfaceSettings(theme="nord", bell=False, mouse=False), ()),
        ("keymap:\n  jobs: f5\n", InterfaceSettings(keymap={"jobs": "f5"}), ()),
        (
            "bell: off\nmuose: off\n",
            InterfaceSettings(bell=False),
            ("FILE, line 2: there is no setting 'muose'. Did you mean 'mouse'?",),
        ),
        (
            "approval_mode: plan\n",
            InterfaceSettings(),
            ("FILE, line 1: there is no setting 'approval_mode'. There are theme, bell, mouse, keymap.",),
        ),
        ("bell: loud\n", InterfaceSettings(), ("FILE, line 1: bell must be on or off, not 'loud'.",)),
        (
            "theme: [x]\n",
            InterfaceSettings(),
            ("FILE, line 1: theme must be the name of a theme, such as `theme: tailor-light`.",),
        ),
        ("keymap: f5\n", InterfaceSettings(), ("FILE, line 1: keymap must hold `id: key` lines, such as `jobs: f5`.",)),
        (
            "theme: nord\n\nkeymap:\n  hlep: f5\n  jobs: f6\n",
            InterfaceSettings(theme="nord", keymap={"jobs": "f6"}),
            ("FILE, line 4: there is no key id 'hlep'. Did you mean 'help'?",),
        ),
        ("- a\n", InterfaceSettings(), ("FILE must hold `name: value` lines, such as `bell: off`.",)),
        ("bell: off\nbell: [\n", InterfaceSettings(), ("FILE, line 3, is not valid YAML, so none of it holds.",)),
        ("bell: off\nbell: on\n", InterfaceSettings(), ("FILE, line 2, is not valid YAML, so none of it holds.",)),
        ("x: \x00\n", InterfaceSettings(), ("FILE is not valid YAML, so none of it holds.",)),
    ],
)
def test_settings_keep_what_holds_and_tell_the_rest(
    tmp_path: Path, text: str, settings: InterfaceSettings, problems: tuple[str, ...]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    assert load_settings(path) == (settings, tuple(problem.replace("FILE", str(path)) for problem in problems))


def test_settings_are_left_alone_when_the_file_is_no_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("# " + "x" * 70_000)
    assert load_settings(path) == (InterfaceSettings(), (f"{path} is larger than 64 kB, so it was not read.",))
    path.unlink()
    path.mkdir()
    assert load_settings(path) == (InterfaceSettings(), ())


def test_settings_keep_comments_and_other_lines_when_saved(tmp_path: Path) -> None:
    path = tmp_path / "config" / "settings.yaml"
    path.parent.mkdir()
    path.write_text("# mine\nbell: off  # at night\nkeymap:\n  jobs: f5 # near\nunknown: 'kept'\n")
    save_settings({"bell": True, "theme": "nord"}, path)
    assert path.read_text() == (
        "# mine\nbell: on   # at night\nkeymap:\n  jobs: f5 # near\nunknown: 'kept'\ntheme: nord\n"
    )
    assert load_settings(path)[0] == InterfaceSettings(theme="nord", bell=True, keymap={"jobs": "f5"})


def test_settings_make_the_file_and_its_folder_when_saved_first(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.yaml"
    save_settings({"mouse": False}, path)
    assert path.read_text() == "mouse: off\n"


def test_settings_stay_a_link_when_saved_through_one(tmp_path: Path) -> None:
    target, link = tmp_path / "dotfiles.yaml", tmp_path / "settings.yaml"
    target.write_text("bell: on\n")
    link.symlink_to(target)
    save_settings({"bell": False}, link)
    assert link.is_symlink()
    assert target.read_text() == "bell: off\n"


@pytest.mark.parametrize("text", ["bell: [\n", "- a\n"])
def test_settings_are_not_saved_when_the_file_is_broken(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="so the setting was not saved"):
        save_settings({"bell": True}, path)
    assert path.read_text() == text


def test_settings_cost_no_import_when_there_is_no_file(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from agent.tui.settings import load_settings;"
        f"load_settings(Path({str(tmp_path / 'none.yaml')!r}));"
        "print(sorted({'ruamel', 'yaml', 'textual'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
