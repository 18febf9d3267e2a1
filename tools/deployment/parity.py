"""Whether a server gives the answers that were evaluated: another template, stop token or precision shows here."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from specs.base import StrictModel
from specs.run import DatasetRow, Generation
from tools.deployment.chat import ChatServer
from tools.evaluation.records import draw_rows

NUM_ROWS = 20
MIN_SHARE = 0.9
"""Below this share of equal answers a person is warned; a few differ where two tokens are as good as equal."""
BUDGET_S = 120.0
"""Rows not asked after so many seconds are left out: a large model on a processor is slow."""


class Parity(StrictModel):
    """Outcome of the comparison."""

    rows: int
    """Answers that were compared."""
    equal: int
    """Answers that are the same to the letter."""
    different: tuple[str, ...] = ()
    """Ids of the rows answered otherwise."""

    @property
    def share(self) -> float:
        """Return the part that is equal, 1 when nothing was compared."""
        return self.equal / self.rows if self.rows else 1.0

    @property
    def warning(self) -> str:
        """Return a sentence for people, empty when there is nothing to say."""
        if self.share >= MIN_SHARE:
            return ""
        return (
            f"The server gives the evaluated answer for {self.equal} of {self.rows} test rows only, so the evaluation "
            "does not describe it. Deploy again; if it stays so, compare the chat template and the stop tokens in the "
            "model's folder with those of the training run."
        )


def compare(
    server: ChatServer,
    model: str,
    rows: Sequence[DatasetRow],
    evaluated: Mapping[str, Generation],
    max_new_tokens: int,
    *,
    max_parallel: int = 8,
    budget_s: float = BUDGET_S,
) -> Parity:
    """Ask the server a fixed draw of evaluated rows and compare to the letter.

    Args:
        server: the server.
        model: name of the evaluated model there.
        rows: the test rows.
        evaluated: the evaluation's answers by row id.
        max_new_tokens: longest answer in tokens, the evaluation's.
        max_parallel: rows asked at once.
        budget_s: seconds after which no further row is asked.

    Raises:
        UsageError, BackendError: the server does not answer.
    """
    readable = [row for row in rows if row.id in evaluated and evaluated[row.id].finish != "prompt_too_long"]
    drawn = draw_rows(readable, NUM_ROWS)
    end = time.monotonic() + budget_s

    def ask(row: DatasetRow) -> bool | None:
        if time.monotonic() > end:
            return None
        return server.ask(model, row.prompt, max_new_tokens).text == evaluated[row.id].text

    with ThreadPoolExecutor(max(1, max_parallel), thread_name_prefix="parity") as pool:
        outcomes = list(zip(drawn, pool.map(ask, drawn), strict=True))
    different = tuple(row.id for row, same in outcomes if same is False)
    num_rows = sum(same is not None for _, same in outcomes)
    return Parity(rows=num_rows, equal=num_rows - len(different), different=different)
