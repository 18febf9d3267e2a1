"""What the tests of the interface share: running an app without a terminal, its screen as text, snapshots of it."""

import asyncio
import fcntl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.pilot import Pilot

from specs.layout import ProjectLayout, RunLayout
from tests.fakes import run_folder

SIZES = ((80, 24), (140, 40))


class ScreenSnapshot(SingleFileSnapshotExtension):
    """One readable text file a screen."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def screen_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(ScreenSnapshot)


@pytest.fixture
def screen_text() -> Callable[[App[Any]], str]:
    """Return a function that gives what an app shows now, a line a row."""

    def read(app: App[Any]) -> str:
        strips = app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"

    return read


@pytest.fixture
def drive() -> Callable[..., None]:
    """Return a function that runs an app at a size and lets an async function use its pilot."""

    def run(
        app: App[Any],
        script: Callable[[Pilot[Any]], Coroutine[Any, Any, None]],
        size: tuple[int, int] = (80, 24),
        *,
        notifications: bool = False,
    ) -> None:
        async def body() -> None:
            async with app.run_test(size=size, notifications=notifications) as pilot:
                await pilot.pause()
                await script(pilot)

        asyncio.run(body())

    return run


@pytest.fixture(autouse=True)
def no_settings_of_the_person(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture
def project_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def layout(project_dir: Path) -> ProjectLayout:
    return ProjectLayout(project_dir)


@pytest.fixture
def live() -> Iterator[Callable[[RunLayout], None]]:
    """Return a function that makes a run live, as its lock says, until the test ends."""
    with ExitStack() as held:

        def hold(run: RunLayout) -> None:
            fcntl.flock(held.enter_context(run_folder.lock(run).open("r+")), fcntl.LOCK_EX)

        yield hold
