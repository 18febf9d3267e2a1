import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from specs.load import load_spec
from tests.fakes.bedrock import ACCESS_KEY, MODEL, REGION, SECRET_KEY, BedrockServer
from tests.fakes.chat_script import Recorded, Reply, ToolUse, say
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tests.fakes.openai_server import MODEL as OPENAI_MODEL
from tools.demo.project import write_demo

pytestmark = pytest.mark.slow

TASK = "Label each message from a rider with what the rider wants. The examples are in data/train.csv"
GUIDE_ANSWERS = f"{TASK}\n\n\n\n\ngo on\ndeny I only wanted to see the plan\n"
MODEL_ANSWERS = f"{TASK}\n\nyes\ndeny I only wanted to see the plan\n"


def plan_of(stdout: str) -> dict:
    events = [json.loads(line) for line in stdout.splitlines()]
    return next(event["plan"] for event in events if event["type"] == "approval_requested")


def spoken_fields(spec_text: str) -> dict:
    """Return the fields a model would have gathered to write the spec that the guide wrote."""
    from specs.load import parse_spec

    fields = parse_spec(spec_text, "spec.yaml").spec.model_dump(mode="json", exclude_unset=True)
    fields["model"].pop("license_accepted", None)
    return fields


def model_script(fields: dict) -> Callable[[Recorded], Reply]:
    """Return a chat model that interviews, writes the spec and asks for the plan to be run, by tools alone."""
    script = [
        say("Let me look at the project. ", ToolUse("project_status", {})),
        say(ToolUse("ask_user", {"text": "What should the model do?", "why": "It decides everything else."})),
        say(
            "I read your data. ",
            ToolUse("inspect_data", {"path": "data/train.csv"}),
            ToolUse("inspect_data", {"path": "data/test.csv"}),
        ),
        say(ToolUse("ask_user", {"text": "Which rows test the model?", "default": "data/test.csv"})),
        say(
            ToolUse(
                "ask_user",
                {"text": "Start from Seedling (Apache-2.0)?", "default": "yes", "licence_of": "seedling"},
            )
        ),
        say("I write the spec. ", ToolUse("create_spec", {"fields": fields})),
        say(ToolUse("make_plan", {})),
    ]
    replies = iter(script)

    def answer(request: Recorded) -> Reply:
        reply = next(replies, None)
        if reply is not None:
            return reply
        text = json.dumps(request.body)
        if "I only wanted to see the plan" in text:
            return say("Nothing was started. Tell me what to change.")
        plan = re.findall(r'plan[\\\\]*": ?[\\\\]*"(sha256:[0-9a-f]{64})', text)[-1]
        return say("Shall I run it? ", ToolUse("run_steps", {"plan": plan, "steps": "all"}))

    return answer


@pytest.fixture
def guided(tmp_path: Path, tailor_command) -> tuple[Path, str, dict]:
    """Talk with the guide; return the emptied project, the spec it led to and the plan asked to be approved."""
    folder = tmp_path / "demo"
    write_demo(folder)
    (folder / "answers.txt").write_text(GUIDE_ANSWERS)
    done = tailor_command("-C", folder, "chat", "--answers", folder / "answers.txt", "--json")
    assert done.returncode == 5, done.stderr
    spec_text = (folder / "spec.yaml").read_text()
    (folder / "spec.yaml").unlink()
    shutil.rmtree(folder / ".tailor")
    (folder / "answers.txt").write_text(MODEL_ANSWERS)
    return folder, spec_text, plan_of(done.stdout)


def check_same_road(folder: Path, spec_text: str, plan: dict, stdout: str) -> None:
    from specs.load import parse_spec

    assert load_spec(folder / "spec.yaml").spec == parse_spec(spec_text, "spec.yaml").spec
    made = plan_of(stdout)
    assert made["steps"] == plan["steps"]
    assert made["spec_hash"] == plan["spec_hash"]


def test_bedrock_leads_to_the_same_spec_and_plan_as_the_guide(guided, tailor_command, monkeypatch: pytest.MonkeyPatch):
    folder, spec_text, plan = guided
    with BedrockServer(model_script(spoken_fields(spec_text))) as bedrock:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", bedrock.url)
        brain = f"bedrock:{MODEL}@{REGION}"
        done = tailor_command("-C", folder, "chat", "--answers", folder / "answers.txt", "--json", "--brain", brain)
        assert not bedrock.refused
        paths = {request.path.rsplit("/", 1)[-1] for request in bedrock.requests}
        assert not any(request.mentions(SECRET_KEY) for request in bedrock.requests)
    assert done.returncode == 5, done.stderr
    assert paths == {"converse-stream"}
    check_same_road(folder, spec_text, plan, done.stdout)
    assert '"type": "text_delta"' in done.stdout or '"type":"text_delta"' in done.stdout


def test_openai_compatible_endpoint_leads_to_the_same_spec_and_plan(
    guided, tailor_command, monkeypatch: pytest.MonkeyPatch
):
    folder, spec_text, plan = guided
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    with OpenAIServer(model_script(spoken_fields(spec_text))) as server:
        brain = f"openai:{OPENAI_MODEL}@{server.base_url}"
        done = tailor_command("-C", folder, "chat", "--answers", folder / "answers.txt", "--json", "--brain", brain)
        assert not server.refused
    assert done.returncode == 5, done.stderr
    check_same_road(folder, spec_text, plan, done.stdout)
