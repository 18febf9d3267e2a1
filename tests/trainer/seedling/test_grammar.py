"""Templates expand as their syntax says, and a broken template is named."""

import pytest

from trainer.seedling.grammar import Grammar, seeded


def test_grammar_expands_slots_and_alternatives_when_template_nests_them() -> None:
    grammar = Grammar({"pet": ("cat", "(big |)dog")})
    found = {grammar.expand("my {pet} (sleeps|eats {o})", seeded(n), {"o": "fish"}) for n in range(200)}
    assert found == {f"my {pet} {does}" for pet in ("cat", "dog", "big dog") for does in ("sleeps", "eats fish")}


def test_grammar_tidies_spaces_and_articles_when_alternative_is_empty() -> None:
    assert Grammar({}).expand("a (|) apple , a pear ?", seeded(0)) == "an apple, a pear?"


@pytest.mark.parametrize("template", ["(a|b", "a)b", "a|b"])
def test_grammar_names_the_template_when_brackets_do_not_match(template: str) -> None:
    with pytest.raises(ValueError, match="template has an un"):
        Grammar({}).expand(template, seeded(0))


def test_grammar_raises_when_rule_is_unknown() -> None:
    with pytest.raises(KeyError, match="nothing"):
        Grammar({}).expand("{nothing}", seeded(0))
