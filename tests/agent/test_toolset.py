import json
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from agent import nodes
from agent.journal import CallJournal
from agent.reach import is_inside, is_named, stray_file
from agent.toolset import ASK, Toolset, encode, redact
from specs.base import StrictModel
from specs.layout import ProjectLayout
from tools.errors import DataError
from tools.registry import TOOLS, ToolDef


class Args(StrictModel):
    value: int


def toolset(tmp_path, run) -> Toolset:
    door = SimpleNamespace(layout=ProjectLayout(tmp_path))
    return Toolset([ToolDef("work", "Works.", Args, "read", run)], door)


def test_schemas_are_plain_json_without_references_when_models_read_them(tmp_path):
    schemas = Toolset(TOOLS, SimpleNamespace(layout=ProjectLayout(tmp_path))).schemas()
    assert schemas[0]["function"]["name"] == ASK
    assert len(schemas) == len(TOOLS) + 1
    assert "$ref" not in json.dumps(schemas)
    for schema in schemas:
        assert schema["function"]["parameters"]["type"] == "object"
        assert schema["function"]["description"]


@pytest.mark.parametrize(
    ("run", "arguments", "words"),
    [
        (lambda *_: {}, {"value": "x"}, "does not take"),
        (lambda *_: {}, {"value": 1, "more": 2}, "more"),
        (lambda *_: (_ for _ in ()).throw(DataError("a.csv:3 is broken.", "Mend it.")), {"value": 1}, "a.csv:3"),
        (lambda *_: 1 / 0, {"value": 1}, "ZeroDivisionError"),
    ],
)
def test_failure_is_a_sentence_for_the_model_when_a_tool_fails(tmp_path, run, arguments, words):
    outcome = toolset(tmp_path, run).call("work", arguments)
    assert not outcome.ok
    assert words in outcome.message
    assert words in json.loads(outcome.content)["error"]
    assert "Traceback" not in outcome.content


def test_exceptions_of_the_receiver_pass_through_when_it_ends_the_watching(tmp_path):
    class Enough(Exception):
        pass

    def stop(_event):
        raise Enough

    def run(_door, _args, call):
        call.emit(None)
        return {}

    with pytest.raises(Enough):
        toolset(tmp_path, run).call("work", {"value": 1}, emit=stop)


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "sk-proj-abcdefghijklmnop1234",
        "hf_abcdefghijklmnopqrstuv",
        "ghp_abcdefghijklmnopqrstuvwx",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "'SecretAccessKey': 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_secrets_are_taken_out_when_results_hold_them(secret):
    assert secret not in encode({"rows": [f"key {secret} end"]})
    assert "[secret removed]" in redact(f"Authorization: Bearer abcdefghijklmnop.qrst {secret}")


def test_results_are_short_and_escaped_when_rows_are_long_and_hostile():
    rows = [{"text": "\x1b[2J" + "x" * 5_000} for _ in range(5_000)]
    text = encode({"rows": rows})
    assert len(text) <= 16_000
    assert "\x1b" not in text and "\\\\x1b" in text
    assert "more" in text
    assert json.loads(text)


def test_keys_and_paths_of_keys_are_left_out_when_results_name_them():
    text = encode({"url": "http://x", "api_key": "abc", "api_key_path": "/x", "deep": [{"api_key": "abc"}]})
    assert json.loads(text) == {"url": "http://x", "deep": [{}]}


def test_journal_remembers_a_call_when_it_was_begun(tmp_path):
    journal = CallJournal(tmp_path / "calls.json")
    assert journal.begin("a", "before") is None
    assert journal.begin("a", "later") == {"before": "before", "content": None}
    journal.finish("a", "{}")
    assert journal.begin("a", "x")["content"] == "{}"
    for number in range(50):
        journal.begin(str(number), "")
    assert len(json.loads((tmp_path / "calls.json").read_text())) <= 20
    (tmp_path / "calls.json").write_text("{torn")
    assert journal.begin("b", "") is None


def test_files_are_out_of_reach_when_nobody_named_them(tmp_path):
    assert is_inside(tmp_path, "data/x.csv")
    assert not is_inside(tmp_path, "../x.csv")
    assert not is_inside(tmp_path, "/etc/passwd")
    (tmp_path / "link").symlink_to("/etc")
    assert not is_inside(tmp_path, "link/passwd")
    assert is_named("/tmp/rows.csv", [HumanMessage("train on /tmp/rows.csv please")])
    assert not is_named("/etc/passwd", [HumanMessage("train on /tmp/rows.csv please")])
    assert not is_named("", [HumanMessage("x")])


def test_home_folder_is_out_of_reach_when_a_path_begins_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not is_inside(tmp_path / "project", "~/wages.csv")
    assert is_inside(tmp_path, "~/project/train.csv")
    assert not is_inside(tmp_path, "a\0b")


def test_spec_edit_may_not_name_a_file_outside_when_nobody_said_so(tmp_path):
    outside = tmp_path / "wages.csv"
    outside.write_text("prompt,completion\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.csv").write_text("prompt,completion\n")
    fields = {"goal": {"task": "x" * 9000}, "data": {"sources": [{"path": "train.csv"}, {"path": str(outside)}]}}
    assert stray_file(project, {"fields": fields}, []) == str(outside)
    assert stray_file(project, {"changes": [{"path": "data.test.path", "value": "../wages.csv"}]}, []) == "../wages.csv"
    assert stray_file(project, {"fields": fields}, [HumanMessage(f"test on {outside}")]) is None
    assert stray_file(project, {"fields": {"data": {"sources": [{"path": "train.csv"}]}}}, []) is None


def test_call_is_refused_when_it_puts_a_file_outside_into_the_spec(tmp_path):
    (tmp_path / "wages.csv").write_text("prompt,completion\n")
    layout = ProjectLayout(tmp_path / "project")
    layout.root.mkdir()
    context: Any = SimpleNamespace(brain=SimpleNamespace(is_guide=False), door=SimpleNamespace(layout=layout))
    changes = [{"path": "data.sources.0.path", "value": "../wages.csv"}]
    call: Any = {"name": "update_spec", "args": {"changes": changes}, "id": "1"}
    refused = nodes._out_of_reach(call, {"messages": []}, context)
    assert refused is not None and "../wages.csv lies outside the project" in refused.message
    call["args"]["changes"][0]["value"] = "data/train.csv"
    assert nodes._out_of_reach(call, {"messages": []}, context) is None
