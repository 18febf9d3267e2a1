"""Tells a classification task from free text, by how often short answers repeat."""

from collections import Counter
from collections.abc import Iterable, Mapping

MAX_LABEL_CHARACTERS = 80
MAX_DISTINCT_SHARE = 0.2
MIN_ROWS_PER_LABEL = 3


def count_labels(completions: Iterable[str]) -> Counter[str]:
    """Return how often each answer stands."""
    return Counter(completions)


def are_labels(counts: Mapping[str, int]) -> bool:
    """Return whether the answers are labels: short, few beside the rows, and each standing several times."""
    num_rows = sum(counts.values())
    return (
        len(counts) > 1
        and len(counts) <= max(2, MAX_DISTINCT_SHARE * num_rows)
        and num_rows / len(counts) >= MIN_ROWS_PER_LABEL
        and max(map(len, counts)) <= MAX_LABEL_CHARACTERS
        and not any("\n" in label for label in counts)
    )
