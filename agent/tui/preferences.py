"""What the person changes of the interface while it runs: colours, mouse, bell. Remembered in their settings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.tui.settings import save_settings
from agent.tui.theme import theme_names

if TYPE_CHECKING:
    from agent.tui.app import TailorApp


class Preferences:
    """The preferences of one app."""

    def __init__(self, app: "TailorApp") -> None:
        self._app = app

    def apply(self) -> None:
        """Let the settings hold that need a terminal."""
        if not self._app.settings.mouse:
            self._use_mouse(False)

    def use_theme(self, name: str) -> None:
        """Change the colours; without a name to the next ones."""
        names = theme_names()
        if name and name not in names:
            self._app.tell(f"There is no theme {name[:40]}.", f"There are {', '.join(names)}.", is_error=True)
            return
        now = names.index(self._app.theme) if self._app.theme in names else -1
        chosen = name or names[(now + 1) % len(names)]
        self._app.theme = chosen
        self._remember({"theme": chosen})
        self._app.tell(f"The colours are {chosen}.")

    def set_switch(self, name: str, is_on: bool | None) -> None:
        """Turn `mouse` or `bell` on or off, the other way round without a value."""
        settings = self._app.settings
        value = not getattr(settings, name) if is_on is None else is_on
        self._app.settings = replace(settings, **{name: value})
        if name == "mouse":
            self._use_mouse(value)
        else:
            self._app.attention.turn(is_on=value)
        self._remember({name: value})
        self._app.tell(f"The {name} is {'on' if value else 'off'}.")

    def _use_mouse(self, is_on: bool) -> None:
        # a driver without a terminal has no mouse to turn
        driver: Any = getattr(self._app, "_driver", None)
        turn: Any = getattr(driver, "_enable_mouse_support" if is_on else "_disable_mouse_support", None)
        if turn is not None:
            turn()

    def _remember(self, values: Mapping[str, str | bool]) -> None:
        def save() -> None:
            try:
                save_settings(values)
            except (OSError, ValueError) as error:
                self._app.call_from_thread(self._app.tell, "The setting holds until you leave.", str(error))

        self._app.run_worker(save, thread=True, group="settings")
