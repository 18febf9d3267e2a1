"""Recipes: the defaults of each class of model, with their sources."""

from collections.abc import Callable
from typing import Any

import pytest

from specs.facts import Facts
from specs.recipes import default_tuning, lora_recipe, seedling_epochs, sft_recipe, size_class

MakeFacts = Callable[..., Facts]
_BILLION = 1_000_000_000


@pytest.mark.parametrize(
    ("num_parameters", "kind", "wanted", "tuning"),
    [
        (830_000, "seedling", "seedling", "full"),
        (830_000, "custom", "seedling", "full"),
        (600_000_000, "hub", "under_1b", "lora"),
        (8 * _BILLION, "path", "1b_to_10b", "lora"),
        (27 * _BILLION, "hub", "10b_to_30b", "lora"),
        (70 * _BILLION, "hub", "over_30b", "qlora"),
    ],
)
def test_class_and_tuning_follow_the_size(
    num_parameters: int, kind: str, wanted: str, tuning: str, make_facts: MakeFacts
) -> None:
    model = make_facts(model={"num_parameters": num_parameters, "kind": kind}).model
    assert size_class(model) == wanted
    assert default_tuning(model).value == tuning


@pytest.mark.parametrize(
    ("num_rows", "epochs", "batch_size"),
    [(10, 30, 4), (100, 30, 8), (500, 22, 16), (900, 12, 16), (3_000, 7, 32), (10_003, 4, 64), (200_000, 4, 64)],
)
def test_seedling_trains_enough_steps_when_rows_are_few(
    num_rows: int, epochs: int, batch_size: int, make_facts: MakeFacts
) -> None:
    recipe = sft_recipe(make_facts().model, "full", num_rows)
    assert (recipe.epochs.value, recipe.batch_size.value) == (epochs, batch_size)


def test_seedling_epochs_never_leave_their_bounds() -> None:
    chosen = [seedling_epochs(rows, 64) for rows in (1, 64, 640, 6_400, 64_000, 640_000)]
    assert chosen == sorted(chosen, reverse=True)
    assert (chosen[0], chosen[-1]) == (30, 4)


@pytest.mark.parametrize(
    ("name", "width", "rate"),
    [
        ("meta-llama/Llama-3.1-8B", 4096, 2.9e-4),
        ("meta-llama/Llama-3.1-70B", 8192, 1.7e-4),
        ("Qwen/Qwen3-4B", 2560, 4.9e-4),
        ("Qwen/Qwen3-32B", 5120, 4.6e-4),
        ("org/unknown", 4096, 2e-4),
    ],
)
def test_adapter_rate_follows_the_published_formula(name: str, width: int, rate: float, make_facts: MakeFacts) -> None:
    model = make_facts(model={"name": name, "hidden_size": width, "num_parameters": 8 * _BILLION, "kind": "hub"}).model
    assert sft_recipe(model, "lora", 5000).learning_rate.value == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize(("billions", "rate"), [(0.6, 5e-5), (8, 2e-5), (27, 1e-5), (70, 1e-5)])
def test_full_rate_falls_when_the_model_grows(billions: float, rate: float, make_facts: MakeFacts) -> None:
    model = make_facts(model={"num_parameters": int(billions * _BILLION), "kind": "hub"}).model
    assert sft_recipe(model, "full", 5000).learning_rate.value == rate


@pytest.mark.parametrize(("num_rows", "epochs", "batch"), [(50, 5, 4), (1_000, 3, 16), (20_000, 2, 32)])
def test_real_model_makes_about_a_hundred_updates_when_rows_are_few(
    num_rows: int, epochs: float, batch: int, make_facts: MakeFacts
) -> None:
    recipe = sft_recipe(make_facts(model={"num_parameters": 8 * _BILLION, "kind": "hub"}).model, "lora", num_rows)
    assert (recipe.epochs.value, recipe.batch_size.value) == (epochs, batch)


@pytest.mark.parametrize("kind", ["seedling", "hub"])
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_every_default_says_why_and_where_from(kind: str, tuning: Any, make_facts: MakeFacts) -> None:
    facts = make_facts(model={"kind": kind, "num_parameters": 830_000 if kind == "seedling" else _BILLION})
    recipe, adapter = sft_recipe(facts.model, tuning, 1000), lora_recipe(facts.model)
    for default in [*vars(recipe).values(), *vars(adapter).values(), default_tuning(facts.model)]:
        assert default.reason.endswith(".")
        assert len(default.source) > 3
