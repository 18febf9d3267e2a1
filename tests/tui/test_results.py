import random
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot

from agent.tui.results_source import results_view
from agent.tui.screens.row import RowScreen
from agent.tui.viewmodels.results import ValueView
from agent.tui.viewmodels.rows import Column, RowCells, RowsFound, RowWhole
from agent.tui.widgets.long_text import LongText
from agent.tui.widgets.results_pane import ResultsPane
from agent.tui.widgets.results_text import bar, results_content
from agent.tui.widgets.rows_area import RowsArea, SearchField
from agent.tui.widgets.rows_table import PAGE, RowsTable, fitted
from specs.layout import ProjectLayout
from tests.fakes.pane_app import PaneApp, settled
from tests.fakes.recorded_project import record_measurement
from tools.client import Tailor

SIZES = ((80, 24), (140, 40))
LABELS = ["card_arrival", "lost_card", "exchange_rate", "top_up", "fees"] * 24
CHECKS = (
    {"name": "accuracy", "scorer": "exact_match", "threshold": 0.8},
    {"name": "balance", "scorer": "macro_f1", "threshold": 0.95},
)
REGRESSIONS = ({"name": "short", "scorer": "regex", "pattern": r"^\w+$", "max_drop": 0.02},)
HOSTILE = [
    "[", "[/x]", "[=1]", "[bold]x", "\x1b[2J\x1b[31mred", "\u202eevil\u200b", "你好世界", "👩\u200d👧 🎉",
    "x" * 100_000,
]  # fmt: skip


def project(root: Path, *, has_custom: bool = True, base_text: Callable[[int], str] = str) -> ProjectLayout:
    rng = random.Random(3)
    base = [want if rng.random() < 0.4 else rng.choice(LABELS) for want in LABELS]
    custom = [want if rng.random() < 0.86 else rng.choice(LABELS) for want in LABELS]
    if base_text is not str:
        base = [base_text(index) for index in range(len(LABELS))]
    made = record_measurement(root, LABELS, base, custom if has_custom else None, CHECKS, regressions=REGRESSIONS)
    return made.layout


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> ProjectLayout:
    return project(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def baseline(tmp_path_factory) -> ProjectLayout:
    return project(tmp_path_factory.mktemp("baseline"), has_custom=False)


class ResultsApp(PaneApp):
    def __init__(self, layout: ProjectLayout) -> None:
        super().__init__(lambda: ResultsPane(layout))

    @property
    def pane(self) -> ResultsPane:
        return self.screen.query_one(ResultsPane)


async def loaded(pilot: Pilot[None]) -> None:
    pilot.app.screen.query_one(ResultsPane).reload()
    await settled(pilot)


@pytest.mark.parametrize("size", SIZES)
def test_results_show_verdict_checks_and_rows_when_both_sides_were_measured(
    both, drive, screen_text, screen_snapshot, size
):
    app = ResultsApp(both)

    async def script(pilot):
        await loaded(pilot)
        assert screen_text(app) == screen_snapshot(name=f"both-{size[0]}")

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_results_show_the_base_model_alone_when_only_it_was_measured(
    baseline, drive, screen_text, screen_snapshot, size
):
    app = ResultsApp(baseline)

    async def script(pilot):
        await loaded(pilot)
        text = screen_text(app)
        assert "seedling alone: nothing was trained yet" in text
        assert "custom" not in text
        assert text == screen_snapshot(name=f"baseline-{size[0]}")

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_results_say_the_next_step_when_nothing_was_measured(tmp_path, drive, screen_text, screen_snapshot, size):
    app = ResultsApp(ProjectLayout(tmp_path))

    async def script(pilot):
        await loaded(pilot)
        text = screen_text(app)
        assert "tailor plan" in text
        assert not app.area.display or app.pane.has_class("-empty")
        assert text == screen_snapshot(name=f"empty-{size[0]}")

    drive(app, script, size)


def test_filters_show_as_many_rows_as_the_report_counts(both, drive):
    layout = both
    difference = Tailor(both.root).results()["checks"][0]["difference"]
    app = ResultsApp(layout)

    async def script(pilot):
        await loaded(pilot)
        totals = {}
        for key in "wbfa":
            app.area.table.focus()
            await pilot.press(key)
            await settled(pilot)
            totals[key] = app.area.table.total
            last = {row.cells[-1] for number in range(totals[key]) if (row := app.area.table.row(number))}
            wanted = {"w": {"▼ worse"}, "b": {"▲ better"}, "f": {"= wrong"}}.get(key, last)
            assert last == wanted
        assert (totals["w"], totals["b"]) == (difference["losses"], difference["wins"])
        assert totals["a"] == len(LABELS)
        assert 0 < totals["f"] < difference["ties"]

    drive(app, script)


def test_filters_that_compare_do_nothing_when_there_is_one_side(baseline, drive):
    app = ResultsApp(baseline)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("w")
        await settled(pilot)
        assert (app.area.choice, app.area.table.total) == ("all", len(LABELS))
        await pilot.press("f")
        await settled(pilot)
        assert app.area.choice == "wrong"
        assert 0 < app.area.table.total < len(LABELS)

    drive(app, script)


def test_row_is_not_opened_when_its_rows_are_being_replaced(both, drive):
    app = ResultsApp(both)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("end")
        app.area.table.action_open()
        app.pane.action_choose("wrong")
        await settled(pilot)
        assert not isinstance(app.screen, RowScreen)
        assert app.area.choice == "wrong"
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, RowScreen)

    drive(app, script)


@pytest.mark.parametrize("size", SIZES)
def test_rows_are_searched_and_reached_by_key_when_the_summary_has_the_keys(both, drive, screen_text, size):
    app = ResultsApp(both)

    async def script(pilot):
        await loaded(pilot)
        app.screen.query_one("#results-summary").focus()
        await pilot.press("s", *"question 11")
        await pilot.pause()
        assert app.screen.query_one(SearchField).has_focus
        assert "question 11" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert app.area.table.total == 11
        app.screen.query_one("#results-summary").focus()
        await pilot.press("enter")
        assert app.area.table.has_focus
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, RowScreen)

    drive(app, script, size)


def test_search_shows_the_rows_that_hold_the_text_and_esc_shows_all(both, drive, screen_text):
    app = ResultsApp(both)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("s")
        await pilot.press(*"wabf 11", "enter")
        await settled(pilot)
        assert (app.area.choice, app.area.contains, app.area.table.total) == ("all", "wabf 11", 0)
        await pilot.press("s")
        app.screen.query_one(SearchField).value = "QUESTION 11"
        await pilot.press("enter")
        await settled(pilot)
        assert app.area.table.total == 11
        assert "11 found in ▸all 120" in screen_text(app)
        await pilot.press("s", "escape")
        await settled(pilot)
        assert (app.area.table.total, app.area.table.has_focus) == (len(LABELS), True)

    drive(app, script)


@pytest.mark.parametrize("size", SIZES)
def test_enter_shows_a_row_whole_and_n_the_next(both, drive, screen_text, screen_snapshot, size):
    app = ResultsApp(both)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("down", "enter")
        await settled(pilot)
        assert isinstance(app.screen, RowScreen)
        assert screen_text(app) == screen_snapshot(name=f"row-{size[0]}")
        await pilot.press("n")
        await settled(pilot)
        assert "Row 3 ·" in screen_text(app)
        await pilot.press("escape")
        assert app.area.table.cursor == 2

    drive(app, script, size)


def test_rows_of_others_draw_nothing_of_their_own(tmp_path, drive, screen_text):
    layout = project(tmp_path, base_text=lambda index: HOSTILE[index % len(HOSTILE)])
    app = ResultsApp(layout)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        for index in range(len(HOSTILE)):
            app.area.table.go_to(index)
            await pilot.press("enter")
            await settled(pilot)
            assert isinstance(app.screen, RowScreen)
            text = screen_text(app)
            assert not set(text) & set("\x1b\u202e\u200b\u200d")
            assert all(len(line) <= 140 for line in text.splitlines())
            await pilot.press("escape")
        text = screen_text(app)
        for shown in ("[/x]", "[=1]", "[bold]x", "\\x1b[2J", "\\u202eevil", "你好世界"):
            assert shown in text

    drive(app, script, (140, 40))


def test_reload_keeps_the_place_when_the_measurement_is_the_same(both, drive):
    app = ResultsApp(both)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("b")
        await settled(pilot)
        await pilot.press("down", "down")
        await loaded(pilot)
        assert (app.area.choice, app.area.table.cursor) == ("better", 2)

    drive(app, script)


def test_results_say_why_when_the_answers_are_gone(tmp_path, drive, screen_text):
    layout = project(tmp_path)
    layout.run("r3").generations_path.unlink()
    app = ResultsApp(layout)

    async def script(pilot):
        await loaded(pilot)
        text = screen_text(app)
        assert "accuracy" in text
        assert "cannot be read" in text

    drive(app, script)


def test_summary_names_everything_the_report_found(both):
    layout = both
    results = {**Tailor(layout.root).results(), "health": ["The loss rose."], "endpoint": "http://127.0.0.1:9/v1"}
    for width in (40, 76, 136):
        text = results_content(results_view(results), width).plain
        assert text.startswith(("✓ ", "✗ "))
        for part in ("accuracy", "balance", "short", "! The loss rose.", "Worst labels", "→", "http://127.0.0.1:9/v1"):
            assert part in text
        assert "luck alone would do it" in text
        assert "points (" in text


@pytest.mark.parametrize(
    ("value", "threshold", "drawn"),
    [
        ((0.5, 0.4, 0.6), 0.8, "████▒█▒·┃·"),
        ((0.0, 0.0, 0.2), 0.8, "▒▒▒·····┃·"),
        ((1.0, 0.9, 1.0), None, "██████████"),
        ((0.0, 0.0, 0.0), None, "··········"),
        ((1.0, 1.0, 1.0), 1.0, "█████████┃"),
    ],
)
def test_bar_shows_value_interval_and_threshold(value, threshold, drawn: str):
    assert bar(ValueView("", *value), threshold, 10) == drawn


class ManyRows:
    """Rows made up as they are asked for."""

    def __init__(self, total: int, text: str = "a\n" * 5) -> None:
        self.total = total
        self.text = text
        self.asked: list[tuple[int, int]] = []

    def page(self, choice: str, contains: str, offset: int, limit: int) -> RowsFound:
        self.asked.append((offset, limit))
        numbers = range(offset, min(self.total, offset + limit))
        return RowsFound(tuple(RowCells((str(number), f"row {number}")) for number in numbers), self.total, ())

    def whole(self, choice: str, contains: str, index: int) -> RowWhole:
        return RowWhole(f"Row {index}", (("text", self.text),))


class TableApp(App[None]):
    def compose(self):
        yield RowsArea((Column("#", 0, 8), Column("text", 1, 10)))


def test_table_keeps_and_reads_only_what_is_near_the_screen_when_there_are_100000_rows(drive, screen_text):
    source = ManyRows(100_000)
    app = TableApp()

    async def script(pilot):
        area = app.query_one(RowsArea)
        area.show(source, "all")
        area.table.focus()
        await settled(pilot)
        await pilot.press("G")
        await settled(pilot)
        assert "row 99999" in screen_text(app)
        for index in range(0, 100_000, 4_999):
            area.table.go_to(index)
            await settled(pilot)
            assert f" row {index} " in screen_text(app).replace("\n", " ")
        assert max(limit for _, limit in source.asked) <= 2 * PAGE
        assert sum(area.table.row(number) is not None for number in range(0, 100_000, PAGE)) * PAGE <= 20 * PAGE
        await pilot.press("g")
        await settled(pilot)
        assert (area.table.cursor, area.table.scroll_offset.y) == (0, 0)
        await pilot.press("pagedown", "j", "k", "pageup")
        assert area.table.cursor == 0

    drive(app, script)


@pytest.mark.parametrize("width", [20, 30, 41, 60, 80, 140])
def test_columns_fill_the_table_and_stay_within_it(drive, screen_text, width: int):
    columns = (Column("number", 0, 6), Column("left", 3, 10), Column("right", 1, 9), Column("end", 0, 3))

    class Narrow(App[None]):
        def compose(self):
            yield RowsTable(columns)

    app = Narrow()

    async def script(pilot):
        table = app.query_one(RowsTable)
        table.begin(1)
        table.put(0, (RowCells(("1", "left " * 40, "right " * 40, "end")),))
        await pilot.pause()
        line = table.render_line(1).text
        assert len(line) == width - 1
        assert line.endswith("  end")

    drive(app, script, (width, 10))


def test_table_opens_a_row_when_it_is_clicked_twice(drive):
    app = TableApp()

    async def script(pilot):
        area = app.query_one(RowsArea)
        area.show(ManyRows(30), "all")
        await settled(pilot)
        await pilot.click(RowsTable, offset=(3, 5))
        assert area.table.cursor == 4
        await pilot.click(RowsTable, offset=(3, 5))
        await settled(pilot)
        assert isinstance(app.screen, RowScreen)

    drive(app, script)


@pytest.mark.parametrize(
    ("text", "last"),
    [("line\n" * 50_000 + "the end", "the end"), ("x" * 99_999 + "z", "xz"), ("你" * 20_000 + "好", "你好")],
    ids=["lines", "one line", "wide"],
)
def test_a_very_long_row_is_wrapped_whole_and_scrolls_to_its_end(drive, screen_text, text: str, last: str):
    app = TableApp()

    async def script(pilot):
        app.query_one(RowsArea).show(ManyRows(1, text), "all")
        app.query_one(RowsTable).focus()
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert text[:4] in screen_text(app)
        body = app.screen.query_one(LongText)
        body.scroll_end(animate=False)
        await pilot.pause()
        assert last in screen_text(app)
        drawn = [body.render_line(y).cell_length for y in range(body.size.height)]
        assert set(drawn) == {body.scrollable_content_region.width}
        await pilot.press("k", "escape")
        assert not isinstance(app.screen, RowScreen)

    drive(app, script)


def test_cells_are_cut_by_their_width_on_the_screen():
    assert fitted("你好世界", 5) == "你好…"
    assert fitted("ab", 4) == "ab  "
    assert fitted("abcdef", 3) == "ab…"
    assert fitted("abc", 0) == ""
