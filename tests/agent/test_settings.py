import pytest

from agent.settings import brain_settings
from tools.errors import UsageError


@pytest.mark.parametrize(
    ("choice", "variable", "expected"),
    [
        (None, None, ("guide", "", "")),
        (None, "openai:gpt-x", ("openai", "gpt-x", "")),
        ("guide", "openai:gpt-x", ("guide", "", "")),
        ("bedrock:us.anthropic.claude-v1:0@eu-west-1", None, ("bedrock", "us.anthropic.claude-v1:0", "eu-west-1")),
        ("openai:qwen@http://127.0.0.1:8000/v1", None, ("openai", "qwen", "http://127.0.0.1:8000/v1")),
    ],
)
def test_brain_is_chosen_when_named_on_the_command_line_or_in_the_environment(choice, variable, expected):
    settings = brain_settings(choice, {"TAILOR_BRAIN": variable} if variable else {})
    assert (settings.provider, settings.model, settings.place) == expected


@pytest.mark.parametrize("choice", ["oracle:9", "bedrock", "bedrock:", "openai:@http://x", "guide:x"])
def test_brain_is_refused_with_its_forms_when_it_is_unknown(choice):
    with pytest.raises(UsageError) as refused:
        brain_settings(choice, {})
    assert "bedrock:MODEL_ID" in refused.value.hint


def test_guide_says_what_it_is_when_it_is_named():
    assert brain_settings(None, {}).name == "guide (no model)"
