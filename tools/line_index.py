"""Reads any line of a large JSONL file without the others: where each line begins is noted once. Parses nothing."""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.errors import ToolError


class LineIndex:
    """The lines of a file that are not blank, counted from 0. Made by reading the file once.

    Args:
        path: the file; it must not change while the index is used.
        hint: the next step when it cannot be read.

    Raises:
        ToolError: the file cannot be read.
    """

    def __init__(self, path: Path, hint: str = "") -> None:
        self.path = path
        self._hint = hint
        self._starts = array("Q")
        self._numbers = array("L")
        position = 0
        try:
            with path.open("rb") as stream:
                for number, line in enumerate(stream, start=1):
                    if line.strip():
                        self._starts.append(position)
                        self._numbers.append(number)
                    position += len(line)
        except OSError as error:
            raise self._unreadable(error) from error

    def __len__(self) -> int:
        return len(self._starts)

    def number(self, index: int) -> int:
        """Return which line of the file a line is, from 1 and blank lines counted, for errors."""
        return self._numbers[index]

    def read(self, indices: Iterable[int]) -> Iterator[bytes]:
        """Yield lines, without their breaks, in the order asked for. Raises ToolError when the file is gone."""
        try:
            with self.path.open("rb") as stream:
                position = -1
                for index in indices:
                    if self._starts[index] != position:
                        stream.seek(self._starts[index])
                    line = stream.readline()
                    position = self._starts[index] + len(line)
                    yield line.rstrip(b"\r\n")
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> ToolError:
        return ToolError(f"{self.path} cannot be read: {error.strerror}.", self._hint)
