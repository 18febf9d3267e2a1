"""Kills the screen program at random moments and shows that a person with keys alone always comes to the same end.

    python tests/bench/kill_screen.py [--kills 20] [--seed N] [--epochs N] [--dir DIR] [--json FILE]

First one unbroken road by `tailor` in a terminal in memory: interview, spec, plan, approval, training of Seedling,
results. Then as many more as the kills need. Each is killed (SIGKILL) at random moments of what is left of it: the
interface, the engine, the trainer or the supervisor; after the interface the person starts `tailor` again. At the end
of each road: plan finished, one job a step, the weights of the unbroken road, nothing of the conversation twice, audit
log whole, terminal usable after each kill, no process left.
Not part of the tests; `tests/e2e/test_screen_kills.py` plays short pieces of it with quick jobs.
"""

import argparse
import json
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.fakes.screen_person import Person  # noqa: E402
from tools.audit import AuditLog  # noqa: E402
from tools.demo import write_demo  # noqa: E402
from tools.ledger import Ledger  # noqa: E402

MODULES = {"engine": "-m agent.engine", "trainer": "-m trainer", "supervisor": "-m tools.backends.local.supervisor"}
STEPS = ["baseline", "evaluate", "train"]
_TASK = "Classify customer messages by intent; the rows are in data/train.csv, the test rows in data/test.csv"
_ROAD_S = 300.0
_POLL_S = 0.1
_REST_S = 0.5
_PATIENT_LOOKS = 8
_KILLS_A_ROAD = 5
_NOT_FOR_PEOPLE = ("Traceback", "Something failed inside", "failed unexpectedly", "The engine died again and again")


class RoadBroken(AssertionError):
    """A road did not end as it has to."""


@dataclass
class Kill:
    """One kill and where it struck."""

    number: int
    road: int
    victim: str
    at_s: float
    where: str
    is_usable: bool
    """Whether a shell could go on in the terminal; always so where the interface was not the victim."""


@dataclass
class Road:
    """One project, and the person who goes the road with keys alone."""

    folder: Path
    epochs: int
    began: float = field(default_factory=time.monotonic)
    starts: int = 0

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        write_demo(self.folder)
        self.person = Person(self.folder, [sys.executable, "-m", "agent.cli", "-C", self.folder], (100, 40))
        self._seen, self._since = "", time.monotonic()
        self._num_looks = 0

    @property
    def now_s(self) -> float:
        """Seconds since the road began."""
        return time.monotonic() - self.began

    def start(self) -> None:
        """Type `tailor`."""
        self.starts += 1
        self.person.start()
        self._seen, self._since = "", time.monotonic()

    def act(self) -> None:
        """Look at the screen and do what a person would do now; nothing while the agent works."""
        person = self.person
        if (code := person.terminal.process.poll()) is not None:
            raise RoadBroken(f"{self.folder}: the interface ended by itself with {code}:\n{person.screen}")
        screen = person.screen
        if found := [words for words in _NOT_FOR_PEOPLE if words in screen]:
            raise RoadBroken(f"{self.folder}: the screen says {found}:\n{screen}")
        if screen != self._seen:
            self._seen, self._since = screen, time.monotonic()
            return
        if time.monotonic() - self._since < _REST_S:
            return
        self._since = time.monotonic()
        if "Make a project here" in screen:
            person.terminal.press("enter")
        elif "Approval needed" in screen:
            person.terminal.press("end")
            time.sleep(0.2)
            person.terminal.press("a" if "   a  Approve" in person.screen else "y")
        elif person.mode == "ASK":
            # the panel opens by itself once nothing was typed for a moment; what was folded away, F2 opens
            self._num_looks += 1
            if self._num_looks % _PATIENT_LOOKS == 0:
                person.terminal.press("f2")
        elif person.mode == "YOU" and not self.is_finished():
            self._say(self._next_words())

    def is_finished(self) -> bool:
        """Whether every step of the latest plan has succeeded."""
        if not self.person.layout.ledger_path.exists():
            return False
        try:
            with Ledger(self.person.layout.ledger_path) as ledger:
                plan = ledger.latest_plan()
                if plan is None:
                    return False
                done = {step.step for step in ledger.steps(plan.hash) if step.state == "succeeded"}
        except sqlite3.OperationalError:
            return False
        return {step.id for step in plan.steps} <= done

    def is_over(self) -> bool:
        """Whether the results are told and it is the person's move."""
        return self.is_finished() and self.person.mode == "YOU"

    def where(self) -> str:
        """Say how far the road is, for the table."""
        steps = sorted({str(step) for (step,) in self._rows("SELECT step FROM steps WHERE state = 'succeeded'")})
        if not steps:
            return f"{self.person.mode or 'starting'}, question {self.person.question[0]}"
        return f"{self.person.mode or 'starting'}, done: {', '.join(steps)}"

    def weights(self) -> str:
        """Return the hash of the one model's weights."""
        with Ledger(self.person.layout.ledger_path) as ledger:
            models = ledger.models()
        if len(models) != 1:
            raise RoadBroken(f"{self.folder}: {len(models)} models in the ledger")
        return models[0].weights_sha256

    def alive(self) -> dict[str, psutil.Process]:
        """Return who can be killed now."""
        found: dict[str, psutil.Process] = {}
        children = self.person.terminal.descendants()
        if children and self.person.terminal.process.poll() is None:
            found["interface"] = children[0]
        for victim, words in MODULES.items():
            if processes := self.person.processes(words):
                found[victim] = processes[-1]
        return found

    def kill(self, victim: str) -> bool:
        """Kill; return whether the terminal can be used afterwards."""
        process = self.alive().get(victim)
        if process is None:
            return True
        if victim == "interface":
            is_usable = self.person.kill_interface()
            self.start()
            return is_usable
        try:
            process.kill()
        except psutil.NoSuchProcess:
            return True
        return True

    def end(self) -> None:
        """Leave by the key."""
        if code := self.person.leave():
            raise RoadBroken(f"{self.folder}: leaving ended with {code}:\n{self.person.screen}")
        if not self.person.terminal.is_usable:
            raise RoadBroken(f"{self.folder}: the terminal is unusable after leaving")

    def check(self, weights: str) -> None:
        """Raise RoadBroken unless the road ended as it has to.

        Args:
            weights: hash of the unbroken road's weights.
        """
        layout = self.person.layout
        problems: list[str] = [] if self.is_finished() else ["the plan is not finished"]
        if (jobs := sorted(str(step) for (step,) in self._rows("SELECT step FROM jobs"))) != STEPS:
            problems.append(f"jobs in the ledger: {jobs}")
        if (found := self.weights()) != weights:
            problems.append(f"weights {found}, unbroken {weights}")
        with Ledger(layout.ledger_path) as ledger:
            report = AuditLog(layout.audit_path, ledger).verify()
        if not report.whole:
            problems.append(f"audit log: {report}")
        problems += [f"said twice: {text!r}" for text in self.person.said_twice()]
        if skipped := self.person.shown.num_skipped:
            problems.append(f"{skipped} lines of the record were torn")
        problems += [f"left running: {words}" for words in self.person.leftovers()]
        for name in ("tailor.log", "engine.log", "interface.log"):
            path = layout.state_dir / name
            text = path.read_text("utf-8", "replace") if path.exists() else ""
            problems += [f"{name} says {words!r}" for words in _NOT_FOR_PEOPLE if words in text]
        self.person.close()
        if problems:
            raise RoadBroken(f"{self.folder}: " + "; ".join(problems))

    def _next_words(self) -> str:
        """Return what the person says to get to a spec that trains the same everywhere, and on from there."""
        if self.person.question[0] == 1:
            return _TASK
        if self.person.question[0]:
            return ""
        spec = self.person.layout.spec_path.read_text("utf-8") if self.person.layout.spec_path.exists() else ""
        for wanted, words in (
            (f"epochs: {self.epochs}", f"make it {self.epochs} epochs"),
            ("threads: 1", "use 1 thread"),
            ("target: none", "no deployment"),
        ):
            if wanted not in spec:
                return words
        return "go on"

    def _say(self, words: str) -> None:
        terminal = self.person.terminal
        terminal.press("ctrl+u")
        time.sleep(0.2)
        terminal.type(words)
        time.sleep(0.5)
        # a long line is broken on the screen; what came while the interface was restarting may not stand there
        if _letters(words) in _letters(self.person.screen):
            terminal.press("enter")

    def _rows(self, query: str) -> list[tuple[object, ...]]:
        if not self.person.layout.ledger_path.exists():
            return []
        try:
            ledger = f"file:{self.person.layout.ledger_path}?mode=ro"
            with closing(sqlite3.connect(ledger, uri=True, timeout=5)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


class Kills:
    """Chooses moments and victims: random over the whole road, interview included, and over who lives then."""

    def __init__(self, seed: int, num_kills: int) -> None:
        self._rng = random.Random(seed)
        self.left = num_kills
        self.made: list[Kill] = []
        self._at = 0.0

    def begin(self, road_s: float) -> None:
        """Choose the first moment of a road of that many seconds."""
        self._at = self._rng.uniform(0.0, road_s / 2)

    def strike(self, road: Road, number: int, road_s: float) -> None:
        """Kill somebody if it is time."""
        num_here = sum(kill.road == number for kill in self.made)
        if not self.left or road.now_s < self._at or num_here == _KILLS_A_ROAD:
            return
        alive = road.alive()
        if not alive:
            return
        victim = self._rng.choice(sorted(alive))
        at_s, where = road.now_s, road.where()
        is_usable = road.kill(victim)
        self.left -= 1
        kill = Kill(len(self.made) + 1, number, victim, round(at_s, 2), where, is_usable)
        self.made.append(kill)
        print(f"{kill.number:>4} {number:>4} {at_s:>6.1f} s  {victim:<10} {where}", flush=True)
        if not is_usable:
            raise RoadBroken(f"{road.folder}: the terminal is unusable after kill {kill.number}")
        self._at = road.now_s + self._rng.uniform(0.0, road_s / 2)


def go(road: Road, kills: Kills | None = None, number: int = 0, road_s: float = 0.0) -> float:
    """Go a road to its end and return its seconds. Raises RoadBroken when it cannot be finished."""
    road.start()
    try:
        while not road.is_over():
            if road.now_s > _ROAD_S:
                raise RoadBroken(f"{road.folder}: not finished after {_ROAD_S:.0f} s:\n{road.person.screen}")
            if kills is not None:
                kills.strike(road, number, road_s)
            road.act()
            time.sleep(_POLL_S)
        seconds = road.now_s
        road.end()
        return seconds
    except BaseException:
        road.person.close()
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Break roads, print table and summary, write the JSON; return 0 when every road ended as it has to."""
    parser = argparse.ArgumentParser(description="Kill the screen program; show that a person always comes to the end.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--dir", type=Path, default=None, help="kept afterwards; without it a temporary folder is used")
    parser.add_argument("--json", type=Path, default=None, help="where the figures are written")
    options = parser.parse_args(arguments)
    folder = options.dir or Path(tempfile.mkdtemp(prefix="kill-screen-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    unbroken = Road(folder / "unbroken", options.epochs)
    road_s = go(unbroken)
    weights = unbroken.weights()
    unbroken.check(weights)
    print(f"unbroken road: {road_s:.0f} s, weights {weights[:23]}…, seed {options.seed}", flush=True)
    print(f"{'kill':>4} {'road':>4} {'second':>8}  {'victim':<10} where", flush=True)
    kills, roads = Kills(options.seed, options.kills), [unbroken]
    seconds: list[float] = []
    while kills.left:
        road = Road(folder / f"road-{len(roads)}", options.epochs)
        kills.begin(road_s)
        seconds.append(go(road, kills, len(roads), road_s))
        road.check(weights)
        roads.append(road)
    victims = {name: sum(kill.victim == name for kill in kills.made) for name in ("interface", *MODULES)}
    figures = {
        "seed": options.seed,
        "epochs": options.epochs,
        "kills": len(kills.made),
        "victims": victims,
        "roads": len(roads) - 1,
        "unbroken_s": round(road_s, 1),
        "broken_s": [round(each, 1) for each in seconds],
        "starts": sum(road.starts for road in roads[1:]),
        "weights_sha256": weights,
        "seconds": round(time.monotonic() - began, 1),
        "each": [asdict(kill) for kill in kills.made],
    }
    told = ", ".join(f"{name} {times}" for name, times in victims.items())
    print(
        f"{len(kills.made)} kills ({told}) on {len(roads) - 1} roads: every plan finished, one job a step, the weights"
        f" of the unbroken road, nothing said twice, audit logs whole, terminal usable after each kill, no process"
        f" left. A broken road took {sum(seconds) / max(1, len(seconds)):.0f} s on average,"
        f" {figures['seconds']} s in all."
    )
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if options.dir is None:
        shutil.rmtree(folder)
    return 0


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)
    sys.exit(main())
