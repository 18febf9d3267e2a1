import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from specs.canonical import canonical_json
from tools.audit import AuditLog
from tools.ledger import Ledger

NUM_RECORDS = 12


@pytest.fixture
def log(tmp_path: Path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        made = AuditLog(tmp_path / "audit.jsonl", ledger)
        for number in range(NUM_RECORDS):
            made.append("step_begun", step=f"s{number}")
        yield made


def rebuilt(lines: list[bytes]) -> list[bytes]:
    """Return a chain that holds in itself, over other facts."""
    previous, made = "0" * 64, []
    for number in range(1, len(lines) + 1):
        body = {"number": number, "previous": previous, "time": 0.0, "kind": "step_begun", "facts": {"step": "fake"}}
        previous = hashlib.sha256(canonical_json(body)).hexdigest()
        made.append(canonical_json({**body, "hash": previous}) + b"\n")
    return made


TAMPERED = {
    "edited": lambda lines: [*lines[:5], lines[5].replace(b'"s5"', b'"s6"'), *lines[6:]],
    "edited with its own hash": lambda lines: [*lines[:5], rebuilt(lines)[5], *lines[6:]],
    "white space": lambda lines: [*lines[:5], lines[5].replace(b",", b", ", 1), *lines[6:]],
    "deleted": lambda lines: lines[:5] + lines[6:],
    "first deleted": lambda lines: lines[1:],
    "swapped": lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]],
    "inserted": lambda lines: [*lines[:9], lines[8], *lines[9:]],
    "torn": lambda lines: [*lines[:-1], lines[-1][:20]],
    "cut by one": lambda lines: lines[:-1],
    "cut by ten": lambda lines: lines[:-10],
    "emptied": lambda _lines: [],
    "rebuilt": rebuilt,
    "rebuilt and longer": lambda lines: rebuilt([*lines, b""]),
    "no record": lambda lines: [*lines[:5], b"[1]\n", *lines[6:]],
    "blank line": lambda lines: [*lines[:5], b"\n", *lines[5:]],
}


def test_untouched_log_is_whole(log: AuditLog):
    report = log.verify()
    assert (report.whole, report.num_records) == (True, NUM_RECORDS)


@pytest.mark.parametrize("kind", TAMPERED)
def test_tampering_is_found(log: AuditLog, tmp_path: Path, kind: str):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(TAMPERED[kind](path.read_bytes().splitlines(keepends=True))))
    report = log.verify()
    assert not report.whole
    assert report.problems[0].endswith(".")
    log.append("later")
    assert not log.verify().whole


def test_log_appended_by_a_forger_is_found(log: AuditLog, tmp_path: Path):
    path = tmp_path / "audit.jsonl"
    last = json.loads(path.read_bytes().splitlines()[-1])
    body = {"number": NUM_RECORDS + 1, "previous": last["hash"], "time": 0.0, "kind": "x", "facts": {}}
    with path.open("ab") as stream:
        stream.write(canonical_json({**body, "hash": hashlib.sha256(canonical_json(body)).hexdigest()}) + b"\n")
    assert "after the last one" in log.verify().problems[0]


def test_write_that_a_crash_cut_off_is_finished(log: AuditLog, tmp_path: Path):
    path = tmp_path / "audit.jsonl"
    content = path.read_bytes()
    with Ledger(tmp_path / "ledger.db") as ledger:
        for kept in (0, 1, 50, len(content.splitlines()[-1])):
            ledger.change("UPDATE audit_head SET written = 0")
            start = len(content) - len(content.splitlines(keepends=True)[-1])
            path.write_bytes(content[: start + kept])
            assert log.verify().whole
            assert path.read_bytes() == content


def test_log_is_private(log: AuditLog, tmp_path: Path):
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_no_acknowledged_record_is_lost_when_writers_are_killed(
    tmp_path: Path, begun: Callable[..., int], num_kills: int
):
    chance = random.Random(3)

    def write(number: int) -> None:
        with Ledger(tmp_path / "ledger.db") as ledger, (tmp_path / f"acknowledged{number}").open("w") as told:
            log = AuditLog(tmp_path / "audit.jsonl", ledger)
            count = 0
            while True:
                log.append("written", writer=number, count=count)
                told.write(f"{count}\n")
                told.flush()
                count += 1

    for number in range(0, num_kills, 2):
        writers = [begun(lambda n=n: write(n)) for n in (number, number + 1)]
        time.sleep(chance.uniform(0.05, 0.2))
        for pid in writers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert AuditLog(tmp_path / "audit.jsonl", ledger).verify().problems == ()
    records = [json.loads(line)["facts"] for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]
    kept = {(facts["writer"], facts["count"]) for facts in records}
    told = {
        (int(path.name.removeprefix("acknowledged")), int(count))
        for path in tmp_path.glob("acknowledged*")
        for count in path.read_text().split()
    }
    assert told
    assert told <= kept
    assert len(records) == len(kept)
