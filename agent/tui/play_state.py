"""How the playground stands: who answers on which side, how, whether names are hidden, the vote. Draws nothing."""

import random
import time
from typing import Literal

from agent.tui.play_source import Exchange
from agent.tui.viewmodels.play import Setting, SideState, SideView
from tools.escape import one_line

Letter = Literal["A", "B"]
LETTERS: tuple[Letter, Letter] = ("A", "B")
_MAX_TEMPERATURE = 2.0
_MAX_SEED = 2**31 - 1
_BAD_SETTING = "Give a temperature from 0 to 2 and, if you like, a whole number as the seed, as: 0.7 7"


class PlayState:
    """The state of one playground.

    Args:
        rng: shuffles the sides of blind comparisons.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.models: tuple[str, ...] = ()
        self.exchange: Exchange | None = None
        self.is_blind = False
        self._second = 1
        self._settings: dict[str, Setting] = {}

    def serve(self, models: tuple[str, ...]) -> None:
        """Take the models that can be asked, the base first; the latest custom model comes second."""
        if models != self.models:
            self.models = models
            self._second = len(models) - 1

    @property
    def pair(self) -> tuple[str, ...]:
        """Return the one or two models that are asked, the base first."""
        return (self.models[0], self.models[self._second]) if len(self.models) > 1 else self.models

    @property
    def is_asking(self) -> bool:
        """Whether answers are on their way."""
        return self.exchange is not None and not self.exchange.is_over

    @property
    def is_hidden(self) -> bool:
        """Whether the names on the screen are hidden now."""
        if self.exchange is None:
            return self.is_blind and len(self.pair) > 1
        return self.exchange.is_blind and self.exchange.better is None

    @property
    def can_vote(self) -> bool:
        """Whether there are two whole answers to choose from."""
        return self.exchange is not None and len(self.exchange.models) > 1 and self.exchange.is_answered

    def start(self, prompt: str) -> Exchange:
        """Begin a new exchange; blind ones stand in an order nobody knows."""
        order = list(self.pair)
        is_blind = self.is_blind and len(order) > 1
        if is_blind:
            self._rng.shuffle(order)
        settings = {model: self.setting(model) for model in order}
        self.exchange = Exchange(prompt, tuple(order), settings, is_blind=is_blind)
        return self.exchange

    def toggle_blind(self) -> None:
        """Hide names from the next prompt on, or show them at once."""
        self.is_blind = not self.is_blind
        if not self.is_blind and self.exchange is not None and self.exchange.better is None:
            self.exchange.is_blind = False

    def next_model(self) -> None:
        """Put the next served model on the second side."""
        if len(self.models) > 2:
            self._second = self._second % (len(self.models) - 1) + 1
            self.exchange = None

    def setting(self, model: str) -> Setting:
        """Return how a model's answers are chosen."""
        return self._settings.get(model, Setting())

    def model_of(self, letter: Letter) -> str | None:
        """Return who stands on a side, None while that is hidden or there is nobody."""
        models = self.exchange.models if self.exchange is not None else self.pair
        index = LETTERS.index(letter)
        return models[index] if index < len(models) and not self.is_hidden else None

    def change(self, setting: Setting, letter: Letter | None) -> None:
        """Set the settings of a side, or of both, for the next prompt."""
        model = self.model_of(letter) if letter is not None else None
        for each in self.pair if model is None else (model,):
            self._settings[each] = setting

    def same(self, letter: Letter) -> Setting:
        """Give both sides the settings of one; return them."""
        setting = self.setting(self.model_of(letter) or self.pair[0])
        self.change(setting, None)
        return setting

    def sides(self) -> tuple[SideView, ...]:
        """Return both sides as they stand."""
        models = self.exchange.models if self.exchange is not None else self.pair
        return tuple(self._side(letter, model) for letter, model in zip(LETTERS, models, strict=False))

    def _side(self, letter: Letter, model: str) -> SideView:
        exchange = self.exchange
        setting = (exchange.settings[model] if exchange is not None else self.setting(model)).words
        name = "" if self.is_hidden else one_line(model, 60)
        shown = "" if self.is_hidden else setting
        if exchange is None:
            return SideView(letter, name, "", "idle", ("", shown))
        said = exchange.said.get(model)
        text = exchange.text(model) if said is None else said.text or "(nothing)"
        state = _state(exchange, model)
        figures = said.figures if said is not None else _progress(exchange, state)
        if said is not None and self.is_hidden:
            figures = "figures after your vote" if exchange.is_over else "done"
        return SideView(letter, name, text, state, (figures, shown), _mark(exchange, letter))


def parse_setting(text: str, default: Setting) -> Setting:
    """Return what was typed as temperature and seed. Raises ValueError with a sentence."""
    temperature, _, seed = text.strip().replace(",", ".").partition(" ")
    try:
        setting = Setting(float(temperature), int(seed) if seed.strip() else default.seed)
    except ValueError as error:
        raise ValueError(_BAD_SETTING) from error
    if not (0 <= setting.temperature <= _MAX_TEMPERATURE and 0 <= setting.seed <= _MAX_SEED):
        raise ValueError(_BAD_SETTING)
    return setting


def _state(exchange: Exchange, model: str) -> SideState:
    if model in exchange.said:
        return "done"
    if not exchange.is_over:
        return "asking"
    return "failed" if exchange.problem else "stopped"


def _progress(exchange: Exchange, state: SideState) -> str:
    if state == "asking":
        return f"answering, {time.monotonic() - exchange.begun:.0f} s"
    return "stopped before its end" if state == "stopped" else "broke off"


def _mark(exchange: Exchange, letter: Letter) -> str:
    if exchange.better is None:
        return ""
    if exchange.better == 0:
        return "tie"
    return "better" if LETTERS[exchange.better - 1] == letter else ""
