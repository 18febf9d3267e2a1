"""Patches to spec.yaml: the change asked for, nothing else, never an invalid result, no licence accepted unasked."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specs.edit import Change, PatchResult, SpecPatch, apply_patch, diff_text, new_spec_text
from specs.errors import SpecError
from specs.load import parse_spec
from specs.roots import package_root
from specs.tree import read_tree

_TEMPLATE = (package_root() / "specs" / "templates" / "classify.yaml").read_text(encoding="utf-8")


def _patch(text: str, *changes: dict[str, Any], by_person: bool = False) -> PatchResult:
    patch = SpecPatch(changes=tuple(Change(**change) for change in changes))
    return apply_patch(text, patch, "spec.yaml", by_person=by_person)


def _lines(diff: str) -> list[str]:
    return [line for line in diff.splitlines() if line[:1] in "+-" and not line.startswith(("---", "+++"))]


def _comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def test_patch_changes_one_line_when_a_scalar_is_set(spec_text: str) -> None:
    result = _patch(spec_text, {"path": "train.0.epochs", "value": 5})
    assert _lines(result.diff) == ["-    epochs: 3", "+    epochs: 5"]
    assert result.spec.train[0].epochs == 5
    assert result.changed


def test_patch_keeps_the_text_byte_for_byte_when_nothing_changes(spec_text: str) -> None:
    odd = spec_text.replace("epochs: 3", "epochs:    3   # three ").replace("usd: 0", "usd: 0.0")
    result = _patch(odd, {"path": "train.0.epochs", "value": 3}, {"path": "name", "value": "bank-intents"})
    assert result.text == odd
    assert not result.changed and result.diff == ""


@pytest.mark.parametrize(
    ("change", "removed", "added"),
    [
        ({"path": "goal.system_prompt", "value": "Be brief."}, ["system_prompt: null"], ["system_prompt: Be brief."]),
        ({"path": "goal.system_prompt", "value": "no"}, ["system_prompt: null"], ['system_prompt: "no"']),
        ({"path": "goal.system_prompt", "value": "a: b # c"}, ["system_prompt: null"], ['system_prompt: "a: b # c"']),
        (
            {"path": "goal.system_prompt", "value": "One.\nTwo."},
            ["system_prompt: null"],
            ["system_prompt: |-", "One.", "Two."],
        ),
        (
            {"path": "goal.good_examples.0.answer", "value": "a, b"},
            ['- {prompt: "My card still has not come.", answer: card_arrival}'],
            ['- {prompt: "My card still has not come.", answer: "a, b"}'],
        ),
        (
            {"path": "goal.good_examples.0.prompt", "value": "Where is it?"},
            ['- {prompt: "My card still has not come.", answer: card_arrival}'],
            ['- {prompt: "Where is it?", answer: card_arrival}'],
        ),
        (
            {"path": "goal.good_examples", "op": "append", "value": {"prompt": "p", "answer": "a"}},
            [],
            ["- {prompt: p, answer: a}"],
        ),
        (
            {"path": "goal.bad_examples", "op": "remove"},
            [
                "bad_examples:",
                '- {prompt: "My card still has not come.", '
                'answer: "This sounds like a card question.", why: not a bare label}',
            ],
            [],
        ),
        (
            {"path": "goal.bad_examples.0", "op": "remove"},
            [
                "bad_examples:",
                '- {prompt: "My card still has not come.", '
                'answer: "This sounds like a card question.", why: not a bare label}',
            ],
            ["bad_examples: []"],
        ),
        (
            {"path": "goal.users", "op": "remove"},
            ["users: The routing service; nobody reads the answer before it acts."],
            [],
        ),
        ({"path": "train.0.lora.rank", "value": 8}, [], ["lora: {rank: 8}"]),
        (
            {"path": "train.0.learning_rate", "value": 5e-5},
            ["learning_rate: auto          # auto = from the recipe; the plan shows the value and why"],
            ["learning_rate: 5e-05         # auto = from the recipe; the plan shows the value and why"],
        ),
        ({"path": "compute.threads", "value": 1}, [], ["threads: 1"]),
        (
            {"path": "evaluation.must_not_regress", "op": "append", "value": {"name": "json", "scorer": "json_valid"}},
            ["must_not_regress: []"],
            ["must_not_regress:", "- {name: json, scorer: json_valid}"],
        ),
        (
            {"path": "data.synthesis", "value": {"brief": "b.yaml", "rows": 20}},
            ["synthesis: null                # or: {brief: briefs/intents.yaml, rows: 2000}"],
            ["synthesis: {brief: b.yaml, rows: 20}  # or: {brief: briefs/intents.yaml, rows: 2000}"],
        ),
        (
            {"path": "data.test", "value": {"fraction": 0.2}},
            ["test: {path: data/test.csv, columns: {prompt: text, completion: category}}   # or test: {fraction: 0.1}"],
            ["test: {fraction: 0.2}   # or test: {fraction: 0.1}"],
        ),
    ],
)
def test_patch_touches_only_its_lines_when(
    change: dict[str, Any], removed: list[str], added: list[str], spec_text: str
) -> None:
    lines = _lines(_patch(spec_text, change).diff)
    assert [line[1:].strip() for line in lines if line[0] == "-"] == removed
    assert [" ".join(line[1:].split()) for line in lines if line[0] == "+"] == [" ".join(a.split()) for a in added]


def test_patch_keeps_single_quotes_when_the_old_text_had_them(spec_text: str) -> None:
    text = spec_text.replace("answer: card_arrival", "answer: 'card_arrival'")
    assert "answer: 'it''s lost'" in _patch(text, {"path": "goal.good_examples.0.answer", "value": "it's lost"}).text


def test_new_section_stands_in_its_usual_place_when_it_was_missing(spec_text: str) -> None:
    text = spec_text.replace(
        "compute:\n  backend: local                 # local | sagemaker_serverless | sagemaker_training | bedrock\n", ""
    )
    result = _patch(text, {"path": "compute.device", "value": "cpu"})
    keys = [entry.key for entry in read_tree(result.text, "x").root.entries]
    assert keys.index("compute") == keys.index("train") + 1


def test_comments_between_survive_when_a_neighbour_is_removed() -> None:
    text = _TEMPLATE.replace("train:\n", "\n# --- training ---\n\n# stages\ntrain:\n")
    result = _patch(text, {"path": "data.test", "op": "remove"}, {"path": "goal.users", "op": "remove"})
    assert _comments(result.text) == _comments(text)


def test_list_shrinks_and_keeps_what_is_equal_when_a_shorter_list_is_set(spec_text: str) -> None:
    text = spec_text.replace(
        "threshold: 0.80}\n", "threshold: 0.80}   # main\n    - {name: f1, scorer: macro_f1, threshold: 0.7}\n"
    )
    kept = {"name": "accuracy", "scorer": "exact_match", "threshold": 0.8}
    result = _patch(text, {"path": "evaluation.checks", "value": [kept]})
    assert _lines(result.diff) == ["-    - {name: f1, scorer: macro_f1, threshold: 0.7}"]


def test_windows_line_ends_stay_when_a_value_is_set(spec_text: str) -> None:
    result = _patch(spec_text.replace("\n", "\r\n"), {"path": "train.0.epochs", "value": 5})
    assert result.text == spec_text.replace("epochs: 3", "epochs: 5").replace("\n", "\r\n")
    assert len(_lines(result.diff)) == 2


def test_last_line_without_end_is_kept_when_a_key_is_added(spec_text: str) -> None:
    result = _patch(spec_text.rstrip("\n"), {"path": "budget.tokens", "value": 5})
    assert result.text.endswith("  hours: 1\n  tokens: 5")


@pytest.mark.parametrize(
    "layout",
    [
        "train:\n- method: sft\n  epochs: 3 # c1\n",
        "train: [{method: sft, epochs: 3}] # c1\n",
        "train:\n  - # c1\n    method: sft\n    epochs: 3\n",
        "train:\n    -   epochs: 3 # c1\n        # c2\n        method: sft\n",
        "train: # c1\n  [\n    {\n      epochs: 3, # c2\n      method: sft\n    }\n  ]\n",
        "train: # c1\n\n  - {\n     method: sft, epochs: 3}   # c2\n",
    ],
)
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"path": "train.0.epochs", "value": 7}, {"method": "sft", "epochs": 7}),
        ({"path": "train.0.epochs", "op": "remove"}, {"method": "sft"}),
        ({"path": "train.0.seed", "value": 9}, {"method": "sft", "epochs": 3, "seed": 9}),
        ({"path": "train.0", "value": {"method": "sft", "seed": 1}}, {"method": "sft", "seed": 1}),
    ],
)
def test_patch_works_when_the_layout_is(layout: str, change: dict[str, Any], wanted: dict[str, Any]) -> None:
    text = _TEMPLATE.replace("train:\n  - method: sft\n", layout)
    result = _patch(text, change)
    assert read_tree(result.text, "x").root.value["train"] == [wanted]
    outside = [comment for comment in _comments(_TEMPLATE) if not comment.startswith("# c")]
    assert [comment for comment in _comments(result.text) if not comment.startswith("# c")] == outside


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"path": "train.0.epochs", "value": -1}, "train.0.epochs", "above 0"),
        ({"path": "train.0.epochs", "value": "many"}, "train.0.epochs", "found the text 'many'"),
        ({"path": "train.0.epoch", "value": 3}, "train.0.epoch", "is no known key"),
        ({"path": "trane.0.epochs", "value": 3}, "trane", "is no known key"),
        ({"path": "train.5.epochs", "value": 3}, "train.5.epochs", "has 1 entries"),
        ({"path": "train.epochs", "value": 3}, "train.epochs", "is a list"),
        ({"path": "goal.0", "value": 3}, "goal.0", "is no list"),
        ({"path": "goal.task.words", "value": 3}, "goal.task.words", "a single value"),
        ({"path": "goal.task", "op": "append", "value": 3}, "goal.task", "is no list"),
        ({"path": "goal.nothing", "op": "remove"}, "goal.nothing", "is not in the file"),
        ({"path": "version", "op": "remove"}, "version", "is missing"),
        ({"path": "train.0", "op": "remove"}, "train", "an empty list"),
        ({"path": "train..epochs", "value": 3}, "train..epochs", "no path"),
        ({"path": "0", "value": 3}, "0", "no path"),
        ({"path": "goal.task", "value": "a\x00b"}, "goal.task", "cannot stand"),
    ],
)
def test_patch_is_refused_by_field_when(change: dict[str, Any], field: str, words: str, spec_text: str) -> None:
    with pytest.raises(SpecError) as caught:
        _patch(spec_text, change)
    assert caught.value.source == "spec.yaml"
    assert any(problem.field == field and words in problem.message for problem in caught.value.problems)


def test_nothing_is_patched_when_one_of_several_changes_is_wrong(spec_text: str) -> None:
    with pytest.raises(SpecError, match=r"train\.0\.seed"):
        _patch(spec_text, {"path": "train.0.epochs", "value": 9}, {"path": "train.0.seed", "value": -1})


def test_patch_repairs_a_spec_when_the_file_is_invalid(spec_text: str) -> None:
    result = _patch(spec_text.replace("epochs: 3", "epochs: lots"), {"path": "train.0.epochs", "value": 4})
    assert result.spec.train[0].epochs == 4


@pytest.mark.parametrize("text", ["a: &x 1\n", "a: 1\na: 2\n", "- a\n", "a: [\n", ""])
def test_patch_is_refused_when_the_file_is_no_usable_yaml(text: str) -> None:
    with pytest.raises(SpecError):
        _patch(text, {"path": "name", "value": "x"})


_UNACCEPTED = _TEMPLATE
_ACCEPTED = _TEMPLATE.replace("license_accepted: false", "license_accepted: true")


@pytest.mark.parametrize(
    "changes",
    [
        [{"path": "model.license_accepted", "value": True}],
        [{"path": "model.license_accepted", "value": "true"}],
        [{"path": "model.license_accepted", "op": "remove"}],
        [{"path": "model", "value": {"base": "seedling", "license_accepted": True}}],
        [{"path": "model", "op": "remove"}, {"path": "model", "value": {"base": "x", "license_accepted": True}}],
    ],
)
def test_licence_is_not_accepted_when_no_person_asks(changes: list[dict[str, Any]]) -> None:
    with pytest.raises(SpecError, match="only a person accepts a licence"):
        _patch(_UNACCEPTED, *changes)


def test_licence_is_accepted_when_a_person_asks() -> None:
    result = _patch(_UNACCEPTED, {"path": "model.license_accepted", "value": True}, by_person=True)
    assert result.spec.model.license_accepted


@pytest.mark.parametrize("by_person", [False, True])
def test_acceptance_is_taken_back_when_the_base_model_changes(by_person: bool) -> None:
    result = _patch(_ACCEPTED, {"path": "model.base", "value": "org/other"}, by_person=by_person)
    assert not result.spec.model.license_accepted
    assert _comments(result.text) == _comments(_ACCEPTED)


def test_acceptance_stays_when_something_else_changes() -> None:
    assert _patch(_ACCEPTED, {"path": "train.0.epochs", "value": 2}).spec.model.license_accepted


def test_acceptance_stays_when_a_person_changes_base_and_accepts_in_one_patch() -> None:
    changes = ({"path": "model.base", "value": "org/other"}, {"path": "model.license_accepted", "value": True})
    assert _patch(_ACCEPTED, *changes, by_person=True).spec.model.license_accepted


def _fields(**more: Any) -> dict[str, Any]:
    return {
        "name": "intents",
        "goal": {"task": "Classify."},
        "model": {"base": "seedling"},
        "train": [{"method": "sft", "epochs": 3}],
        "evaluation": {"checks": [{"name": "accuracy", "scorer": "exact_match", "threshold": 0.8}]},
    } | more


def test_new_spec_is_valid_commented_and_in_order_when_made_from_fields() -> None:
    source = {"path": "data/train.csv", "columns": {"prompt": "text", "completion": "category"}}
    text = new_spec_text(dict(reversed(_fields(data={"sources": [source], "test": {"fraction": 0.2}}).items())))
    assert text.splitlines()[0] == "# yaml-language-server: $schema=.tailor/schema/spec.json"
    assert "    - {path: data/train.csv, columns: {prompt: text, completion: category}}\n" in text
    assert "  - method: sft\n    epochs: 3\n" in text
    spec = parse_spec(text, "spec.yaml").spec
    assert [entry.key for entry in read_tree(text, "x").root.entries] == [
        "version",
        "name",
        "goal",
        "model",
        "data",
        "train",
        "evaluation",
        "deployment",
        "budget",
    ]
    assert not spec.model.license_accepted
    assert spec.data.sources[0].path == "data/train.csv"


def test_new_spec_names_every_defect_when_fields_are_wrong() -> None:
    text = new_spec_text(_fields(gaol={"task": "x"}, budget={"hours": "two"}))
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "spec.yaml")
    assert [problem.field for problem in caught.value.problems] == ["budget.hours", "gaol"]


def test_new_spec_is_refused_when_it_accepts_the_licence_without_a_person() -> None:
    fields = _fields(model={"base": "seedling", "license_accepted": True})
    with pytest.raises(SpecError, match="only a person"):
        new_spec_text(fields)
    assert parse_spec(new_spec_text(fields, by_person=True), "x").spec.model.license_accepted


@pytest.mark.parametrize("bad", [float("nan"), {1, 2}, object()])
def test_new_spec_is_refused_when_a_value_is_not_plain(bad: Any) -> None:
    with pytest.raises(SpecError, match="plain values"):
        new_spec_text(_fields(budget={"hours": bad}))


def test_diff_is_empty_when_texts_are_equal() -> None:
    assert diff_text("a\n", "a\n", "spec.yaml") == ""
    assert diff_text("", "a\n", "spec.yaml") == "--- spec.yaml (before)\n+++ spec.yaml (after)\n@@ -0,0 +1 @@\n+a\n"


_texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufeff"), min_size=1, max_size=30
) | st.sampled_from(
    [
        "null",
        "true",
        "1",
        "1.5",
        "-",
        "#",
        "a # b",
        "a: b",
        "[x]",
        "{x}",
        "'",
        '"',
        "\\",
        "x:",
        " x",
        "x ",
        "a\nb",
        "~",
        "a\n\nb\n",
        "\n",
        "a\tb",
        "2024-01-01",
        "!x",
        "&x",
        "*x",
        "%x",
        "@x",
        "`x",
        "? x",
        "- x",
        "<<",
        "=",
        "...",
        "---",
        "é: ü",
        "\u2028",
        "a\u202eb",
        "|",
        ">-",
        "0x1f",
        "1e5",
        "yes",
        "e\u0301",
        "a,b",
        "…",
    ]
)


@settings(max_examples=25, deadline=None)
@given(_texts, _texts)
def test_text_reads_back_the_same_when_it_is_set_anywhere(first: str, second: str) -> None:
    result = _patch(
        _TEMPLATE,
        {"path": "goal.task", "value": first},
        {"path": "goal.good_examples.0.prompt", "value": second},
        {"path": "goal.good_examples", "op": "append", "value": {"prompt": second, "answer": first}},
    )
    assert result.spec.goal.task == first
    assert [example.prompt for example in result.spec.goal.good_examples] == [second, second]
    assert result.spec.goal.good_examples[1].answer == first
    tail = _TEMPLATE[_TEMPLATE.index("  bad_examples:") :]
    assert result.text.endswith(tail)


_changes = st.sampled_from(
    [
        {"path": "train.0.epochs", "value": 4},
        {"path": "train.0.epochs", "value": "auto"},
        {"path": "train.0.lora", "value": {"rank": 8, "alpha": 16}},
        {"path": "train.0.lora.rank", "value": 4},
        {"path": "train", "op": "append", "value": {"method": "sft", "seed": 3}},
        {"path": "goal.good_examples", "op": "append", "value": {"prompt": "p", "answer": "a"}},
        {"path": "goal.bad_examples", "value": []},
        {"path": "evaluation.checks.0.threshold", "value": 0.5},
        {"path": "evaluation.max_rows", "value": 100},
        {"path": "deployment.port", "value": 8080},
        {"path": "compute", "value": {"device": "cpu", "threads": 1}},
        {"path": "compute.threads", "value": 2},
        {"path": "data.test", "value": {"fraction": 0.3}},
        {"path": "data.sources", "op": "append", "value": {"path": "b.csv"}},
        {"path": "budget.hours", "value": 2.5},
    ]
)


@settings(max_examples=15, deadline=None)
@given(st.lists(_changes, min_size=1, max_size=5))
def test_comments_and_other_values_survive_when_patches_follow_each_other(changes: list[dict[str, Any]]) -> None:
    text = _TEMPLATE
    values = json.loads(json.dumps(read_tree(text, "x").root.value))
    for change in changes:
        if len(values["goal"]["good_examples"]) == 5 and change["path"].endswith("good_examples"):
            continue
        text = _patch(text, change).text
        section = change["path"].split(".")[0]
        values[section] = read_tree(text, "x").root.value[section]
        assert read_tree(text, "x").root.value == values
    assert _comments(text) == _comments(_TEMPLATE)
