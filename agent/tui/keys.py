"""The keys of the interface as data: what each does, where it is shown, and how a person's own keys are checked."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.keys import KEY_NAME_REPLACEMENTS, Keys
from textual.widget import Widget

Context: TypeAlias = Literal["workspace", "panes"]
BarWidth: TypeAlias = Literal["always", "wide", "never"]
_MODIFIERS = ("ctrl", "shift", "alt", "super", "hyper", "meta")
_TAKEN_BY_PROMPT = {
    "enter": "sends",
    "ctrl+j": "makes a new line",
    "ctrl+m": "is Enter in a terminal",
    "ctrl+i": "is Tab in a terminal",
    "ctrl+h": "is Backspace in a terminal",
    "tab": "completes",
    "backspace": "deletes",
    "delete": "deletes",
    "space": "is typed",
    "up": "walks through what you sent",
    "down": "walks through what you sent",
    "left": "moves the cursor",
    "right": "moves the cursor",
}
_SHORT = {
    "escape": "esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "end": "End",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "question_mark": "?",
    "slash": "/",
}


@dataclass(frozen=True)
class KeyAction:
    """A key and what it does. The screen has a method `action_<action>`."""

    id: str
    """Name in the person's `keymap`."""
    keys: str
    """Default keys, separated by commas."""
    action: str
    label: str
    """One word for the key bar."""
    help: str
    group: str
    bar: BarWidth = "never"
    context: Context = "workspace"
    is_at_once: bool = False
    """Whether it acts before a key right behind it is given to whatever has the keys now."""


_MOVE, _TALK, _LOOK, _LEAVE = "Moving", "Talking", "Looking", "Leaving"
KEYS: tuple[KeyAction, ...] = (
    KeyAction("quit", "ctrl+q", "quit", "Quit", "Quit; jobs go on", _LEAVE, "always"),
    KeyAction("help", "f1", "help", "Help", "Help; also ? in the empty input", _LOOK, "always"),
    KeyAction("next_pane", "f2", "next_pane", "Pane", "Next pane: chat, spec, stage", _MOVE, "always"),
    KeyAction("jobs", "f3", "jobs", "Jobs", "Jobs: watch, log, stop", _LOOK, "always"),
    KeyAction("jump", "f4", "jump", "Jump", "Jump to a pane by letter", _MOVE, "wide"),
    KeyAction("palette", "ctrl+p", "palette", "Palette", "Search all commands", _LOOK, "always"),
    KeyAction("editor", "ctrl+g", "editor", "Editor", "Input or spec in your editor", _TALK, "always"),
    KeyAction("back", "escape", "back", "Stop", "Close the top; twice: stop the agent, never a job", _TALK, "always"),
    KeyAction("history", "ctrl+r", "history", "Search", "Search what you sent", _TALK, "wide"),
    KeyAction("fold", "ctrl+o", "fold", "Fold", "Fold or unfold details", _LOOK, "wide"),
    KeyAction("stages", "ctrl+t", "stages", "Stages", "Stages with times and costs", _LOOK, "wide"),
    KeyAction("mode", "shift+tab", "mode", "Mode", "Approvals: each step, paid only, plan only", _TALK, "wide"),
    KeyAction("interrupt", "ctrl+c", "interrupt", "Copy", "Copy; else clear the input; else twice to quit", _TALK),
    KeyAction("end_input", "ctrl+d", "end_input", "Quit", "Quit when the input is empty", _LEAVE),
    KeyAction("redraw", "ctrl+l", "redraw", "Redraw", "Draw the screen again", _LOOK),
    KeyAction("suspend", "ctrl+z", "suspend", "Suspend", "Back to the shell; `fg` returns", _LEAVE),
    KeyAction("chat.page_up", "pageup", "chat_page_up", "Up", "Chat one page up", _MOVE),
    KeyAction("chat.page_down", "pagedown", "chat_page_down", "Down", "Chat one page down", _MOVE),
    KeyAction("chat.line_up", "shift+up", "chat_line_up", "Up", "Chat one line up", _MOVE),
    KeyAction("chat.line_down", "shift+down", "chat_line_down", "Down", "Chat one line down", _MOVE),
    KeyAction("chat.end", "end", "chat_end", "End", "Follow the chat again, with empty input", _MOVE),
    KeyAction(
        "command", "slash", "command", "Command", "Begin a command from any pane", _TALK, context="panes",
        is_at_once=True,
    ),
    *(
        KeyAction(
            f"stage.{number}", str(number), f"stage({number})", "Stage", f"Open stage {number}, outside text fields",
            _MOVE, context="panes",
        )
        for number in range(1, 7)
    ),
)  # fmt: skip

INPUT_KEYS: tuple[tuple[str, str], ...] = (
    ("Enter", "Send; takes the default of an open question when nothing is written"),
    ("^j", "New line; also \\ and Enter, and Shift+Enter where the terminal can"),
    ("↑ ↓", "Options of an open question; else what you sent before"),
    ("1–9", "Take an option of the open question, with empty input"),
    ("/ @", "Commands, from any pane; files, runs, datasets, keys of the spec"),
    ("Tab", "Complete what the list marks"),
    ("^_ ^y", "Undo and redo what was written"),
)
"""Keys of the prompt itself, which cannot be changed, for the help."""


def bindings_for(context: Context) -> list[Binding]:
    """Return the bindings of a context, with ids, so that the app's keymap can change them."""
    return [
        Binding(entry.keys, entry.action, entry.help, show=False, id=entry.id, priority=entry.is_at_once)
        for entry in KEYS
        if entry.context == context
    ]


def bar_entries(*, is_wide: bool, keymap: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Return key and label of what the key bar shows."""
    shown = ("always", "wide") if is_wide else ("always",)
    chosen = keymap or {}
    return [(chosen.get(entry.id, entry.keys).split(",")[0], entry.label) for entry in KEYS if entry.bar in shown]


def key_display(key: str) -> str:
    """Return a key as it is written on the screen: `^q`, `f1`, `esc`, `PgUp`."""
    *modifiers, name = key.split("+")
    shown = _SHORT.get(name, name)
    if modifiers == ["ctrl"]:
        return f"^{shown}"
    return "+".join((*modifiers, shown))


def check_keymap(keymap: Mapping[str, object]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the part of a person's keymap that holds, and by id a sentence for each entry that does not."""
    kept: dict[str, str] = {}
    problems: dict[str, str] = {}
    ids = {entry.id: entry for entry in KEYS}
    for name, value in keymap.items():
        entry = ids.get(name)
        keys = [key.strip().lower() for key in str(value).split(",")] if isinstance(value, str | int) else []
        problem = _problem_of(entry, keys) if entry else f"there is no key id {name[:60]!r}.{_nearest(name, ids)}"
        if problem:
            problems[name] = problem
        else:
            kept[name] = ",".join(keys)
    # one after another, as what is left out has its default key again
    while clash := _clash(kept):
        name, key, owner = clash
        problems[name] = f"{name!r} cannot have the key {key!r}, which {owner!r} has; change that one, too."
        del kept[name]
    return kept, problems


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean x?` for the known name most alike, empty when none is."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""


def _problem_of(entry: KeyAction, keys: Sequence[str]) -> str:
    if not keys:
        return f"the key of {entry.id!r} is no key name; write one such as f5 or ctrl+y."
    for key in keys:
        *modifiers, name = key.split("+")
        if not name or any(part not in _MODIFIERS for part in modifiers) or not _is_key(name):
            return f"{entry.id!r} has the key {key!r}, which no terminal sends.{_nearest_key(key)}"
        if key in _TAKEN_BY_PROMPT:
            return f"{entry.id!r} cannot have the key {key!r}, which {_TAKEN_BY_PROMPT[key]} in the input."
        if not modifiers and len(name) == 1 and entry.context == "workspace":
            return f"{entry.id!r} cannot have the key {key!r}, which is typed in the input; add ctrl or take an F key."
    return ""


def _clash(kept: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return the first changed id with a key that another has, that key and the other; None when there is none."""
    owners = {key: entry.id for entry in KEYS if entry.id not in kept for key in entry.keys.split(",")}
    for name, keys in kept.items():
        for key in keys.split(","):
            if owners.setdefault(key, name) != name:
                return name, key, owners[key]
    return None


def _nearest_key(key: str) -> str:
    """Return ` Did you mean x?` with each part of the key mended, empty when one is like nothing."""
    *modifiers, name = key.split("+")
    parts = [difflib.get_close_matches(part, _MODIFIERS, n=1, cutoff=0.5) for part in modifiers]
    parts.append([name] if _is_key(name) else difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.5))
    return f" Did you mean {'+'.join(part[0] for part in parts)!r}?" if all(parts) else ""


def _is_key(name: str) -> bool:
    return len(name) == 1 or name in _NAMES or name in KEY_NAME_REPLACEMENTS.values()


_NAMES: frozenset[str] = frozenset(key.value.split("+")[-1] for key in Keys if "<" not in key.value)


class KeyBar(Widget):
    """One row of keys. A click on an entry is the key itself."""

    DEFAULT_CSS = """
    KeyBar { height: 1; color: $text-muted; }
    """

    def __init__(self, entries: Sequence[tuple[str, str]] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._entries = tuple(entries)

    def set_entries(self, entries: Sequence[tuple[str, str]]) -> None:
        """Show these keys and labels."""
        if tuple(entries) != self._entries:
            self._entries = tuple(entries)
            self.refresh()

    def places(self) -> list[tuple[int, int, str, str]]:
        """Return start, end, key and text of each entry that fits whole."""
        places: list[tuple[int, int, str, str]] = []
        start = 1
        for key, label in self._entries:
            text = f"{key_display(key)} {label}"
            end = start + len(text)
            if end > self.size.width:
                break
            places.append((start, end, key, text))
            start = end + 2
        return places

    def render(self) -> Content:
        """Return the row: keys stand out, labels do not."""
        row = Content("")
        for start, _end, key, text in self.places():
            shown = Content(" " * (start - len(row.plain)) + text)
            at = len(shown.plain) - len(text)
            row += shown.stylize("bold $primary", at, at + len(key_display(key)))
        return row

    def on_click(self, event: events.Click) -> None:
        """Press the key whose entry was clicked."""
        for start, end, key, _text in self.places():
            if start <= event.x < end:
                event.stop()
                cast("Any", self).app.simulate_key(key)
