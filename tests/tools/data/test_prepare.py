import json

import pytest

from specs.data import DataSource, DataSpec, HeldOut
from specs.run import DatasetRow
from tools.data.dataset import SPLITS, row_digest
from tools.data.prepare import prepare
from tools.data.quality import Leak
from tools.data.split import group_key
from tools.data.tokens import token_counter
from tools.errors import DataError

MANY = [(f"question {number}", f"answer {number}") for number in range(1000)]


def prompts(found, split):
    return [row.prompt[-1][1] for row in found.rows[split]]


def test_version_is_the_same_when_the_same_files_are_prepared_twice(prepare_pairs):
    assert prepare_pairs(MANY, 0.1).version == prepare_pairs(MANY, 0.1).version
    assert prepare_pairs(MANY, 0.1).version != prepare_pairs(MANY[:-1], 0.1).version
    assert prepare_pairs(MANY, 0.1).version != prepare_pairs(MANY, 0.1, system_prompt="s").version


def test_lines_are_dataset_rows_with_ids_and_places(prepare_pairs):
    found = prepare_pairs([("p", "a"), ("q", "b")], [("r", "c"), ("r", "c"), ("r", "d")], system_prompt="Be brief.")
    train = [DatasetRow.model_validate_json(line) for line in found.lines("train")]
    assert [message.role for message in train[0].prompt] == ["system", "user"]
    assert train[1].source == "train.jsonl:2"
    assert train[0].id == row_digest((("system", "Be brief."), ("user", "p")), "a")
    test = [DatasetRow.model_validate_json(line).id for line in found.lines("test")]
    assert test[1] == f"{test[0]}-2"
    assert len(set(test)) == 3


def test_repeats_are_left_out_of_the_sources_and_counted(prepare_pairs):
    found = prepare_pairs([("p", "a"), ("q", "b"), ("p", "a"), ("p", "c")], [("r", "c")])
    assert prompts(found, "train") == ["p", "q", "p"]
    assert found.quality.num_duplicates == 1
    assert found.facts.num_duplicates == 1


def test_training_rows_are_left_out_and_named_when_their_prompt_stands_in_the_test(prepare_pairs):
    found = prepare_pairs([("keep", "a"), ("In  TEST", "b")], [("x", "y"), ("in test", "z"), ("in test", "z")])
    assert prompts(found, "train") == ["keep"]
    assert prompts(found, "test") == ["x", "in test", "in test"]
    assert found.quality.leaks == (Leak(row="train.jsonl:2", test_row="test.jsonl:2"),)
    assert any("first train.jsonl:2 as test.jsonl:2" in warning for warning in found.quality.warnings)


def test_data_is_refused_when_every_training_row_stands_in_the_test(prepare_pairs):
    with pytest.raises(DataError, match="Every training row also stands in the test"):
        prepare_pairs(MANY[:5], MANY[:5])


def test_no_group_crosses_the_splits_when_rows_are_held_out(prepare_pairs):
    pairs = [(text, f"{answer} {turn}") for text, answer in MANY for turn in (1, 2)]
    pairs += [(text.upper(), answer) for text, answer in MANY]
    found = prepare_pairs(pairs, 0.2, validation_fraction=0.2)
    groups = [{row.group for row in found.rows[split]} for split in SPLITS]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 1000
    assert sum(len(found.rows[split]) for split in SPLITS) == 3000


def test_held_out_rows_stay_the_same_when_rows_are_added(prepare_pairs):
    few = prompts(prepare_pairs(MANY[:500], 0.1), "test")
    many = prompts(prepare_pairs(MANY, 0.1), "test")
    assert [prompt for prompt in many if prompt in {text for text, _ in MANY[:500]}] == few


def test_system_prompt_of_the_row_wins_and_keeps_rows_apart(tmp_path, write_jsonl):
    rows = [{"prompt": "same", "completion": f"a{n}", "system": f"document {n}"} for n in range(50)]
    write_jsonl("a.jsonl", *rows, {"prompt": "other", "completion": "b", "system": ""})
    found = prepare(
        DataSpec(sources=(DataSource(path="a.jsonl"),), test=HeldOut(fraction=0.3)),
        name="own",
        root=tmp_path,
        datasets_dir=tmp_path,
        system_prompt="from the spec",
        counter=token_counter(None),
        context_length=None,
    )
    systems = {row.prompt[0][1] for split in SPLITS for row in found.rows[split]}
    assert systems == {"from the spec", *(f"document {n}" for n in range(50))}
    assert len(found.rows["test"]) > 5


def test_conflicts_are_counted_when_a_prompt_has_two_answers(prepare_pairs):
    found = prepare_pairs([("p", "a"), ("P ", "b"), ("q", "b")], [("r", "c")])
    assert found.quality.conflicts == (("train.jsonl:1", "train.jsonl:2"),)


def test_facts_follow_the_rows(prepare_pairs):
    pairs = [(f"question {number}", f"label {number % 4}") for number in range(800)]
    facts = prepare_pairs(pairs, [("a long question " * 20, "label 1")], validation_fraction=0.05).facts
    assert facts.num_train + facts.num_validation == 800
    assert 20 < facts.num_validation < 60
    assert (facts.num_test, facts.num_labels, facts.num_refused) == (1, 4, 0)
    assert facts.lengths.longest_prompt == 80 + 5
    assert facts.lengths.longest == 80 + 5 + 2 + 5
    assert facts.lengths.mean == pytest.approx(facts.lengths.total / facts.num_train, abs=0.01)
    assert set(facts.source_hashes) == {"train.jsonl", "test.jsonl"}
    assert facts.dir.endswith(f"/pairs/{facts.version}")
    assert len(facts.version) == 16


def test_private_data_is_reported_by_place_and_never_by_value(prepare_pairs):
    found = prepare_pairs([("mail ada@example.org", "a"), ("q", "sk-" + "a1" * 15)], [("r", "c")])
    text = found.quality.model_dump_json()
    assert {finding.kind: finding.rows for finding in found.quality.private} == {
        "API key": ("train.jsonl:2",),
        "e-mail address": ("train.jsonl:1",),
    }
    assert "ada@" not in text
    assert "sk-a1" not in text


def test_warnings_name_missing_rights_and_rare_labels(prepare_pairs):
    pairs = [(f"q{number}", "often" if number % 50 else "rare") for number in range(600)]
    warnings = " ".join(prepare_pairs(pairs, [("r", "rare")] * 40, rights=None).quality.warnings)
    assert "train.jsonl: rights are not stated" in warnings
    assert "49 times the rows of the smallest" in warnings
    assert "training row" not in warnings


def test_data_is_refused_when_the_spec_names_none(tmp_path):
    with pytest.raises(DataError, match="names no data"):
        prepare(
            DataSpec(),
            name="none",
            root=tmp_path,
            datasets_dir=tmp_path,
            system_prompt=None,
            counter=token_counter(None),
            context_length=None,
        )


def test_group_key_ignores_the_system_prompt_of_the_spec(prepare_pairs):
    found = prepare_pairs([("p", "a")], [("r", "c")], system_prompt="s")
    assert found.rows["train"][0].group == group_key([("user", "p")])
    assert json.loads(next(found.lines("train")))["prompt"][0] == {"role": "system", "content": "s"}
