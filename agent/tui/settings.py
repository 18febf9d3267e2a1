"""The person's settings of the interface: one YAML file for all projects. What does not hold is told; the rest does."""

import difflib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

_MAX_BYTES = 64_000
_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


@dataclass(frozen=True)
class InterfaceSettings:
    """How the interface looks and sounds. Approval is never among these: it is chosen anew each time."""

    theme: str = ""
    """Name of the colours; empty = by the terminal."""
    bell: bool = True
    """Whether the terminal rings, and the desktop is told where the terminal can, when an approval waits or a job
    ends."""
    mouse: bool = True
    """Whether the screen takes clicks; off leaves the mouse to the terminal."""
    keymap: Mapping[str, str] = field(default_factory=dict[str, str])
    """Key of each binding id that the person changed."""


def settings_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the settings lie: $XDG_CONFIG_HOME/tailor/settings.yaml, or below ~/.config."""
    values = os.environ if environment is None else environment
    home = Path(values.get("HOME") or os.path.expanduser("~"))
    chosen = values.get("XDG_CONFIG_HOME", "")
    # the base directory standard says that a relative path is to be ignored
    folder = Path(chosen) if os.path.isabs(chosen) else home / ".config"
    return folder / "tailor" / "settings.yaml"


def load_settings(path: Path | None = None) -> tuple[InterfaceSettings, tuple[str, ...]]:
    """Return the settings of the file and a sentence for each thing in it that does not hold."""
    file = path or settings_path()
    try:
        if not file.is_file():
            return InterfaceSettings(), ()
        with file.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        return InterfaceSettings(), (f"{file} cannot be read: {error.strerror}.",)
    if len(raw) > _MAX_BYTES:
        return InterfaceSettings(), (f"{file} is larger than 64 kB, so it was not read.",)
    return _parse(raw, file)


def save_settings(values: Mapping[str, str | bool | Mapping[str, str]], path: Path | None = None) -> None:
    """Change these settings in the file, atomically; comments and other lines stay.

    Raises:
        OSError: the file cannot be written.
        ValueError: the file is no valid YAML mapping, so nothing was changed.
    """
    import io

    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from specs.atomic import write_bytes

    # a link, as programs that keep settings under version control make, stays a link
    file = (path or settings_path()).resolve()
    yaml = YAML()
    yaml.preserve_quotes = True
    try:
        loaded: Any = cast("Any", yaml).load(file.read_bytes()) if file.exists() else None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not valid YAML, so the setting was not saved.") from error
    tree: Any = {} if loaded is None else loaded
    if not isinstance(tree, dict):
        raise ValueError(f"{file} is no list of settings, so the setting was not saved.")
    for name, value in values.items():
        tree[name] = ("on" if value else "off") if isinstance(value, bool) else value
    stream = io.BytesIO()
    cast("Any", yaml).dump(tree, stream)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, stream.getvalue())


def _parse(raw: bytes, file: Path) -> tuple[InterfaceSettings, tuple[str, ...]]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        tree: Any = cast("Any", YAML()).load(raw)
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark: Any = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}," if mark is not None else ""
        return InterfaceSettings(), (f"{file}{place} is not valid YAML, so none of it holds.",)
    if tree is None:
        return InterfaceSettings(), ()
    if not isinstance(tree, dict):
        return InterfaceSettings(), (f"{file} must hold `name: value` lines, such as `bell: off`.",)
    return _check(cast("dict[object, object]", tree), file)


def _check(tree: dict[object, object], file: Path) -> tuple[InterfaceSettings, tuple[str, ...]]:
    settings = InterfaceSettings()
    problems: list[str] = []
    known = [entry.name for entry in fields(InterfaceSettings)]
    for key, value in tree.items():
        name = str(key)
        if name not in known:
            found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            nearest = f" Did you mean {found[0]!r}?" if found else f" There are {', '.join(known)}."
            problems.append(f"{file}{_line(tree, key)}: there is no setting {name[:60]!r}.{nearest}")
            continue
        read, told = _READERS[name](value)
        problems.extend(f"{file}{_line(value, at) or _line(tree, key)}: {problem}" for at, problem in told.items())
        if read is not None:
            settings = replace(settings, **{name: read})
    return settings, tuple(problems)


def _line(tree: object, key: object) -> str:
    with suppress(AttributeError, KeyError, TypeError, IndexError):
        return f", line {cast('Any', tree).lc.key(key)[0] + 1}"
    return ""


def _switch(name: str, value: object) -> tuple[bool | None, Mapping[str, str]]:
    read = _SWITCH.get(str(value).lower())
    return read, {} if read is not None else {"": f"{name} must be on or off, not {str(value)[:40]!r}."}


def _theme(value: object) -> tuple[str | None, Mapping[str, str]]:
    if isinstance(value, str) and value.strip():
        return value.strip(), {}
    return None, {"": "theme must be the name of a theme, such as `theme: tailor-light`."}


def _keymap(value: object) -> tuple[dict[str, str] | None, Mapping[str, str]]:
    if not isinstance(value, dict):
        return None, {"": "keymap must hold `id: key` lines, such as `jobs: f5`."}
    from agent.tui.keys import check_keymap

    tree = cast("dict[object, object]", value)
    return check_keymap({str(key): entry for key, entry in tree.items()})


_Reader = Callable[[object], tuple[object, Mapping[str, str]]]
"""Returns the value, None when it does not hold, and a sentence for each thing in it that does not, by its key."""
_READERS: Mapping[str, _Reader] = {
    "theme": _theme,
    "bell": lambda value: _switch("bell", value),
    "mouse": lambda value: _switch("mouse", value),
    "keymap": _keymap,
}
