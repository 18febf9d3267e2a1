import hashlib

from tools.data.formats import read_records
from tools.data.records import Record, RefusedRow
from tools.data.source_file import open_source


def read(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    source = open_source(path, name)
    return list(read_records(source)), source


def test_array_rows_carry_the_line_they_start_on(tmp_path):
    rows, _ = read(tmp_path, "a.json", '[\n{"a": 1},\n\n{"a":\n 2}, 3,\n{"b": 1, "b": 2}\n]\n')
    assert rows == [
        Record(2, {"a": 1}),
        Record(4, {"a": 2}),
        RefusedRow(5, "a row must be a JSON object, this is a number"),
        RefusedRow(6, "the key 'b' stands twice"),
    ]


def test_blank_lines_are_left_out_with_a_notice(tmp_path):
    rows, source = read(tmp_path, "a.jsonl", '{"a": 1}\n\n{"a": 2}')
    assert rows == [Record(1, {"a": 1}), Record(3, {"a": 2})]
    assert source.notices == ["a.jsonl: 1 blank line was left out."]


def test_hash_is_of_the_whole_file_after_reading(tmp_path):
    _, source = read(tmp_path, "a.jsonl", '{"a": 1}\n')
    assert source.sha256 == hashlib.sha256(b'{"a": 1}\n').hexdigest()
