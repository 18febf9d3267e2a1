"""Reading spec.yaml: every defect is named with its place, in plain words."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specs.errors import ExitCode, SpecError
from specs.load import load_spec, parse_spec, spec_hash
from specs.roots import package_root

_TEMPLATE = (package_root() / "specs" / "templates" / "classify.yaml").read_text(encoding="utf-8")


def _fails(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "spec.yaml")
    return caught.value


def test_spec_loads_when_it_is_the_documented_example(spec_text: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(spec_text, encoding="utf-8")
    loaded = load_spec(path)
    assert loaded.path == path
    assert loaded.text == spec_text
    assert loaded.spec.train[0].epochs == 3
    assert loaded.spec.data.sources[0].columns is not None
    assert loaded.hash == spec_hash(loaded.spec)


def test_hash_stays_when_only_comments_and_layout_change(spec_text: str) -> None:
    other = spec_text.replace("epochs: 3\n", "epochs:   3.0   # three\n").replace("# only the user sets this", "")
    assert parse_spec(other, "a").hash == parse_spec(spec_text, "b").hash


def test_hash_changes_when_a_value_changes(spec_text: str) -> None:
    other = spec_text.replace("epochs: 3", "epochs: 4")
    assert parse_spec(other, "a").hash != parse_spec(spec_text, "a").hash


def test_learning_rate_is_a_float_when_written_with_exponent(spec_text: str) -> None:
    spec = parse_spec(spec_text.replace("learning_rate: auto", "learning_rate: 5e-5"), "a").spec
    assert spec.train[0].learning_rate == 5e-5


def test_no_stays_a_text_when_written_without_quotes(spec_text: str) -> None:
    text = spec_text.replace("answer: card_arrival", "answer: no")
    assert parse_spec(text, "a").spec.goal.good_examples[0].answer == "no"


def test_date_stays_a_text_when_written_without_quotes(spec_text: str) -> None:
    text = spec_text.replace("answer: card_arrival", "answer: 2024-01-31")
    assert parse_spec(text, "a").spec.goal.good_examples[0].answer == "2024-01-31"


@pytest.mark.parametrize("prefix", ["\ufeff", "---\n", "%YAML 1.2\n---\n"])
def test_spec_loads_when_it_begins_with(prefix: str, spec_text: str) -> None:
    assert parse_spec(prefix + spec_text, "a").spec.name == "bank-intents"


def test_spec_loads_when_line_ends_are_those_of_windows(spec_text: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + spec_text.replace("\n", "\r\n").encode())
    loaded = load_spec(path)
    assert loaded.hash == parse_spec(spec_text, "a").hash
    assert loaded.text.startswith("# yaml") and "\r\n" in loaded.text


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "is empty"),
        ("# only a comment\n", None, "is empty"),
        ("- a\n- b\n", 1, "holds a list"),
        ("hello", 1, "a single value"),
        ("name: x\ngoal:\n\ttask: y\n", 3, "a tab stands"),
        ("name: x\ngoal: [1, 2\n", 2, "never closed"),
        ("name: {a: 1\ngoal: 2", 1, "never closed"),
        ("name: 'x\n", 1, "a quote is opened"),
        ("name: a: b\n", 1, "a colon stands"),
        ("goal:\n  task: x\n users: y\n", 3, "the indentation"),
        ("name: x\nstray\ngoal: y\n", 2, "not of the form"),
        ("name: \x00", 1, "the character \\x00"),
        ("name: \x1b[31mred", 1, "the character \\x1b"),
        ("name: a\n---\nname: b\n", 2, "a second document"),
        ("%YAML 1.1\n---\nname: no\n", 2, "directive"),
        ("%TAG ! tag:evil,2000:\n---\nname: no\n", 2, "directive"),
        ("a: " + "[" * 100, 1, "nested more than"),
        ("a: [" + "1," * 30_000 + "]", 1, "more than 20000 values"),
        ("x" * 1_000_001, None, "larger than 1000 kB"),
    ],
)
def test_text_is_refused_with_its_line_when_it_is_no_usable_yaml(text: str, line: int | None, words: str) -> None:
    error = _fails(text)
    assert words in str(error)
    assert error.problems[0].line == line
    assert error.exit_code == ExitCode.USAGE
    assert str(error).startswith("spec.yaml:")


def test_all_anchors_aliases_and_tags_are_named_when_several_stand_in_the_file() -> None:
    error = _fails("a: &x 1\nb: *x\nc: !!python/object/apply:os.system [ls]\nd: !mine 1\ne: ! 1\n")
    assert [problem.line for problem in error.problems] == [1, 2, 3, 4, 5]
    for word in ("anchor &x", "alias *x", "tag tag:yaml.org,2002:python/object/apply:os.system", "tag !mine"):
        assert word in str(error)


def test_billion_laughs_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    assert "alias" in str(_fails("\n".join(lines)))


@pytest.mark.parametrize(
    ("old", "new", "field", "words", "hint"),
    [
        ("epochs: 3\n", "epoch: 3\n", "train.0.epoch", "is no known key", "`epochs`"),
        ("epochs: 3\n", 'epochs: "3"\n', "train.0.epochs", "found the text '3'", "Take the quotes away"),
        ("epochs: 3\n", "epochs: 0\n", "train.0.epochs", "a number above 0 and at most 1000, or auto", ""),
        ("epochs: 3\n", "epochs: true\n", "train.0.epochs", "found true", ""),
        ("epochs: 3\n", "epochs: .nan\n", "train.0.epochs", "finite", ""),
        ("epochs: 3\n", "epochs: 1e999\n", "train.0.epochs", "finite", ""),
        ("epochs: 3\n", "epochs: 3\n    batch_size: 64.0\n", "train.0.batch_size", "a whole number", "Write 64"),
        ("epochs: 3\n", "epochs: 3\n    epochs: 4\n", "train.0.epochs", "stands twice; the first is in line 24", ""),
        ("epochs: 3\n", f"epochs: 3\n    seed: {'9' * 5000}\n", "train.0.seed", "too large", ""),
        ("tuning: auto ", "tuning: qlor ", "train.0.tuning", "one of auto, lora, qlora or full", "`qlora`"),
        ("method: sft", "method: stf", "train.0.method", "cpt, dpo, rlaif, rlvr or sft; found the text 'stf'", "`sft`"),
        ("method: sft", "seed: 1", "train.0.method", "is missing", "training method"),
        ("license_accepted: true", "license_accepted: yes", "model.license_accepted", "true or false", "write true"),
        ("name: bank-intents", "name: Bank Intents", "name", "lower-case letters", ""),
        ("name: bank-intents", "name: 12", "name", "found the number 12", "quotes"),
        ("version: 1", "version: 2", "version", "wants 1; found the number 2", ""),
        ("version: 1\n", "", "version", "is missing", ""),
        ("  task: Classify", "  tusk: Classify", "goal.task", "is missing", ""),
        ("budget:\n  usd: 0\n  hours: 1\n", "budget: 3\n", "budget", "a mapping", ""),
        ("hours: 1", "hours: ", "budget.hours", "found nothing", ""),
        (
            "checks:\n    - {name: accuracy, scorer: exact_match, threshold: 0.80}",
            "checks: []",
            "evaluation.checks",
            "a list of 1 to 12 entries; found an empty list",
            "",
        ),
        ("scorer: exact_match, threshold", "scorer: regex, threshold", "evaluation.checks.0", "needs a pattern", ""),
        (
            "must_not_regress: []",
            "must_not_regress: [{name: short, scorer: regex}]",
            "evaluation.must_not_regress.0",
            "needs a pattern",
            "",
        ),
        (
            "threshold: 0.80}\n",
            "threshold: 0.80}\n    - {name: accuracy, scorer: contains, threshold: 1}\n",
            "evaluation.checks",
            "stands twice",
            "",
        ),
        (
            "{path: data/test.csv, columns: {prompt: text, completion: category}}",
            "{fraction: 1.5}",
            "data.test.fraction",
            "above 0 and below 1; found the number 1.5",
            "",
        ),
        (
            "{path: data/test.csv, columns: {prompt: text, completion: category}}",
            "{fractoin: 0.5}",
            "data.test.fractoin",
            "is no known key",
            "",
        ),
        (
            "columns: {prompt: text, completion: category}, rights",
            "columns: {prompt: text}, rights",
            "data.sources.0.columns",
            "prompt and completion go together",
            "",
        ),
        ("  task: Classify", "  1: x\n  task: Classify", "goal.1", "a key must be a text; found 1", "quotes"),
        ("  task: Classify", "  <<: {a: b}\n  task: Classify", "goal.<<", "merge keys", ""),
        ("  task: Classify", '  users2: "a\\0b"\n  task: Classify', "goal.users2", "", ""),
        ("train:  ", "train: {method: sft}\nold:  ", "train", "a list of 1 to 8 entries; found a mapping", "dash"),
    ],
)
def test_defect_is_named_in_plain_words_when(
    old: str, new: str, field: str, words: str, hint: str, spec_text: str
) -> None:
    assert old in spec_text
    error = _fails(spec_text.replace(old, new, 1))
    problem = next(problem for problem in error.problems if problem.field == field)
    assert words in problem.message
    assert hint in problem.hint
    assert "Input should" not in str(error) and "pydantic" not in str(error)


def test_every_defect_is_named_with_its_line_when_there_are_several(spec_text: str) -> None:
    text = spec_text.replace("epochs: 3", "epochs: .inf").replace("hours: 1", "hours: -1").replace("users:", "user:")
    problems = [(problem.field, problem.line, problem.column) for problem in _fails(text).problems]
    assert problems == [("goal.user", 6, 3), ("train.0.epochs", 24, 13), ("budget.hours", 37, 3)]


def test_hostile_key_is_escaped_when_it_is_named(spec_text: str) -> None:
    error = _fails(spec_text + '"\\e[31m\\u202e": 1\n')
    assert "\x1b" not in str(error) and "\u202e" not in str(error)


def test_lone_surrogate_is_refused_when_escaped_in_quotes(spec_text: str) -> None:
    error = _fails(spec_text.replace("answer: card_arrival", 'answer: "\\ud800"'))
    assert error.problems[0].field == "goal.good_examples.0.answer"


def test_file_is_refused_with_a_next_step_when_it_cannot_be_read(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(SpecError, match=words) as caught:
            load_spec(path)
        assert caught.value.hint


def test_pipe_is_refused_without_waiting_when_it_is_given_as_spec(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SpecError, match="not an ordinary file"):
        load_spec(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("name: größe".encode("latin-1"), "0xf6 is not UTF-8"),
        ("name: x".encode("utf-16"), "UTF-16"),
        (b"x" * 1_000_001, "larger than"),
    ],
)
def test_bytes_are_refused_when_they_are_no_spec_text(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(data)
    with pytest.raises(SpecError, match=words):
        load_spec(path)


def test_place_is_told_when_a_byte_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes("name: x\nä: ".encode() + b"\xff")
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 4)


_pieces = st.sampled_from(
    [
        "version: 1\n",
        "train:\n",
        "- ",
        "  ",
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        ": ",
        ":",
        "\n",
        "\t",
        "#",
        "&a ",
        "*a",
        "!!x ",
        "|\n",
        ">-\n",
        "\\u",
        "\\x",
        "1e5",
        ".inf",
        "0x",
        "0b",
        "_",
        "~",
        "null",
        "method: sft",
        "%",
        "---\n",
        "...\n",
        "? ",
        "\r",
        "\x85",
        "\u2028",
        "\ufeff",
        "é",
        "<<: ",
        "=",
        ",",
        "@",
        "`",
        "9" * 90,
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_pieces, max_size=25).map("".join))
def test_text_gives_a_spec_error_and_nothing_else_when_it_is_random(text: str) -> None:
    error = _fails(text)
    assert error.problems and all(problem.message for problem in error.problems)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_broken_spec_gives_a_spec_or_a_spec_error_when_a_piece_is_put_in(data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(_TEMPLATE)))
    text = _TEMPLATE[:offset] + data.draw(_pieces) + _TEMPLATE[offset:]
    try:
        loaded = parse_spec(text, "spec.yaml")
    except SpecError as error:
        assert error.problems
    else:
        assert loaded.text == text.removeprefix("\ufeff")
