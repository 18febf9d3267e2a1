"""Records of JSONL files and of JSON files that hold one array of objects.

A broken JSONL line is one refused row; a broken array is a broken file, because nobody can tell where its rows end.
"""

import json
import re
from collections.abc import Iterator
from typing import cast

from tools.data.records import Record, RefusedRow
from tools.data.source_file import MAX_RECORD_BYTES, SourceFile
from tools.data.strict_json import BadJson, parse_object

_SPACE = re.compile(r"[ \t\r\n]*")
_ARRAY_HINT = "Check the file with a JSON validator, or write one object a line and call the file .jsonl."


def jsonl_records(source: SourceFile) -> Iterator[Record | RefusedRow]:
    """Yield each line as a record or as a refused row. Raises DataError for a file that is unreadable as a whole."""
    num_blank = 0
    for number, line in source.lines():
        text = line.strip(" \t\r\n")
        if not text:
            num_blank += 1
        elif number == 1 and text.startswith("["):
            raise source.error(
                "the file holds a JSON array, not one object a line", "Rename it so that it ends in .json."
            )
        else:
            yield _record(number, text)
    source.note_blank_lines(num_blank)


def array_records(source: SourceFile) -> Iterator[Record | RefusedRow]:
    """Yield each element of the file's array with the line it starts on. Raises DataError for a broken array."""
    text = source.text()
    at = _skip(text, 0)
    if at == len(text):
        raise source.error("the file holds white space alone", "Put rows into it, or name another file.")
    if text[at] != "[":
        raise source.error("the file does not hold an array of objects", _not_an_array(text[at:]))
    line, counted = 1, 0
    at = _skip(text, at + 1)
    while not text.startswith("]", at):
        line += text.count("\n", counted, at)
        counted = at
        end = _end_of_value(source, text, at, line)
        yield _record(line, text[at:end])
        at = _skip(text, end)
        if text.startswith(",", at):
            at = _skip(text, at + 1)
            if text.startswith("]", at):
                raise source.error(f"line {line}: a comma stands before the end of the array", _ARRAY_HINT)
        elif not text.startswith("]", at):
            raise source.error(f"the row that starts on line {line} is not followed by a comma or `]`", _ARRAY_HINT)
    if _skip(text, at + 1) != len(text):
        raise source.error("text stands after the end of the array", _ARRAY_HINT)


def _record(line: int, text: str) -> Record | RefusedRow:
    try:
        return Record(line, parse_object(text))
    except BadJson as error:
        return RefusedRow(line, str(error))


def _end_of_value(source: SourceFile, text: str, at: int, line: int) -> int:
    try:
        _, end = cast("tuple[object, int]", _SCANNER.raw_decode(text, at))
    except (ValueError, RecursionError) as error:
        reason = error.msg.lower() if isinstance(error, json.JSONDecodeError) else "nested too deep"
        raise source.error(f"the row that starts on line {line} is not valid JSON ({reason})", _ARRAY_HINT) from error
    if end - at > MAX_RECORD_BYTES:
        size = MAX_RECORD_BYTES // 2**20
        raise source.error(f"the row that starts on line {line} is longer than {size} MiB", _ARRAY_HINT)
    return end


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _not_an_array(text: str) -> str:
    if text.startswith("{") and re.search(r"}\s*\n\s*{", text[:100_000]):
        return "It looks like one object a line: rename it so that it ends in .jsonl."
    return "Write the rows as [{…}, {…}], or one object a line in a .jsonl file."


# numbers stay text here: only where a value ends matters, and long integers would be refused too early
_SCANNER = json.JSONDecoder(parse_int=str, parse_float=str)
