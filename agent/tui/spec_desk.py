"""Where the spec editor meets the disk: when the file is looked at, checked, saved, and a draft kept.

One thing at a time touches the files, in a thread; what it found is taken over in the interface's own loop. It draws
nothing: a `SpecView` does.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from agent.tui.spec_buffer import Author, DiskText, Seen, SpecBuffer, editor_text, file_text
from agent.tui.spec_disk import Draft, SpecDisk
from agent.tui.spec_errands import Errands
from agent.tui.spec_merge import Choice
from specs.errors import TailorError

_UNKNOWN = (-1,)


class SpecView(Protocol):
    """What holds the text that is edited."""

    def text(self) -> str:
        """Return the text in the editor."""
        ...

    def place(self, text: str) -> None:
        """Change the text in the editor, keeping cursor and undo history."""
        ...

    def line_in_use(self) -> int | None:
        """Return the line the person is typing in, counted from 0; None when they are not."""
        ...


class SpecDesk:
    """One open spec.

    Args:
        disk: its files.
        view: what holds the text.
        redraw: called when something changed that is shown.
        failed: called with a sentence and the next step when something did not work.
    """

    def __init__(
        self, disk: SpecDisk, view: SpecView, redraw: Callable[[], None], failed: Callable[[str, str], None]
    ) -> None:
        self.buffer = SpecBuffer(disk.name)
        self.is_open = False
        self.notice = ""
        """A sentence about what happened when the editor opened."""
        self._disk = disk
        self._view = view
        self._redraw = redraw
        self._failed = failed
        self._files = asyncio.Lock()
        self._stamp: tuple[int, ...] | None = _UNKNOWN
        self._drafted: str | None = None
        self._kept: Seen | None = None
        self._errands = Errands()
        self._told = ""

    async def open(self) -> None:
        """Read what is on disk and show it, a draft of the last time first."""
        async with self._files:
            opening = await asyncio.to_thread(self._disk.open)
            buffer, disk, draft = self.buffer, opening.disk, opening.draft
            buffer.seen = self._kept = opening.seen
            mine = ""
            if draft is not None:
                self._drafted = editor_text(draft.text)
                if draft.text != disk.raw:
                    buffer.resume(draft.base)
                    mine = self._drafted
                    self.notice = "Your unsaved text is back."
            taken = buffer.found(disk, mine)
            self._stamp = disk.stamp
            self.is_open = True
            if buffer.is_begun:
                self._view.place(mine if taken is None else taken)
        await self.check()

    async def look(self, by: Author = "you", diff: str = "", *, anyway: bool = False) -> None:
        """Take over what is on disk if it changed.

        Args:
            by: who is known to have changed it.
            diff: the edit the agent told of.
            anyway: read the file even if it seems unchanged.
        """
        if not self.is_open:
            return
        async with self._files:
            if not anyway and await asyncio.to_thread(self._disk.stamp) == self._stamp:
                return
            disk = await asyncio.to_thread(self._disk.read)
            self._take(disk, by)
            if by == "agent":
                self.buffer.agent_edited(diff)
        await self.check()

    async def check(self) -> None:
        """Find out whether the text in the editor is a valid spec."""
        text = self._view.text()
        if self.buffer.is_begun:
            problems = await asyncio.to_thread(self._disk.check, text)
            if text != self._view.text():
                return
            self.buffer.problems, self.buffer.checked = problems, text
        self._redraw()

    async def save(self, *, is_wanted: bool = False) -> None:
        """Write the text if it is valid and nobody else changed the file; keep a draft of it otherwise.

        Args:
            is_wanted: whether the person asked for it; only then is a deleted file written again.
        """
        buffer = self.buffer
        async with self._files:
            text, num_ended = self._view.text(), self._errands.num_ended
            if not self._may_save(text, is_wanted=is_wanted):
                return
            problems = await asyncio.to_thread(self._disk.check, text)
            if num_ended != self._errands.num_ended:
                # whoever could not wait has saved what is shown now
                return
            if text == self._view.text():
                buffer.problems, buffer.checked = problems, text
            if problems:
                await self._keep_draft(text)
            else:
                await self._write(text)
        self._redraw()

    async def begin_new(self) -> None:
        """Show a spec to fill in. It is written once the person changes or saves it."""
        if self.buffer.is_begun or self.buffer.obstacle or not self.is_open:
            return
        text = await asyncio.to_thread(self._disk.starter)
        if not self.buffer.is_begun:
            self.buffer.begin_new(text)
            self._view.place(text)
            await self.check()

    async def keep(self) -> None:
        """Keep a draft of what is not saved, and what both sides have seen."""
        if not self.is_open:
            return
        async with self._files:
            text = self._view.text()
            if self.buffer.is_dirty(text):
                await self._keep_draft(text)
            elif self._drafted is not None and self.buffer.is_on_disk:
                await self._drop_draft()
                self.notice = ""
                self._redraw()
            await self._keep_seen()

    def decide(self, choice: Choice) -> None:
        """Settle the place shown to the person."""
        text = self._view.text()
        decided = self.buffer.decide(choice, text)
        if decided != text:
            self._view.place(decided)
        self._redraw()

    def save_at_once(self) -> bool:
        """Save, or keep a draft, before anything else happens; return whether the file holds the text.

        It waits for the disk: for the moments when no thread would do, the app ending or another editor opening.
        """
        # what is shown may have been changed back since a save began
        if (raw := self._errands.end()) is not None:
            self._written(raw)
        if not self.is_open:
            return False
        with contextlib.suppress(OSError, TailorError):
            # an invalid text stays a draft; a full disk is told of when the next save fails
            self._save_at_once(self._view.text())
        with contextlib.suppress(OSError):
            self._remember()
        buffer = self.buffer
        return buffer.is_on_disk and buffer.pending is None and not buffer.is_dirty(self._view.text())

    def _save_at_once(self, text: str) -> None:
        buffer = self.buffer
        if buffer.is_dirty(text):
            raw = file_text(text, buffer.raw)
            self._disk.keep_draft(Draft(raw, buffer.raw))
            self._drafted = text
            if not self._may_save(text, is_wanted=False):
                return
            if self._disk.save(raw, buffer.raw if buffer.is_on_disk else "") is not None:
                return
            self._written(raw)
        if buffer.is_on_disk:
            self._disk.drop_draft()
            self._drafted = None

    def _written(self, raw: str) -> None:
        # another writer may have come right after: the next look reads the file again
        self._stamp = _UNKNOWN
        self.buffer.saved(raw)

    def _may_save(self, text: str, *, is_wanted: bool) -> bool:
        buffer = self.buffer
        if not buffer.is_begun or buffer.is_read_only:
            return False
        if buffer.pending is not None:
            if is_wanted:
                self._failed("Nothing is saved while a conflict waits.", "Decide it first: F8 goes to it.")
            return False
        if buffer.is_on_disk:
            return buffer.is_dirty(text)
        return is_wanted or (buffer.is_dirty(text) and not buffer.is_gone)

    def _take(self, disk: DiskText, by: Author = "you") -> None:
        self._stamp = disk.stamp
        mine = self._view.text()
        taken = self.buffer.found(disk, mine, self._view.line_in_use(), by=by)
        if taken is not None and taken != mine:
            self._view.place(taken)

    async def _write(self, text: str) -> None:
        buffer = self.buffer
        raw = file_text(text, buffer.raw)
        expected = buffer.raw if buffer.is_on_disk else ""
        try:
            moved = await self._errands.run(lambda: self._disk.save(raw, expected), writes=raw)
        except TailorError as error:
            await self._keep_draft(text)
            self._tell(error.message, error.hint)
            return
        if moved is not None:
            self._take(moved)
            return
        self._told = self.notice = ""
        self._written(raw)
        await self._drop_draft()
        await self._keep_seen()

    async def _keep_draft(self, text: str) -> None:
        if text == self._drafted:
            return
        raw = self.buffer.raw
        try:
            draft = Draft(file_text(text, raw), raw)
            await self._errands.run(lambda: self._disk.keep_draft(draft))
        except (OSError, ValueError) as error:
            self._tell(f"The draft of {self.buffer.name} cannot be kept: {error}.", "Keep this window open.")
        else:
            self._drafted = text

    async def _drop_draft(self) -> None:
        try:
            await self._errands.run(self._disk.drop_draft)
        except OSError as error:
            self._tell(f"The old draft of {self.buffer.name} cannot be removed: {error}.")
        else:
            self._drafted = None

    async def _keep_seen(self) -> None:
        if self.buffer.seen == self._kept:
            return
        # marks are a help, nothing is lost without them
        with contextlib.suppress(OSError):
            await self._errands.run(self._remember)

    def _remember(self) -> None:
        seen = self.buffer.seen
        if seen is not None and seen != self._kept:
            self._disk.keep_seen(seen)
            self._kept = seen

    def _tell(self, message: str, hint: str = "") -> None:
        """Tell a failure once, not at every try."""
        if message != self._told:
            self._told = message
            self._failed(message, hint)
