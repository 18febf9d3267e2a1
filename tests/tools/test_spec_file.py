from pathlib import Path

import pytest

from specs.edit import Change
from specs.errors import SpecError
from specs.layout import ProjectLayout
from tests.fakes.planned_project import SPEC
from tools import spec_file
from tools.errors import ToolError, UsageError
from tools.project import open_project
from tools.spec_file import STARTER, SpecFile, SpecMoved

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


def test_replace_writes_the_whole_text_when_the_file_is_the_expected_one(file: SpecFile, layout: ProjectLayout):
    before = layout.spec_path.read_text()
    after = before.replace("epochs: 2", "epochs: 7  # mine")
    change = file.replace(after, before)
    assert layout.spec_path.read_text() == after
    assert change.spec.spec.train[0].epochs == 7
    assert "+    epochs: 7  # mine" in change.diff
    assert file.replace(after, after).diff == ""


def test_replace_tells_the_current_text_and_writes_nothing_when_the_file_moved(file: SpecFile, layout: ProjectLayout):
    before = layout.spec_path.read_text()
    now = before.replace("threads: 1", "threads: 2")
    layout.spec_path.write_text(now)
    with pytest.raises(SpecMoved, match="changed by somebody else") as caught:
        file.replace(before.replace("epochs: 2", "epochs: 7"), before)
    assert caught.value.current == now
    assert caught.value.retryable
    assert layout.spec_path.read_text() == now
    assert history(layout) == []
    layout.spec_path.unlink()
    with pytest.raises(SpecMoved) as gone:
        file.replace(now, before)
    assert gone.value.current == ""
    assert not layout.spec_path.exists()


def test_replace_keeps_the_file_when_the_text_is_not_valid(file: SpecFile, layout: ProjectLayout):
    before = layout.spec_path.read_text()
    with pytest.raises(SpecError, match=r"spec\.yaml:\d+.*epochs"):
        file.replace(before.replace("epochs: 2", "epochs: many"), before)
    assert layout.spec_path.read_text() == before


def test_replace_makes_the_file_when_nothing_is_expected_and_lets_a_person_accept_the_licence(layout: ProjectLayout):
    made = SpecFile(layout).create(STARTER).spec.text
    layout.spec_path.unlink()
    accepted = made.replace("license_accepted: false", "license_accepted: true")
    assert SpecFile(layout).replace(accepted, "").spec.spec.model.license_accepted is True
    assert layout.spec_path.read_text() == accepted
    with pytest.raises(SpecMoved):
        SpecFile(layout).replace(made, "")


def test_every_edit_keeps_the_byte_order_mark_the_line_ends_and_a_link(file: SpecFile, layout: ProjectLayout):
    elsewhere = layout.root / "elsewhere.yaml"
    text = layout.spec_path.read_text().replace("\n", "\r\n")
    elsewhere.write_bytes(("\ufeff" + text).encode())
    layout.spec_path.unlink()
    layout.spec_path.symlink_to(elsewhere)
    file.replace(text.replace("epochs: 2", "epochs: 7"), text)
    file.patch([Change(path="compute.threads", value=2)])
    file.undo()
    assert elsewhere.read_bytes() == ("\ufeff" + text.replace("epochs: 2", "epochs: 7")).encode()
    assert layout.spec_path.is_symlink()


def test_undo_refuses_to_lose_an_edit_by_hand_and_reaches_the_agents_once_it_is_taken_back(
    file: SpecFile, layout: ProjectLayout
):
    first = layout.spec_path.read_text()
    second = file.patch([EPOCHS]).spec.text
    third = second.replace("threads: 1", "threads: 3")
    file.replace(third, second)
    with pytest.raises(UsageError, match="edited by hand"):
        file.undo()
    assert layout.spec_path.read_text() == third
    file.replace(second, third)
    assert layout.spec_path.read_text() == second
    assert file.undo().spec.text == first


def test_a_row_of_edits_by_hand_is_remembered_as_one(file: SpecFile, layout: ProjectLayout):
    text = file.patch([EPOCHS]).spec.text
    for threads in range(1, 9):
        after = text.replace(f"threads: {threads}", f"threads: {threads + 1}")
        file.replace(after, text)
        text = after
    assert len(history(layout)) == 2


def test_replace_tells_in_a_sentence_when_the_folder_cannot_be_written(
    file: SpecFile, layout: ProjectLayout, monkeypatch: pytest.MonkeyPatch
):
    before = layout.spec_path.read_text()
    monkeypatch.setattr(spec_file, "write_text", full_disk)
    with pytest.raises(ToolError, match=r"cannot be written: No space left.*old content is kept"):
        file.replace(before.replace("epochs: 2", "epochs: 7"), before)
    assert layout.spec_path.read_text() == before
