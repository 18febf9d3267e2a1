import csv
import json
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.tui.data_source import DatasetRowSource
from agent.tui.screens.row import RowScreen
from agent.tui.viewmodels.data import DataView, LabelCount
from agent.tui.widgets.data_pane import DataPane
from agent.tui.widgets.data_text import data_content
from specs.layout import ProjectLayout
from tests.fakes.pane_app import PaneApp, settled
from tests.fakes.planned_project import project_with_spec
from tools.client import Tailor
from tools.errors import ToolError
from tools.status import data_quality

SIZES = ((80, 24), (140, 40))
HOSTILE = ("[", "[/x]", "[=1]", "[bold]x", "\x1b[2J\x1b[31mred", "\u202eevil\u200b", "你好世界", "👩\u200d👧 🎉")


def prepared(root: Path, extra: tuple[str, ...] = ()) -> Tailor:
    tailor = project_with_spec(root)
    if extra:
        path = root / "data" / "train.csv"
        with path.open("a", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows((text, "card_arrival") for text in extra)
    plan = tailor.plan()
    for _ in tailor.run(plan, tailor.approve(plan, ["prepare_data"]), only=["prepare_data"]):
        pass
    return tailor


@pytest.fixture(scope="module")
def tailor(tmp_path_factory) -> Tailor:
    return prepared(tmp_path_factory.mktemp("data") / "project")


def data_app(layout: ProjectLayout) -> PaneApp:
    return PaneApp(lambda: DataPane(layout))


async def loaded(pilot: Pilot[None]) -> None:
    pilot.app.screen.query_one(DataPane).reload()
    await settled(pilot)


@pytest.mark.parametrize("size", SIZES)
def test_data_shows_the_report_and_the_rows(tailor, drive, screen_text, screen_snapshot, size):
    app = data_app(tailor.layout)

    async def script(pilot):
        await loaded(pilot)
        text = screen_text(app)
        version = data_quality(tailor.layout).version[:12]
        assert version in text
        for part in ("80 training", "24 test", "! Only 80 training rows", "data/train.csv:2", "▸training 80"):
            assert part in text
        assert text.replace(version, "v" * 12) == screen_snapshot(name=f"data-{size[0]}")

    drive(app, script, size)


@pytest.mark.parametrize("size", SIZES)
def test_data_says_the_next_step_when_none_was_prepared(tmp_path, drive, screen_text, screen_snapshot, size):
    app = data_app(ProjectLayout(tmp_path))

    async def script(pilot):
        await loaded(pilot)
        text = screen_text(app)
        assert "No data was prepared in this project yet." in text
        assert "--approve prepare_data" in text
        assert text == screen_snapshot(name=f"empty-{size[0]}")

    drive(app, script, size)


def test_keys_switch_between_training_validation_and_test_rows(tailor, drive, screen_text):
    app = data_app(tailor.layout)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        seen = []
        for key in ("3", "2", "1", "left", "right", "right"):
            await pilot.press(key)
            await settled(pilot)
            seen.append((app.area.choice, app.area.table.total))
        assert seen == [
            ("test", 24), ("validation", 0), ("train", 80), ("test", 24), ("train", 80), ("validation", 0),
        ]  # fmt: skip
        await pilot.press("3")
        await settled(pilot)
        assert "data/test.csv:2" in screen_text(app)

    drive(app, script)


def test_search_and_enter_show_one_row_whole_with_its_source(tailor, drive, screen_text):
    app = data_app(tailor.layout)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("s", *"MESSAGE", "space", *"12", "enter")
        await settled(pilot)
        assert (app.area.contains, app.area.table.total) == ("MESSAGE 12", 1)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, RowScreen)
        text = screen_text(app)
        for part in ("Row 13 · training · data/train.csv:14", "train message 12 about card arrival", "card_arrival"):
            assert part in text

    drive(app, script)


def test_rows_of_others_draw_nothing_of_their_own(tmp_path, drive, screen_text):
    long = "word " * 20_000
    app = data_app(prepared(tmp_path / "project", (*HOSTILE, long)).layout)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("G")
        await settled(pilot)
        text = screen_text(app)
        assert not set(text) & set("\x1b\u202e\u200b\u200d")
        for shown in ("[/x]", "[=1]", "[bold]x", "\\x1b[2J", "\\u202eevil\\u200b", "你好世界"):
            assert shown in text
        for index in range(80, app.area.table.total):
            app.area.table.go_to(index)
            await pilot.press("enter")
            await settled(pilot)
            assert isinstance(app.screen, RowScreen)
            assert not set(screen_text(app)) & set("\x1b\u202e\u200b\u200d")
            await pilot.press("escape")

    drive(app, script, (140, 40))


def test_reload_keeps_the_place_when_the_version_is_the_same(tailor, drive):
    app = data_app(tailor.layout)

    async def script(pilot):
        await loaded(pilot)
        app.area.table.focus()
        await pilot.press("3")
        await settled(pilot)
        await pilot.press("down", "down")
        await loaded(pilot)
        assert (app.area.choice, app.area.table.cursor) == ("test", 2)

    drive(app, script)


def test_rows_say_why_when_they_cannot_be_read(tmp_path, drive, screen_text):
    tailor = prepared(tmp_path / "project")
    (Path(tailor.layout.datasets_dir) / "intents" / data_quality(tailor.layout).version / "test.jsonl").unlink()
    app = data_app(tailor.layout)

    async def script(pilot):
        await loaded(pilot)
        text = screen_text(app)
        assert "80 training" in text
        assert "test.jsonlcannotberead" in "".join(text.split())

    drive(app, script, (140, 40))


def write_rows(folder: Path, total: int) -> None:
    for name, number in (("train", total), ("validation", 0), ("test", 1)):
        rows = (
            {
                "id": f"{index:016x}",
                "prompt": [{"role": "user", "content": f"question {index}"}],
                "completion": [{"role": "assistant", "content": "yes"}],
                "source": f"data/train.csv:{index + 2}",
            }
            for index in range(number)
        )
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_source_reads_only_the_rows_of_the_page_when_there_are_100000(tmp_path, monkeypatch):
    from specs.run import DatasetRow

    write_rows(tmp_path, 100_000)
    source = DatasetRowSource(str(tmp_path))
    assert source.page("train", "", 0, 1).counts == (
        ("train", "training", 100_000), ("validation", "validation", 0), ("test", "test", 1)
    )  # fmt: skip
    parsed = []
    monkeypatch.setattr(
        DatasetRow, "model_validate_json", classmethod(lambda cls, line: parsed.append(line) or cls(**json.loads(line)))
    )
    page = source.page("train", "", 99_950, 100)
    assert [row.cells[0] for row in page.rows] == [f"{number:,}" for number in range(99_951, 100_001)]
    assert len(parsed) == 50


def test_source_names_the_line_when_a_row_is_damaged(tmp_path):
    write_rows(tmp_path, 3)
    path = tmp_path / "train.jsonl"
    path.write_text(path.read_text().replace('"id"', '"ID"', 1))
    source = DatasetRowSource(str(tmp_path))
    with pytest.raises(ToolError, match=r"train.jsonl:1 is damaged") as caught:
        source.page("train", "", 0, 10)
    assert "prepare_data" in caught.value.hint


def test_report_names_the_largest_and_the_smallest_labels_when_there_are_many():
    labels = tuple(LabelCount(f"label {number}", 20 - number, 1 - number / 20) for number in range(12))
    view = DataView(
        "bank, version v", (("training", 900), ("validation", 1), ("test", 0)), (("Read", "901 rows"), ("", "(so)")),
        labels, 77, ("Few rows.",), ("A note.",), ("data/a.csv:3 refused: empty",), "/nowhere",
    )  # fmt: skip
    for width in (40, 76, 136):
        text = data_content(view, width).plain
        for part in ("! Few rows.", "· A note.", "data/a.csv:3 refused", "… 65 more labels in between", "label 11"):
            assert part in text
        bar = text.splitlines()[2]
        assert ("▒" in bar, "░" in bar) == (True, False)
