import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from tests.fakes.granted_project import GrantedProject, a_manifest


def test_each_job_runs_once_when_two_launchers_race_and_are_killed(
    project: GrantedProject, begun: Callable[..., int], until: Callable[..., None], num_kills: int
):
    chance = random.Random(7)
    runs = [f"r{number}" for number in range(1, num_kills + 1)]

    def submit(run_id: str) -> None:
        project.backend.submit(a_manifest(run_id), 1)

    for run_id in runs:
        project.layout.run(run_id).run_dir.mkdir(parents=True)
        racers = [begun(lambda run_id=run_id: submit(run_id)) for _ in range(2)]
        time.sleep(chance.uniform(0.0, 0.25))
        for pid in racers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        # Whoever comes next has to get it done, whatever the killed ones left.
        submit(run_id)
    for run_id in runs:
        until(lambda run_id=run_id: project.backend.status(run_id).state == "finished")
    assert Counter(project.effects(run_id) for run_id in runs) == {1: len(runs)}


def test_both_see_the_job_when_two_launchers_race_unharmed(
    project: GrantedProject, begun: Callable[..., int], until: Callable[..., None]
):
    project.layout.run("r1").run_dir.mkdir(parents=True)

    def submit() -> None:
        assert project.backend.submit(a_manifest("r1"), 1).launch == 1

    racers = [begun(submit) for _ in range(4)]
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in racers] == [0] * 4
    until(lambda: project.backend.status("r1").state == "finished")
    assert project.effects("r1") == 1
