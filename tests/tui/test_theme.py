from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.widgets import Static

from agent.tui.theme import THEMES, choose_theme, theme_names

TEXTS = (
    "text", "text-muted", "foreground", "foreground-muted",
    "primary", "secondary", "accent", "success", "warning", "error",
    "text-primary", "text-secondary", "text-accent", "text-success", "text-warning", "text-error",
    "markdown-h1-color", "markdown-h6-color", "footer-key-foreground", "footer-foreground",
)  # fmt: skip
GROUNDS = ("background", "surface", "panel", "block-cursor-background", "block-cursor-blurred-background")
ROOT = Path(__file__).resolve().parents[2]


def shown(value: str, ground: Color) -> Color:
    """Return what a colour of a theme looks like on a ground, `auto 60%` and transparency resolved."""
    if value.startswith("auto"):
        return ground + ground.get_contrast_text(float(value.split()[1].rstrip("%")) / 100)
    return ground + Color.parse(value)


def luminance(colour: Color) -> float:
    parts = [part / 255 for part in colour.rgb]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Color, other: Color) -> float:
    """Return the contrast ratio of the Web Content Accessibility Guidelines, 1 to 21."""
    dim, bright = sorted((luminance(one), luminance(other)))
    return round((bright + 0.05) / (dim + 0.05), 2)


def test_contrast_is_that_of_the_guidelines():
    assert contrast(Color.parse("#000"), Color.parse("#fff")) == 21
    assert contrast(Color.parse("#767676"), Color.parse("#fff")) == 4.54


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("ground_name", GROUNDS)
def test_theme_text_has_contrast_on_every_ground(theme, ground_name: str):
    colours = theme.to_color_system().generate()
    ground = Color.parse(colours[ground_name])
    ratios = {name: contrast(shown(colours[name], ground), ground) for name in TEXTS}
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("block", ["primary", "success", "warning", "error", "accent", "block-cursor-background"])
def test_theme_text_has_contrast_on_coloured_blocks(theme, block: str):
    colours = theme.to_color_system().generate()
    ground = Color.parse(colours[block])
    assert contrast(shown(colours["text"], ground), ground) >= 4.5


@pytest.mark.parametrize(
    ("setting", "environment", "name"),
    [
        ("", {"COLORTERM": "truecolor"}, "tailor-dark"),
        ("", {"TERM": "xterm-256color"}, "tailor-dark"),
        ("", {"TERM": "xterm-256color", "COLORFGBG": "0;15"}, "tailor-light"),
        ("", {"TERM": "xterm-256color", "COLORFGBG": "0;default;15"}, "tailor-light"),
        ("", {"TERM": "xterm-256color", "COLORFGBG": "15;0"}, "tailor-dark"),
        ("", {"TERM": "xterm-256color", "COLORFGBG": "nonsense"}, "tailor-dark"),
        ("", {"TERM": "linux"}, "ansi-dark"),
        ("", {"TERM": "xterm", "COLORFGBG": "0;7"}, "ansi-light"),
        ("", {}, "ansi-dark"),
        ("nord", {"TERM": "linux"}, "nord"),
        ("tailor-light", {"COLORTERM": "truecolor", "COLORFGBG": "15;0"}, "tailor-light"),
        ("no-such-theme", {"COLORTERM": "24bit"}, "tailor-dark"),
    ],
)
def test_choose_theme_follows_the_person_then_the_terminal(setting: str, environment: dict[str, str], name: str):
    assert choose_theme(setting, environment) == name


class Themed(App[None]):
    def __init__(self, name: str) -> None:
        super().__init__()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = name

    def compose(self) -> ComposeResult:
        yield Static("words", markup=False)


@pytest.mark.parametrize("name", theme_names())
def test_every_named_theme_can_be_worn(name: str, drive):
    app = Themed(name)

    async def script(_pilot) -> None:
        assert app.current_theme.name == name

    drive(app, script)
