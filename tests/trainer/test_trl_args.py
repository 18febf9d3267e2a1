import dataclasses

from trainer.trl_args import accepted


@dataclasses.dataclass
class Older:
    learning_rate: float = 0.0
    gradient_checkpointing: bool = True
    derived: float = dataclasses.field(init=False, default=0.0)


@dataclasses.dataclass
class Newer(Older):
    activation_checkpointing: bool = True


WANTED = {"learning_rate": 1.0, "gradient_checkpointing": False, "activation_checkpointing": False, "derived": 2.0}


def test_names_are_chosen_by_what_the_version_has() -> None:
    assert accepted(Older, WANTED) == {"learning_rate": 1.0, "gradient_checkpointing": False}
    assert accepted(Newer, WANTED) == {"learning_rate": 1.0, "activation_checkpointing": False}
