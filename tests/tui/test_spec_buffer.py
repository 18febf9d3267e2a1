import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.tui.spec_buffer import (
    DiskText,
    SpecBuffer,
    can_keep,
    carry,
    check_text,
    editor_text,
    file_text,
    indent_after,
)
from agent.tui.spec_words import SpecFacts, facts_of, headline, problem_line, shown_line
from tools.spec_file import starter_text

TEXT = "version: 1\nname: a\nthreads: 1\nhours: 2\n"
RAW = st.text(st.sampled_from("ab:\n\r\x0b\x1c\x85\u2028 "), max_size=30)


def opened(raw: str = TEXT) -> SpecBuffer:
    buffer = SpecBuffer("spec.yaml")
    buffer.found(DiskText(raw), "")
    buffer.checked = buffer.base
    return buffer


def test_check_names_line_and_reason_of_every_defect():
    text = starter_text().replace("hours: 1", "hours: soon").replace("target: local", "target: moon")
    problems = check_text(text, "spec.yaml")
    lines = text.splitlines()
    assert [lines[problem.line - 1].split()[0] for problem in problems if problem.line] == ["target:", "hours:"]
    assert problems[1].sentence.startswith(f"line {problems[1].line}: budget.hours: ")
    assert check_text(starter_text(), "spec.yaml") == ()


def test_check_makes_hostile_text_visible():
    (problem,) = check_text("version: 1\nname: \x1b[31m\n", "spec.yaml")
    assert problem.line == 2
    assert "\x1b" not in problem.sentence


@given(RAW)
def test_a_file_is_given_back_as_it_was(raw: str):
    assert can_keep(raw)
    assert "\r" not in editor_text(raw)
    assert editor_text(raw).splitlines() == editor_text(raw).removesuffix("\n").split("\n") * bool(raw)


def test_a_file_that_holds_the_stand_ins_is_not_taken_for_editable():
    raw = f"name: {chr(0x10FF00)}\n"
    assert not can_keep(raw)
    buffer = opened(raw)
    assert buffer.is_read_only
    assert buffer.state(buffer.base) == "invalid"
    assert "own editor" in buffer.obstacle


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a\r\nb\r\nc\r\n", "a\r\nX\r\nb\r\nc\r\n"),
        ("a\r\nb\nc", "a\r\nX\r\nb\nc"),
        ("a\nb\nc", "a\nX\nb\nc"),
    ],
)
def test_line_ends_stay_as_the_person_had_them(raw: str, expected: str):
    lines = editor_text(raw).split("\n")
    assert file_text("\n".join([lines[0], "X", *lines[1:]]), raw) == expected


def test_state_follows_text_and_disk():
    buffer = SpecBuffer("spec.yaml")
    assert buffer.state("") == "none"
    buffer.found(DiskText(TEXT), "")
    assert buffer.state(TEXT) == "saved"
    assert buffer.state(TEXT + "x") == "unsaved"
    buffer.problems = check_text("x", "spec.yaml")
    assert buffer.state(TEXT + "x") == "invalid"
    buffer.found(DiskText(TEXT.replace("hours: 2", "hours: 3")), TEXT.replace("hours: 2", "hours: 4"))
    assert buffer.state(TEXT) == "conflict"


def test_a_change_on_disk_is_merged_when_the_person_edits_other_lines():
    buffer = opened()
    merged = buffer.found(DiskText(TEXT.replace("threads: 1", "threads: 4")), TEXT.replace("hours: 2", "hours: 9"))
    assert merged == "version: 1\nname: a\nthreads: 4\nhours: 9\n"
    assert buffer.pending is None
    assert buffer.is_dirty(merged)


def test_a_change_of_the_line_being_typed_in_waits_even_if_it_is_saved():
    buffer = opened()
    theirs = TEXT.replace("threads: 1", "threads: 4")
    assert buffer.found(DiskText(theirs), TEXT, line=2) is None
    assert buffer.state(TEXT) == "conflict"
    (overlap,) = buffer.overlaps(TEXT)
    assert (overlap.mine, overlap.theirs) == (("threads: 1",), ("threads: 4",))
    assert buffer.decide("mine", TEXT) == TEXT
    assert buffer.pending is None
    assert buffer.is_dirty(TEXT)


@pytest.mark.parametrize(
    ("choice", "lines"),
    [("mine", ["threads: 8"]), ("theirs", ["threads: 4"]), ("both", ["threads: 8", "# threads: 4"])],
)
def test_decisions_are_made_one_by_one_and_nothing_else_is_touched(choice: str, lines: list[str]):
    buffer = opened()
    mine = "version: 1\nname: mine\nthreads: 8\nhours: 2\nextra: 1\n"
    theirs = "version: 1\nname: theirs\nthreads: 4\nhours: 2\n"
    assert buffer.found(DiskText(theirs), mine) is None
    assert len(buffer.overlaps(mine)) == 1
    decided = buffer.decide(choice, mine)  # type: ignore[arg-type]
    names = {"mine": ["name: mine"], "theirs": ["name: theirs"], "both": ["name: mine"]}[choice]
    assert buffer.pending is None
    assert decided.splitlines()[0] == "version: 1"
    assert decided.splitlines()[1:2] == names
    assert all(line in decided.splitlines() for line in [*lines, "extra: 1", "hours: 2"])


def test_a_second_change_on_disk_while_a_conflict_waits_takes_the_place_of_the_first():
    buffer = opened()
    mine = TEXT.replace("threads: 1", "threads: 8")
    buffer.found(DiskText(TEXT.replace("threads: 1", "threads: 4")), mine)
    buffer.found(DiskText(TEXT.replace("threads: 1", "threads: 5")), mine)
    assert buffer.overlaps(mine)[0].theirs == ("threads: 5",)
    assert buffer.found(DiskText(TEXT.replace("hours: 2", "hours: 3")), mine) == mine.replace("hours: 2", "hours: 3")
    assert buffer.pending is None


def test_a_deleted_file_keeps_the_text():
    buffer = opened()
    assert buffer.found(DiskText(None), TEXT) is None
    assert buffer.is_gone
    assert buffer.state(TEXT) == "unsaved"
    assert "deleted" in headline(facts_of(buffer, TEXT, 0), 50)


def test_marks_show_each_sides_edits_until_the_other_has_looked():
    buffer = opened()
    agents = TEXT.replace("threads: 1", "threads: 4")
    buffer.found(DiskText(agents), TEXT, by="agent")
    mine = agents.replace("hours: 2", "hours: 9")
    assert buffer.marks(mine) == {2: "agent", 3: "you"}
    assert buffer.num_unread(mine) == 1
    buffer.saved(mine)
    assert buffer.marks(mine) == {2: "agent", 3: "you"}
    buffer.agent_read()
    assert buffer.marks(mine) == {2: "agent"}
    buffer.looked()
    assert buffer.marks(mine) == {}
    assert buffer.num_unread(mine) == 0


def test_a_line_is_marked_by_who_changed_it_last():
    buffer = opened()
    buffer.saved(TEXT.replace("threads: 1", "threads: 4"))
    buffer.found(DiskText(TEXT.replace("threads: 1", "threads: 5")), buffer.base, by="agent")
    assert buffer.marks(buffer.base) == {2: "agent"}
    buffer.saved(TEXT.replace("threads: 1", "threads: 6"))
    assert buffer.marks(buffer.base) == {2: "you"}


def test_an_edit_seen_on_disk_before_the_agent_told_of_it_becomes_the_agents():
    buffer = opened()
    after = TEXT.replace("threads: 1", "threads: 4")
    buffer.found(DiskText(after), TEXT)
    assert buffer.marks(after) == {2: "you"}
    buffer.agent_edited("@@\n-hours: 2\n+hours: 3\n")
    assert buffer.marks(after) == {2: "you"}
    buffer.agent_edited("@@\n-threads: 1\n+threads: 4\n")
    assert buffer.marks(after) == {2: "agent"}


def test_carry_makes_a_change_in_a_text_that_differs_elsewhere():
    assert carry("a\nb\nc", "A\nb\nc", "a\nb\nC") == "A\nb\nC"


@pytest.mark.parametrize(
    ("line", "indent"),
    [("", ""), ("  a: 1", "  "), ("  a:", "    "), ("  a:  # why", "    "), ("# so:", ""), ("- x", "")],
)
def test_a_new_line_is_indented_like_the_one_before(line: str, indent: str):
    assert indent_after(line) == indent


def test_headline_takes_the_longest_wording_that_fits():
    facts = SpecFacts("saved", num_unread=2)
    assert headline(facts, 80) == "Spec ✓ valid · saved · 2 edits by you since the agent last read"
    assert headline(facts, 57) == "Spec ✓ valid · 2 edits by you since the agent last read"
    assert headline(facts, 48) == "Spec ✓ saved · 2 edits unread by the agent"
    assert headline(SpecFacts("none"), 80) == "Spec ○ not written yet"


def test_problem_line_counts_the_others():
    problems = check_text(starter_text().replace("hours: 1", "hours: x").replace("usd: 0", "usd: y"), "spec.yaml")
    assert problem_line(problems, 0).startswith(f"✗ line {problems[0].line}: ")
    assert "1 more problem, F8" in problem_line(problems, 0)
    assert problem_line((), 0) == ""


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("[/x] [=1] [bold]x", "[/x] [=1] [bold]x"),
        ("\x1b[31mred", "␛[31mred"),
        ("a\u202eb\u200bc", "a\ufffdb\ufffdc"),
        (editor_text("a\u2028b\x0bc\rd"), "a␤b␋c␍d"),
        ("漢字 🙂\tx\u00a0y", "漢字 🙂\tx\u00a0y"),
    ],
)
def test_nothing_of_a_line_is_hidden_or_moves_the_cursor(line: str, shown: str):
    assert shown_line(line) == shown
    assert len(shown_line(line)) == len(line)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "replace", "other", "other replaces", "look", "save", "decide"]), st.integers(0, 9)
    ),
    max_size=30,
)


@given(STEPS, st.booleans())
@settings(max_examples=300)
def test_no_line_of_anybody_is_lost_whatever_happens_in_whatever_order(steps: list[tuple[str, int]], is_typing: bool):
    buffer = opened()
    disk, mine, live = TEXT, TEXT, set[str]()

    def edited(text: str, place: int, token: str, *, replaces: bool) -> str:
        lines = text.split("\n")
        row = place % len(lines)
        if replaces:
            live.difference_update({known for known in live if known in lines[row].split()})
        live.add(token)
        lines[row : row + replaces] = [f"{token} :"]
        return "\n".join(lines)

    def look(line: int | None) -> str:
        taken = buffer.found(DiskText(disk), mine, line)
        return mine if taken is None else taken

    for number, (step, place) in enumerate([*steps, *[("look", 0), *[("decide", 0)] * 40, ("save", 0), ("save", 0)]]):
        match step:
            case "insert" | "replace":
                mine = edited(mine, place, f"mine-{number}", replaces=step == "replace")
            case "other" | "other replaces":
                disk = edited(disk, place, f"theirs-{number}", replaces=step != "other")
            case "look":
                mine = look(place % len(mine.split("\n")) if is_typing else None)
            case "decide":
                mine = buffer.decide("both", mine)
            case _:
                if disk != buffer.raw:
                    mine = look(None)
                elif buffer.pending is None and buffer.is_dirty(mine):
                    disk = file_text(mine, buffer.raw)
                    buffer.saved(disk)
    assert buffer.pending is None
    assert buffer.state(mine) == "saved"
    assert live <= set(disk.split())
