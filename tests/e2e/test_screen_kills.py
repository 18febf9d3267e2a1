"""The interface, its engine and its jobs are killed while a person works with keys alone; nothing is lost or doubled."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.conversation import TASK
from tests.fakes.quick_engine import write_data
from tests.fakes.screen_person import Person

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("screen_kills")]
RESULT = "The check is reached. Nothing is served; say what to change."
ENGINE = "tests.fakes.quick_engine"
TRAINER = "quick_trainer.py"


def quick_command(folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "tests.fakes.quick_interface", str(folder), *options]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Take a project by keys alone to its first approval; return its folder and a copy, as plans hold full paths."""
    folder = write_data(tmp_path_factory.mktemp("asked") / "project", num_test=6)
    (folder / ".tailor").mkdir()
    (folder / "quick.json").write_text(json.dumps({"train_s": 1.5}))
    with Person(folder, quick_command(folder)) as person:
        person.start()
        for words in (TASK, "", "", "", "go on"):
            person.say(words)
        person.wait_mode("ASK")
        person.terminal.wait_for("Approval needed")
        assert person.leave() == 0
        assert person.leftovers() == []
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    return folder, copy


@pytest.fixture
def person(asked: tuple[Path, Path]) -> Iterator[Person]:
    """Return a person in front of a project whose first approval is open."""
    folder, copy = asked
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    with Person(folder, quick_command(folder)) as one:
        yield one


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Callable[..., Person]]:
    """Return a function that makes a person in front of a project with data and nothing else."""
    made: list[Person] = []
    folder = write_data(tmp_path / "project")
    (folder / ".tailor").mkdir()

    def make(*options: str) -> Person:
        made.append(Person(folder, quick_command(folder, *options)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def to_the_training(person: Person) -> None:
    person.start()
    person.approve_all()
    person.terminal.wait_for(lambda _text: (person.folder / EFFECTS).exists())


EFFECTS = Path(".tailor/runs/r2/effects")


def assert_ended_once(person: Person, effects: str = "1\n") -> None:
    """The results are on the screen, each step has one job, and nothing stands there twice."""
    person.terminal.wait_for(RESULT, 40)
    person.wait_mode("YOU")
    assert (person.folder / EFFECTS).read_text() == effects
    assert sorted(path.name for path in person.layout.runs_dir.iterdir()) == ["r1", "r2", "r3"]
    assert person.said_twice() == []
    chat = person.screen
    for words in ("Label bank messages by intent, train on", "Question 1 of 6", "That is the spec.", RESULT):
        assert chat.count(words) == 1, f"{words} stands there {chat.count(words)} times:\n{chat}"


def test_run_goes_on_and_is_told_once_when_the_interface_is_killed_in_training(person: Person):
    to_the_training(person)
    assert person.kill_interface()
    assert "Nothing is lost: jobs go on." in person.screen
    person.start()
    # whoever comes back is asked for what has not begun: the key for approvals ended with the interface
    person.approve_all()
    assert_ended_once(person)


def test_run_goes_on_and_is_told_once_when_the_engine_is_killed_in_training(person: Person):
    to_the_training(person)
    person.kill(ENGINE)
    assert_ended_once(person)
    assert "The engine died and is started again." in person.screen


def test_training_is_launched_again_as_the_same_job_when_the_trainer_is_killed(person: Person):
    to_the_training(person)
    person.kill(f"-S {Path(__file__).parents[1] / 'fakes' / TRAINER}")
    assert_ended_once(person, effects="1\n1\n")
