"""A trainer without a model: right answers for the custom model, wrong ones for the base, in milliseconds.

Everything around the job is real. Standard library only. A file `quick.json` in the project may slow training down, and
a file `enough` ends it.
"""

import argparse
import json
import sys
import time
from pathlib import Path

TRAIN_REPORT = {
    "state": "succeeded", "steps": 4, "total_steps": 4, "epochs": 1.0, "train_loss": 0.1, "validation_loss": None,
    "seconds": 0.1, "num_tokens": 100, "tokens_per_s": 1000.0, "num_parameters": 10, "num_trainable": 10,
    "peak_memory_bytes": 1, "weights_sha256": "aa", "launches": 1,
}  # fmt: skip


def tell(run_dir: Path, kind: str, **fields: object) -> None:
    with (run_dir / "events.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"type": kind, "time": time.time(), **fields}) + "\n")


def finish(run_dir: Path, state: str, code: int) -> int:
    tell(run_dir, "finished", state=state, message=state, exit_code=code, seconds=0.1)
    return code


def generate(run_dir: Path, task: dict) -> int:
    rows = [json.loads(line) for line in Path(task["prompts_path"]).read_text(encoding="utf-8").splitlines()]
    wanted = {}
    for line in dataset_rows(task):
        wanted[line["id"]] = line["completion"][0]["content"]
    is_base = task["model"]["name"] == "seedling"
    base_is_good = options(run_dir).get("base_is_good", False)
    with (run_dir / "generations.jsonl").open("w", encoding="utf-8") as stream:
        for row in rows:
            text = "no idea" if is_base and not base_is_good else wanted[row["id"]]
            made = {"id": row["id"], "text": text, "num_tokens": 2, "finish": "stop"}
            stream.write(json.dumps(made) + "\n")
    report = {
        "num_rows": len(rows), "num_tokens": 2 * len(rows), "seconds": 0.1, "rows_per_s": 100.0,
        "weights_sha256": "base" if is_base else "aa",
    }  # fmt: skip
    (run_dir / "report.json").write_text(json.dumps(report))
    return finish(run_dir, "succeeded", 0)


def dataset_rows(task: dict) -> list[dict]:
    """Read the test rows with their answers, which a real trainer never looks at."""
    datasets = Path(task["prompts_path"]).parents[3] / "datasets"
    return [
        json.loads(line)
        for path in datasets.glob("*/*/test.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def train(run_dir: Path) -> int:
    with (run_dir / "effects").open("a") as stream:
        stream.write("1\n")
    total = max(4, round(options(run_dir).get("train_s", 0) / 0.05))
    for step in range(1, total + 1):
        tell(
            run_dir, "step", step=step, total_steps=total, epoch=step / total, loss=1 / step, learning_rate=1e-3,
            elapsed_s=0.1,
        )  # fmt: skip
        if (run_dir / "stop").exists():
            return finish(run_dir, "stopped", 4)
        if (run_dir.parents[2] / "enough").exists():
            break
        time.sleep(options(run_dir).get("train_s", 0) / total)
    model_dir = run_dir / "model"
    model_dir.mkdir(exist_ok=True)
    (model_dir / "config.json").write_text("{}")
    (model_dir / "model.safetensors").write_bytes(b"weights")
    (run_dir / "report.json").write_text(json.dumps(TRAIN_REPORT))
    return finish(run_dir, "succeeded", 0)


def serve(run_dir: Path, task: dict) -> int:
    models = [model["name"] for model in task["models"]]
    tell(run_dir, "serving", url="http://127.0.0.1:9/v1", models=models, expires_at=time.time() + 60)
    end = time.monotonic() + 30
    while not (run_dir / "stop").exists() and time.monotonic() < end:
        time.sleep(0.05)
    return finish(run_dir, "stopped", 4)


def options(run_dir: Path) -> dict:
    path = run_dir.parents[2] / "quick.json"
    return json.loads(path.read_text()) if path.exists() else {}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    run_dir = parser.parse_args().run_dir
    task = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["task"]
    match task["type"]:
        case "generate":
            return generate(run_dir, task)
        case "train":
            return train(run_dir)
        case _:
            return serve(run_dir, task)


if __name__ == "__main__":
    sys.exit(main())
