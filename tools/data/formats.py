"""One door to the records of a data file, whatever its format."""

from collections.abc import Iterator

from tools.data.records import Record, RefusedRow
from tools.data.source_file import SourceFile


def read_records(source: SourceFile) -> Iterator[Record | RefusedRow]:
    """Yield the records and refused rows of a file; its hash and notices are complete at the end.

    Raises:
        DataError: the file as a whole cannot be used.
    """
    match source.format:
        case "jsonl":
            from tools.data.json_rows import jsonl_records

            return jsonl_records(source)
        case "json":
            from tools.data.json_rows import array_records

            return array_records(source)
        case "csv" | "tsv":
            from tools.data.csv_rows import csv_records

            return csv_records(source)
        case "parquet":
            from tools.data.parquet_rows import parquet_records

            return parquet_records(source)
