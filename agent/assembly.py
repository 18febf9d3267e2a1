"""Puts one engine's parts together: project, tools, brain."""

from agent.context import AgentContext, Brain
from agent.guide.model import GuideModel
from agent.journal import CallJournal
from agent.settings import BrainSettings, brain_settings
from agent.toolset import Toolset
from tools.client import Tailor
from tools.registry import TOOLS


def make_context(tailor: Tailor, brain_choice: str | None) -> AgentContext:
    """Return what the graph of this project works with. Raises TailorError when the brain cannot be made."""
    return AgentContext(
        door=tailor,
        toolset=Toolset(TOOLS, tailor),
        brain=choose_brain(brain_settings(brain_choice)),
        journal=CallJournal(tailor.layout.state_dir / "calls.json"),
    )


def choose_brain(settings: BrainSettings) -> Brain:
    """Return the brain of the settings."""
    if settings.provider == "guide":
        return Brain(settings.name, GuideModel(), is_guide=True)
    from tools.models import explain_failure, make_brain

    model = make_brain(settings.provider, settings.model, settings.place)
    return Brain(settings.name, model, explain=lambda error: explain_failure(error, settings.name))
