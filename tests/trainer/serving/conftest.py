"""Tiny models shared by the tests of the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from specs.run import ModelRef
from tests.fakes.tiny_chat_model import make_adapter, make_model, ref


@dataclass(frozen=True)
class Folders:
    base: Path
    full: Path
    first_adapter: Path
    second_adapter: Path

    def refs(self) -> Sequence[ModelRef]:
        return (
            ref("base", self.base),
            ref("first@1", self.base, self.first_adapter),
            ref("second@1.5", self.base, self.second_adapter),
            ref("full@1", self.full),
        )


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("models")
    base = make_model(root / "base", seed=0, context=4096)
    return Folders(
        base=base,
        full=make_model(root / "full", seed=5, context=256),
        first_adapter=make_adapter(root / "first", base, seed=1),
        second_adapter=make_adapter(root / "second", base, seed=2),
    )
