"""The word lists are complete: every slot that a template names exists, and every template parses."""

from trainer.seedling.grammar import Grammar, seeded
from trainer.seedling.words import issues, rules, things


def test_every_template_expands_when_bound_to_a_thing() -> None:
    grammar, rng = Grammar(rules()), seeded(1)
    for issue in issues():
        assert "{o}" in issue.label
        for template in issue.templates:
            assert "{o}" in template
            for _ in range(5):
                assert "{" not in grammar.expand(template, rng, {"o": "thing"})


def test_every_rule_expands_when_chosen() -> None:
    grammar, rng = Grammar(rules()), seeded(2)
    for choices in rules().values():
        for choice in choices:
            assert grammar.expand(choice, rng)


def test_things_cover_many_domains_when_read() -> None:
    assert len({thing.domain for thing in things()}) >= 12
    assert len(things()) >= 120
    assert len(issues()) >= 40
