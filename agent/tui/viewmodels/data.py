"""The prepared data as it is shown: figures, balance of the labels, warnings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelCount:
    """Training rows of one label."""

    label: str
    rows: int
    share: float
    """Of the largest label's rows."""


@dataclass(frozen=True)
class DataView:
    """One prepared dataset."""

    title: str
    """`bank, version 1f6c…`."""
    splits: tuple[tuple[str, int], ...]
    """Training, validation and test with their rows."""
    facts: tuple[tuple[str, str], ...]
    """Label and text; an empty label goes on with the one before."""
    labels: tuple[LabelCount, ...]
    """The largest first, then the smallest where there are too many."""
    num_labels: int
    warnings: tuple[str, ...]
    notices: tuple[str, ...]
    left_out: tuple[str, ...]
    """Rows that were refused or leaked into the test, a sentence each."""
    folder: str
    """Where its rows lie."""
