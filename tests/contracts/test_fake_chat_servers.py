"""The fakes of chat services must speak the real wire formats: the official clients are the judges."""

from collections.abc import Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI

from tests.fakes import bedrock as fake_bedrock
from tests.fakes import openai_server as fake_openai
from tests.fakes.bedrock import ACCESS_KEY, REGION, SECRET_KEY, BedrockServer
from tests.fakes.chat_script import Failure, Recorded, Script, ToolUse, say
from tests.fakes.openai_server import OpenAIServer

WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
WEATHER_SPEC = {"toolSpec": {"name": "weather", "description": "d", "inputSchema": {"json": WEATHER["parameters"]}}}
HI = [{"role": "user", "content": [{"text": "hi"}]}]
LONG = "Ein längerer Satz, damit der Strom aus mehreren Stücken besteht: 天気 ☂."


@pytest.fixture(autouse=True)
def _no_bearer_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)


def _boto(server: BedrockServer, *, secret_key: str = SECRET_KEY, attempts: int = 1) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=server.url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret_key,
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


def _bedrock_model(server: BedrockServer, attempts: int = 1) -> ChatBedrockConverse:
    return ChatBedrockConverse(model=fake_bedrock.MODEL, client=_boto(server, attempts=attempts), region_name=REGION)


def _openai_model(server: OpenAIServer, **settings: Any) -> ChatOpenAI:
    defaults = {"model": fake_openai.MODEL, "api_key": fake_openai.API_KEY, "max_retries": 0, "stream_usage": True}
    return ChatOpenAI(base_url=server.base_url, **{**defaults, **settings})


Service = Any


@pytest.fixture(params=["bedrock", "openai"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """A function from a script to a running fake and a LangChain model that talks to it."""
    opened: list[Any] = []

    def start(script: Script) -> tuple[Any, Any]:
        server = BedrockServer(script) if request.param == "bedrock" else OpenAIServer(script)
        opened.append(server.__enter__())
        return server, _bedrock_model(server) if request.param == "bedrock" else _openai_model(server)

    yield start
    for server in opened:
        server.__exit__(None, None, None)


def test_answer_is_read_by_langchain_when_it_is_text(service: Service) -> None:
    server, model = service([LONG])
    answer = model.invoke([SystemMessage("Be brief."), HumanMessage("hi")])
    assert answer.text == LONG
    assert answer.usage_metadata["input_tokens"] == 11
    assert answer.usage_metadata["output_tokens"] == 7
    assert server.requests[0].mentions("Be brief.")
    assert not server.requests[0].mentions("something else")


def test_stream_is_read_by_langchain_when_it_is_text(service: Service) -> None:
    _, model = service([LONG])
    chunks = list(model.stream("hi"))
    assert "".join(chunk.text for chunk in chunks) == LONG
    assert sum(bool(chunk.text) for chunk in chunks) > 3
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.usage_metadata["total_tokens"] == 18


@pytest.mark.parametrize("streamed", [False, True])
def test_tool_round_trip_works_with_langchain(service: Service, streamed: bool) -> None:
    server, model = service([say("Let me look.", ToolUse("weather", {"city": "Köln"})), "It rains."])
    bound = model.bind_tools([WEATHER])
    messages: list[Any] = [HumanMessage("Weather in Köln?")]
    if streamed:
        chunks = list(bound.stream(messages))
        called = chunks[0]
        for chunk in chunks[1:]:
            called += chunk
    else:
        called = bound.invoke(messages)
    assert called.text == "Let me look."
    (call,) = called.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "Köln"})
    messages += [AIMessage(called.content, tool_calls=called.tool_calls), ToolMessage("rain", tool_call_id=call["id"])]
    assert bound.invoke(messages).text == "It rains."
    assert server.refused == []


def test_script_may_be_a_function_of_the_request(service: Service) -> None:
    def answer(request: Recorded) -> str:
        return "yes" if request.mentions("ping") else "no"

    _, model = service(answer)
    assert [model.invoke(text).text for text in ("ping", "pong")] == ["yes", "no"]


def test_call_beyond_the_script_is_kept(service: Service) -> None:
    server, model = service([])
    with pytest.raises((ClientError, openai.APIError)):
        model.invoke("hi")
    assert len(server.unexpected) == 1


def test_stream_breaks_when_the_connection_ends(service: Service) -> None:
    _, model = service([say(LONG, hang_up_after=2)])
    seen: list[str] = []
    with pytest.raises(Exception, match=r"(?i)connection|incomplete|prematurely|peer"):
        for chunk in model.stream("hi"):
            seen.append(chunk.text)
    assert "".join(seen) in LONG


def test_bedrock_raises_in_the_middle_of_a_stream_when_the_model_fails() -> None:
    with BedrockServer([say(LONG, break_after=2)]) as server:
        stream = _boto(server).converse_stream(modelId=fake_bedrock.MODEL, messages=HI)["stream"]
        seen: list[Any] = []
        with pytest.raises(EventStreamError, match="modelStreamErrorException"):
            for event in stream:
                seen.append(event)
    assert [next(iter(event)) for event in seen] == ["messageStart", "contentBlockDelta", "contentBlockDelta"]


def test_openai_raises_in_the_middle_of_a_stream_when_the_model_fails() -> None:
    with OpenAIServer([say(LONG, break_after=2)]) as server, pytest.raises(openai.APIError, match="scripted failure"):
        list(_openai_model(server).stream("hi"))


@pytest.mark.parametrize(
    ("failure", "code", "status"),
    [
        (fake_bedrock.throttled(), "ThrottlingException", 429),
        (fake_bedrock.access_denied(), "AccessDeniedException", 403),
        (Failure(424, "ModelErrorException"), "ModelErrorException", 424),
        (Failure(400, "ValidationException"), "ValidationException", 400),
        (Failure(404, "ResourceNotFoundException"), "ResourceNotFoundException", 404),
        (Failure(503, "ServiceUnavailableException"), "ServiceUnavailableException", 503),
    ],
)
def test_bedrock_failures_become_the_exceptions_of_boto3(failure: Failure, code: str, status: int) -> None:
    with BedrockServer([failure, failure]) as server:
        client = _boto(server)
        for call in (client.converse, client.converse_stream):
            with pytest.raises(getattr(client.exceptions, code)) as caught:
                call(modelId=fake_bedrock.MODEL, messages=HI)
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_bedrock_client_succeeds_when_throttled_once() -> None:
    with BedrockServer([fake_bedrock.throttled(), "hello"]) as server:
        assert _bedrock_model(server, attempts=3).invoke("hi").text == "hello"
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "model_id", [fake_bedrock.MODEL, "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abcdefghijkl"]
)
def test_bedrock_accepts_the_signature_of_any_model_id(model_id: str) -> None:
    with BedrockServer(["ok"]) as server:
        answer = _boto(server).converse(modelId=model_id, messages=HI)
    assert answer["output"]["message"]["content"] == [{"text": "ok"}]


def test_bedrock_refuses_a_wrong_secret() -> None:
    with BedrockServer(["never"]) as server, pytest.raises(ClientError, match="InvalidSignatureException"):
        _boto(server, secret_key="wrong").converse(modelId=fake_bedrock.MODEL, messages=HI)


USED = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "weather", "input": {}}}]}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "rain"}]}}
TOOLS = {"toolConfig": {"tools": [WEATHER_SPEC]}}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"messages": [{"role": "assistant", "content": [{"text": "x"}]}]}, "start with a user message"),
        ({"messages": [*HI, *HI]}, "alternate"),
        ({"messages": [*HI, {"role": "assistant", "content": [{"text": "x"}]}]}, "prefill"),
        ({"messages": [{"role": "user", "content": [{"text": " \n"}]}]}, "is blank"),
        ({"messages": [{"role": "user", "content": []}]}, "is empty"),
        ({"messages": HI, "system": [{"text": " "}]}, "system"),
        ({"messages": [*HI, USED, {"role": "user", "content": [RESULT]}]}, "toolConfig field must be defined"),
        ({"messages": [*HI, USED, *HI], **TOOLS}, "Expected toolResult blocks at messages.2"),
        ({"messages": [{"role": "user", "content": [RESULT]}], **TOOLS}, "exceeds the number of toolUse"),
        ({"messages": [*HI, USED, {"role": "user", "content": [RESULT, RESULT]}], **TOOLS}, "exceeds the number"),
        ({"messages": HI, "toolConfig": {"tools": [WEATHER_SPEC, WEATHER_SPEC]}}, "already defined"),
        ({"messages": [{"role": "wizard", "content": [{"text": "x"}]}]}, "role"),
        (
            {"messages": HI, "toolConfig": {"tools": [{"toolSpec": {**WEATHER_SPEC["toolSpec"], "name": "a b"}}]}},
            "pattern",
        ),
    ],
)
def test_bedrock_refuses_what_the_service_refuses(request_: dict[str, Any], words: str) -> None:
    with BedrockServer(["never"]) as server, pytest.raises(ClientError, match="ValidationException") as caught:
        _boto(server).converse(modelId=fake_bedrock.MODEL, **request_)
    assert words in str(caught.value)
    assert server.refused


@pytest.mark.parametrize(
    ("body", "words"),
    [({"messages": HI, "surprise": 1}, "surprise"), ({"messages": [{"role": "user"}]}, "content")],
)
def test_bedrock_holds_requests_against_the_service_model(body: dict[str, Any], words: str) -> None:
    import json

    import httpx
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    with BedrockServer(["never"]) as server:
        url = f"{server.url}/model/some.model/converse"
        signed = AWSRequest("POST", url, data=json.dumps(body), headers={"content-type": "application/json"})
        SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "bedrock", REGION).add_auth(signed)
        answer = httpx.post(url, content=signed.data, headers=dict(signed.headers))
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert words in answer.json()["message"]


def test_openai_refuses_a_wrong_key() -> None:
    with OpenAIServer(["never"]) as server, pytest.raises(openai.AuthenticationError):
        _openai_model(server, api_key="sk-wrong").invoke("hi")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(fake_openai.rate_limited(), openai.RateLimitError), (fake_openai.server_error(), openai.InternalServerError)],
)
def test_openai_failures_become_the_exceptions_of_the_client(failure: Failure, kind: type[Exception]) -> None:
    with OpenAIServer([failure, "ok"]) as server:
        with pytest.raises(kind):
            _openai_model(server).invoke("hi")
        assert _openai_model(server).invoke("hi").text == "ok"


def test_openai_client_succeeds_when_refused_once() -> None:
    with OpenAIServer([fake_openai.rate_limited(), "ok"]) as server:
        assert _openai_model(server, max_retries=1).invoke("hi").text == "ok"


def test_openai_lists_its_models() -> None:
    with OpenAIServer([], models=("a", "b")) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key=fake_openai.API_KEY)
        assert [model.id for model in client.models.list()] == ["a", "b"]


CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "wizard", "content": "x"}]},
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "c1"}]},
        {"messages": [{"role": "assistant", "tool_calls": [CALL]}, {"role": "user", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": []},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", "function": {"name": "a b"}}]},
        {"messages": [{"role": "user", "content": "x"}], "extra_body": {"surprise": 1}},
    ],
)
def test_openai_refuses_what_the_service_refuses(body: dict[str, Any]) -> None:
    with OpenAIServer(["never"]) as server, pytest.raises(openai.BadRequestError):
        client = openai.OpenAI(base_url=server.base_url, api_key=fake_openai.API_KEY, max_retries=0)
        client.chat.completions.create(model=fake_openai.MODEL, **body)
