"""Which brain answers, from the command line or the environment, and what it is called."""

import os
from collections.abc import Mapping

from specs.base import StrictModel
from tools.errors import UsageError

BRAIN_VARIABLE = "TAILOR_BRAIN"
_FORMS = "Use `guide`, `bedrock:MODEL_ID[@REGION]` or `openai:MODEL[@BASE_URL]`."


class BrainSettings(StrictModel):
    """A chosen brain."""

    provider: str
    """guide, bedrock or openai."""
    model: str = ""
    place: str = ""
    """Region of Bedrock, base URL of an OpenAI-compatible server; empty = the client's own default."""

    @property
    def name(self) -> str:
        """The brain as shown to people."""
        return "guide (no model)" if self.provider == "guide" else f"{self.provider}:{self.model}"


def brain_settings(choice: str | None, environment: Mapping[str, str] | None = None) -> BrainSettings:
    """Return the brain of `--brain`, else of TAILOR_BRAIN, else the guide.

    Raises:
        UsageError: the choice names no brain.
    """
    values = os.environ if environment is None else environment
    text = (choice or values.get(BRAIN_VARIABLE) or "guide").strip()
    provider, _, rest = text.partition(":")
    if provider == "guide" and not rest:
        return BrainSettings(provider="guide")
    if provider not in ("bedrock", "openai"):
        raise UsageError(f"There is no brain {text!r}.", _FORMS)
    model, _, place = rest.partition("@")
    if not model:
        raise UsageError(f"The brain {text!r} names no model.", _FORMS)
    return BrainSettings(provider=provider, model=model, place=place)
