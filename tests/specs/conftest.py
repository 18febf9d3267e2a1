"""A valid spec and the facts of a small machine, to be changed by each test."""

from collections.abc import Callable
from typing import Any

import pytest

from specs.facts import DataFacts, Facts, HardwareFacts, LengthFacts, ModelFacts

SPEC_TEXT = """\
# yaml-language-server: $schema=.tailor/schema/spec.json
version: 1
name: bank-intents
goal:
  task: Classify a customer's message to the bank into one of its intents.
  users: The routing service; nobody reads the answer before it acts.
  system_prompt: null
  good_examples:
    - {prompt: "My card still has not come.", answer: card_arrival}
  bad_examples:
    - {prompt: "My card still has not come.", answer: "This sounds like a card question.", why: not a bare label}
model:
  base: seedling                 # catalogue name, hub id, local path, or an earlier custom model (name@version)
  revision: null                 # pinned commit for hub models
  license_accepted: true         # only the user sets this
data:
  sources:
    - {path: data/train.csv, columns: {prompt: text, completion: category}, rights: CC BY 4.0}
  test: {path: data/test.csv, columns: {prompt: text, completion: category}}   # or test: {fraction: 0.1}
  synthesis: null                # or: {brief: briefs/intents.yaml, rows: 2000}
train:                           # one stage usually; several run in order, each from the one before
  - method: sft                  # cpt | sft | dpo | rlvr | rlaif
    tuning: auto                 # lora | qlora | full; auto: full for Seedling, lora for real models
    epochs: 3
    learning_rate: auto          # auto = from the recipe; the plan shows the value and why
compute:
  backend: local                 # local | sagemaker_serverless | sagemaker_training | bedrock
evaluation:
  checks:
    - {name: accuracy, scorer: exact_match, threshold: 0.80}
  must_not_regress: []
deployment:
  target: local                  # none | local | sagemaker | bedrock
  ttl_hours: 8
budget:
  usd: 0
  hours: 1
"""


@pytest.fixture
def spec_text() -> str:
    return SPEC_TEXT


@pytest.fixture
def make_facts() -> Callable[..., Facts]:
    """Facts with changes by section: make_facts(model={"kind": "hub"}, data={"num_train": 5})."""

    def make(**changes: dict[str, Any]) -> Facts:
        lengths = {
            "total": 236_000,
            "mean": 24.1,
            "p95": 50,
            "longest": 121,
            "longest_prompt": 110,
            "longest_completion": 14,
            "basis": "counted with the model's tokenizer.",
        } | changes.get("lengths", {})
        hardware = {"cores": 2, "memory_bytes": 24_000_000_000, "free_disk_bytes": 50_000_000_000, "bf16": True}
        model = {
            "name": "seedling",
            "location": "/models/seedling",
            "revision": None,
            "kind": "seedling",
            "num_parameters": 830_000,
            "hidden_size": 128,
            "num_layers": 3,
            "vocab_size": 2048,
            "context_length": 512,
            "size_bytes": 3_300_000,
            "license": "apache-2.0",
            "weights_hash": "sha256:feed",
        }
        data = {
            "name": "bank-intents",
            "version": "abc123",
            "dir": "/project/.tailor/datasets/bank-intents/abc123",
            "num_train": 9803,
            "num_validation": 200,
            "num_test": 3080,
            "num_refused": 0,
            "num_duplicates": 3,
            "num_labels": 77,
            "lengths": LengthFacts(**lengths),
            "source_hashes": {"data/train.csv": "sha256:aa", "data/test.csv": "sha256:bb"},
        }
        return Facts(
            hardware=HardwareFacts(**(hardware | changes.get("hardware", {}))),
            model=ModelFacts(**(model | changes.get("model", {}))),
            data=DataFacts(**(data | changes.get("data", {}))),
            runs_dir="/project/.tailor/runs",
            tracking_uri="sqlite:////project/.tailor/mlflow.db",
            artifacts_dir="/project/.tailor/artifacts",
            next_version=1,
        )

    return make
