"""What `@` and `/` complete: which names are found, in which order, and with how much work."""

import os
from pathlib import Path

import pytest

from agent.tui import file_names
from agent.tui.commands import COMMANDS, BadCommand, GivenCommand, read_command, unknown_command
from agent.tui.file_names import MAX_FILES, CompletionSource


def source_of(project_dir: Path, *names: str) -> CompletionSource:
    for name in names:
        (project_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (project_dir / name).touch()
    source = CompletionSource(project_dir)
    source.scan()
    return source


def found(source: CompletionSource, query: str, limit: int = 8) -> list[str]:
    return [candidate.text for candidate in source.match(query, limit)]


def test_names_come_best_first(project_dir: Path) -> None:
    source = source_of(project_dir, "data/train.csv", "data/retrain.csv", "train/notes.md", "t/r/a/i/n.txt", "trail.md")
    assert found(source, "train") == ["data/train.csv", "data/retrain.csv", "train/notes.md", "t/r/a/i/n.txt"]
    assert found(source, "TRAIN") == found(source, "train")
    assert found(source, "zz") == []


def test_names_of_data_come_first_when_nothing_is_typed(project_dir: Path) -> None:
    source = source_of(project_dir, "README.md", "deep/er/rows.jsonl", "b.csv", "a.txt")
    assert found(source, "") == ["b.csv", "deep/er/rows.jsonl", "README.md", "a.txt"]


def test_names_leave_out_hidden_folders_links_and_folders_of_tools(project_dir: Path) -> None:
    outside = project_dir.parent / "outside"
    outside.mkdir()
    (outside / "secret.csv").touch()
    os.symlink(outside, project_dir / "link")
    source = source_of(
        project_dir, "a.csv", ".git/a.csv", ".tailor/a.csv", ".venv/a.csv", "node_modules/a.csv", "x/node_modules/b.csv"
    )
    assert found(source, "csv") == ["a.csv"]


def test_names_leave_out_what_cannot_be_shown_as_it_is(project_dir: Path) -> None:
    hostile = ["a\nb.csv", "a\x1b[31mb.csv", "a\u202eb.csv", "a\u200bb.csv", os.fsdecode(b"a\xffb.csv")]
    shown = ["[/x].csv", "[bold]x.csv", "a b.csv", "漢字.csv", "👩.csv"]
    source = source_of(project_dir, *hostile, *shown)
    assert sorted(found(source, "csv")) == sorted(shown)


def test_names_include_spec_keys_when_the_spec_is_broken(project_dir: Path) -> None:
    (project_dir / "spec.yaml").write_text("goal:\n  task: [x\ndata:\n  sources:\n    - path: a.csv\n  : :\n")
    source = source_of(project_dir)
    assert found(source, "source") == ["data.sources", "data.sources.path"]
    assert [candidate.kind for candidate in source.match("task")] == ["spec key"]


def test_names_are_none_when_the_folder_is_gone(project_dir: Path) -> None:
    source = CompletionSource(project_dir / "gone")
    source.scan()
    assert source.is_scanned
    assert found(source, "") == []


@pytest.fixture(scope="module")
def huge() -> CompletionSource:
    """A source of 50,000 names that were never on the disk."""
    patch = pytest.MonkeyPatch()
    names = [(f"part_{number % 97:02d}_train_{number}.csv", "", False) for number in range(MAX_FILES + 500)]
    patch.setattr(file_names, "_entries", lambda folder: names if folder == "/project" else [])
    source = CompletionSource(Path("/project"))
    source.scan()
    patch.undo()
    return source


def test_names_are_scanned_once_when_much_is_typed(huge: CompletionSource) -> None:
    for query in ("t", "tr", "train_4999", "train_49999", "xyz", "p42t"):
        huge.match(query)
    assert huge.num_scans == 1
    assert not huge.is_old()


def test_names_stop_at_fifty_thousand_files(huge: CompletionSource) -> None:
    assert found(huge, "train_49999") == ["part_44_train_49999.csv"]
    assert found(huge, "train_50000.csv") == []


def test_names_looked_at_are_bounded_when_letters_have_gaps(
    huge: CompletionSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    has_letters = file_names.has_letters

    def counted(query: str, text: str) -> bool:
        looked_at.append(text)
        return has_letters(query, text)

    monkeypatch.setattr(file_names, "has_letters", counted)
    assert len(huge.match("prtn9csv")) == 8
    assert len(looked_at) <= 200_000 // len("prtn9csv")
    looked_at.clear()
    assert huge.match("zq") == []
    assert len(looked_at) == MAX_FILES
    looked_at.clear()
    assert huge.match("zqx") == []
    assert looked_at == []


def test_commands_are_told_apart_by_name_and_alias() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(names) == len(set(names))
    for command in COMMANDS:
        read = read_command(f"/{command.name} {'x' if command.argument else ''}")
        assert isinstance(read, GivenCommand)
        assert read.command is command


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/halp", "There is no command /halp. Did you mean /help?"),
        ("/qqqq", "There is no command /qqqq."),
        ("/", "A slash alone is no command."),
        ("/doctor now", "/doctor takes nothing after it."),
    ],
)
def test_command_is_answered_with_a_sentence_when_it_is_none(line: str, message: str) -> None:
    read = read_command(line)
    assert isinstance(read, BadCommand)
    assert read.message == message
    assert read.hint.startswith("Type /")


@pytest.mark.parametrize("line", ["", "help", " /help", "/data/train.csv", "/data/train.csv is it", "//", "/1"])
def test_line_is_text_when_it_is_no_command(line: str) -> None:
    assert read_command(line) is None


def test_command_name_is_cut_when_it_is_endless() -> None:
    assert len(unknown_command("x" * 100_000)) < 100
