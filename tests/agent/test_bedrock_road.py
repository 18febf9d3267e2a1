"""The whole conversation with a model behind Bedrock's protocol: the same spec and plan as the guide makes."""

import json

import pytest

from agent.assembly import make_context
from agent.events import Question, TextDelta, TurnFailed, TurnFinished
from agent.session import AgentSession
from tests.fakes.bedrock import ACCESS_KEY, MODEL, REGION, SECRET_KEY, BedrockServer, access_denied, throttled
from tests.fakes.chat_script import Recorded, ToolUse, say
from tests.fakes.conversation import TO_THE_PLAN
from tests.fakes.openai_server import API_KEY, OpenAIServer
from tests.fakes.openai_server import MODEL as OPENAI_MODEL


@pytest.fixture
def bedrock_conversation(converse, monkeypatch, tmp_path):
    """Begin a conversation whose brain is the fake service."""

    def begin(server, root, choice=f"bedrock:{MODEL}@{REGION}"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
        conversation = converse(root=root)
        context = make_context(conversation.tailor, choice)
        conversation.context = context
        conversation.session = AgentSession(conversation.saver, context)
        return conversation

    return begin


def tool_results(request: Recorded) -> list[str]:
    """Texts of the tool results in a request of either protocol."""
    found = []
    for message in request.body["messages"]:
        if message["role"] == "tool":
            found.append(message["content"])
        for block in message["content"] if isinstance(message["content"], list) else []:
            if "toolResult" in block:
                found += [part.get("text", "") for part in block["toolResult"]["content"]]
    return found


def road(fields: dict):
    """A model that interviews, writes the spec, plans and runs, told apart by how many results it has seen."""

    def answer(request: Recorded):
        results = tool_results(request)
        steps = [
            lambda: say("I look at the project.", ToolUse("project_status", {})),
            lambda: say("And at the rows.", ToolUse("inspect_data", {"path": "data/train.csv"})),
            lambda: say(ToolUse("ask_user", {"text": "Use Seedling?", "default": "yes", "licence_of": "seedling"})),
            lambda: say("I write the spec.", ToolUse("create_spec", {"fields": fields})),
            lambda: say(ToolUse("make_plan", {})),
            lambda: say(ToolUse("run_steps", {"plan": json.loads(results[4])["plan"]})),
            lambda: say(ToolUse("show_results", {})),
        ]
        return steps[len(results)]() if len(results) < len(steps) else say("It reached the threshold.")

    return answer


def test_bedrock_makes_the_same_spec_and_plan_when_it_answers_as_the_guide_does(
    guided, bedrock_conversation, tmp_path, project
):
    guided.say(*TO_THE_PLAN)
    wanted = guided.tailor.load_spec()
    fields = json.loads(wanted.spec.model_dump_json(exclude={"model": {"license_accepted"}}))
    guided.close()
    for path in (project / ".tailor" / "threads.db", project / "spec.yaml"):
        path.unlink()
    with BedrockServer(road(fields)) as server:
        conversation = bedrock_conversation(server, project)
        conversation.open()
        conversation.say("Label bank messages by intent, data/train.csv", "")
        made = conversation.tailor.load_spec()
        assert made.hash == wanted.hash
        assert [card.digest.split(":")[0] for card in conversation.request.steps] == ["sha256"] * 4
        ours = {step.id: (step.arguments, step.inputs) for step in conversation.request.plan.steps}
        assert ours == {step.id: (step.arguments, step.inputs) for step in guided.request.plan.steps}
        conversation.answer("approve")
    assert conversation.last(TurnFinished).plan_state == "succeeded"
    assert conversation.count(TextDelta) > 5
    assert conversation.count(Question) == 1
    assert "accuracy" in conversation.shown
    assert not server.refused and not server.unexpected


def test_openai_runs_the_same_road_when_it_is_the_brain(bedrock_conversation, project):
    fields = {
        "name": "bank",
        "goal": {"task": "Label messages."},
        "data": {
            "sources": [{"path": "data/train.csv", "columns": {"prompt": "text", "completion": "intent"}}],
            "test": {"path": "data/test.csv", "columns": {"prompt": "text", "completion": "intent"}},
        },
        "deployment": {"target": "none"},
    }
    with OpenAIServer(road(fields)) as server:
        conversation = bedrock_conversation(server, project, f"openai:{OPENAI_MODEL}@{server.base_url}")
        conversation.open()
        conversation.say("Label bank messages by intent, data/train.csv", "yes")
        conversation.answer("approve")
    assert conversation.last(TurnFinished).plan_state == "succeeded"
    assert not server.refused


def test_bedrock_failures_end_the_turn_with_a_sentence_and_the_thread_goes_on(
    bedrock_conversation, project, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    answers = [access_denied(), *[throttled()] * 5, "Here I am."]
    with BedrockServer(answers) as server:
        conversation = bedrock_conversation(server, project)
        conversation.say("hello")
        assert "may not use" in conversation.last(TurnFailed).message
        conversation.say("again")
        assert "busy" in conversation.last(TurnFailed).message
        conversation.say("and again")
    assert conversation.said == "Here I am."
    assert conversation.last(TurnFailed).exit_code == 3


def test_no_credential_reaches_the_model_or_the_disk_when_bedrock_answers(bedrock_conversation, project):
    with BedrockServer([say(ToolUse("project_status", {})), "Done."]) as server:
        conversation = bedrock_conversation(server, project)
        conversation.say("hello")
    conversation.close()
    for request in server.requests:
        assert SECRET_KEY not in json.dumps(request.body)
    for path in (project / ".tailor").rglob("*"):
        if path.is_file():
            assert SECRET_KEY.encode() not in path.read_bytes(), path
