"""Kills the road at random moments and shows that it is taken up each time and ends as if nothing had happened.

    python tests/bench/kill_road.py [--kills 20] [--seed N] [--dir DIR]

First one unbroken road by `tailor chat --answers`; then as many more as the kills need, each killed (SIGKILL) at
random moments of what is left of it: the engine, the trainer (any job), the supervisor, or the front end, after which
the person comes back with `tailor chat` or `tailor run`. At the end of each road: plan finished, one job for each step
that has one, the same weights as the unbroken road, audit log whole, no process left, nothing on the screen that no
person should see.
Not part of the tests; `tests/e2e/test_kill_road.py` plays a short piece of it.
"""

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import psutil

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from specs.layout import ProjectLayout  # noqa: E402
from tests.fakes.living import living  # noqa: E402
from tools.audit import AuditLog  # noqa: E402
from tools.demo import write_demo  # noqa: E402
from tools.ledger import Ledger  # noqa: E402

Victim: TypeAlias = Literal["engine", "trainer", "supervisor", "front end"]
Door: TypeAlias = Literal["chat", "run"]
Mark: TypeAlias = tuple[int, int, int]
"""How far a road is: steps done, optimizer step of the training, answers used (before the first step is done)."""

JOB_STEPS = ("baseline", "train", "evaluate", "deploy")
_ANSWERS = """\
Classify customer messages by intent; the rows are in data/train.csv, the test rows in data/test.csv

# the next two take the defaults: score, model


make it {epochs} epochs
use 1 thread
{more}
approve all
"""
_POLL_S = 0.05
_MAX_RERUNS = 6
_ROAD_S = 600.0
_ENDING_S = 20.0
_NOT_FOR_PEOPLE = ("Traceback", "Something went wrong inside", "failed unexpectedly", "The engine died again and again")


class RoadBroken(AssertionError):
    """A road did not end as it has to."""


@dataclass
class Kill:
    """One kill and what became of it."""

    number: int
    victim: Victim
    at_s: float
    """Seconds since the road began."""
    mark: Mark
    taken_up_by: str = ""
    lost_s: float | None = None
    """Seconds more than the unbroken road needed from the last mark before the kill to the next one."""


@dataclass
class Road:
    """One project and the road through it, by the command line alone."""

    folder: Path
    epochs: int = 6
    serve: bool = True
    began: float = field(default_factory=time.monotonic)
    marks: dict[Mark, float] = field(default_factory=dict)
    """Second of the road at which each mark was first seen."""

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        self.layout = ProjectLayout(self.folder)
        self.screen_path = self.folder.with_name(f"{self.folder.name}.screen")
        self.answers_path = self.folder.with_name(f"{self.folder.name}.answers")

    def prepare(self) -> None:
        """Write the example project and the answers."""
        write_demo(self.folder)
        more = "" if self.serve else "no deployment\n"
        self.answers_path.write_text(_ANSWERS.format(epochs=self.epochs, more=more), encoding="utf-8")
        self.began = time.monotonic()

    def start(self, door: Door) -> subprocess.Popen[bytes]:
        """Start a front end, as a person without a terminal would."""
        words = ["chat", "--answers", str(self.answers_path)] if door == "chat" else ["run", "--approve", "all"]
        return self._tailor(words)

    def tear_down(self) -> None:
        """Stop the server."""
        if self.layout.state_dir.is_dir():
            self._tailor(["teardown", "--all"]).wait(60)

    def _tailor(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TAILOR_TRACKING": "off", "OMP_NUM_THREADS": "1"}
        with self.screen_path.open("ab") as screen:
            screen.write(f"\n$ tailor {' '.join(words)}\n".encode())
            screen.flush()
            return subprocess.Popen(
                [sys.executable, "-m", "agent.cli", "-C", str(self.folder), *words],
                stdin=subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
                env=environment,
                cwd=ROOT,
            )

    @property
    def now_s(self) -> float:
        """Seconds since the road began."""
        return time.monotonic() - self.began

    def look(self) -> Mark:
        """Note how far the road is."""
        mark = self._mark()
        self.marks.setdefault(mark, self.now_s)
        return mark

    def is_finished(self) -> bool:
        """Whether every step of the latest plan has succeeded."""
        if not self.layout.ledger_path.exists():
            return False
        with Ledger(self.layout.ledger_path) as ledger:
            plan = ledger.latest_plan()
            done = {step.step for step in ledger.steps(plan.hash) if step.state == "succeeded"} if plan else set()
        return plan is not None and {step.id for step in plan.steps} <= done

    def processes(self, module: str) -> list[psutil.Process]:
        """Return the living processes of this project that run a module."""
        return [
            process for process, words in living(str(self.folder)) if module in words and words[1:3] == ["-m", module]
        ]

    def leftovers(self) -> list[str]:
        """Return what still runs for this project, after a time for ending."""
        deadline = time.monotonic() + _ENDING_S
        while (left := [" ".join(words) for _, words in living(str(self.folder))]) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return left

    def weights(self) -> str:
        """Return the hash of the one model's weights."""
        with Ledger(self.layout.ledger_path) as ledger:
            models = ledger.models()
        if len(models) != 1:
            raise RoadBroken(f"{self.folder}: {len(models)} models in the ledger")
        return models[0].weights_sha256

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return rows of the ledger, none while there is none; only looks."""
        if not self.layout.ledger_path.exists():
            return []
        try:
            with closing(sqlite3.connect(f"file:{self.layout.ledger_path}?mode=ro", uri=True, timeout=5)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []

    def check(self, weights: str) -> None:
        """Raise RoadBroken unless the road ended as it has to, and nothing of it is left.

        Args:
            weights: hash of the unbroken road's weights.
        """
        problems: list[str] = []
        if not self.is_finished():
            problems.append("the plan is not finished")
        jobs = sorted(str(step) for (step,) in self.rows("SELECT step FROM jobs"))
        if jobs != sorted(JOB_STEPS if self.serve else JOB_STEPS[:-1]):
            problems.append(f"jobs in the ledger: {jobs}")
        if (found := self.weights()) != weights:
            problems.append(f"weights {found}, unbroken {weights}")
        with Ledger(self.layout.ledger_path) as ledger:
            report = AuditLog(self.layout.audit_path, ledger).verify()
        if not report.whole:
            problems.append(f"audit log: {report}")
        problems += [f"left running: {words}" for words in self.leftovers()]
        for path in (self.screen_path, self.layout.log_path, self.layout.state_dir / "engine.log"):
            text = path.read_text("utf-8", "replace") if path.exists() else ""
            problems += [f"{path} says {words!r}" for words in _NOT_FOR_PEOPLE if words in text]
        if problems:
            raise RoadBroken(f"{self.folder}: " + "; ".join(problems))

    def _mark(self) -> Mark:
        done = len(self.rows("SELECT DISTINCT step FROM steps WHERE state = 'succeeded'"))
        if done == 0:
            try:
                text = (self.layout.state_dir / "answers.json").read_text()
            except OSError:
                return (0, 0, 0)
            return (0, 0, int(text.split('"next": ')[1].split(",")[0]))
        return (done, self._training_step() if done == 2 else 0, 0)

    def _training_step(self) -> int:
        found = self.rows("SELECT number FROM jobs WHERE step = 'train'")
        if not found:
            return 0
        try:
            events = self.layout.run(f"r{found[0][0]}").events_path.read_bytes()
        except OSError:
            return 0
        last = events.rpartition(b'"type":"step","step":')[2]
        return int(last.split(b",")[0]) if last[:1].isdigit() else 0


@dataclass
class Breaking:
    """One road that is broken, and what to break it with.

    Args:
        road: the road.
        unbroken: the reference, with its marks.
        due: whether a victim is due now; asked at every look with the road, None = nobody.
        next_door: which front end the person comes back with.
        numbers: kill numbers.
    """

    road: Road
    unbroken: Road
    due: "Callable[[Breaking], Victim | None]"
    next_door: Callable[["Road"], Door]
    numbers: Iterator[int]
    kills: list[Kill] = field(default_factory=list)
    reruns: int = 0

    def __post_init__(self) -> None:
        self.road.prepare()
        self.front = self.road.start("chat")
        self._pending: list[Kill] = []
        self._furthest: Mark = (0, 0, 0)
        self._furthest_at = 0.0

    def play(self) -> None:
        """Go the road to its end. Raises RoadBroken when it cannot be finished."""
        try:
            while not self._is_over():
                self._look()
                victim = self.due(self)
                if victim is not None:
                    self._kill(victim)
                time.sleep(_POLL_S)
            self._look()
        finally:
            if self.front.poll() is None:
                self.front.kill()
                self.front.wait()
            self.road.tear_down()

    def alive(self) -> dict[Victim, psutil.Process]:
        """Return who can be killed now."""
        found: dict[Victim, psutil.Process] = {"front end": psutil.Process(self.front.pid)}
        for victim, module in (
            ("engine", "agent.engine"),
            ("trainer", "trainer"),
            ("supervisor", "tools.backends.local.supervisor"),
        ):
            if processes := self.road.processes(module):
                found[victim] = processes[-1]
        return found

    def seconds_left(self) -> float:
        """Return what the unbroken road needed from here to its end."""
        return max(2.0, max(self.unbroken.marks.values()) - self._reference_s(self._furthest))

    def _is_over(self) -> bool:
        """Whether the front end has ended with the plan; one that ended before is followed by the next."""
        if self.road.now_s > _ROAD_S:
            raise RoadBroken(f"{self.road.folder}: not finished after {_ROAD_S:.0f} s")
        code = self.front.poll()
        if code is None:
            return False
        if self.road.is_finished():
            if code:
                raise RoadBroken(f"{self.road.folder}: finished, but the front end ended with {code}")
            return True
        self.reruns += 1
        if self.reruns > _MAX_RERUNS:
            raise RoadBroken(f"{self.road.folder}: not finished after {_MAX_RERUNS} more calls (last code {code})")
        self._take_up(f"after exit code {code}")
        return False

    def _kill(self, victim: Victim) -> None:
        process = self.alive().get(victim)
        if process is None:
            return
        try:
            process.kill()
        except psutil.NoSuchProcess:
            return
        kill = Kill(next(self.numbers), victim, self.road.now_s, self._furthest)
        self.kills.append(kill)
        self._pending.append(kill)
        if victim == "front end":
            self.front.wait()
            self._take_up()
        else:
            kill.taken_up_by = {
                "engine": "the same tailor chat (new engine)",
                "trainer": "the executor (new launch)",
                "supervisor": "the executor (job adopted)",
            }[victim]

    def _take_up(self, why: str = "") -> None:
        door = self.next_door(self.road)
        self.front = self.road.start(door)
        for kill in self._pending[-1:]:
            kill.taken_up_by = f"{kill.taken_up_by}, {why}: tailor {door}" if why else f"tailor {door}"

    def _look(self) -> None:
        mark = self.road.look()
        if mark <= self._furthest:
            return
        now = self.road.now_s
        if self._pending:
            usual_s = self._reference_s(mark) - self._reference_s(self._furthest)
            lost_s = max(0.0, now - self._furthest_at - usual_s)
            for kill in self._pending:
                kill.lost_s = lost_s / len(self._pending)
            self._pending.clear()
        self._furthest, self._furthest_at = mark, now

    def _reference_s(self, mark: Mark) -> float:
        """Return the second at which the unbroken road was as far."""
        return next((second for at, second in sorted(self.unbroken.marks.items()) if at >= mark), 0.0)


def unbroken_road(folder: Path, *, epochs: int = 6, serve: bool = True) -> Road:
    """Go the road once without a kill; return it with its marks, torn down."""
    road = Road(folder, epochs=epochs, serve=serve)
    road.prepare()
    front = road.start("chat")
    while front.poll() is None:
        road.look()
        time.sleep(_POLL_S)
    road.look()
    road.tear_down()
    if front.returncode:
        raise RoadBroken(f"{folder}: the unbroken road ended with {front.returncode}; see {road.screen_path}")
    road.check(road.weights())
    return road


class RandomKills:
    """Chooses moments and victims: uniform over what is left of the road, and over who lives then."""

    def __init__(self, rng: random.Random, num_kills: int) -> None:
        self._rng = rng
        self._left = num_kills
        self._at = 0.0
        self._doors = 0

    @property
    def left(self) -> int:
        """Kills still to be made."""
        return self._left

    def begin(self, seconds: float) -> None:
        """Choose the first moment of a road of that many seconds."""
        self._at = self._rng.uniform(0.0, seconds)

    def due(self, breaking: Breaking) -> Victim | None:
        """Return who is to be killed now."""
        if not self._left or breaking.road.now_s < self._at or breaking.front.poll() is not None:
            return None
        victim = self._rng.choice(sorted(breaking.alive()))
        self._left -= 1
        self._at = breaking.road.now_s + self._rng.uniform(0.0, breaking.seconds_left())
        return victim

    def door(self, road: Road, spec_text: str) -> Door:
        """Return chat or run in turn; run only once the spec is what the conversation was to make of it."""
        if not road.layout.spec_path.exists() or road.layout.spec_path.read_text("utf-8") != spec_text:
            return "chat"
        self._doors += 1
        return "run" if self._doors % 2 else "chat"


def main(arguments: Sequence[str] | None = None) -> int:
    """Break roads, print the table and the summary; return 0 when every road ended as it has to."""
    parser = argparse.ArgumentParser(description="Kill the road at random moments; show that it always ends the same.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--dir", type=Path, default=None, help="kept afterwards; without it a temporary folder is used")
    options = parser.parse_args(arguments)
    folder = options.dir or Path(tempfile.mkdtemp(prefix="kill-road-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    unbroken = unbroken_road(folder / "unbroken", epochs=options.epochs)
    road_s, weights = max(unbroken.marks.values()), unbroken.weights()
    print(f"unbroken road: {road_s:.0f} s, weights {weights[:23]}…, seed {options.seed}", flush=True)
    print(f"{'kill':>4} {'road':>4} {'second':>7}  {'at':<24} {'victim':<10} {'lost':>6}  taken up by", flush=True)
    plan, numbers = RandomKills(random.Random(options.seed), options.kills), iter(range(1, options.kills + 1))
    spec_text = unbroken.layout.spec_path.read_text("utf-8")
    kills: list[Kill] = []
    roads = reruns = 0
    while plan.left:
        roads += 1
        road = Road(folder / f"road-{roads}", epochs=options.epochs)
        plan.begin(road_s)
        breaking = Breaking(road, unbroken, plan.due, lambda road: plan.door(road, spec_text), numbers)
        breaking.play()
        road.check(weights)
        for kill in breaking.kills:
            print(_row(kill, roads), flush=True)
        kills += breaking.kills
        reruns += breaking.reruns
    lost = [kill.lost_s for kill in kills if kill.lost_s is not None]
    by_victim = ", ".join(f"{name} {sum(kill.victim == name for kill in kills)}" for name in _victims(kills))
    print(
        f"{len(kills)} kills ({by_victim}) on {roads} roads: every plan finished, one job for each step, the same"
        f" weights as the unbroken road, audit logs whole, no process left. Calls repeated without a kill of the front"
        f" end: {reruns}. Lost: {sum(lost) / max(1, len(lost)):.1f} s on average, {max(lost, default=0):.1f} s at most."
        f" {time.monotonic() - began:.0f} s in all."
    )
    if options.dir is None:
        shutil.rmtree(folder)
    return 0


def _row(kill: Kill, road: int) -> str:
    done, step, answers = kill.mark
    where = f"answer {answers}" if done == 0 else f"{done} steps done" + (f", training {step}" if step else "")
    lost = "-" if kill.lost_s is None else f"{kill.lost_s:.1f} s"
    return (
        f"{kill.number:>4} {road:>4} {kill.at_s:>5.1f} s  {where:<24} {kill.victim:<10} {lost:>6}  {kill.taken_up_by}"
    )


def _victims(kills: Sequence[Kill]) -> list[str]:
    return sorted({kill.victim for kill in kills})


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)
    sys.exit(main())
