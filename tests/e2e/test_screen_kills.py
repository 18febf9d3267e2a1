"""Interface, engine and jobs are killed while a person works with keys alone: nothing is lost, nothing is doubled."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.tui.viewmodels.chat import Said
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

    def make(*options: str, limit: int | None = None) -> Person:
        command = quick_command(folder, *options)
        if limit is not None:
            # no file may grow longer, which is what a full disk looks like to a program
            command = ["sh", "-c", f'ulimit -f {limit} && exec "$@"', "sh", *command]
        made.append(Person(folder, command, (100, 40)))
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


def test_words_said_in_training_are_answered_once_when_the_interface_is_killed(person: Person):
    to_the_training(person)
    person.type("status")
    person.terminal.press("enter")
    person.terminal.wait_for(lambda _text: person.waiting.exists())
    assert person.kill_interface()
    person.start()
    person.terminal.wait_for(lambda _text: "Last plan:" in person.screen and not person.waiting.exists(), 40)
    assert times_said(person, "status") == 1
    assert person.said_twice() == []


def test_approval_is_asked_for_again_and_can_be_given_when_the_interface_is_killed(person: Person):
    person.start()
    person.terminal.wait_for("Approval needed")
    assert person.kill_interface()
    person.start()
    person.approve_all()
    person.terminal.wait_for(lambda _text: list(person.layout.runs_dir.glob("*/job.json")))
    assert times_said(person, "go on") == 1
    assert person.said_twice() == []


@pytest.mark.parametrize("wait_s", [0.0, 0.02, 0.2])
def test_words_are_neither_lost_nor_doubled_when_the_interface_is_killed_after_enter(wait_s: float, fresh):
    person = fresh()
    person.start()
    person.settle()
    person.type(TASK)
    time.sleep(0.4)
    person.terminal.press("enter")
    time.sleep(wait_s)
    assert person.kill_interface()
    person.start()
    person.settle()
    said = times_said(person, TASK)
    # a key that the killed process never read was not pressed: the question is still there
    assert person.question[0] == (2 if said else 1)
    assert said == 1 or (said == 0 and wait_s < 0.2)
    assert person.said_twice() == []


def test_invalid_text_in_the_editor_is_back_with_a_notice_when_the_interface_is_killed(person: Person):
    before = person.layout.spec_path.read_text()
    person.start()
    person.terminal.wait_for("Approval needed")
    time.sleep(0.7)
    person.terminal.press("e")
    person.terminal.wait_for("Spec ")
    person.terminal.type("broken: [ ")
    person.terminal.wait_for("broken: [")
    draft = person.layout.state_dir / "drafts" / "spec.yaml"
    person.terminal.wait_for(lambda _text: draft.exists())
    assert person.kill_interface()
    assert person.layout.spec_path.read_text() == before
    person.start()
    person.terminal.wait_for("Approval needed")
    person.terminal.wait_for("spec invalid")
    time.sleep(0.7)
    person.terminal.press("f2")
    shown = person.terminal.wait_for("Your unsaved text is back.")
    assert "broken: [" in shown


def test_half_written_line_of_the_record_is_skipped_with_a_notice(person: Person):
    with person.record.open("ab") as stream:
        stream.write(b'{"type":"text","role":"assistant","text":"torn words')
    person.start()
    person.terminal.wait_for("Approval needed")
    time.sleep(0.7)
    person.terminal.press("escape")
    shown = person.terminal.wait_for("A line of this conversation's record could not be read and is left out.")
    assert shown.count("That is the spec.") == 1
    assert "torn words" not in shown


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (0, ("cannot be written: File too large.", "and the free disk space.")),
        (120, ("The conversation cannot be kept in", "Free disk space")),
    ],
)
def test_full_disk_is_told_in_a_sentence_with_the_next_step(blocks: int, words: tuple[str, str], fresh):
    person = fresh(limit=blocks)
    person.start()
    assert_told(person, *words)


@pytest.mark.parametrize(
    ("brain", "words"),
    [
        ("openai:x", ("openai:x needs a key in OPENAI_API_KEY.", "Set it, or name a server that needs none")),
        ("bedrock:x", ("No AWS region is set for bedrock:x.", "or set AWS_REGION.")),
    ],
)
def test_missing_key_is_told_in_a_sentence_and_words_are_refused(brain: str, words: tuple[str, str], fresh):
    person = fresh("--brain", brain)
    person.start()
    assert_told(person, *words)
    person.type("hello there")
    time.sleep(0.4)
    person.terminal.press("enter")
    assert_told(person, "That was not sent: nobody is there to answer.", "gives your words back.")
    assert "waiting for the engine" not in person.screen


def test_brain_without_a_network_is_told_in_a_sentence_and_the_prompt_goes_on(fresh):
    person = fresh("--brain", "openai:x@http://127.0.0.1:9/v1")
    person.start()
    person.say("hello there")
    assert_told(person, "openai:x cannot be reached", "Check the network")
    person.wait_mode("YOU")


def test_spec_that_cannot_be_read_is_told_in_a_sentence(fresh):
    person = fresh()
    person.layout.spec_path.write_bytes(b"\xff\xfe\x00binary")
    person.start()
    person.wait_mode("YOU")
    person.terminal.press("f2")
    assert_told(person, "the file is UTF-16, not UTF-8.", "Save it as UTF-8.")


def assert_told(person: Person, *words: str) -> None:
    for some in words:
        person.terminal.wait_for(lambda text, some=some: some in " ".join(text.split()))
    assert "Traceback" not in person.screen
    assert person.terminal.process.poll() is None


def times_said(person: Person, text: str) -> int:
    return sum(isinstance(item, Said) and item.by == "user" and item.text == text for item in person.shown.items)
