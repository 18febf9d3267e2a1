import torch

from trainer.serving.sampling import Sampling, TokenChooser

LOGITS = torch.tensor([0.0, 3.0, 1.0, 2.9])


def test_chooser_takes_the_most_likely_token_when_greedy() -> None:
    chooser = TokenChooser(Sampling(temperature=0))
    assert {chooser.choose(LOGITS) for _ in range(20)} == {1}


def test_chooser_repeats_itself_when_the_seed_is_the_same() -> None:
    runs = [TokenChooser(Sampling(temperature=1.5, seed=7)) for _ in range(2)]
    first, second = ([chooser.choose(LOGITS) for _ in range(50)] for chooser in runs)
    assert first == second
    assert len(set(first)) > 1


def test_chooser_differs_when_no_seed_is_given() -> None:
    runs = [TokenChooser(Sampling(temperature=2)) for _ in range(2)]
    first, second = ([chooser.choose(torch.zeros(1000)) for _ in range(20)] for chooser in runs)
    assert first != second


def test_chooser_takes_any_seed_a_client_sends() -> None:
    for seed in (-1, 0, 2**63, 2**80):
        assert TokenChooser(Sampling(temperature=1, seed=seed)).choose(LOGITS) in range(4)


def test_chooser_stays_in_the_nucleus() -> None:
    chooser = TokenChooser(Sampling(temperature=1, top_p=0.9, seed=1))
    assert {chooser.choose(LOGITS) for _ in range(300)} == {1, 3}
    only_one = TokenChooser(Sampling(temperature=1, top_p=1e-6, seed=1))
    assert {only_one.choose(LOGITS) for _ in range(50)} == {1}
