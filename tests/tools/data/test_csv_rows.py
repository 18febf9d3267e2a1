import pytest

from tools.data.csv_rows import csv_records
from tools.data.records import Record
from tools.data.source_file import open_source


def read(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    source = open_source(path, name)
    return list(csv_records(source)), source.notices


def test_rows_keep_their_first_line_when_fields_span_lines(tmp_path):
    rows, notices = read(tmp_path, "a.csv", 'p,c\r\n"one\r\ntwo ""q""",x\r\n\r\nthree,y\r\n')
    assert rows == [Record(2, {"p": 'one\r\ntwo "q"', "c": "x"}), Record(5, {"p": "three", "c": "y"})]
    assert notices == ["a.csv: 1 blank line was left out."]


@pytest.mark.parametrize(
    ("name", "text", "notice"),
    [
        ("a.csv", "p;c\nx;1,5\n", "a.csv: the header has no commas, read as separated by semicolons."),
        ("a.tsv", "p,c\nx,y\n", "a.tsv: the header has no tabs, read as separated by commas."),
        ("a.csv", " p ,c\nx,y\n", "a.csv: white space around column names was left out."),
    ],
)
def test_file_is_read_with_a_notice_when_its_form_is_unusual(tmp_path, name, text, notice):
    rows, notices = read(tmp_path, name, text)
    assert [list(row.fields) for row in rows] == [["p", "c"]]
    assert notices == [notice]


def test_tsv_keeps_commas_when_tabs_separate(tmp_path):
    rows, notices = read(tmp_path, "a.tsv", "p\tc\nx, y\tz\n")
    assert rows == [Record(2, {"p": "x, y", "c": "z"})]
    assert notices == []
