import errno

import pytest

from specs.errors import ExitCode, PlanRefused
from trainer.errors import TrainerError, explain


class OutOfMemoryError(RuntimeError):
    """As torch.cuda names it."""


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        (MemoryError(), "ran out of memory", "train.micro_batch_size"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
            "of memory",
            "lora",
        ),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "GPU memory", "train.max_length"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "disk is full (/x/y)", "start the step again"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk is full", "Free some space"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written", "read-only"),
        (ModuleNotFoundError("No module named 'peft'", name="peft"), "package peft", "pip install"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero", "trainer.log"),
    ],
)
def test_failure_is_a_sentence_with_a_next_step(error: BaseException, words: str, hint: str) -> None:
    told = explain(error)
    assert words in told.message
    assert hint in told.hint
    assert "Traceback" not in str(told)


def test_own_errors_are_kept_when_explained() -> None:
    own = TrainerError("a", "b", exit_code=ExitCode.USAGE)
    assert explain(own) is own
    assert explain(PlanRefused("a", "b")).exit_code is ExitCode.USAGE
