"""Which tool calls that change something were begun and finished, so that a killed engine does not repeat one.

The graph repeats a node that was killed; this file tells it what the node had done. Plans and jobs have the ledger
for that; here are edits of the spec.
"""

import json
from pathlib import Path
from typing import cast

from specs.atomic import write_text
from tools.steps import JsonDict

_KEPT = 20


class CallJournal:
    """The last calls, by call id."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self, call: str, before: str) -> JsonDict | None:
        """Record that `call` begins, with the text it will change; return the record when it had begun before."""
        records = self._read()
        if call in records:
            return records[call]
        self._write({**records, call: {"before": before, "content": None}})
        return None

    def finish(self, call: str, content: str) -> None:
        """Record the result of `call`."""
        records = self._read()
        self._write({**records, call: {"before": "", "content": content}})

    def _read(self) -> dict[str, JsonDict]:
        try:
            return cast("dict[str, JsonDict]", json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def _write(self, records: dict[str, JsonDict]) -> None:
        kept = dict(list(records.items())[-_KEPT:])
        write_text(self._path, json.dumps(kept))
