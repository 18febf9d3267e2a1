"""Records of Parquet files, read in small batches under a cap on the text they unfold to.

A few hundred kB of Parquet can unfold to gigabytes, and the sizes in its metadata do not tell: text columns stay
dictionaries until they are counted. Parquet has no lines, so rows are numbered from 1 instead.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from tools.data.records import Record
from tools.data.source_file import MAX_RECORD_BYTES, SourceFile, megabytes
from tools.escape import one_line

_BATCH_ROWS = 256
_MAX_CHUNK_BYTES = 256 * 2**20
_FREE_TEXT_BYTES = 64 * 2**20
_MAX_TEXT_BYTES = 2**30
_MAX_RATIO = 100
_BROKEN_HINT = "Write the file again, or save the rows as JSONL."


def parquet_records(source: SourceFile) -> Iterator[Record]:
    """Yield the rows. Raises DataError for a broken file, and for one that unfolds beyond the caps."""
    source.hash_now()
    pa, pq = _library()
    try:
        file: Any = pq.ParquetFile(source.path, memory_map=True)
        _check_chunks(source, file.metadata)
        names: list[str] = list(file.schema_arrow.names)
        _check_names(source, names)
        texts = [name for name, kind in zip(names, file.schema_arrow.types, strict=True) if _is_text(pa, kind)]
        file = pq.ParquetFile(source.path, read_dictionary=texts, memory_map=True)
        yield from _records(source, file)
    except (pa.ArrowException, OSError, UnicodeDecodeError, RecursionError) as error:
        raise source.error(f"not readable as Parquet ({one_line(str(error), 120)})", _BROKEN_HINT) from error


def _library() -> tuple[Any, Any]:
    # untyped, and slow to load: only when there is Parquet to read
    return import_module("pyarrow"), import_module("pyarrow.parquet")


def _is_text(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _records(source: SourceFile, file: Any) -> Iterator[Record]:
    names = list(file.schema_arrow.names)
    budget = min(_MAX_TEXT_BYTES, max(_FREE_TEXT_BYTES, _MAX_RATIO * source.size_bytes))
    number = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
        columns = [_values(source, column) for column in batch.columns]
        for row in zip(*columns, strict=True):
            number += 1
            size = sum(len(value) for value in row if isinstance(value, str))
            budget -= size
            if size > MAX_RECORD_BYTES:
                limit = MAX_RECORD_BYTES // 2**20
                raise source.error(f"row {number} is longer than {limit} MiB", "Leave that row out.")
            if budget < 0:
                raise source.error(
                    f"{megabytes(source.size_bytes)} of Parquet unfold to far more text than a data file should hold",
                    "Look at the file: the same long text is probably repeated. Save a sample of the rows as JSONL.",
                )
            yield Record(number, dict(zip(names, row, strict=True)))


def _values(source: SourceFile, column: Any) -> list[object]:
    if not hasattr(column, "dictionary"):
        if column.nbytes > _MAX_CHUNK_BYTES:
            raise source.error("a column unfolds to too much memory", "Save a sample of the rows as JSONL.")
        return column.to_pylist()
    if column.dictionary.nbytes > _MAX_CHUNK_BYTES:
        raise source.error("a column unfolds to too much memory", "Save a sample of the rows as JSONL.")
    # one Python string per distinct value: the rows share it, however often it is repeated
    indices: list[int | None] = column.indices.to_pylist()
    distinct = {index: column.dictionary[index].as_py() for index in set(indices) if index is not None}
    return [None if index is None else distinct[index] for index in indices]


def _check_chunks(source: SourceFile, metadata: Any) -> None:
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            if chunk.total_uncompressed_size > _MAX_CHUNK_BYTES:
                raise source.error(
                    f"row group {group + 1} holds a column of {megabytes(chunk.total_uncompressed_size)}",
                    f"Write it again with smaller row groups (at most {megabytes(_MAX_CHUNK_BYTES)} a column).",
                )


def _check_names(source: SourceFile, names: list[str]) -> None:
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise source.error(
            f"the column name {one_line(repeated[0], 60)!r} stands twice", "Give every column its own name."
        )
