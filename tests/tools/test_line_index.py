from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.line_index import LineIndex


def test_lines_are_read_in_any_order_without_the_blank_ones(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes("één\r\n\n  \ntwo\n\u2028three".encode())
    index = LineIndex(path)
    assert len(index) == 3
    assert [line.decode() for line in index.read([2, 0, 1, 1])] == ["\u2028three", "één", "two", "two"]
    assert [index.number(place) for place in range(3)] == [1, 4, 5]


def test_index_says_what_to_do_when_the_file_is_gone(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(ToolError) as caught:
        LineIndex(path, "Make it again.")
    assert caught.value.hint == "Make it again."
    path.write_text("a\n")
    index = LineIndex(path)
    path.unlink()
    with pytest.raises(ToolError, match="cannot be read"):
        list(index.read([0]))
