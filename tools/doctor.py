"""What holds on this machine and in this project: `tailor doctor`. Looks and reports; mends nothing."""

import importlib.util
import os
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from specs.base import StrictModel
from specs.errors import TailorError
from specs.layout import ProjectLayout
from specs.roots import check_roots, seedling_dir
from tools.hardware import hardware_facts
from tools.wording import size

_TRAINING_STACK = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "mlflow", "fastapi", "uvicorn")
_LOW_DISK_BYTES = 2 * 10**9


class Finding(StrictModel):
    """One thing looked at."""

    name: str
    state: Literal["ok", "warning", "failed"]
    message: str
    hint: str = ""


def examine(layout: ProjectLayout) -> tuple[Finding, ...]:
    """Return every finding; nothing raises, a check that cannot be made is itself a finding."""
    checks: tuple[tuple[str, Callable[[ProjectLayout], Iterator[Finding]]], ...] = (
        ("python", _python),
        ("platform", _platform),
        ("packages", _packages),
        ("hardware", _hardware),
        ("seedling", _seedling),
        ("project", _project),
        ("ledger", _ledger),
        ("jobs", _jobs),
    )
    findings: list[Finding] = []
    for name, check in checks:
        try:
            findings.extend(check(layout))
        except (OSError, TailorError, sqlite3.Error) as error:
            findings.append(Finding(name=name, state="failed", message=f"could not be checked: {error}"))
    return tuple(findings)


def _python(_layout: ProjectLayout) -> Iterator[Finding]:
    yield Finding(name="python", state="ok", message=f"Python {platform.python_version()}")
    check_roots()
    yield Finding(name="install", state="ok", message="agent, tools, trainer and specs come from one folder")


def _platform(_layout: ProjectLayout) -> Iterator[Finding]:
    system = platform.system()
    if system == "Linux":
        where = "Linux under WSL" if "microsoft" in platform.release().lower() else "Linux"
        yield Finding(name="platform", state="ok", message=where)
    elif system == "Darwin":
        yield Finding(
            name="platform",
            state="warning",
            message="macOS: jobs are launched exactly once and stopped with their children; a restart of the machine "
            "is told from start times alone, because there is no boot id.",
        )
    else:
        yield Finding(
            name="platform", state="failed", message=f"{system} is not supported", hint="Use Windows through WSL."
        )


def _packages(_layout: ProjectLayout) -> Iterator[Finding]:
    missing = [name for name in _TRAINING_STACK if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding(
            name="training",
            state="failed",
            message=f"not installed: {', '.join(missing)}",
            hint="Install the training stack: pip install -c constraints.txt -e '.[train]'",
        )
        return
    shown = ", ".join(f"{name} {_version(name)}" for name in _TRAINING_STACK[:3])
    yield Finding(name="training", state="ok", message=shown)


def _hardware(layout: ProjectLayout) -> Iterator[Finding]:
    facts = hardware_facts(layout.state_dir)
    cpu = f"{facts.cores} cores, {size(facts.memory_bytes)} memory, bf16 {'in hardware' if facts.bf16 else 'not used'}"
    yield Finding(name="processor", state="ok", message=cpu)
    if facts.gpu is not None:
        yield Finding(name="gpu", state="ok", message=f"{facts.gpu}, {size(facts.gpu_memory_bytes)}")
    elif shutil.which("nvidia-smi"):
        yield Finding(name="gpu", state="warning", message="nvidia-smi is installed but shows no GPU")
    else:
        yield Finding(name="gpu", state="ok", message="none; training runs on the processor")
    if facts.free_disk_bytes < _LOW_DISK_BYTES:
        yield Finding(
            name="disk",
            state="warning",
            message=f"only {size(facts.free_disk_bytes)} free",
            hint="Free some space: checkpoints are written while training.",
        )
    else:
        yield Finding(name="disk", state="ok", message=f"{size(facts.free_disk_bytes)} free")


def _seedling(_layout: ProjectLayout) -> Iterator[Finding]:
    from tools.catalog import weights_hash

    folder = seedling_dir()
    if not (folder / "model.safetensors").is_file():
        yield Finding(
            name="seedling",
            state="failed",
            message=f"the embedded model is missing from {folder}",
            hint=f"Make it again: python -m trainer.seedling build {folder}",
        )
        return
    yield Finding(name="seedling", state="ok", message=f"embedded model {weights_hash(folder)[:19]}")


def _project(layout: ProjectLayout) -> Iterator[Finding]:
    mode = layout.state_dir.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding(
            name="privacy",
            state="failed",
            message=f"{layout.state_dir} can be read by others (mode {mode:o})",
            hint=f"chmod 700 {layout.state_dir}",
        )
    else:
        yield Finding(name="privacy", state="ok", message=".tailor is readable by you alone")
    if not os.access(layout.root, os.W_OK):
        yield Finding(name="project", state="failed", message=f"{layout.root} cannot be written")
    readable = [path.name for path in (layout.ledger_path, layout.threads_path) if _is_open(path)]
    if readable:
        yield Finding(
            name="file modes",
            state="failed",
            message=f"{', '.join(readable)} can be read by others",
            hint=f"chmod 600 {layout.state_dir}/*.db",
        )


def _ledger(layout: ProjectLayout) -> Iterator[Finding]:
    if not layout.ledger_path.exists():
        yield Finding(name="ledger", state="ok", message="no plan was made here yet")
        return
    from tools.audit import AuditLog, changed_results
    from tools.ledger import Ledger

    with Ledger(layout.ledger_path) as ledger:
        report = AuditLog(layout.audit_path, ledger).verify()
        changed = changed_results(layout.audit_path, ledger.steps())
    if changed:
        yield Finding(
            name="results",
            state="failed",
            message="recorded results are not those that were measured: "
            + ", ".join(f"{record.step} of plan {record.plan[:19]}" for record in changed),
            hint="Measure anew: tailor run --again",
        )
    if report.whole:
        yield Finding(name="audit", state="ok", message="the audit log is whole")
    else:
        yield Finding(
            name="audit",
            state="failed",
            message=f"the audit log was changed: {'; '.join(report.problems)}",
            hint="Somebody or something edited .tailor/audit.jsonl; compare it with a backup.",
        )


def _jobs(layout: ProjectLayout) -> Iterator[Finding]:
    from tools.runs import list_runs

    runs = list_runs(layout)
    running = [run.run_id for run in runs if run.state == "running"]
    lost = [run.run_id for run in runs if run.state == "lost"]
    message = f"running: {', '.join(running)}" if running else "nothing is running"
    yield Finding(name="jobs", state="ok", message=message)
    if lost:
        yield Finding(
            name="jobs",
            state="warning",
            message=f"ended without a word: {', '.join(lost)}",
            hint="`tailor run` takes training up again from its last checkpoint.",
        )
    if layout.ledger_path.exists():
        yield from _orphans(layout)


def _orphans(layout: ProjectLayout) -> Iterator[Finding]:
    from tools.deployment.teardown import orphans
    from tools.ledger import Ledger
    from tools.running import backend

    with Ledger(layout.ledger_path) as ledger:
        found = [server.run_id for server in orphans(layout, backend(layout), ledger)]
    if found:
        yield Finding(
            name="servers",
            state="warning",
            message=f"run although nothing in the ledger stands for them: {', '.join(found)}",
            hint="Stop them: tailor teardown --all",
        )


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"
