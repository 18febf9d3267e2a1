import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import engine


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    yield root
    root.setLevel(level)
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
        handler.close()


def test_log_cannot_draw_on_a_terminal_and_holds_no_secret_when_an_error_quotes_a_row(
    tmp_path: Path, root_logger: logging.Logger
):
    engine._log_to(tmp_path / "tailor.log")
    try:
        raise ValueError("row \x1b[2J\u202e says hf_" + "a" * 24)
    except ValueError:
        root_logger.exception("turn failed")
    text = (tmp_path / "tailor.log").read_text()
    assert "\x1b" not in text and "\u202e" not in text
    assert "row \\x1b[2J\\u202e says [secret removed]" in text
    assert "\nTraceback" in text
