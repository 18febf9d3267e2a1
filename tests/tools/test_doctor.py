import sqlite3
from pathlib import Path

import pytest

from tests.fakes.granted_project import a_manifest
from tests.fakes.planned_project import serve_manifest
from tests.fakes.quick_engine import quick_backend
from tools import doctor, running
from tools.audit import AuditLog
from tools.backends.local.marks import mark_started
from tools.client import Tailor
from tools.doctor import Finding, examine
from tools.ledger import Ledger


@pytest.fixture
def tailor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tailor:
    monkeypatch.setattr(running, "backend", quick_backend)
    return Tailor(tmp_path)


@pytest.fixture
def with_ledger(tailor: Tailor) -> Tailor:
    with Ledger(tailor.layout.ledger_path) as ledger:
        AuditLog(tailor.layout.audit_path, ledger).append("tested", number=1)
    return tailor


def found(tailor: Tailor, name: str) -> Finding:
    return [finding for finding in examine(tailor.layout) if finding.name == name][-1]


def test_nothing_is_wrong_in_a_fresh_project(tailor: Tailor):
    findings = examine(tailor.layout)
    assert [finding for finding in findings if finding.state == "failed"] == []
    assert {"python", "install", "training", "processor", "disk", "seedling", "privacy", "ledger", "jobs"} <= {
        finding.name for finding in findings
    }


def test_state_folder_open_to_others_is_found_with_the_remedy(tailor: Tailor):
    tailor.layout.state_dir.chmod(0o755)
    finding = found(tailor, "privacy")
    assert finding.state == "failed"
    assert "755" in finding.message
    assert finding.hint == f"chmod 700 {tailor.layout.state_dir}"


def test_files_open_to_others_are_named(with_ledger: Tailor):
    assert not any(finding.name == "file modes" for finding in examine(with_ledger.layout))
    with_ledger.layout.ledger_path.chmod(0o644)
    finding = found(with_ledger, "file modes")
    assert finding.state == "failed"
    assert "ledger.db" in finding.message


def test_audit_log_that_was_edited_is_found(with_ledger: Tailor):
    assert found(with_ledger, "audit").state == "ok"
    path = with_ledger.layout.audit_path
    path.write_text(path.read_text().replace('"number":1}', '"number":2}', 1))
    finding = found(with_ledger, "audit")
    assert finding.state == "failed"
    assert "Line 1 was changed" in finding.message


def test_missing_seedling_is_found_with_the_command_that_makes_it(
    tailor: Tailor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor, "seedling_dir", lambda: tmp_path / "gone")
    finding = found(tailor, "seedling")
    assert finding.state == "failed"
    assert finding.hint == f"Make it again: python -m trainer.seedling build {tmp_path / 'gone'}"


def test_missing_packages_are_named_with_the_command_that_installs_them(
    tailor: Tailor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doctor, "_TRAINING_STACK", ("torch", "no_such_package"))
    finding = found(tailor, "training")
    assert (finding.state, finding.message) == ("failed", "not installed: no_such_package")
    assert "pip install" in finding.hint


def test_little_disk_space_is_a_warning(tailor: Tailor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "_LOW_DISK_BYTES", 10**18)
    assert found(tailor, "disk").state == "warning"


def test_lost_run_is_named(tailor: Tailor):
    run = tailor.layout.run("r1")
    run.run_dir.mkdir(parents=True)
    run.manifest_path.write_text(a_manifest("r1").model_dump_json())
    mark_started(run, 1)
    finding = found(tailor, "jobs")
    assert (finding.state, finding.message) == ("warning", "ended without a word: r1")
    assert "tailor run" in finding.hint


def test_server_the_ledger_does_not_know_is_found_until_it_is_stopped(with_ledger: Tailor):
    running.backend(with_ledger.layout).submit(serve_manifest(with_ledger, "r1"), 1)
    assert "running: r1" in [finding.message for finding in examine(with_ledger.layout)]
    finding = found(with_ledger, "servers")
    assert (finding.state, finding.hint) == ("warning", "Stop them: tailor teardown --all")
    assert "r1" in finding.message
    with_ledger.teardown()
    assert not any(finding.name == "servers" for finding in examine(with_ledger.layout))


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), sqlite3.OperationalError("disk I/O error")], ids=["file", "database"]
)
def test_check_that_cannot_be_made_is_a_finding_and_the_others_go_on(
    tailor: Tailor, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(doctor, "hardware_facts", broken)
    finding = found(tailor, "hardware")
    assert finding.state == "failed"
    assert finding.message.startswith("could not be checked:")
    assert found(tailor, "jobs").state == "ok"


def test_damaged_ledger_is_a_finding(tailor: Tailor):
    tailor.layout.ledger_path.write_bytes(b"no database at all" * 100)
    finding = found(tailor, "ledger")
    assert (finding.state, "could not be checked" in finding.message) == ("failed", True)
