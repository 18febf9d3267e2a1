import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.fakes.granted_project import GrantedProject


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=10, help="rounds of the tests that kill processes at random moments")


@pytest.fixture
def num_kills(request: pytest.FixtureRequest) -> int:
    # The option is unknown when pytest starts in a folder above this file; the variable always works.
    return int(os.environ.get("TAILOR_TEST_KILLS") or request.config.getoption("--kills", default=10))


@pytest.fixture
def no_leftovers(tmp_path: Path) -> Iterator[Path]:
    """A folder; every process started in it is dead in the end."""
    yield tmp_path
    for process in psutil.process_iter():
        try:
            if process.uids().real == os.getuid() and str(tmp_path) in " ".join(process.cmdline()):
                process.kill()
        except psutil.Error:
            continue


@pytest.fixture
def project(no_leftovers: Path) -> Iterator[GrantedProject]:
    made = GrantedProject(no_leftovers)
    yield made
    made.ledger.close()


@pytest.fixture
def forked() -> Callable[..., int]:
    """Do some work in a process of its own, killed at a named point if one is given; return its exit code."""

    def run(work: Callable[[], object], *, kill_at: str = "") -> int:
        return ended(begin(work, kill_at))

    return run


@pytest.fixture
def begun() -> Callable[..., int]:
    """As `forked`, but return the process id at once."""
    return lambda work, kill_at="": begin(work, kill_at)


def begin(work: Callable[[], object], kill_at: str) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.environ["KILL_AT"] = kill_at
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def until():
    """Wait until a condition holds."""

    def wait(condition, timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true"
            time.sleep(0.01)

    return wait


@pytest.fixture
def is_gone() -> Callable[[int], bool]:
    """Whether a process has ended, reaped or not."""

    def gone(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return gone
