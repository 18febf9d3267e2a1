import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from specs.errors import ExitCode
from tests.fakes.bedrock import ACCESS_KEY, MODEL, REGION, SECRET_KEY, BedrockServer, access_denied, throttled
from tests.fakes.chat_script import Failure, ToolUse, say
from tests.fakes.openai_server import API_KEY, OpenAIServer, rate_limited, server_error
from tests.fakes.openai_server import MODEL as OPENAI_MODEL
from tools.errors import BackendError, UsageError
from tools.models import explain_failure, make_brain

TOOL = {
    "type": "function",
    "function": {
        "name": "inspect_data",
        "description": "Look at a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    },
}


@pytest.fixture
def bedrock_brain(monkeypatch: pytest.MonkeyPatch):
    def make(server: BedrockServer, *, secret: str = SECRET_KEY):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        return make_brain("bedrock", MODEL, REGION)

    return make


@pytest.fixture
def openai_brain(monkeypatch: pytest.MonkeyPatch):
    def make(server: OpenAIServer, key: str = API_KEY):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        return make_brain("openai", OPENAI_MODEL, server.base_url)

    return make


def streamed(brain, messages=None):
    chunks = list(brain.bind_tools([TOOL]).stream(messages or [HumanMessage("hello")]))
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return chunks, total


def sentence(brain) -> BackendError:
    with pytest.raises(Exception) as caught:
        streamed(brain)
    explained = explain_failure(caught.value, "brain:x")
    assert isinstance(explained, BackendError), repr(caught.value)
    assert explained.exit_code is ExitCode.BACKEND
    assert explained.hint
    return explained


def test_bedrock_streams_text_and_tool_calls_when_the_service_answers(bedrock_brain):
    with BedrockServer([say("I look at the file first.", ToolUse("inspect_data", {"path": "a.csv"}))]) as server:
        chunks, total = streamed(bedrock_brain(server))
    assert len([chunk for chunk in chunks if chunk.text]) > 2
    assert total.text == "I look at the file first."
    assert [(call["name"], call["args"]) for call in total.tool_calls] == [("inspect_data", {"path": "a.csv"})]
    assert not server.refused


def test_bedrock_keeps_the_rules_of_a_conversation_when_tools_were_called(bedrock_brain):
    call = {"name": "inspect_data", "args": {"path": "a.csv"}, "id": "tooluse_1"}
    thread = [
        HumanMessage("look"),
        AIMessage("", tool_calls=[call]),
        ToolMessage('{"rows": 3}', tool_call_id="tooluse_1"),
        HumanMessage("and?"),
    ]
    with BedrockServer(["Three rows."]) as server:
        _, total = streamed(bedrock_brain(server), thread)
    assert total.text == "Three rows."
    assert not server.refused


def test_bedrock_tries_again_when_it_is_throttled(bedrock_brain):
    with BedrockServer([throttled(), throttled(), "Here."]) as server:
        _, total = streamed(bedrock_brain(server))
    assert total.text == "Here."
    assert len(server.requests) == 3


def test_bedrock_says_it_is_busy_when_throttling_goes_on(bedrock_brain):
    with BedrockServer(lambda _request: throttled()) as server:
        error = sentence(bedrock_brain(server))
    assert "busy" in error.message and error.retryable
    assert 3 <= len(server.requests) <= 6


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (access_denied(), "bedrock:InvokeModel"),
        (Failure(404, "ResourceNotFoundException", "Could not resolve the foundation model."), "inference profile"),
        (Failure(403, "ExpiredTokenException", "The security token is expired."), "aws sso login"),
        (Failure(400, "ValidationException", "prompt is too long: 300000 tokens"), "new thread"),
        (Failure(400, "ValidationException", "This model does not support tool use."), "call tools"),
    ],
)
def test_bedrock_failure_is_a_sentence_with_the_next_step_when_refused(bedrock_brain, failure, words):
    with BedrockServer(lambda _request: failure) as server:
        error = sentence(bedrock_brain(server))
    assert words in str(error)
    assert len(server.requests) == 1


def test_bedrock_failure_is_a_sentence_when_the_stream_breaks(bedrock_brain):
    with BedrockServer(lambda _request: say("a long answer that breaks off", break_after=2)) as server:
        assert "failed while answering" in sentence(bedrock_brain(server)).message
    with BedrockServer(lambda _request: say("a long answer that breaks off", hang_up_after=2)) as server:
        assert "closed the connection" in sentence(bedrock_brain(server)).message


def test_bedrock_refuses_a_wrong_key_with_a_sentence(bedrock_brain):
    with BedrockServer(["never"]) as server:
        error = sentence(bedrock_brain(server, secret="wrong"))
    assert "refused or have expired" in error.message
    assert "wrong" not in str(error).split()


def test_bedrock_is_unreachable_with_a_sentence_when_nothing_listens(bedrock_brain):
    with BedrockServer(["never"]) as server:
        brain = bedrock_brain(server)
    assert "cannot be reached" in sentence(brain).message


def test_bedrock_says_so_when_there_are_no_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://127.0.0.1:9")
    assert "no credentials" in sentence(make_brain("bedrock", MODEL, REGION)).message


def test_bedrock_needs_a_region_when_none_is_set():
    with pytest.raises(BackendError, match="No AWS region"):
        make_brain("bedrock", MODEL)


def test_openai_streams_text_and_tool_calls_when_the_server_answers(openai_brain):
    with OpenAIServer([say("I look at the file first.", ToolUse("inspect_data", {"path": "a.csv"}))]) as server:
        chunks, total = streamed(openai_brain(server))
    assert len([chunk for chunk in chunks if chunk.text]) > 2
    assert total.text == "I look at the file first."
    assert [(call["name"], call["args"]) for call in total.tool_calls] == [("inspect_data", {"path": "a.csv"})]
    assert not server.refused


def test_openai_tries_again_and_then_says_it_is_busy_when_limited(openai_brain):
    with OpenAIServer([rate_limited(), "Here."]) as server:
        assert streamed(openai_brain(server))[1].text == "Here."
    with OpenAIServer(lambda _request: rate_limited()) as server:
        assert "busy" in sentence(openai_brain(server)).message


def test_openai_failure_is_a_sentence_when_the_server_refuses(openai_brain):
    with OpenAIServer(lambda _request: server_error()) as server:
        assert "failed while answering" in sentence(openai_brain(server)).message
    with OpenAIServer(["never"]) as server:
        error = sentence(openai_brain(server, "sk-wrong-key-123456"))
        assert "refused or have expired" in error.message
        assert "sk-wrong" not in str(error)
    assert "cannot be reached" in sentence(make_brain("openai", OPENAI_MODEL, "http://127.0.0.1:9/v1")).message


def test_openai_needs_no_key_when_the_server_is_ones_own(monkeypatch):
    with OpenAIServer(["Here."], api_key=None) as server:
        assert streamed(make_brain("openai", OPENAI_MODEL, server.base_url))[1].text == "Here."
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        make_brain("openai", OPENAI_MODEL)


def test_failure_is_left_alone_when_it_is_not_the_services():
    error = ZeroDivisionError("ours")
    assert explain_failure(error, "brain:x") is error


def test_brain_is_refused_when_the_provider_is_unknown():
    with pytest.raises(UsageError, match="no chat model provider"):
        make_brain("oracle", "9")
