import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from specs.run import ModelRef
from tests.fakes.granted_project import a_plan, a_step
from tools.errors import ToolError
from tools.ledger import GrantRecord, Ledger, ModelRecord

GRANT = GrantRecord("g1", "sha256:d", "p", "train", 0.0, 60.0, 1.0, 1.0, "boot", 600.0, "me", "mac")
BASE = ModelRef(name="base", location="/base", revision="abc")


@pytest.fixture
def ledger(tmp_path: Path):
    with Ledger(tmp_path / ".tailor" / "ledger.db") as made:
        yield made


def a_model(version: int, run_id: str = "r1", adapter_dir: str | None = None) -> ModelRecord:
    return ModelRecord("demo", version, run_id, f"/runs/{run_id}/model", adapter_dir, BASE, "ab")


def test_ledger_and_its_side_files_are_private(ledger: Ledger, tmp_path: Path):
    old = os.umask(0o000)
    try:
        ledger.record_plan(a_plan())
    finally:
        os.umask(old)
    files = list((tmp_path / ".tailor").iterdir())
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / ".tailor").stat().st_mode & 0o777 == 0o700


def test_ledger_commits_to_the_disk(ledger: Ledger):
    assert ledger.row("PRAGMA journal_mode")["journal_mode"] == "wal"
    assert ledger.row("PRAGMA synchronous")["synchronous"] == 2


def test_plan_is_kept_whole_and_the_one_recorded_last_is_the_latest(ledger: Ledger):
    first, second = a_plan(), a_plan(a_step("train", arguments={"rate": 5e-5, "none": None, "list": [1, 2.0]}))
    assert ledger.latest_plan() is None
    for plan in (first, second):
        ledger.record_plan(plan)
    assert ledger.latest_plan() == second
    assert ledger.latest_plan().hash == second.hash
    ledger.record_plan(first)
    assert ledger.latest_plan() == first
    assert ledger.plan(second.hash) == second
    assert ledger.plan("sha256:other") is None


def test_plan_that_was_changed_in_the_file_is_refused(ledger: Ledger):
    plan = a_plan()
    ledger.record_plan(plan)
    ledger.change("UPDATE plans SET text = replace(text, '600.0', '900.0')")
    with pytest.raises(ToolError, match="does not match its hash"):
        ledger.plan(plan.hash)


def test_grant_is_used_by_the_first_alone(ledger: Ledger):
    ledger.add_grant(GRANT)
    assert ledger.grant("g1") == GRANT
    assert [ledger.use_grant("g1", now) for now in (5.0, 6.0)] == [True, False]
    assert ledger.grant("g1").used_at == 5.0
    assert not ledger.use_grant("g2", 5.0)


def test_run_ids_count_up_and_a_step_keeps_its_own(ledger: Ledger):
    assert [ledger.claim_job("p", step).run_id for step in ("a", "b", "a")] == ["r1", "r2", "r1"]
    assert ledger.claim_job("q", "a", taken=6).run_id == "r7"
    assert ledger.claim_job("q", "a", taken=9).run_id == "r7"
    assert ledger.claim_job("q", "b").run_id == "r8"


def test_launch_is_intended_once_by_those_who_saw_the_same_record(ledger: Ledger):
    job = ledger.claim_job("p", "a")
    assert [ledger.intend_launch(job).launches for _ in range(3)] == [1, 1, 1]
    ledger.confirm_launch(job)
    assert ledger.claim_job("p", "a").state == "launched"
    again = ledger.intend_launch(ledger.claim_job("p", "a"))
    assert (again.launches, again.state) == (2, "intent")


def test_attempts_follow_one_another_and_all_count_as_spent(ledger: Ledger):
    first = ledger.begin_step(GRANT, None, usd=1.5, now=10.0)
    ended = replace(first, state="failed", seconds=4.0, message="Out of luck.", ended_at=14.0)
    ledger.save_step(ended)
    assert ledger.step("p", "train") == ended
    grant = replace(GRANT, grant_id="g2")
    second = ledger.begin_step(grant, ledger.claim_job("p", "train"), usd=1.5, now=20.0)
    ledger.save_step(replace(second, state="succeeded", seconds=3.0, result={"a": [1, None]}))
    assert ledger.steps("p")[0].attempt == 2
    assert ledger.steps("p")[0].result == {"a": [1, None]}
    assert len(ledger.steps("p")) == 1
    assert (ledger.spent("p").seconds, ledger.spent("p").usd) == (7.0, 3.0)
    assert ledger.spent("q").usd == 0.0


def test_models_are_found_by_name_and_version(ledger: Ledger):
    assert ledger.next_version("demo") == 1
    ledger.add_model(a_model(1))
    ledger.add_model(a_model(2, "r4", adapter_dir="/runs/r4/model"))
    assert ledger.custom_model("demo", 1) == ModelRef(name="demo@1", location="/runs/r1/model")
    assert ledger.custom_model("demo", 2) == ModelRef(
        name="demo@2", location="/base", revision="abc", adapter_dir="/runs/r4/model"
    )
    assert ledger.custom_model("demo", 3) is None
    assert ledger.next_version("demo") == 3
    assert [model.run_id for model in ledger.models()] == ["r1", "r4"]


def test_version_of_another_run_is_not_overwritten(ledger: Ledger):
    ledger.add_model(a_model(1))
    ledger.add_model(a_model(1))
    with pytest.raises(ToolError, match="already made by run r1"):
        ledger.add_model(a_model(1, "r2"))
    assert ledger.models()[0].run_id == "r1"


def test_transaction_keeps_nothing_when_it_breaks_off(ledger: Ledger):
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.add_grant(GRANT)
        with ledger.transaction():
            ledger.claim_job("p", "a")
        raise RuntimeError
    assert ledger.grant("g1") is None
    assert ledger.claim_job("p", "b").run_id == "r1"


def test_full_disk_is_told_and_what_was_recorded_is_kept(ledger: Ledger):
    ledger.add_grant(GRANT)
    pages = ledger.row("PRAGMA page_count")["page_count"]
    ledger.rows(f"PRAGMA max_page_count={pages}")
    with pytest.raises(ToolError, match="disk is full") as caught, ledger.transaction():
        for number in range(2000):
            ledger.claim_job("p" * 500, str(number))
    assert caught.value.retryable
    assert "Free space" in caught.value.hint
    assert ledger.grant("g1") == GRANT
    ledger.rows(f"PRAGMA max_page_count={pages + 1000}")
    assert ledger.claim_job("p", "a").run_id == "r1"


def test_read_only_ledger_is_told(ledger: Ledger):
    ledger.add_grant(GRANT)
    ledger.rows("PRAGMA query_only=1")
    with pytest.raises(ToolError, match="cannot be written"):
        ledger.use_grant("g1", 1.0)
    assert ledger.grant("g1") == GRANT


def test_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError, match="cannot be opened"):
        Ledger(tmp_path / "file" / "ledger.db").latest_plan()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_damaged_ledger_is_told(tmp_path: Path, content: bytes):
    (tmp_path / "ledger.db").write_bytes(content)
    with pytest.raises(ToolError, match=r"damaged|cannot be used") as caught:
        Ledger(tmp_path / "ledger.db").latest_plan()
    assert caught.value.hint


def test_ledger_of_another_version_is_refused(ledger: Ledger, tmp_path: Path):
    ledger.record_plan(a_plan())
    ledger.close()
    with sqlite3.connect(tmp_path / ".tailor" / "ledger.db") as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(ToolError, match="another version of Tailor"):
        ledger.latest_plan()


def test_busy_ledger_is_told(ledger: Ledger, tmp_path: Path):
    ledger.record_plan(a_plan())
    ledger.rows("PRAGMA busy_timeout=1")
    other = sqlite3.connect(tmp_path / ".tailor" / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ToolError, match="in use by another process"):
        ledger.claim_job("p", "a")
    other.close()
    assert ledger.claim_job("p", "a").run_id == "r1"
