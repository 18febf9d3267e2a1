"""The colours: one palette for dark terminals, one for light ones, and which fits the terminal at hand.

The palettes are calm: one blue leads, and green, amber and red are kept for states, which a word or a sign always tells
as well. Terminals with 16 colours get Textual's themes of the terminal's own colours.
"""

from collections.abc import Mapping

from textual.theme import BUILTIN_THEMES, Theme


def _cursor(foreground: str, background: str) -> dict[str, str]:
    """Return the colours of a chosen line: on a calm ground, since it holds muted words and words of every state."""
    return {
        "block-cursor-foreground": foreground,
        "block-cursor-background": background,
        "block-cursor-blurred-foreground": foreground,
        "block-cursor-blurred-background": background,
    }


DARK = Theme(
    name="tailor-dark",
    primary="#7ab8e8",
    secondary="#8fa7bd",
    accent="#c5a3e0",
    success="#86c795",
    warning="#e2b866",
    error="#f0908a",
    foreground="#dde1e4",
    background="#14171a",
    surface="#1a1e22",
    panel="#23292e",
    dark=True,
    variables=_cursor("#dde1e4", "#223344"),
)
LIGHT = Theme(
    name="tailor-light",
    primary="#1c5c94",
    secondary="#47596a",
    accent="#6f3f96",
    success="#1d6433",
    warning="#744c00",
    error="#a81f22",
    foreground="#1f2428",
    background="#f6f6f3",
    surface="#fdfdfb",
    panel="#e9ebea",
    dark=False,
    variables={**_cursor("#1f2428", "#dbe7f1"), "foreground-muted": "#5a6269", "markdown-h6-color": "#5a6269"},
)
THEMES = (DARK, LIGHT)
_LIGHT_BACKGROUNDS = frozenset({"7", "9", "10", "11", "12", "13", "14", "15"})


def theme_names() -> tuple[str, ...]:
    """Return the names a person can choose from, the own ones first."""
    return (*(theme.name for theme in THEMES), *sorted(BUILTIN_THEMES))


def choose_theme(settings_theme: str, environment: Mapping[str, str]) -> str:
    """Return the name of the theme to begin with.

    Args:
        settings_theme: what the person set; empty when it is left to the terminal. An unknown name counts as empty.
        environment: TERM and COLORTERM tell how many colours there are, COLORFGBG in some terminals the background.
    """
    if settings_theme in theme_names():
        return settings_theme
    is_light = environment.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT_BACKGROUNDS
    if _has_many_colours(environment):
        return LIGHT.name if is_light else DARK.name
    return "ansi-light" if is_light else "ansi-dark"


def _has_many_colours(environment: Mapping[str, str]) -> bool:
    if environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return True
    return environment.get("TERM", "").strip().lower().rpartition("-")[2] in ("256color", "kitty", "direct")
