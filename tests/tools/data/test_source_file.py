from pathlib import Path

import pytest

from tools.data.source_file import nearest, open_source, resolve_path
from tools.errors import DataError


def test_paths_start_at_the_project_unless_they_are_absolute():
    root = Path("/project")
    assert resolve_path("data/a.csv", root) == root / "data/a.csv"
    assert resolve_path("/elsewhere/a.csv", root) == Path("/elsewhere/a.csv")
    assert resolve_path("~/a.csv", root) == Path.home() / "a.csv"


def test_nearest_name_ignores_case_and_may_be_none():
    assert nearest("Promt", ["prompt", "completion"]) == "prompt"
    assert nearest("xyz", ["prompt"]) is None


def test_missing_folder_is_told_when_the_file_has_none(tmp_path):
    with pytest.raises(DataError, match="The folder nowhere does not exist either"):
        open_source(tmp_path / "nowhere" / "a.csv", "nowhere/a.csv")


def test_data_files_are_listed_when_no_name_is_near(tmp_path):
    (tmp_path / "questions.jsonl").write_text("{}")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(DataError, match=r"Data files there: data/questions.jsonl\."):
        open_source(tmp_path / "zzz.csv", "data/zzz.csv")


def test_names_that_no_system_takes_are_refused_by_a_sentence(tmp_path):
    for name in ("a\0.csv", "a" * 5000 + ".csv"):
        with pytest.raises(DataError, match="cannot be looked at"):
            open_source(tmp_path / name, name)
