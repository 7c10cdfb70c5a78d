"""Processes as Linux tells of them in /proc: who descends from whom, and what they use."""

import os
from collections.abc import Iterator
from pathlib import Path


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it, parents first; nobody where it has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    yield pid
    for child in children:
        yield from family(int(child))


def cpu_milliseconds(pid: int) -> float:
    """What one process has used so far, by the kernel's own clock."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def busy_seconds() -> float:
    """What all processes of the machine together have used of its processors since it was started."""
    user, nice, system, _, _, interrupts, soft_interrupts = Path("/proc/stat").read_text().split()[1:8]
    ticks = sum(map(int, (user, nice, system, interrupts, soft_interrupts)))
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """The process's memory, what it shares with others included. Raises OSError where it has ended."""
    return _kibibytes(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def proportional_megabytes(pid: int) -> tuple[float, float]:
    """Its share of memory that processes share to talk through it, and of all else, in megabytes.

    The sum over a family is what the family takes.
    """
    file = Path(f"/proc/{pid}/smaps_rollup")
    shared = _kibibytes(file, "Pss_Shmem:")
    return shared / 1024, (_kibibytes(file, "Pss:") - shared) / 1024


def _kibibytes(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    # A process that has ended and not been waited for has no memory any more.
    raise ProcessLookupError(f"{file} says nothing of {name}")
