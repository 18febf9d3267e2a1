"""The endless, seeded stream of examples that Seedling learns from. Needs the standard library alone."""

from collections.abc import Iterator
from itertools import islice

from trainer.seedling.grammar import seeded
from trainer.seedling.tasks import Example, example, snake_case

CORPUS_VERSION = 1
"""Raised with every change of the words or templates, so that a model card can name the text it was made of."""


def examples(seed: int) -> Iterator[Example]:
    """Examples without end; the same seed gives the same stream."""
    rng = seeded(seed)
    while True:
        yield example(rng)


def texts(seed: int, count: int) -> Iterator[str]:
    """The turns of the first `count` examples as plain strings, for training the tokenizer.

    Words in capitals only are left out, and every third turn comes once more as a snake-case key, so that labels cost
    few tokens.
    """
    for number, found in enumerate(islice(examples(seed), count)):
        for turn in (found.system, found.user, found.answer):
            if turn and not turn.isupper():
                yield turn
                if number % 3 == 0:
                    yield snake_case(turn)
