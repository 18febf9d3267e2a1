import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from specs.data import Columns
from tools.data.ingest import read_source
from tools.errors import DataError


def test_rows_are_read_over_batches_and_groups_with_their_number(tmp_path):
    texts = [f"text {number}" for number in range(700)]
    labels = [None if number == 650 else f"label {number % 3}" for number in range(700)]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": texts, "label": labels, "other": list(range(700))}), path, row_group_size=300)
    found = read_source(path, Columns(prompt="text", completion="label"), "a.parquet")
    assert [row.prompt[0][1] for row in found.rows] == [text for number, text in enumerate(texts) if number != 650]
    assert found.rows[-1].line == 700
    assert [(row.line, row.reason) for row in found.refused] == [(651, "column 'label' is empty")]


def test_messages_are_read_when_they_are_lists_of_structs(tmp_path):
    messages = [[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]] * 2
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"messages": messages}), path)
    found = read_source(path, None, "a.parquet")
    assert found.rows[0].prompt == (("user", "q"),)
    assert found.rows[1].completion == "a"


def test_integers_are_read_as_labels(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"prompt": ["p"], "completion": [3]}), path)
    assert read_source(path, None, "a.parquet").rows[0].completion == "3"


def test_file_is_refused_when_it_is_cut(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"prompt": ["p"], "completion": ["c"]}), path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="not readable as Parquet"):
        read_source(path, None, "a.parquet")
