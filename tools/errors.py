"""The errors of the tools layer: what failed on which object, and the next action.

Raise plain errors deep inside and translate at the boundary with `from`. `TailorError` is the base of all of them;
each subclass here fixes an exit code.
"""

from specs.errors import ExitCode, TailorError


class ToolError(TailorError):
    """A capability failed."""


class UsageError(ToolError):
    """The caller asked for something that cannot be: an unknown name, a missing file, a wrong argument."""

    exit_code = ExitCode.USAGE


class DataError(ToolError):
    """Data that cannot be used. The message names file, line and reason."""

    exit_code = ExitCode.USAGE


class BackendError(ToolError):
    """A backend, server or credential failed."""

    exit_code = ExitCode.BACKEND


class GrantRefused(ToolError):
    """A step was not approved, or not as it stands now."""

    exit_code = ExitCode.WAITING


class BudgetExceeded(ToolError):
    """A cap on money, time or tokens would be or was passed."""


class ProjectBusy(ToolError):
    """Another Tailor process works in this project."""

    exit_code = ExitCode.BACKEND
