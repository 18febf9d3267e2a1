"""`Tailor`: one project, everything that can be done in it, for the agent's tools, the command line and scripts.

Nothing heavy is imported here; each method loads what it needs.

    from tools.client import Tailor

    tailor = Tailor("my-project")
    plan = tailor.plan()
    for event in tailor.run(plan, tailor.approve(plan, "all")):
        print(event.type)
    print(tailor.results()["checks"])
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from specs.layout import ProjectLayout
from tools.approvals import GrantKey
from tools.errors import UsageError
from tools.project import open_project
from tools.spec_file import SpecFile

if TYPE_CHECKING:
    from specs.edit import Change
    from specs.load import LoadedSpec
    from specs.plan import Plan
    from tools.data.inspect import FileProfile
    from tools.doctor import Finding
    from tools.evaluation.rows import MeasuredRow, RowFilter
    from tools.events import ExecutorEvent
    from tools.ledger import Ledger
    from tools.runs import RunInfo
    from tools.spec_file import SpecChange
    from tools.steps import JsonDict


class Tailor:
    """A project.

    Args:
        root: the project's folder.
        spec_name: file name of the spec in it.
        create: make the folder when it is missing.
        grant_key: key that approvals of this process are signed with; a new one when left out. Whoever holds it can
            approve, so it stays in the process of the person.

    Raises:
        UsageError: the folder is missing.
        ToolError: the folder cannot be written.
    """

    def __init__(
        self,
        root: str | Path = ".",
        *,
        spec_name: str = "spec.yaml",
        create: bool = False,
        grant_key: GrantKey | None = None,
    ) -> None:
        self.layout: ProjectLayout = open_project(Path(root), spec_name=spec_name, create=create)
        self._spec_file = SpecFile(self.layout)
        self._key = grant_key or GrantKey.new()

    def load_spec(self) -> "LoadedSpec":
        """Return spec.yaml, validated. Raises SpecError with every defect, UsageError when there is none."""
        return self._spec_file.load()

    def create_spec(self, fields: "JsonDict") -> "SpecChange":
        """Write a new spec.yaml from nested fields. Raises UsageError when there is one, SpecError for a bad field."""
        return self._spec_file.create(fields)

    def patch_spec(self, changes: "Sequence[Change]", *, by_person: bool = False) -> "SpecChange":
        """Make edits in spec.yaml, all or none, comments kept. Raises SpecError when the result would not be valid."""
        return self._spec_file.patch(changes, by_person=by_person)

    def undo_spec(self) -> "SpecChange":
        """Take the last edit back. Raises UsageError when there is none or the file was edited by hand since."""
        return self._spec_file.undo()

    def inspect_data(self, path: str) -> "FileProfile":
        """Return what a data file holds and which columns it suggests. Raises DataError for a file nobody can use."""
        from tools.data.inspect import inspect_file

        return inspect_file(path, self.layout.root)

    def plan(self, *, anew: bool = False) -> "Plan":
        """Return the plan of spec.yaml and record it.

        Args:
            anew: make a new plan even when nothing changed since the last one, to train another version.

        Raises:
            SpecError, PlanRefused, DataError, UsageError: what is wrong, where, and the next step.
        """
        from tools.planning import make_plan

        with _ledger(self.layout) as ledger:
            plan = make_plan(self.layout, ledger, self.load_spec(), anew=anew)
            ledger.record_plan(plan)
        return plan

    def known_plan(self, plan_hash: str | None = None) -> "Plan":
        """Return a recorded plan, the latest when no hash is given. Raises UsageError when there is none."""
        with _ledger(self.layout) as ledger:
            plan = ledger.latest_plan() if plan_hash is None else ledger.plan(plan_hash)
        if plan is None:
            wanted = "recorded in this project" if plan_hash is None else f"with the hash {plan_hash[:19]}"
            raise UsageError(f"There is no plan {wanted}.", "Make one with `tailor plan`.")
        return plan

    def status(self) -> "JsonDict":
        """Return what the project has: spec, data files, plan, state of each step, runs, servers. JSON values."""
        from tools.status import project_status

        with _ledger(self.layout) as ledger:
            return project_status(self.layout, ledger)

    def approve(
        self,
        plan: "Plan",
        steps: Collection[str] | Literal["all"],
        *,
        max_usd: float | None = None,
    ) -> dict[str, str]:
        """Approve steps of a plan as the person at this process; return the grant id of each.

        Args:
            plan: the plan as shown to the person.
            steps: step ids, or `all`.
            max_usd: cap in US dollars over each step; the plan's own cap when left out.

        Raises:
            UsageError: an id the plan does not have.
        """
        from tools.granting import approve_steps

        with _ledger(self.layout) as ledger:
            return approve_steps(ledger, self._key, plan, steps, max_usd)

    def run(
        self, plan: "Plan", grants: Mapping[str, str], *, only: Collection[str] | None = None
    ) -> "Iterator[ExecutorEvent]":
        """Run the plan's granted steps and yield what happens; the last event is `plan_finished`.

        Steps that have succeeded are not run again, and a running job is taken up. Closing the iterator stops
        watching, not the job.

        Args:
            plan: a recorded plan.
            grants: grant id by step id, from `approve`.
            only: run these steps alone.

        Raises:
            ProjectBusy: another process runs a plan in this project.
        """
        from tools.running import executor

        with _ledger(self.layout) as ledger:
            yield from executor(self.layout, ledger, self._key).run(plan, grants, only=only)

    def runs(self) -> "tuple[RunInfo, ...]":
        """Return the project's runs, oldest first."""
        from tools.runs import list_runs

        return tuple(list_runs(self.layout))

    def show(self, run: str) -> "RunInfo":
        """Return one run. Raises UsageError for an unknown id."""
        from tools.runs import run_info

        return run_info(self.layout, run)

    def logs(self, run: str, *, follow: bool = False) -> Iterator[str]:
        """Yield a run's log by lines, with `follow` until the run has ended. Raises UsageError for an unknown id."""
        from tools.runs import read_log

        return read_log(self.layout, run, follow=follow)

    def stop(self, run: str) -> "JsonDict":
        """Stop a running job; training saves a checkpoint first. Raises UsageError for an unknown id."""
        from tools.running import stop_run

        return stop_run(self.layout, run)

    def results(self, of: str | None = None, *, num_rows: int = 12) -> "JsonDict":
        """Return what was measured: checks, verdict, rows side by side, server. JSON values.

        Args:
            of: hash of a plan, or id of one of its runs; the latest plan when left out.
            num_rows: how many rows side by side; `rows` gives all of them.

        Raises:
            UsageError: nothing was measured yet, or there is no such plan or run.
        """
        from tools.status import plan_results

        with _ledger(self.layout) as ledger:
            return plan_results(self.layout, ledger, of, num_rows=num_rows)

    def rows(
        self, of: str | None = None, *, outcome: "RowFilter" = "all", contains: str = ""
    ) -> "Iterator[MeasuredRow]":
        """Yield the measured test rows with every answer, texts whole and unescaped, in the order of the test file.

        Args:
            of: hash of a plan, or id of one of its runs; the latest plan when left out.
            outcome: all, worse, better, same, or wrong (by both models).
            contains: text that a row must hold, in any case of letters.

        Raises:
            UsageError: nothing was measured yet, or the outcome needs a custom model and there is none.
        """
        from tools.evaluation.rows import open_rows

        yield from open_rows(self.layout, of).every(outcome, contains)

    def play(self, prompt: str, models: Sequence[str] = ()) -> "JsonDict":
        """Ask the served models, base and custom when left out, one prompt; return each answer with tokens and seconds.

        Raises:
            UsageError: nothing is served, or a model is not.
            BackendError: the server does not answer.
        """
        from tools.deployment.playground import play

        return play(self.layout, prompt, tuple(models))

    def teardown(self, name: str | None = None) -> list[str]:
        """Stop the servers of a model, or all; return what was stopped. Raises UsageError for an unknown name."""
        from tools.running import teardown

        return teardown(self.layout, name)

    def doctor(self) -> "tuple[Finding, ...]":
        """Return what holds on this machine and in this project, and what does not."""
        from tools.doctor import examine

        return examine(self.layout)


def _ledger(layout: ProjectLayout) -> "Ledger":
    from tools.ledger import Ledger

    return Ledger(layout.ledger_path)
