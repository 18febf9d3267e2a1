import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from agent.tui.spec_buffer import DiskText, LineProblem
from agent.tui.spec_desk import SpecDesk
from agent.tui.spec_disk import Draft, SpecDisk
from specs.layout import ProjectLayout
from tools.spec_file import starter_text

LATER = "# a note that is taken back\n"


class SlowDisk(SpecDisk):
    """Files behind a gate: a write in a thread waits for it."""

    def __init__(self, layout: ProjectLayout) -> None:
        super().__init__(layout)
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.is_slow = False
        self.waits_at_check = False

    def check(self, text: str) -> tuple[LineProblem, ...]:
        if self.waits_at_check:
            self._wait()
        return super().check(text)

    def save(self, raw: str, expected: str) -> DiskText | None:
        self._wait()
        return super().save(raw, expected)

    def keep_draft(self, draft: Draft) -> None:
        self._wait()
        super().keep_draft(draft)

    def drop_draft(self) -> None:
        self._wait()
        super().drop_draft()

    def _wait(self) -> None:
        if self.is_slow and threading.current_thread() is not threading.main_thread():
            self.begun.set()
            assert self.gate.wait(10)


class Text:
    """What holds the text."""

    def __init__(self) -> None:
        self.now = ""

    def text(self) -> str:
        return self.now

    def place(self, text: str) -> None:
        self.now = text

    def line_in_use(self) -> int | None:
        return None


@pytest.fixture
def layout(project_dir: Path) -> ProjectLayout:
    layout = ProjectLayout(project_dir)
    layout.spec_path.write_text(starter_text())
    return layout


def leave_while(
    layout: ProjectLayout,
    before: Callable[[SpecDesk, Text], Coroutine[Any, Any, None]],
    work: Callable[[SpecDesk], Coroutine[Any, Any, None]],
    change: Callable[[Text], None],
    *,
    at_check: bool = False,
    is_cancelled_first: bool = False,
) -> tuple[SpecDesk, bool]:
    """Open the spec, begin `work`, change the text while it waits for the disk, and leave; return what was said."""
    disk, text = SlowDisk(layout), Text()

    async def sitting() -> tuple[SpecDesk, bool]:
        desk = SpecDesk(disk, text, lambda: None, lambda _message, _hint: None)
        await desk.open()
        await before(desk, text)
        disk.is_slow, disk.waits_at_check = True, at_check
        round_ = asyncio.ensure_future(work(desk))
        await asyncio.to_thread(disk.begun.wait, 10)
        change(text)
        threading.Timer(0.2, disk.gate.set).start()
        if is_cancelled_first:
            # as the app does with what works for it when it ends; the thread goes on
            round_.cancel()
            await asyncio.gather(round_, return_exceptions=True)
        is_saved = desk.save_at_once()
        if at_check:
            # another editor opens, and the round that waited goes on
            await asyncio.to_thread(disk.gate.wait)
            await asyncio.sleep(0.1)
        round_.cancel()
        await asyncio.gather(round_, return_exceptions=True)
        return desk, is_saved

    return asyncio.run(sitting())


def reopened(layout: ProjectLayout) -> tuple[str, str]:
    """Return the text that a new editor shows, and what it says of it."""
    text = Text()

    async def sitting() -> str:
        desk = SpecDesk(SpecDisk(layout), text, lambda: None, lambda _message, _hint: None)
        await desk.open()
        return desk.notice

    notice = asyncio.run(sitting())
    return text.now, notice


async def typed(_desk: SpecDesk, text: Text) -> None:
    text.now += LATER


async def left_invalid(desk: SpecDesk, text: Text) -> None:
    text.now += "nonsense: [\n"
    await desk.keep()
    assert desk.buffer.is_dirty(text.now)


@pytest.mark.parametrize("is_cancelled_first", [False, True])
def test_file_holds_what_is_shown_when_a_change_is_taken_back_while_it_is_saved_and_the_app_ends(
    layout: ProjectLayout, is_cancelled_first: bool
) -> None:
    first = starter_text()
    _, is_saved = leave_while(
        layout,
        typed,
        lambda desk: desk.save(),
        lambda text: text.place(first),
        is_cancelled_first=is_cancelled_first,
    )
    assert is_saved
    assert layout.spec_path.read_text() == first
    assert reopened(layout) == (first, "")


def test_last_keys_are_in_the_file_when_they_come_while_it_is_saved_and_the_app_ends(layout: ProjectLayout) -> None:
    wanted = starter_text() + LATER * 2
    desk, is_saved = leave_while(layout, typed, lambda desk: desk.save(), lambda text: text.place(wanted))
    assert is_saved
    assert layout.spec_path.read_text() == wanted
    assert desk.buffer.state(wanted) == "saved"
    assert reopened(layout) == (wanted, "")


def test_older_text_is_not_written_over_what_was_saved_while_it_was_checked(layout: ProjectLayout) -> None:
    wanted = starter_text() + LATER * 2
    desk, is_saved = leave_while(
        layout, typed, lambda desk: desk.save(), lambda text: text.place(wanted), at_check=True
    )
    assert is_saved
    assert layout.spec_path.read_text() == wanted
    assert desk.buffer.state(wanted) == "saved"


def test_draft_that_is_being_written_does_not_come_back_when_its_text_was_taken_back(layout: ProjectLayout) -> None:
    first = starter_text()
    _, is_saved = leave_while(layout, typed, lambda desk: desk.keep(), lambda text: text.place(first))
    assert is_saved
    assert reopened(layout) == (first, "")


def test_draft_stays_when_the_old_one_is_being_removed_and_the_app_ends_over_an_invalid_text(
    layout: ProjectLayout,
) -> None:
    async def mended(desk: SpecDesk, text: Text) -> None:
        await left_invalid(desk, text)
        text.now = starter_text()

    wrong = starter_text() + "wrong: [\n"
    _, is_saved = leave_while(layout, mended, lambda desk: desk.keep(), lambda text: text.place(wrong))
    assert not is_saved
    assert layout.spec_path.read_text() == starter_text()
    assert reopened(layout) == (wrong, "Your unsaved text is back.")


def test_draft_of_an_invalid_text_is_gone_when_it_was_taken_back_just_before_the_app_ends(
    layout: ProjectLayout,
) -> None:
    text = Text()

    async def sitting() -> bool:
        desk = SpecDesk(SpecDisk(layout), text, lambda: None, lambda _message, _hint: None)
        await desk.open()
        await left_invalid(desk, text)
        text.now = starter_text()
        return desk.save_at_once()

    assert asyncio.run(sitting())
    assert reopened(layout) == (starter_text(), "")
