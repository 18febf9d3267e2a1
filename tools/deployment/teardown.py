"""Stops servers and makes sure they are gone; finds servers that the ledger knows nothing of."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from specs.layout import ProjectLayout
from tools.backends.base import JobBackend
from tools.deployment.chat import ChatServer
from tools.deployment.endpoints import Server, servers
from tools.errors import BackendError, ToolError, UsageError
from tools.escape import one_line
from tools.ledger import Ledger

GRACE_S = 10.0
"""Seconds a server gets to end by itself; it needs two."""


@dataclass(frozen=True)
class Stopped:
    """A server that was stopped."""

    run_id: str
    models: tuple[str, ...]
    url: str | None

    def __str__(self) -> str:
        return f"{', '.join(self.models)} ({self.run_id}{f', {self.url}' if self.url else ''})"


def teardown(layout: ProjectLayout, backend: JobBackend, name: str | None = None) -> tuple[Stopped, ...]:
    """Stop the servers of a name, or all, remove their keys, and return what was stopped.

    Args:
        layout: the project.
        backend: where the servers run.
        name: a served model (name@version), its name without the version, or a run id; None = every server.

    Raises:
        UsageError: no server that runs has that name.
        BackendError: a server still runs or still answers; those before it are stopped.
    """
    known = servers(layout, backend)
    wanted = [server for server in known if server.running and (name is None or _is_called(server, name))]
    if name is not None and not wanted:
        raise _unknown(name, known)
    stopped = tuple(_stop(server, backend) for server in wanted)
    for server in known:
        if not server.running and (name is None or _is_called(server, name)):
            server.key_path.unlink(missing_ok=True)
    return stopped


def orphans(layout: ProjectLayout, backend: JobBackend, ledger: Ledger) -> tuple[Server, ...]:
    """Return the servers that run although no step in the ledger stands for them.

    `teardown` stops them like any other server. Raises ToolError when the ledger cannot be read.
    """
    return tuple(server for server in servers(layout, backend) if server.running and not _is_recorded(server, ledger))


def _is_recorded(server: Server, ledger: Ledger) -> bool:
    record = ledger.step(server.manifest.plan, server.manifest.step)
    return record is not None and record.run_id == server.run_id and record.state not in ("failed", "stopped")


def _is_called(server: Server, name: str) -> bool:
    names = {server.run_id, *server.own_models, *(model.rpartition("@")[0] for model in server.own_models)}
    return name in names


def _stop(server: Server, backend: JobBackend) -> Stopped:
    status = backend.stop(server.run_id, grace_s=GRACE_S)
    if status.state == "running" or _still_answers(server):
        raise BackendError(
            f"The server of run {server.run_id} was told to stop and still answers.",
            f"`tailor logs {server.run_id}` shows what it does; try again with `tailor teardown {server.run_id}`.",
        )
    server.key_path.unlink(missing_ok=True)
    return Stopped(server.run_id, server.own_models, server.serving.url if server.serving is not None else None)


def _still_answers(server: Server) -> bool:
    """Return whether a server with our key answers at the address; another program may have the port by now."""
    if server.serving is None:
        return False
    with contextlib.suppress(ToolError), ChatServer(server.serving.url, server.key_path) as client:
        return set(server.models) <= set(client.models())
    return False


def _unknown(name: str, known: Sequence[Server]) -> UsageError:
    running = [f"{', '.join(server.own_models)} ({server.run_id})" for server in known if server.running]
    shown = f"Running: {'; '.join(running)}." if running else "No server is running in this project."
    return UsageError(f"No server that runs is called {one_line(name)}.", shown)
