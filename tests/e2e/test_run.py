import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import openai
import pytest

from tools.client import Tailor
from tools.ledger import Ledger

pytestmark = pytest.mark.slow


def test_run_ends_with_the_contracts_last_line(trained: tuple[Path, list[dict]]):
    last = trained[1][-1]
    assert (last["type"], last["state"], last["spent_usd"]) == ("plan_finished", "succeeded", 0)
    assert [step["step"] for step in last["steps"]] == ["prepare_data", "baseline", "train", "evaluate", "deploy"]
    check = last["checks"][0]
    assert set(check) >= {"name", "scorer", "rows", "threshold", "passed", "baseline", "custom", "difference"}
    assert check["rows"] == sum(1 for _ in (trained[0] / "data" / "test.csv").open()) - 1
    assert set(check["difference"]) >= {"value", "low", "high", "p", "wins", "ties", "losses"}
    assert last["model"] == "demo-intents@1"
    assert last["endpoint"].startswith("http://127.0.0.1:")


def test_custom_model_is_measured_better_than_the_base_with_certainty(trained: tuple[Path, list[dict]]):
    check = trained[1][-1]["checks"][0]
    assert check["baseline"]["high"] < check["custom"]["low"]
    assert check["difference"]["low"] > 0
    assert check["difference"]["p"] < 0.001


def test_baseline_is_measured_before_training(trained: tuple[Path, list[dict]]):
    started = [event["step"] for event in trained[1] if event["type"] == "step_started"]
    assert started.index("baseline") < started.index("train")


def test_run_says_after_the_baseline_whether_training_is_worth_it(trained: tuple[Path, list[dict]]):
    baseline = next(e for e in trained[1] if e["type"] == "step_finished" and e["step"] == "baseline")
    said = (trained[0] / "narration.txt").read_text()
    verdict = said.index(baseline["result"]["verdict"]["text"])
    assert said.index("baseline succeeded") < verdict < said.index("● train")


def test_running_again_does_nothing_twice(trained: tuple[Path, list[dict]], tailor_command):
    folder, lines = trained
    done = tailor_command("-C", folder, "run", "--approve", "all", "--json")
    again = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    assert again["plan"] == lines[-1]["plan"]
    assert again["checks"] == lines[-1]["checks"]
    with Ledger(Tailor(folder).layout.ledger_path) as ledger:
        assert len(ledger.models()) == 1


def test_openai_client_talks_to_the_served_models(trained: tuple[Path, list[dict]]):
    _folder, lines = trained
    deploy = next(e for e in lines if e["type"] == "step_finished" and e["step"] == "deploy")["result"]
    key = Path(deploy["api_key_path"]).read_text().strip()
    with openai.OpenAI(base_url=deploy["url"], api_key=key) as client:
        names = {model.id for model in client.models.list()}
        answer = client.chat.completions.create(
            model="demo-intents@1", messages=[{"role": "user", "content": "where is my parcel"}], max_tokens=16
        )
    assert names == {"seedling", "demo-intents@1"}
    assert answer.choices[0].message.content
    assert httpx.get(f"{deploy['url']}/models").status_code == 401


def test_play_answers_with_both_models(trained: tuple[Path, list[dict]], tailor_command):
    done = tailor_command("-C", trained[0], "play", "-p", "where is my parcel", "--json")
    answers = json.loads(done.stdout)["answers"]
    assert [answer["model"] for answer in answers] == ["seedling", "demo-intents@1"]


@pytest.mark.parametrize(
    "command", [["runs"], ["show", "r2"], ["report"], ["report", "r2"], ["logs", "r2"], ["doctor"], ["plan"]]
)
def test_looking_commands_answer_in_words_and_exit_0(
    trained: tuple[Path, list[dict]], tailor_command, command: list[str]
):
    done = tailor_command("-C", trained[0], *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stdout + done.stderr


def test_readme_script_of_the_sdk_works(trained: tuple[Path, list[dict]]):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    script = readme.split("```python\n", 1)[1].split("```", 1)[0]
    assert "from tools.client import Tailor" in script
    program = script.replace('"my-project"', repr(str(trained[0])))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "demo-intents@1" in done.stdout


def test_teardown_stops_the_server(trained: tuple[Path, list[dict]], tailor_command):
    folder, lines = trained
    done = tailor_command("-C", folder, "teardown", "--all")
    assert done.returncode == 0, done.stderr
    assert "demo-intents@1" in done.stdout
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{lines[-1]['endpoint']}/models")
    gone = tailor_command("-C", folder, "play", "-p", "hello")
    assert gone.returncode == 2
    assert "No server is running" in gone.stderr


def test_server_that_ended_is_started_again_when_it_is_approved_again(trained: tuple[Path, list[dict]], tailor_command):
    folder = trained[0]
    tailor_command("-C", folder, "teardown", "--all")
    report = json.loads(tailor_command("-C", folder, "report", "--json").stdout)
    assert report["endpoint"] is None
    assert report["steps"]["deploy"] == "ended"
    again = tailor_command("-C", folder, "run", "--approve", "deploy", "--json")
    assert again.returncode == 0, again.stderr
    assert tailor_command("-C", folder, "play", "-p", "where is my bike").returncode == 0
    tailor_command("-C", folder, "teardown", "--all")


def test_step_killed_right_after_its_approval_is_taken_up_by_a_new_one(
    tmp_path: Path, tailor_command, make_project, monkeypatch: pytest.MonkeyPatch
):
    make_project(tmp_path / "demo")
    monkeypatch.setenv("KILL_AT", "step_begun")
    killed = tailor_command("-C", tmp_path / "demo", "run", "--approve", "all")
    assert killed.returncode == -signal.SIGKILL
    monkeypatch.delenv("KILL_AT")
    done = tailor_command("-C", tmp_path / "demo", "run", "--approve", "prepare_data", "--json")
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["steps"][0] == {
        "step": "prepare_data",
        "state": "succeeded",
        "run": None,
        "seconds": pytest.approx(0, abs=60),
    }
