"""Help: the keys that work here, the commands, what the agent may do. Also shows what the terminal sends for a key."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from agent.tui.commands import COMMANDS
from agent.tui.keys import INPUT_KEYS, KEYS, key_display
from agent.tui.screens.dialog import Dialog
from tools.escape import one_line

_MAX_PROBED = 10
_ABOUT = (
    "The agent asks, reads your data, writes the spec, plans, and explains what was measured.",
    "It trains, measures and serves only what you approved, within the hours and the money you set.",
    "Without you it can never approve a step, start a job, spend money or accept a licence.",
)


class HelpScreen(Dialog[None]):
    """Help over the screen below.

    Args:
        keymap: the person's own keys by binding id.
        shows_keys: show what the terminal sends instead.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f1", "leave", show=False),
        Binding("j", "line(1)", show=False),
        Binding("k", "line(-1)", show=False),
    ]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        & > #help {
            width: 100%; max-width: 100; height: auto; max-height: 100%; border: round $primary; padding: 0 1;
            background: $surface; border-title-color: $foreground; border-subtitle-color: $foreground-muted;
        }
        & #help-text { height: auto; max-height: 100%; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    }
    """

    def __init__(self, *, keymap: Mapping[str, str] | None = None, shows_keys: bool = False) -> None:
        super().__init__()
        self._keymap = keymap or {}
        self._shows_keys = shows_keys

    def compose(self) -> ComposeResult:
        """Lay out the text, or the field that shows keys."""
        with Vertical(id="help") as box:
            if self._shows_keys:
                box.border_title = Content("Keys as your terminal sends them")
                box.border_subtitle = Content("Esc twice leaves")
                yield KeyProbe()
                return
            box.border_title = Content("Help")
            box.border_subtitle = Content("↑↓ PgUp PgDn scroll · Esc closes")
            stack: list[Screen[object]] = cast("Any", self).app.screen_stack
            with VerticalScroll(id="help-text"):
                yield HelpText(pane_keys(stack[-2] if len(stack) > 1 else None), self._keymap)

    def on_mount(self) -> None:
        """Let the keys scroll at once."""
        self.query_one("KeyProbe" if self._shows_keys else "#help-text").focus()

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_line(self, step: int) -> None:
        """Scroll a line."""
        self.query_one("#help-text").scroll_relative(y=step, animate=False)


def pane_keys(screen: Screen[object] | None) -> list[tuple[str, str]]:
    """Return key and help of what the focused pane of a screen offers beside the keys of the screen."""
    if screen is None:
        return []
    found: dict[str, list[str]] = {}
    for key, active in screen.active_bindings.items():
        # the keys of the screen are listed below, those of a text field are as everywhere; the app is no widget
        is_pane = isinstance(active.node, Widget) and not isinstance(active.node, Screen | TextArea | Input)
        if is_pane and active.binding.description:
            found.setdefault(active.binding.description, []).append(key_display(key))
    return [(" ".join(keys[:3]), text) for text, keys in found.items()]


def help_text(here: Iterable[tuple[str, str]], keymap: Mapping[str, str], width: int) -> Content:
    """Return the whole help, wrapped to `width`."""
    groups: dict[str, list[tuple[str, str]]] = {"In this pane": list(here), "Writing": list(INPUT_KEYS)}
    groups.update({name: [] for name in ("Talking", "Moving", "Looking", "Leaving")})
    for entry in KEYS:
        if entry.context == "workspace":
            keys = " ".join(key_display(key) for key in keymap.get(entry.id, entry.keys).split(","))
            groups[entry.group].append((keys, entry.help))
    groups["Moving"].append(("1–6", "Open a stage, outside text fields"))
    usages = [(command.usage, command.summary) for command in COMMANDS]
    lines = [Content(line) for sentence in _ABOUT for line in textwrap.wrap(sentence, width)]
    for title, rows in (*groups.items(), ("Commands", usages)):
        lines += _rows(title, rows, width)
    return Content("\n").join(lines)


def _rows(title: str, rows: Sequence[tuple[str, str]], width: int) -> list[Content]:
    lines = [Content(""), Content(title).stylize("bold")] if rows else []
    columns = max((len(key) for key, _text in rows), default=0) + 2
    for key, text in rows:
        first, *others = textwrap.wrap(text, max(10, width - columns)) or [""]
        lines.append(Content(f"{key.ljust(columns)}{first}").stylize("bold $primary", 0, len(key)))
        lines += [Content(" " * columns + other) for other in others]
    return lines


class HelpText(Static):
    """The help, wrapped anew when the width changes."""

    def __init__(self, here: Sequence[tuple[str, str]], keymap: Mapping[str, str]) -> None:
        super().__init__(markup=False)
        self._here = here
        self._keymap = keymap

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew."""
        self.update(help_text(self._here, self._keymap, max(20, event.size.width)))


class KeyProbe(Static, can_focus=True):
    """Shows the latest keys: name, character, and the sequence that stands for the name."""

    DEFAULT_CSS = """
    KeyProbe { height: 14; }
    """

    def __init__(self) -> None:
        super().__init__(_probed([]), markup=False)
        self._keys: list[tuple[str, str, str]] = []
        self._was_escape = False

    def on_key(self, event: events.Key) -> None:
        """Show the key; the second Esc in a row leaves."""
        event.stop()
        event.prevent_default()
        if event.key == "escape" and self._was_escape:
            self.screen.dismiss(None)
            return
        self._was_escape = event.key == "escape"
        character = one_line(event.character) if event.character else "none"
        self._keys = [*self._keys, (one_line(event.key), character, _sequence(event))][-_MAX_PROBED:]
        self.update(_probed(self._keys))

    def on_paste(self, event: events.Paste) -> None:
        """Show that it was a paste, and how long."""
        event.stop()
        self._was_escape = False
        self._keys = [*self._keys, ("a paste", f"{len(event.text):,} characters", "bracketed")][-_MAX_PROBED:]
        self.update(_probed(self._keys))


def _probed(keys: list[tuple[str, str, str]]) -> Content:
    rows = [("key", "character", "sequence"), *keys] if keys else []
    lines = [f"{name[:22].ljust(23)}{character[:17].ljust(18)}{sequence}" for name, character, sequence in rows]
    hint = "Press keys. What never shows up here does not reach the program."
    return Content("\n".join((hint, "", *lines))).stylize("$foreground-muted", 0, len(hint))


def _sequence(event: events.Key) -> str:
    """Return the usual escape sequence of a key, or that it is not known."""
    if event.is_printable:
        return "as typed"
    for sequence, names in cast("Mapping[str, object]", ANSI_SEQUENCES_KEYS).items():
        keys = cast("tuple[object, ...]", names) if isinstance(names, tuple) else ()
        if len(keys) == 1 and getattr(keys[0], "value", keys[0]) == event.key:
            return one_line(sequence)
    return "not known"
