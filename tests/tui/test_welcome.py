import os
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from agent.tui.screens.welcome import WelcomeApp, make_example, make_project

SIZES = ((80, 24), (140, 40))


def told(app: WelcomeApp) -> str:
    return str(app.screen.query_one("#welcome-told", Static).render())


async def settle(app: WelcomeApp, pilot) -> None:
    await app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_welcome_offers_four_ways_when_the_folder_is_empty(size, drive, screen_text, screen_snapshot, monkeypatch):
    monkeypatch.setattr("os.scandir", lambda _: _Entries())
    monkeypatch.setattr("os.access", lambda *_: True)
    app = WelcomeApp(Path("/home/ada/support"))

    async def script(_pilot) -> None:
        assert screen_text(app) == screen_snapshot(name=f"welcome-{size[0]}")

    drive(app, script, size)


class _Entries(list):
    def __enter__(self):
        return iter(["a", "b"])

    def __exit__(self, *_):
        return None


def test_welcome_makes_a_project_here_and_leaves_what_is_there(project_dir: Path, drive):
    (project_dir / "notes.txt").write_text("mine")
    app = WelcomeApp(project_dir)

    async def script(pilot) -> None:
        await pilot.press("enter")
        await settle(app, pilot)

    drive(app, script)
    assert app.return_value == project_dir
    assert (project_dir / ".tailor").is_dir()
    assert (project_dir / "notes.txt").read_text() == "mine"
    assert not (project_dir / "spec.yaml").exists()


def test_welcome_makes_the_example_in_the_named_folder_when_chosen(project_dir: Path, drive, screen_text):
    app = WelcomeApp(project_dir)

    async def script(pilot) -> None:
        await pilot.press("down", "down", "enter")
        assert app.screen.query_one(Input).value == "tailor-example"
        assert "Enter make it" in screen_text(app)
        await pilot.press("enter")
        await settle(app, pilot)

    drive(app, script)
    example = project_dir / "tailor-example"
    assert app.return_value == example
    assert (example / "data" / "train.csv").is_file()
    assert (example / ".tailor").is_dir()


def test_welcome_asks_for_another_name_when_the_folder_holds_other_things(project_dir: Path, drive):
    (project_dir / "tailor-example").mkdir()
    (project_dir / "tailor-example" / "data").write_text("mine")
    app = WelcomeApp(project_dir)

    async def script(pilot) -> None:
        await pilot.press("down", "down", "enter", "enter")
        await settle(app, pilot)
        assert "is not empty. Nothing was changed" in told(app)
        await pilot.press("escape")
        assert isinstance(app.focused, OptionList)
        assert told(app) == ""
        await pilot.press("escape")

    drive(app, script)
    assert app.return_value is None
    assert (project_dir / "tailor-example" / "data").read_text() == "mine"


def test_welcome_makes_a_project_in_a_typed_folder(project_dir: Path, drive):
    app = WelcomeApp(project_dir)

    async def script(pilot) -> None:
        await pilot.press("down", "enter", "enter")
        assert told(app) == "Type the name of a folder."
        await pilot.press(*"[x]", "enter")
        await settle(app, pilot)

    drive(app, script)
    assert app.return_value == project_dir / "[x]"
    assert (project_dir / "[x]" / ".tailor").is_dir()


@pytest.mark.parametrize("name", ["[/x]", "\x1b[31mred", "a\u202eb", "漢字🙂", "x" * 200, "[=1]"])
def test_welcome_shows_a_hostile_folder_name_harmlessly(name: str, tmp_path: Path, drive, screen_text):
    folder = tmp_path / "a" / name.replace("/", "∕")
    folder.mkdir(parents=True)
    app = WelcomeApp(folder)

    async def script(_pilot) -> None:
        shown = screen_text(app)
        assert "This folder is empty" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown

    drive(app, script)


def test_welcome_tells_in_a_sentence_when_nothing_can_be_made(project_dir: Path, drive):
    (project_dir / "file").write_text("x")
    app = WelcomeApp(project_dir / "file" / "below")

    async def script(pilot) -> None:
        await pilot.press("enter")
        await settle(app, pilot)
        assert "cannot be made: Not a directory." in told(app)
        assert "Choose a folder you may write to" in told(app)
        await pilot.press("ctrl+c")

    drive(app, script)
    assert app.return_value is None


def test_make_example_keeps_a_project_that_is_there(project_dir: Path):
    (project_dir / "spec.yaml").write_text("name: mine\n")
    assert make_example(project_dir) == ""
    assert (project_dir / "spec.yaml").read_text() == "name: mine\n"
    assert not (project_dir / "data").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_make_project_gives_a_sentence_when_the_folder_is_not_ours(project_dir: Path):
    project_dir.chmod(0o500)
    assert "Permission denied" in make_project(project_dir)


def test_make_example_gives_a_sentence_when_the_name_is_impossible(project_dir: Path):
    assert "cannot be written" in make_example(project_dir / ("x" * 300))
    assert "null" in make_example(project_dir / "a\0b")
