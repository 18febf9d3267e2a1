import json

import pytest

from trainer.serving.protocol import ApiError, parse_request

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def _parse(**changes):
    return parse_request(json.dumps({**BODY, **changes}).encode())


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"n": 2}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
        ({"stop": [""]}, "stop.0"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": "json"}, "response_format"),
    ],
)
def test_parse_names_the_field_when_it_cannot_be_honoured(changes, param) -> None:
    with pytest.raises(ApiError) as caught:
        _parse(**changes)
    assert caught.value.status == 400
    assert caught.value.body["error"]["param"] == param
    assert caught.value.body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"a":' * 100_000])
def test_parse_refuses_what_is_no_object(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request(body)
    assert caught.value.body["error"]["code"] == "invalid_json"


def test_parse_lets_fields_through_that_change_nothing() -> None:
    assert _parse(user="u", metadata={}, store=False, tools=[], logprobs=False, presence_penalty=0, n=1).model == "m"


def test_parse_takes_stop_as_text_or_list() -> None:
    assert _parse(stop="a").stop == ("a",)
    assert _parse(stop=["a", "b"]).stop == ("a", "b")
    assert _parse(stop=None, stream=None).stop == ()


def test_parse_prefers_the_newer_name_of_the_token_limit() -> None:
    assert _parse(max_tokens=5, max_completion_tokens=7).limit == 7
    assert _parse(max_tokens=5).limit == 5
    assert _parse().limit is None


def test_messages_become_plain_text_when_sent_in_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    wanted = _parse(messages=[{"role": "developer", "content": parts}])
    assert wanted.messages[0].plain() == {"role": "system", "content": "ab"}
