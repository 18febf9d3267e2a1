"""What the processes of a job use: processor, memory, accelerator. Looked at now and then from a thread."""

import csv
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from agent.tui.viewmodels.run import GpuView, MachineView
from specs.layout import RunLayout
from tools.backends.local.marks import JobFacts, launches, process_start, read_job

_JOB_EVERY_S = 2.0
_GPU_EVERY_S = 5.0
_GPU_PATIENCE_S = 3.0
_MEBIBYTE = 1 << 20


class JobMeter:
    """Measures a job now and then; between two looks it repeats itself."""

    def __init__(self, run: RunLayout, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._view = MachineView()
        self._job_at = -_JOB_EVERY_S
        self._gpu_at = -_GPU_EVERY_S
        self._cpu: tuple[float, float] | None = None
        """When the processor time was read, and the seconds used by then."""

    def read(self, *, with_gpu: bool) -> MachineView:
        """Return what the job uses; empty where its processes cannot be seen."""
        now = self._clock()
        if now - self._job_at >= _JOB_EVERY_S:
            self._job_at = now
            self._view = self._processes(now)
        if with_gpu and now - self._gpu_at >= _GPU_EVERY_S:
            self._gpu_at = now
            self._view = MachineView(self._view.cpu_percent, self._view.memory_bytes, self._view.peak_bytes, read_gpu())
        return self._view

    def _processes(self, now: float) -> MachineView:
        facts = self._facts()
        if facts is None:
            return MachineView(peak_bytes=self._view.peak_bytes, gpu=self._view.gpu)
        import psutil

        memory, busy_s = 0, 0.0
        try:
            tree = [psutil.Process(facts.pid)]
            tree += tree[0].children(recursive=True)
        except psutil.Error:
            tree = []
        for process in tree:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
                    busy_s += times.user + times.system
            except psutil.Error:
                continue
        if not memory:
            return MachineView(peak_bytes=self._view.peak_bytes, gpu=self._view.gpu)
        before, self._cpu = self._cpu, (now, busy_s)
        percent = None
        if before is not None and now > before[0] and busy_s >= before[1]:
            percent = min(100.0, 100 * (busy_s - before[1]) / (now - before[0]) / (psutil.cpu_count() or 1))
        peak = max(memory, self._view.peak_bytes or 0, _highest(facts.pid))
        return MachineView(percent, memory, peak, self._view.gpu)

    def _facts(self) -> JobFacts | None:
        begun = launches(self._run)
        facts = read_job(self._run, begun[-1].number) if begun else None
        # A later process may have the number of one that ended.
        return facts if facts is not None and process_start(facts.pid) == facts.start else None


def read_gpu() -> GpuView | None:
    """Return the busiest accelerator of this machine, None where there is none or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = "--query-gpu=utilization.gpu,memory.used,memory.total,temperature.gpu"
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GPU_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_gpu(done.stdout.decode("utf-8", "replace"))


def parse_gpu(table: str) -> GpuView | None:
    """Return the busiest accelerator of a table: percent, MiB used, MiB in all, degrees a line."""
    found = [gpu for row in csv.reader(table.splitlines()) if (gpu := _gpu(row)) is not None]
    return max(found, key=lambda gpu: (gpu.percent, gpu.used_bytes), default=None)


def _gpu(row: list[str]) -> GpuView | None:
    if len(row) != 4:
        return None
    percent, used, total, celsius = (_number(cell) for cell in row)
    if percent is None or used is None or not total:
        return None
    return GpuView(percent, int(used * _MEBIBYTE), int(total * _MEBIBYTE), celsius)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        # `[N/A]`, where the device does not tell.
        return None


def _highest(pid: int) -> int:
    """Return the most memory a process ever had, 0 where the system does not tell."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0
