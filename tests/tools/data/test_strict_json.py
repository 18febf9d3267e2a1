import pytest

from tools.data.strict_json import BadJson, parse_object


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": {"a": 2}}', {"a": 1, "b": {"a": 2}}),
        ('{"a": 18446744073709551615, "b": -9223372036854775808}', {"a": 2**64 - 1, "b": -(2**63)}),
        ('{"a": "\\ud83d\\ude00", "b": 1.5e3}', {"a": "😀", "b": 1500.0}),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", None),
    ],
)
def test_object_is_parsed_when_it_is_sound(text, value):
    found = parse_object(text)
    assert value is None or found == value


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', "1", '{"a": 18446744073709551616}', '{"a": "\\udc00"}', "\ud800"])
def test_text_is_refused_when_other_parsers_would_take_it(text):
    with pytest.raises(BadJson):
        parse_object(text)
