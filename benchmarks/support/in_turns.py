"""Two servers that do the same in turns: figures with their spread, and the CPU that each has used."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console


@dataclass(frozen=True)
class Figures:
    """Of one side. each: what every repetition came to; cpu: milliseconds a unit."""

    each: list[float]
    cpu: float

    @property
    def median(self) -> float:
        """The middle repetition."""
        return median(self.each)


@dataclass(frozen=True)
class Result:
    """One thing that both did. unit: of the figures, of which more is better where it is a rate."""

    name: str
    unit: str
    ours: Figures
    theirs: Figures

    @property
    def times(self) -> float:
        """How many times as fast ours is; below one: theirs is faster."""
        if self.unit.endswith("/s"):
            return self.ours.median / self.theirs.median
        return self.theirs.median / self.ours.median


@dataclass(frozen=True)
class Turn:
    """One repetition of one side: its figure, how many units it was, and the seconds of CPU."""

    figure: float
    units: int
    cpu: float


class Side:
    """Processes whose CPU counts."""

    def __init__(self, pids: Callable[[], list[int]]):
        self.pids = pids

    def rate(self, units: int, action: Callable[[], object]) -> Turn:
        """Units a second of an action that does so many."""
        turn = self.seconds(units, action)
        return Turn(units / turn.figure, units, turn.cpu)

    def seconds(self, units: int, action: Callable[[], object]) -> Turn:
        """How long an action takes."""
        cpu, began = cpu_seconds(self.pids()), time.perf_counter()
        action()
        took = time.perf_counter() - began
        return Turn(took, units, cpu_seconds(self.pids()) - cpu)

    def saves(self, clients: int, seconds: float, save: Callable[[], object]) -> Turn:
        """Saves a second of so many clients, who save one after the other."""
        until = time.perf_counter() + seconds

        def keep_saving(_: int) -> int:
            done = 0
            while time.perf_counter() < until:
                save()
                done += 1
            return done

        cpu, began = cpu_seconds(self.pids()), time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            done = sum(pool.map(keep_saving, range(clients)))
        took = time.perf_counter() - began
        return Turn(done / took, done, cpu_seconds(self.pids()) - cpu)


class Comparison:
    """What has been measured so far. rounds: turns of each side; only: a part of names of measures."""

    def __init__(self, rounds: int, only: str, console: Console):
        self.rounds, self.only, self.console = rounds, only, console
        self.results: list[Result] = []

    def compare(
        self, name: str, unit: str, ours: Callable[[], Turn], theirs: Callable[[], Turn], rounds: int = 0
    ) -> None:
        """In turn, so that whatever else the machine does is shared."""
        if self.only not in name:
            return
        turns: tuple[list[Turn], list[Turn]] = ([], [])
        for _ in range(rounds or self.rounds):
            for found, take in zip(turns, (ours, theirs), strict=True):
                found.append(take())
        result = Result(name, unit, *map(_figures, turns))
        self.results.append(result)
        self.console.print(f"{name}: {result.ours.median:.4g} and {result.theirs.median:.4g} {unit}")


def _figures(turns: Sequence[Turn]) -> Figures:
    cpu = sum(turn.cpu for turn in turns) / sum(turn.units for turn in turns)
    return Figures([round(turn.figure, 4) for turn in turns], round(cpu * 1000, 3))


def table(results: Sequence[Result], ours: str, theirs: str) -> list[str]:
    """Lines of Markdown: medians, in brackets the least and the most; CPU is milliseconds a unit."""
    lines = [
        f"| | {ours} | {theirs} | times as fast | CPU, ms: {ours} | {theirs} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in results:
        cells = (
            _spread(one.ours, one.unit),
            _spread(one.theirs, one.unit),
            _rounded(one.times, 2),
            _rounded(one.ours.cpu, 3),
            _rounded(one.theirs.cpu, 3),
        )
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    return lines


def _spread(figures: Figures, unit: str) -> str:
    low, high = min(figures.each), max(figures.each)
    return f"{_rounded(figures.median, 4)} ({_rounded(low, 4)}–{_rounded(high, 4)}) {unit}"


def _rounded(figure: float, digits: int) -> str:
    """To so many significant digits, and never as a power of ten."""
    return f"{float(f'{figure:.{digits}g}'):,.15g}"


def cpu_seconds(pids: Sequence[int]) -> float:
    """What processes and all that they have started have used, also those of them that have ended."""
    return sum(_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    # Whoever ends meanwhile is counted with its parent the next time.
    with suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = [file.read_text().split() for file in Path(f"/proc/{pid}/task").glob("*/children")]
        return sum(map(int, fields[11:15])) + sum(_ticks(int(child)) for some in children for child in some)
    return 0
