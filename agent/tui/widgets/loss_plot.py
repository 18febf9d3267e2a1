"""The loss curve: training and validation over steps, in cells."""

import locale
import math
import os
import time
from collections.abc import Callable
from typing import Any, ClassVar, cast

from rich.segment import Segment
from textual import work
from textual.app import App, RenderResult
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from agent.tui.viewmodels.run import Curve

MIN_ROWS = 10
"""With fewer rows a curve says nothing; then one row of bars is drawn."""
_LEGEND_COLUMNS = 90
_EVERY_S = 0.2
_Row = list[tuple[str, str]]


def lacks_braille() -> bool:
    """Return whether the terminal is not known to draw braille: no UTF-8, or the console of Linux itself."""
    encoding = locale.getpreferredencoding(False).lower().replace("-", "")
    return encoding != "utf8" or os.environ.get("TERM", "") in ("linux", "dumb")


class LossPlot(Widget):
    """Draws two curves, at most five times a second.

    Args:
        ascii_only: whether to draw with ASCII characters; None finds out from the terminal and NO_COLOR.
        clock: seconds that only ever grow.
        id: of the widget.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"loss-plot--train", "loss-plot--eval", "loss-plot--axis"}
    DEFAULT_CSS = """
    LossPlot { height: 1fr; min-height: 1; }
    LossPlot .loss-plot--train { color: $primary; }
    LossPlot .loss-plot--eval { color: $warning; text-style: bold; }
    LossPlot .loss-plot--axis { color: $text-muted; }
    """

    class Loaded(Message):
        """The drawing library is there."""

    def __init__(
        self,
        *,
        ascii_only: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._ascii_wanted = ascii_only
        self._clock = clock
        self._train, self._evals = Curve(), Curve()
        self._is_log = False
        self._is_loaded = False
        self._is_loading = False
        self._drawn_at = -math.inf
        self._timer: Timer | None = None
        self._rows: list[_Row] = []

    @property
    def ascii_only(self) -> bool:
        """Whether the curve is drawn with ASCII characters."""
        if self._ascii_wanted is not None:
            return self._ascii_wanted
        return cast("App[Any]", self.app).no_color or lacks_braille()

    def text_rows(self) -> list[str]:
        """Return what is drawn, without colours."""
        return ["".join(text for text, _ in row) for row in self._rows]

    def show(self, train: Curve, evals: Curve) -> None:
        """Draw curves in place of those shown."""
        if train == self._train and evals == self._evals and self._rows:
            return
        self._train, self._evals = train, evals
        self._draw_soon()

    def toggle_log(self) -> bool:
        """Change between linear and logarithmic scale; return whether it is logarithmic now."""
        self._is_log = not self._is_log
        self._draw()
        return self._is_log

    def on_resize(self, event: Resize) -> None:
        """Draw for the new size."""
        self._draw_soon()

    def on_loss_plot_loaded(self, message: Loaded) -> None:
        """Draw what has waited for the library."""
        message.stop()
        self._is_loaded = True
        self._draw()

    def render(self) -> RenderResult:
        """Nothing: the rows are drawn line by line."""
        return ""

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        base = self.rich_style
        if y >= len(self._rows):
            return Strip.blank(self.size.width, base)
        segments = [
            Segment(text, self.get_component_rich_style(f"loss-plot--{role}") if role else base)
            for text, role in self._rows[y]
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _draw_soon(self) -> None:
        wait_s = self._drawn_at + _EVERY_S - self._clock()
        if wait_s <= 0:
            self._draw()
        elif self._timer is None:
            self._timer = self.set_timer(wait_s, self._draw)

    def _draw(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if not self.size:
            return
        if not self._is_loaded:
            if not self._is_loading:
                self._is_loading = True
                self._load()
            return
        self._drawn_at = self._clock()
        self._rows = self._drawn(self.size)
        self.refresh()

    def _drawn(self, size: Size) -> list[_Row]:
        from agent.tui.loss_chart import ChartStyle, draw, sparkline

        train, evals = self._train.points, self._evals.points
        if not train and not evals:
            return [[("The curve begins with the first step.", "axis")]]
        if size.height < MIN_ROWS:
            name, last = "loss ", f" {(train or evals)[-1][1]:.2f}"
            line = sparkline(train or evals, size.width - len(name) - len(last), ascii_only=self.ascii_only)
            return [[(name, "axis"), (line, "train"), (last, "")]]
        legend = [self._legend()] if size.width >= _LEGEND_COLUMNS or self._is_log else []
        style = ChartStyle(self._is_log, self.ascii_only)
        rows = draw(train, evals, size.width, size.height - len(legend), style)
        if not rows:
            return [[("No loss is above zero: press s for the linear scale.", "axis")]]
        return [*legend, *([*row] for row in rows)]

    def _legend(self) -> _Row:
        marks = ("...", "o") if self.ascii_only else ("⠤⠤", "•")
        scale = "loss, logarithmic" if self._is_log else "loss"
        return [
            (f"    {scale}   ", "axis"),
            (f"{marks[0]} train", "train"),
            ("   ", ""),
            *([(f"{marks[1]} eval", "eval")] if self._evals.points else []),
        ]

    @work(thread=True, group="load")
    def _load(self) -> None:
        from agent.tui.loss_chart import load

        load()
        self.post_message(self.Loaded())
