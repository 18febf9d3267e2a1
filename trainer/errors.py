"""The failures of a job as sentences, and the translation of what libraries and the system raise into them.

Pure: nothing here imports torch, so that a machine without it can still say what is missing.
"""

import errno

from specs.errors import ExitCode, TailorError


class TrainerError(TailorError):
    """A job cannot go on. Ends as a `finished` event with state failed and as this exit code."""

    def __init__(self, message: str, hint: str = "", *, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


class JobStopped(Exception):
    """The job was asked to stop, or used up its time, before there was anything to save."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}
_MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory")
_FULL_WORDS = ("no space left on device", "disk quota exceeded", "os error 28")


def explain(error: BaseException, log_name: str = "trainer.log") -> TrainerError:
    """Return the sentence for any exception a job can raise."""
    if isinstance(error, TrainerError):
        return error
    if isinstance(error, TailorError):
        return TrainerError(error.message, error.hint, exit_code=error.exit_code)
    return _disk(error) or _memory(error) or _missing(error) or _unexpected(error, log_name)


def _disk(error: BaseException) -> TrainerError | None:
    number = error.errno if isinstance(error, OSError) else None
    text = str(error).lower()
    place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    if number in _FULL or any(words in text for words in _FULL_WORDS):
        return TrainerError(
            f"The disk is full{place}; the last complete checkpoint is kept.",
            "Free some space and start the step again: it goes on from that checkpoint.",
        )
    if number in _UNWRITABLE:
        return TrainerError(
            f"The run directory cannot be written{place}.",
            "Check its permissions and that the disk is not mounted read-only, then start the step again.",
        )
    return None


def _memory(error: BaseException) -> TrainerError | None:
    on_gpu = type(error).__name__ == "OutOfMemoryError"
    out = isinstance(error, MemoryError) or any(words in str(error).lower() for words in _MEMORY_WORDS)
    if not (out or on_gpu):
        return None
    where = "GPU memory" if on_gpu or "cuda" in str(error).lower() else "memory"
    return TrainerError(
        f"The job ran out of {where}.",
        "Lower the batch size per forward pass (train.micro_batch_size) or the longest example (train.max_length), "
        "or use lora; then start the step again.",
    )


def _missing(error: BaseException) -> TrainerError | None:
    if not isinstance(error, ModuleNotFoundError):
        return None
    return TrainerError(
        f"The Python package {error.name} is not installed, and this job needs it.",
        "Install the training packages: pip install 'model-tailor[train]'.",
        exit_code=ExitCode.BACKEND,
    )


def _unexpected(error: BaseException, log_name: str) -> TrainerError:
    first = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {first[0][:300]}" if first else type(error).__name__
    return TrainerError(
        f"The job stopped on an error it did not expect ({what}).", f"The traceback stands in {log_name}."
    )
