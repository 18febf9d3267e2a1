import random

import pytest
import torch
from transformers import AutoModelForCausalLM

from trainer.hardware import Profile
from trainer.serving.decoder import Row
from trainer.serving.loading import Fleet, Served, load_fleet
from trainer.serving.sampling import Sampling, TokenChooser

NUM_TOKENS = 20
PROMPTS = [f"question {'very ' * length}hard" for length in range(4)]


@pytest.fixture(scope="module")
def fleet(folders) -> Fleet:
    return load_fleet(folders.refs(), Profile("cpu", bf16=False, attention="eager"))


def _row(served: Served, prompt: str) -> Row:
    prompt_ids = served.encoder.encode([{"role": "user", "content": prompt}])
    return Row(prompt_ids, served.adapter, TokenChooser(Sampling(temperature=0)))


def _alone(served: Served, prompt: str) -> list[int]:
    row = _row(served, prompt)
    served.decoder.admit([row])
    tokens = [row.last_token]
    while len(tokens) < NUM_TOKENS:
        served.decoder.step()
        tokens.append(row.last_token)
    served.decoder.remove([row])
    return tokens


def test_fleet_shares_one_network_when_adapters_have_the_same_base(fleet: Fleet) -> None:
    decoders = [served.decoder for served in fleet.models.values()]
    assert decoders[0] is decoders[1] is decoders[2]
    assert decoders[3] is not decoders[0]
    assert len(fleet.decoders) == 2


@pytest.mark.parametrize("name", ["base", "full@1"])
def test_decoder_agrees_with_transformers_when_greedy(fleet: Fleet, folders, name: str) -> None:
    served = fleet.models[name]
    model = AutoModelForCausalLM.from_pretrained(folders.base if name == "base" else folders.full)
    prompt_ids = served.encoder.encode([{"role": "user", "content": PROMPTS[2]}])
    expected = model.generate(
        torch.tensor([prompt_ids]), max_new_tokens=NUM_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    assert _alone(served, PROMPTS[2]) == expected[0, len(prompt_ids) :].tolist()


def test_decoder_gives_each_row_its_own_answer_when_rows_of_three_models_come_and_go(fleet: Fleet) -> None:
    names = ["base", "first@1", "second@1.5"]
    expected = {(name, prompt): _alone(fleet.models[name], prompt) for name in names for prompt in PROMPTS}
    assert len({tuple(tokens) for tokens in expected.values()}) == len(expected)

    order = random.Random(3)
    waiting = list(expected)
    order.shuffle(waiting)
    decoder = fleet.models["base"].decoder
    running: dict[tuple[str, str], Row] = {}
    answers: dict[tuple[str, str], list[int]] = {}
    while waiting or running:
        if running:
            decoder.step()
        for key, row in running.items():
            answers[key].append(row.last_token)
        complete = [key for key in running if len(answers[key]) == NUM_TOKENS]
        decoder.remove([running.pop(key) for key in complete])
        joining = [waiting.pop() for _ in range(min(order.randint(0, 3), len(waiting)))]
        rows = {key: _row(fleet.models[key[0]], key[1]) for key in joining}
        if rows:
            decoder.admit(list(rows.values()))
            running |= rows
            answers |= {key: [row.last_token] for key, row in rows.items()}
    assert answers == expected
