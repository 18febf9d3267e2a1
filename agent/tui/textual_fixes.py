"""What Textual needs to be steady: a guard around selecting text while widgets go, and a calmer garbage collector."""

import gc
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, cast

from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget

_FIRST_UNSTEADY = (8, 2, 8)
"""Since this version a press of the mouse on a widget that was just removed ends the program."""
_GUARDED = "_tailor_guarded"
_Lookup: TypeAlias = Callable[[object, int, int], tuple[Widget | None, Offset | None]]


def apply_fixes() -> bool:
    """Guard the lookup of what is under the mouse; return whether the installed Textual needs it.

    A widget that is no longer part of the screen counts as nothing. Applying it twice changes nothing.
    """
    # looked up late: reading what is installed takes longer than painting a frame
    from importlib.metadata import version

    _guard_lists()
    if not needs_guard(version("textual")):
        return False
    if getattr(Screen, _GUARDED, False):
        return True
    original: _Lookup = cast(Any, Screen).get_widget_and_offset_at

    @wraps(original)
    def guarded(screen: object, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        widget, offset = original(screen, x, y)
        return (None, None) if widget is not None and _is_gone(widget) else (widget, offset)

    setattr(Screen, _GUARDED, True)
    cast(Any, Screen).get_widget_and_offset_at = guarded
    return True


def _guard_lists() -> None:
    """Let keys and threads that come before a list is laid out, or after the palette is gone, do nothing."""
    from textual.await_complete import AwaitComplete
    from textual.command import CommandList, CommandPalette
    from textual.widgets import OptionList

    if getattr(OptionList, _GUARDED, False):
        return
    lists, palette = cast(Any, OptionList), cast(Any, CommandPalette)
    move_page, show_list, dismiss = lists._move_page, palette._watch__list_visible, palette.dismiss

    @wraps(move_page)
    def move_laid_out(options: Any, direction: int) -> None:
        if (options.highlighted or 0) in options._index_to_line:
            move_page(options, direction)

    @wraps(show_list)
    def show_mounted(screen: Any) -> None:
        if screen.query(CommandList):
            show_list(screen)

    @wraps(dismiss)
    def dismiss_on_top(screen: Any, result: Any = None) -> Any:
        return dismiss(screen, result) if screen.is_active else AwaitComplete()

    setattr(OptionList, _GUARDED, True)
    lists._move_page, palette._watch__list_visible = move_laid_out, show_mounted
    palette.dismiss = dismiss_on_top


def _is_gone(widget: Widget) -> bool:
    return not isinstance(widget, Screen) and (widget.parent is None or not widget.is_attached)


def needs_guard(installed: str) -> bool:
    """Return whether a version of Textual is unsteady."""
    numbers = tuple(int(part) for part in installed.split(".")[:3] if part.isdigit())
    return numbers >= _FIRST_UNSTEADY


def settle_memory() -> None:
    """Leave all made so far out of the collector's work and let it look less often; called once all is shown."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 20, 1000)
