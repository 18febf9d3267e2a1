import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.bench.kill_road import Breaking, RandomKills, Road, Victim, unbroken_road

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kill_road")]
EPOCHS = 2


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Road:
    return unbroken_road(tmp_path_factory.mktemp("roads") / "unbroken", epochs=EPOCHS, serve=False)


class KillsInOrder:
    """Kills each victim as soon as the road is as far as is said."""

    def __init__(self, *planned: tuple[Victim, tuple[int, int, int]]) -> None:
        self.planned = list(planned)

    def due(self, breaking: Breaking) -> Victim | None:
        if not self.planned:
            return None
        victim, mark = self.planned[0]
        if breaking.road.look() < mark or victim not in breaking.alive():
            return None
        self.planned.pop(0)
        return victim


def test_killed_road_is_taken_up_and_ends_with_the_same_weights_and_one_job_a_step(tmp_path: Path, unbroken: Road):
    kills = KillsInOrder(("engine", (1, 0, 0)), ("trainer", (2, 8, 0)), ("front end", (2, 12, 0)))
    numbers: Iterator[int] = count(1)
    road = Road(tmp_path / "killed", epochs=EPOCHS, serve=False)
    breaking = Breaking(road, unbroken, kills.due, lambda _road: "run", numbers)
    breaking.play()
    assert [kill.victim for kill in breaking.kills] == ["engine", "trainer", "front end"]
    assert breaking.kills[-1].taken_up_by == "tailor run"
    road.check(unbroken.weights())
    assert road.rows("SELECT launches FROM jobs WHERE step = 'train'") == [(2,)]


def test_random_kills_come_back_by_chat_until_the_spec_is_complete(tmp_path: Path):
    road = Road(tmp_path / "empty")
    plan = RandomKills(random.Random(1), 1)
    assert plan.door(road, "wanted") == "chat"
    road.folder.mkdir()
    road.layout.spec_path.write_text("half", encoding="utf-8")
    assert plan.door(road, "wanted") == "chat"
    road.layout.spec_path.write_text("wanted", encoding="utf-8")
    assert [plan.door(road, "wanted") for _ in range(3)] == ["run", "chat", "run"]
