import hashlib

import pytest

from specs.data import Columns
from tools.data.ingest import read_source
from tools.errors import DataError


def test_source_has_rows_and_hash_when_it_is_sound(write_jsonl):
    path = write_jsonl("a.jsonl", {"prompt": "p", "completion": "c"})
    found = read_source(path, None, "a.jsonl")
    assert [row.completion for row in found.rows] == ["c"]
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_source_is_refused_when_its_columns_are_neither_usual_nor_named(write_jsonl):
    path = write_jsonl("a.jsonl", {"text": "p", "label": "c"})
    with pytest.raises(DataError, match="the columns are text, label, and the spec does not say"):
        read_source(path, None, "a.jsonl")


def test_source_is_refused_when_the_system_column_does_not_exist(write_jsonl):
    path = write_jsonl("a.jsonl", {"prompt": "p", "completion": "c", "sistem": "s"})
    with pytest.raises(DataError, match=r"no column 'system'.*Did you mean 'sistem'\?"):
        read_source(path, Columns(prompt="prompt", completion="completion", system="system"), "a.jsonl")


def test_source_is_refused_when_plain_text_is_asked_for(write_jsonl):
    path = write_jsonl("a.jsonl", {"text": "p"})
    with pytest.raises(DataError, match="continued pre-training"):
        read_source(path, Columns(text="text"), "a.jsonl")
