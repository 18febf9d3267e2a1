import pytest
from textual.app import App, ComposeResult
from textual.events import Key
from textual.widgets import TextArea

from agent.tui.widgets.pasted import Pastes
from agent.tui.widgets.prompt_area import PromptArea
from agent.tui.widgets.spec_text import SpecText


class FieldApp(App[None]):
    """One text field."""

    def __init__(self, field: TextArea) -> None:
        super().__init__()
        self.field = field

    def compose(self) -> ComposeResult:
        yield self.field


def burst(app: App[None], *keys: str) -> None:
    """Let keys arrive all at once, as one read from a slow connection brings them."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else None))


FIELDS = [lambda: PromptArea("", Pastes()), lambda: SpecText("")]


@pytest.mark.parametrize("field", FIELDS, ids=["prompt", "spec"])
@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (("t", "e", "h", "backspace", "backspace", "h", "e"), "the"),
        (("a", "b", "ctrl+u", "c", "d"), "cd"),
        (("b", "home", "a", "end", "c"), "abc"),
        (("a", "c", "left", "b", "right", "d"), "abcd"),
    ],
    ids=str,
)
def test_keys_that_come_at_once_are_taken_in_their_order(field, keys, text, drive):
    area = field()
    app = FieldApp(area)

    async def script(pilot):
        area.focus()
        await pilot.pause()
        burst(app, *keys)
        await pilot.pause()
        await pilot.pause()
        assert area.text.rstrip("\n") == text

    drive(app, script)


class SeeingField(PromptArea):
    """A prompt that notes which keys it leaves to others."""

    def __init__(self) -> None:
        super().__init__("", Pastes())
        self.left: list[str] = []

    def key_f5(self) -> None:
        self.left.append("f5")


def test_key_without_a_binding_of_the_field_is_left_to_others(drive):
    area = SeeingField()
    app = FieldApp(area)

    async def script(pilot):
        area.focus()
        await pilot.press("f5")
        assert area.left == ["f5"]

    drive(app, script)
