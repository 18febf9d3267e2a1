import pytest

from tools.glossary import explain, find_term


@pytest.mark.parametrize(
    ("asked", "term"),
    [
        ("LoRA", "LoRA"),
        ("why lora?", "LoRA"),
        ("what is macro f1", "macro-F1"),
        ("epoch", "epochs"),
        ("learnin rate", "learning rate"),
    ],
)
def test_term_is_found_when_asked_in_passing(asked: str, term: str):
    assert find_term(asked) == term


def test_explain_lists_what_it_knows_when_the_term_is_unknown():
    text = explain("quantum chromodynamics")
    assert "no explanation" in text
    assert "LoRA" in text


def test_explanation_begins_with_the_term():
    assert explain("qlora").startswith("QLoRA: ")
