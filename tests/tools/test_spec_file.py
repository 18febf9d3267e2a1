from pathlib import Path

import pytest

from specs.edit import Change
from specs.errors import SpecError
from specs.layout import ProjectLayout
from tests.fakes.planned_project import SPEC
from tools import spec_file
from tools.errors import ToolError, UsageError
from tools.project import open_project
from tools.spec_file import SpecFile

EPOCHS = Change(path="train.0.epochs", value=5)


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    return open_project(tmp_path)


@pytest.fixture
def file(layout: ProjectLayout) -> SpecFile:
    file = SpecFile(layout)
    file.create(SPEC)
    return file


def history(layout: ProjectLayout) -> list[Path]:
    return sorted((layout.state_dir / "spec_history").glob("*.json"))


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def test_load_says_how_to_begin_when_there_is_no_spec(layout: ProjectLayout):
    with pytest.raises(UsageError, match=r"no spec\.yaml in .*tailor chat.*tailor init"):
        SpecFile(layout).load()


def test_create_writes_a_valid_spec_with_defaults_and_the_editors_schema(layout: ProjectLayout):
    made = SpecFile(layout).create(SPEC)
    assert made.spec.spec.model.base == "seedling"
    assert made.spec.spec.model.license_accepted is False
    assert "+name: intents" in made.diff
    assert layout.spec_path.read_text().splitlines()[0].endswith(str(layout.schema_path.relative_to(layout.root)))
    assert layout.schema_path.is_file()


def test_create_refuses_when_there_is_a_spec_or_a_field_is_wrong(file: SpecFile, layout: ProjectLayout):
    before = layout.spec_path.read_text()
    with pytest.raises(UsageError, match=r"already has a spec\.yaml"):
        file.create(SPEC)
    assert layout.spec_path.read_text() == before
    layout.spec_path.unlink()
    with pytest.raises(SpecError, match="colour"):
        file.create({**SPEC, "colour": "red"})
    assert not layout.spec_path.exists()


def test_create_never_accepts_a_licence(layout: ProjectLayout):
    with pytest.raises(SpecError, match="only a person accepts a licence"):
        SpecFile(layout).create({**SPEC, "model": {"base": "seedling", "license_accepted": True}})


def test_patch_keeps_the_users_comments_and_shows_the_difference(file: SpecFile, layout: ProjectLayout):
    layout.spec_path.write_text(layout.spec_path.read_text().replace("threads: 1", "threads: 1  # mine"))
    change = file.patch([EPOCHS])
    assert change.spec.spec.train[0].epochs == 5
    assert "+    epochs: 5" in change.diff
    assert "threads: 1  # mine" in layout.spec_path.read_text()


def test_patch_writes_nothing_when_nothing_changes_or_one_edit_is_wrong(file: SpecFile, layout: ProjectLayout):
    before = layout.spec_path.read_text()
    assert file.patch([Change(path="train.0.epochs", value=2)]).diff == ""
    with pytest.raises(SpecError):
        file.patch([EPOCHS, Change(path="train.0.epochs", value=-1)])
    assert layout.spec_path.read_text() == before
    assert history(layout) == []


def test_patch_accepts_the_licence_only_when_a_person_asked(file: SpecFile):
    accept = Change(path="model.license_accepted", value=True)
    with pytest.raises(SpecError, match="only a person accepts a licence"):
        file.patch([accept])
    assert file.patch([accept], by_person=True).spec.spec.model.license_accepted is True


def test_undo_takes_edits_back_one_by_one_in_order(file: SpecFile, layout: ProjectLayout):
    first = layout.spec_path.read_bytes()
    file.patch([EPOCHS])
    second = layout.spec_path.read_bytes()
    file.patch([Change(path="compute.threads", value=2)])
    assert "-  threads: 2" in file.undo().diff
    assert layout.spec_path.read_bytes() == second
    file.undo()
    assert layout.spec_path.read_bytes() == first
    with pytest.raises(UsageError, match="no edit to undo"):
        file.undo()


def test_undo_is_refused_when_the_file_was_edited_by_hand_since(file: SpecFile, layout: ProjectLayout):
    file.patch([EPOCHS])
    by_hand = layout.spec_path.read_text() + "# mine\n"
    layout.spec_path.write_text(by_hand)
    with pytest.raises(UsageError, match="edited by hand"):
        file.undo()
    assert layout.spec_path.read_text() == by_hand


def test_patch_edits_the_file_as_it_is_when_the_user_saves_in_between(
    file: SpecFile, layout: ProjectLayout, monkeypatch: pytest.MonkeyPatch
):
    read = spec_file.read_spec_text
    saves = ["# mine\n"]

    def read_after_a_save(path: Path) -> str:
        if saves:
            path.write_text(path.read_text() + saves.pop())
        return read(path)

    monkeypatch.setattr(spec_file, "read_spec_text", read_after_a_save)
    file.patch([EPOCHS])
    text = layout.spec_path.read_text()
    assert "epochs: 5" in text
    assert text.endswith("# mine\n")


def test_patch_gives_up_with_a_sentence_when_the_file_keeps_changing(
    file: SpecFile, layout: ProjectLayout, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spec_file, "read_spec_text", lambda _path: "never the same")
    with pytest.raises(ToolError, match="changes while it is being edited") as caught:
        file.patch([EPOCHS])
    assert caught.value.retryable
    assert "epochs: 2" in layout.spec_path.read_text()


@pytest.mark.parametrize("broken", ["spec.yaml", "000001.json"])
def test_patch_tells_in_a_sentence_when_the_folder_cannot_be_written(
    file: SpecFile, layout: ProjectLayout, monkeypatch: pytest.MonkeyPatch, broken: str
):
    before = layout.spec_path.read_bytes()
    write = spec_file.write_text

    def refuse(path: Path, text: str, **options: int) -> None:
        (full_disk if path.name == broken else write)(path, text, **options)

    monkeypatch.setattr(spec_file, "write_text", refuse)
    with pytest.raises(ToolError, match=r"spec\.yaml cannot be written: No space left.*old content is kept"):
        file.patch([EPOCHS])
    assert layout.spec_path.read_bytes() == before


def test_undo_reaches_the_earlier_edit_when_a_later_one_was_never_written(
    file: SpecFile, layout: ProjectLayout, monkeypatch: pytest.MonkeyPatch
):
    file.patch([EPOCHS])
    with monkeypatch.context() as full:
        full.setattr(SpecFile, "_write", full_disk)
        with pytest.raises(OSError, match="No space"):
            file.patch([Change(path="compute.threads", value=2)])
    assert len(history(layout)) == 2
    assert file.undo().spec.spec.train[0].epochs == 2
    assert history(layout) == []


def test_history_keeps_the_last_fifty_edits(file: SpecFile, layout: ProjectLayout):
    folder = layout.state_dir / "spec_history"
    folder.mkdir()
    for number in range(1, 61):
        (folder / f"{number:06d}.json").write_text("{}")
    file.patch([EPOCHS])
    assert len(history(layout)) == 50
    assert history(layout)[-1].name == "000061.json"
