"""The history of prompts on disk."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from agent.tui.prompt_history import MAX_ENTRIES, PromptHistory
from tools.secrets import redact


@pytest.fixture
def path(project_dir: Path) -> Path:
    return project_dir / ".tailor" / "history.jsonl"


def kept(path: Path) -> tuple[str, ...]:
    history = PromptHistory(path)
    history.load()
    return history.entries


def add(path: Path, *texts: str) -> None:
    history = PromptHistory(path)
    for text in texts:
        history.add(text)
    history.close()


def test_history_is_the_same_for_the_next_session(path: Path) -> None:
    add(path, "one", "two\nlines", "[/x] \u202e 漢字")
    assert kept(path) == ("one", "two\nlines", "[/x]  漢字")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_history_passes_over_what_is_no_entry_when_read(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'"one"\n{"a": 1}\n[]\nnull\n\xff\xfe\n""\n"two\\u001b[31m"\n"to')
    assert kept(path) == ("one", "two[31m")


def test_history_goes_on_after_a_torn_last_line(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('"one"\n"tor')
    add(path, "two")
    assert kept(path) == ("one", "two")


def test_history_keeps_a_thousand_entries_when_more_are_sent(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("".join(f'"entry {number}"\n' for number in range(MAX_ENTRIES + 200)))
    add(path, "last")
    assert len(path.read_text().splitlines()) == MAX_ENTRIES
    assert kept(path)[-1] == "last"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_history_loses_nothing_when_two_sessions_write_at_once(path: Path) -> None:
    writers = [PromptHistory(path), PromptHistory(path)]

    def write(number: int) -> None:
        for index in range(40):
            writers[number].add(f"{number} {index}")
        writers[number].close()

    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        writer.close()
    entries = kept(path)
    assert sorted(entries) == sorted(f"{number} {index}" for number in (0, 1) for index in range(40))
    assert [entry for entry in entries if entry.startswith("0")] == [f"0 {index}" for index in range(40)]


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 20_001])
def test_history_does_not_keep_blank_or_huge_prompts(path: Path, text: str) -> None:
    add(path, text)
    assert not path.exists()


def test_history_keeps_a_prompt_once_when_it_is_sent_again(path: Path) -> None:
    add(path, "one", "one", "two", "one")
    assert kept(path) == ("one", "two", "one")


def test_history_stays_in_memory_when_the_folder_is_missing(project_dir: Path) -> None:
    history = PromptHistory(project_dir / "gone" / ".tailor" / "history.jsonl")
    history.add("one")
    history.close()
    history.load()
    assert history.entries == ("one",)
    assert not (project_dir / "gone").exists()


def test_history_does_not_follow_a_link_when_writing(project_dir: Path, path: Path) -> None:
    target = project_dir / "target"
    target.write_text("mine")
    path.parent.mkdir()
    os.symlink(target, path)
    add(path, "one")
    assert target.read_text() == "mine"


def test_history_keeps_earlier_sessions_before_what_was_sent_while_loading(path: Path) -> None:
    add(path, "old")
    history = PromptHistory(path)
    history.add("new")
    history.close()
    late = PromptHistory(path)
    late.load()
    assert late.entries == ("old", "new")


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAABCDEFGHIJKLMNOP",
        "sk-abcdefghijklmnopqrstuv",
        "hf_abcdefghijklmnopqrstuv",
        "ghp_abcdefghijklmnopqrstuv",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_history_holds_no_secret(path: Path, secret: str) -> None:
    add(path, f"use {secret} now")
    assert json.loads(path.read_text()) == "use [secret removed] now" == redact(f"use {secret} now")
