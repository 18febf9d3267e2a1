"""The playground as it is shown: who answers, what each said and how long it took, which was better."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

SideState: TypeAlias = Literal["idle", "asking", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Setting:
    """How the answers of one model are chosen."""

    temperature: float = 0.0
    seed: int = 7

    @property
    def words(self) -> str:
        """Return it for people."""
        greedy = " (greedy)" if self.temperature == 0 else ""
        return f"seed {self.seed} · temperature {self.temperature:g}{greedy}"


@dataclass(frozen=True)
class Said:
    """A finished answer."""

    model: str
    text: str
    """As the model gave it; escaped where it is drawn."""
    num_tokens: int
    seconds: float
    first_token_s: float | None
    is_cut: bool
    """It reached the longest length."""
    is_json: bool = False

    @property
    def figures(self) -> str:
        """Return tokens, times, speed and cost."""
        parts = [f"{self.num_tokens:,} tok", f"{self.seconds:.1f} s"]
        if self.first_token_s is not None:
            parts.append(f"first token {self.first_token_s:.1f} s")
        if self.seconds > 0:
            parts.append(f"{self.num_tokens / self.seconds:.0f} tok/s")
        parts.append("$0")
        parts += [word for word, holds in (("valid JSON", self.is_json), ("cut off", self.is_cut)) if holds]
        return " · ".join(parts)


@dataclass(frozen=True)
class SideView:
    """One side of the playground."""

    letter: Literal["A", "B"]
    name: str
    """Empty while it is hidden."""
    text: str
    state: SideState
    foot: tuple[str, ...]
    """Lines below the text."""
    mark: str = ""
    """`better` once voted for."""


@dataclass(frozen=True)
class ServedView:
    """Who can be asked now."""

    models: tuple[str, ...]
    """The base first."""
    url: str
