"""A prepared dataset in memory: its rows by split, its content hash, its card. Writing it is for `store`."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import orjson

from specs.base import StrictModel
from specs.data import Columns
from specs.facts import DataFacts, LengthFacts
from tools.data.quality import QualityReport, percentile
from tools.data.records import Turn

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_VERSION_DIGITS = 16


class PreparedRow(NamedTuple):
    """One row of the dataset, with the lengths it has in tokens."""

    prompt: tuple[Turn, ...]
    completion: str
    source: str
    """File and line, as data/train.csv:17."""
    digest: str
    """First 16 hex digits of the sha256 of prompt and completion."""
    group: bytes
    """Rows with the same group ask the same and stay on one side of every split."""
    prompt_tokens: int
    completion_tokens: int

    @property
    def tokens(self) -> int:
        """Length of the whole row in tokens."""
        return self.prompt_tokens + self.completion_tokens


class CardSource(StrictModel):
    """One file the dataset was made from."""

    path: str
    used_for: Literal["train", "test"]
    sha256: str
    columns: Columns | None
    rights: str | None
    num_rows: int
    num_refused: int


class DatasetCard(StrictModel):
    """card.json: where a dataset version comes from and what it is made of."""

    name: str
    version: str
    created_by: str
    sources: tuple[CardSource, ...]
    system_prompt: str | None
    split: str
    """How the rows were divided, in words."""
    num_rows: dict[str, int]
    files: dict[str, str]
    """sha256 of each file of rows."""


@dataclass(frozen=True)
class Prepared:
    """A dataset version, ready to be written."""

    name: str
    datasets_dir: Path
    rows: dict[Split, list[PreparedRow]]
    sources: tuple[CardSource, ...]
    system_prompt: str | None
    split: str
    quality: QualityReport
    basis: str

    @property
    def dir(self) -> Path:
        """Where the version lies once it is written."""
        return self.datasets_dir / self.name / self.version

    @cached_property
    def file_hashes(self) -> dict[str, str]:
        """sha256 of each file of rows."""
        return {f"{split}.jsonl": _hash_lines(self.lines(split)) for split in SPLITS}

    @property
    def version(self) -> str:
        """Content hash of the three files of rows, in 16 hex digits."""
        return version_of(self.file_hashes)

    @property
    def card(self) -> DatasetCard:
        """The card of this version."""
        return DatasetCard(
            name=self.name,
            version=self.version,
            created_by=_product(),
            sources=self.sources,
            system_prompt=self.system_prompt,
            split=self.split,
            num_rows={split: len(self.rows[split]) for split in SPLITS},
            files=self.file_hashes,
        )

    @property
    def facts(self) -> DataFacts:
        """What planning needs to know. Totals and percentiles are of the training rows, `longest` of all rows."""
        every = [row for split in SPLITS for row in self.rows[split]]
        lengths = sorted(row.tokens for row in self.rows["train"])
        labels = self.quality.labels
        return DataFacts(
            name=self.name,
            version=self.version,
            dir=str(self.dir),
            num_train=len(self.rows["train"]),
            num_validation=len(self.rows["validation"]),
            num_test=len(self.rows["test"]),
            num_refused=self.quality.num_refused,
            num_duplicates=self.quality.num_duplicates,
            num_labels=labels.num_labels if labels is not None else None,
            lengths=LengthFacts(
                total=sum(lengths),
                mean=round(sum(lengths) / len(lengths), 2),
                p95=percentile(lengths, 0.95),
                longest=max(row.tokens for row in every),
                longest_prompt=max(row.prompt_tokens for row in every),
                longest_completion=max(row.completion_tokens for row in every),
                basis=self.basis,
            ),
            source_hashes={source.path: source.sha256 for source in self.sources},
            warnings=self.quality.warnings,
        )

    def lines(self, split: Split) -> Iterator[bytes]:
        """Yield the lines of a split's file; exact repeats get `-2`, `-3` … behind their id."""
        seen: dict[str, int] = {}
        for row in self.rows[split]:
            times = seen[row.digest] = seen.get(row.digest, 0) + 1
            yield orjson.dumps(
                {
                    "id": row.digest if times == 1 else f"{row.digest}-{times}",
                    "prompt": [{"role": role, "content": content} for role, content in row.prompt],
                    "completion": [{"role": "assistant", "content": row.completion}],
                    "source": row.source,
                },
                option=orjson.OPT_APPEND_NEWLINE,
            )


def version_of(file_hashes: dict[str, str]) -> str:
    """Return the version that three files of rows make, from their sha256."""
    joined = "".join(f"{split}.jsonl:{file_hashes[f'{split}.jsonl']}\n" for split in SPLITS)
    return hashlib.sha256(joined.encode()).hexdigest()[:_VERSION_DIGITS]


def row_digest(prompt: Sequence[Turn], completion: str) -> str:
    """Return the name of a prompt and answer: 16 hex digits."""
    return hashlib.sha256(orjson.dumps([prompt, completion])).hexdigest()[:16]


def _hash_lines(lines: Iterator[bytes]) -> str:
    found = hashlib.sha256()
    for line in lines:
        found.update(line)
    return found.hexdigest()


def _product() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"model-tailor {version('model-tailor')}"
    except PackageNotFoundError:
        return "model-tailor"
