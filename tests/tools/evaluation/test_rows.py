from pathlib import Path

import pytest

from tests.fakes.measured_project import MeasuredProject
from tests.fakes.recorded_project import record_measurement
from tools.client import Tailor
from tools.errors import ToolError, UsageError
from tools.evaluation.report import read_report
from tools.evaluation.rows import ROW_FILTERS, MeasuredRows, compared_rows

WANTED = ["card", "loan", "cash", "fees"] * 10
BASE = [*WANTED[:12], *["card"] * 28]
CUSTOM = ["loan", "loan", *WANTED[2:36], *["cash"] * 4]
HOSTILE = "[bold]\x1b[31m\u202eevil\nsecond line"
CHECKS = (
    {"name": "accuracy", "scorer": "exact_match", "threshold": 0.75},
    {"name": "word", "scorer": "regex", "pattern": r"^\w+$", "threshold": 0.5},
)


@pytest.fixture
def measured(tmp_path: Path) -> MeasuredProject:
    return record_measurement(tmp_path, WANTED, BASE, CUSTOM, CHECKS)


def test_filters_agree_with_the_counts_of_the_report(measured: MeasuredProject):
    difference = read_report(measured.layout.run("r3")).checks[0].difference
    assert difference is not None
    totals = {which: compared_rows(measured.layout, outcome=which, limit=1000).total for which in ROW_FILTERS}
    assert (totals["worse"], totals["better"], totals["same"]) == (difference.losses, difference.wins, difference.ties)
    assert totals["all"] == len(WANTED)
    assert compared_rows(measured.layout).counts == totals


def test_rows_are_right_as_their_texts_say(measured: MeasuredProject):
    rows = compared_rows(measured.layout, limit=1000).rows
    assert [row.number for row in rows] == list(range(1, 41))
    assert all(row.base_right == (row.base == row.wanted) for row in rows)
    assert all(row.custom_right == (row.custom == row.wanted) for row in rows)
    outcomes = {(False, True): "better", (True, False): "worse"}
    assert all(row.outcome == outcomes.get((row.base_right, bool(row.custom_right)), "same") for row in rows)
    wrong = compared_rows(measured.layout, outcome="wrong", limit=1000).rows
    assert all(row.base != row.wanted and row.custom != row.wanted for row in wrong)


@pytest.mark.parametrize("limit", [1, 7, 40])
def test_pages_put_together_are_all_rows(measured: MeasuredProject, limit: int):
    pages = [compared_rows(measured.layout, offset=start, limit=limit).rows for start in range(0, 40, limit)]
    assert [row.id for page in pages for row in page] == [row.id for row in measured.rows]
    assert compared_rows(measured.layout, offset=1000).rows == ()


def test_search_finds_text_in_any_field_and_case(measured: MeasuredProject):
    assert compared_rows(measured.layout, contains="QUESTION 39").total == 1
    assert compared_rows(measured.layout, contains="fees", outcome="worse").total == 0
    assert compared_rows(measured.layout, contains="loan", outcome="worse").total == 1
    assert compared_rows(measured.layout, contains="nowhere").rows == ()


def test_rows_are_scored_by_the_check_that_is_named(measured: MeasuredProject):
    page = compared_rows(measured.layout, check="word")
    assert (page.check, page.counts["same"]) == ("word", 40)
    with pytest.raises(UsageError, match="no check"):
        compared_rows(measured.layout, check="style")


def test_rows_of_a_baseline_are_right_or_wrong_and_have_no_outcome(tmp_path: Path):
    project = record_measurement(tmp_path, WANTED, BASE)
    page = compared_rows(project.layout, limit=1000)
    assert page.counts == {"all": 40, "wrong": sum(old != want for old, want in zip(BASE, WANTED, strict=True))}
    assert {(row.custom, row.custom_right, row.outcome) for row in page.rows} == {(None, None, None)}
    assert compared_rows(project.layout, outcome="wrong").total == page.counts["wrong"]
    with pytest.raises(UsageError, match="baseline"):
        compared_rows(project.layout, outcome="worse")


def test_rows_are_those_that_were_drawn_when_the_spec_takes_a_part(tmp_path: Path):
    project = MeasuredProject(tmp_path / "whole", WANTED)
    drawn = record_measurement(tmp_path / "part", WANTED, BASE, CUSTOM, max_rows=9)
    page = compared_rows(drawn.layout, limit=1000)
    assert page.total == 9
    assert {row.id for row in page.rows} < {row.id for row in project.rows}


def test_texts_come_whole_and_unescaped(tmp_path: Path):
    project = record_measurement(tmp_path, WANTED, [HOSTILE * 100, *BASE[1:]], CUSTOM)
    assert compared_rows(project.layout, limit=1).rows[0].base == HOSTILE * 100


def test_answers_may_stand_in_another_order_than_the_rows(measured: MeasuredProject):
    path = measured.layout.run("r3").generations_path
    before = compared_rows(measured.layout, limit=1000)
    path.write_bytes(b"\n".join(reversed(path.read_bytes().splitlines())))
    assert compared_rows(measured.layout, limit=1000) == before


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: lines[:-2], "2 of 40 test rows have no answer"),
        (lambda lines: [*lines, lines[0].replace(b"0000", b"ffff", 1)], "the test set does not have"),
        (lambda lines: [lines[0], b"{", *lines[2:]], ":2 is damaged"),
        (lambda lines: [lines[0], lines[1].replace(b'"text"', b'"test"'), *lines[2:]], ":2 is damaged"),
    ],
)
def test_rows_say_what_is_wrong_when_answers_are_not_those_of_the_rows(measured: MeasuredProject, damage, words: str):
    path = measured.layout.run("r3").generations_path
    path.write_bytes(b"\n".join(damage(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(ToolError, match=words) as caught:
        compared_rows(measured.layout)
    assert "tailor run" in caught.value.hint


def test_rows_are_refused_when_nothing_was_measured(tmp_path: Path):
    with pytest.raises(UsageError):
        list(Tailor(tmp_path).rows())


def test_client_yields_every_row_of_a_filter(measured: MeasuredProject):
    tailor = Tailor(measured.root)
    rows = list(tailor.rows(outcome="better", contains="question"))
    assert len(rows) == compared_rows(measured.layout, outcome="better").total
    assert [row.id for row in tailor.rows("r1")] == [row.id for row in measured.rows]


def test_a_page_reads_its_own_rows_alone(measured: MeasuredProject, monkeypatch: pytest.MonkeyPatch):
    rows = MeasuredRows(read_report(measured.layout.run("r3")))
    read: list[int] = []
    load = MeasuredRows._answers
    monkeypatch.setattr(MeasuredRows, "_answers", lambda self, places: read.extend(places) or load(self, places))
    rows.page("all", 10, 5)
    assert read == [10, 11, 12, 13, 14]
