"""How the memory of every process of a running system moves over a run, and what CPU its services take."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from benchmarks.support.processes import cpu_milliseconds, family, proportional_megabytes, resident_megabytes

from fourpoint_standalone.stack import POSTGRES, Stack

SAMPLES = 60


@dataclass
class Series:
    """Memory of one process. seconds: since the beginning; megabytes: then. pids: who it was, in turn."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)

    @property
    def slope(self) -> float:
        """Megabytes a minute of the straight line that fits the second half best: the first fills caches."""
        half = len(self.seconds) // 2
        if len(self.seconds) - half < 3:
            return float("nan")
        return float(np.polyfit(self.seconds[half:], self.megabytes[half:], 1)[0]) * 60

    def at(self, share: float) -> float:
        """Megabytes at this share of the run."""
        return self.megabytes[round(share * (len(self.megabytes) - 1))]


class MemoryWatch:
    """A context manager that looks at all processes again and again. seconds: how long the run will be.

    series: by name, resident sizes. PostgreSQL's processes share most of their memory, and one comes with each
    connection: they are added up, the buffers that they share (a fixed size, filled as pages are met) apart
    from the rest. processors: how many each service kept busy that was not started again; what children took
    that have ended meanwhile is missing.
    """

    def __init__(self, stack: Stack, seconds: float):
        self._stack = stack
        self._pause = max(0.5, seconds / SAMPLES)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory")
        self._names = _Names()
        self.series: dict[str, Series] = {}
        self.processors: dict[str, float] = {}

    def __enter__(self) -> "MemoryWatch":
        self._began = time.monotonic()
        self._used = self._cpu()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        seconds = time.monotonic() - self._began
        self.processors = {
            name: (used - self._used[name, root]) / 1000 / seconds
            for (name, root), used in self._cpu().items()
            if (name, root) in self._used
        }

    def _watch(self) -> None:
        while True:
            now = time.monotonic() - self._began
            for name, pid, megabytes in self._sizes():
                series = self.series.setdefault(name, Series())
                series.seconds.append(now)
                series.megabytes.append(megabytes)
                if pid not in series.pids:
                    series.pids.append(pid)
            if self._stop.wait(self._pause):
                return

    def _sizes(self) -> Iterator[tuple[str, int, float]]:
        """Name, process id and megabytes of each process."""
        for service, root in self._stack.pids.items():
            pids = list(family(root))
            if service == POSTGRES and pids:
                buffers, rest = zip(*map(_shares, pids), strict=True)
                yield f"{service}, shared buffers", root, sum(buffers)
                yield f"{service}, the rest", root, sum(rest)
            elif pids:
                for pid, name in self._names.of(service, pids).items():
                    # Whoever ends while one looks has no size.
                    with suppress(OSError):
                        yield name, pid, resident_megabytes(pid)

    def _cpu(self) -> dict[tuple[str, int], float]:
        """Milliseconds of a processor that each service, by its first process, has used so far."""
        return {(name, root): sum(map(_used, family(root))) for name, root in self._stack.pids.items()}


class _Names:
    """What processes are called; whoever comes in the place of one that has ended gets its name."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def of(self, service: str, pids: Sequence[int]) -> dict[int, str]:
        """Names of a service's processes, the parent first."""
        known = {pid: self._names[pid] for pid in pids if pid in self._names}
        known.setdefault(pids[0], service)
        for pid in pids[1:]:
            role = "decoder" if b"decoding_child" in _command(pid) else "process"
            numbers = (f"{service}, {role} {number}" for number in itertools.count(1))
            known.setdefault(pid, next(name for name in numbers if name not in known.values()))
        self._names |= known
        return known


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _used(pid: int) -> float:
    with suppress(OSError):
        return cpu_milliseconds(pid)
    return 0.0


def _shares(pid: int) -> tuple[float, float]:
    with suppress(OSError):
        return proportional_megabytes(pid)
    return 0.0, 0.0
