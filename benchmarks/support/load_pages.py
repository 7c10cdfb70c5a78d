"""What a run under load is told as: tables for a terminal or a page, and the picture of the memory."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.support import plots
from benchmarks.support.faults import BROKER, WORKER
from benchmarks.support.figures import percentiles
from benchmarks.support.labelers import STEPS, Ledger
from benchmarks.support.memory_watch import Series
from benchmarks.support.pages import machine, replace_block, table
from benchmarks.support.reckoning import Reckoning

# After a fault, the longest time without an outline is looked for in so many seconds.
_AFTERMATH_SECONDS = 15.0


@dataclass(frozen=True)
class Run:
    """One number of people, measured from `began` to `ended` on time.monotonic's clock.

    processors: how many each service kept busy; busy: all processes of the machine together. faults: what was
    done to the system, and when. may_refuse: whether it may ask people to come again.
    """

    labelers: int
    pace: float
    began: float
    ended: float
    ledger: Ledger
    reckoning: Reckoning
    memory: dict[str, Series]
    processors: dict[str, float]
    busy: float
    faults: list[tuple[float, str]]
    may_refuse: bool

    @property
    def wrong(self) -> list[str]:
        """What does not fit; where it had no reason to, refusals and lost answers as well."""
        if self.may_refuse:
            return self.reckoning.wrong
        refused = [f"{step}: {reason}, {n} times" for (step, reason), n in self.ledger.retries.items()]
        return self.reckoning.wrong + refused

    @property
    def refused(self) -> float:
        """Share of the requests that were asked to come again, or not answered."""
        return sum(self.ledger.retries.values()) / self.ledger.requests

    def milliseconds(self, step: str) -> list[float]:
        """How long a step took, of those that ended while it was measured."""
        return [took * 1000 for at, took in self.ledger.seconds[step] if self.began <= at <= self.ended]

    def rate(self, step: str) -> float:
        """How often a second a step was done."""
        return len(self.milliseconds(step)) / (self.ended - self.began)

    def silences(self, fault: str) -> list[float]:
        """After each fault of a kind, the longest time in which nobody was given an outline."""
        clicks = sorted(at for at, _ in self.ledger.seconds["click"])
        found = []
        for at, what in self.faults:
            if what == fault:
                moments = [at, *(one for one in clicks if at < one < at + _AFTERMATH_SECONDS)]
                gaps = [after - before for before, after in itertools.pairwise(moments)]
                found.append(max(gaps, default=_AFTERMATH_SECONDS))
        return found


def text(runs: Sequence[Run]) -> str:
    """Everything, for a terminal and for a page alike."""
    if len(runs) > 1:
        return _levels(runs)
    [run] = runs
    parts = [_steps(run), _account(run)]
    if run.faults:
        parts.append(_aftermath(run))
    return "\n".join([*parts, _memory(run), _processors(run)])


def save(page: Path, runs: Sequence[Run], faults: bool, command: str) -> None:
    """Replace the page's block for this kind of run, and draw the memory where there was one run."""
    kind = "faults" if faults else "calm" if len(runs) == 1 else "levels"
    head = f"    {command}\n\nOn {machine()}.\n\n"
    if len(runs) == 1:
        name = f"load-memory-{kind}.svg"
        picture = page.parent / "pictures" / name
        lines = {name: (one.seconds, one.megabytes) for name, one in runs[0].memory.items()}
        plots.lines(picture, f"Memory with {runs[0].labelers} labelers, MB", lines, "seconds")
        head += f"![Memory of each process over the run](pictures/{name})\n\n"
    replace_block(page, kind, head + text(runs))


def _steps(run: Run) -> str:
    rows = []
    for step in STEPS:
        times = run.milliseconds(step)
        figures = (*percentiles(times), max(times)) if len(times) > 1 else (float("nan"),) * 3
        rows.append([step, f"{len(times):,}", *(f"{value:,.0f}" for value in figures)])
    return table(["step", "times", "median, ms", "95 %", "longest"], rows)


def _account(run: Run) -> str:
    ledger, seconds = run.ledger, run.ended - run.began
    retries = Counter[str]()
    for (_, reason), count in ledger.retries.items():
        retries[reason] += count
    lines = [
        f"- {run.labelers} labelers, {run.pace:g} s an object besides the service, {seconds:.0f} s measured: "
        f"{run.rate('save'):.1f} objects a second.",
        f"- {ledger.requests:,} requests, wrong answers: {len(ledger.unexpected)}; "
        f"asked to come again, or not answered: {sum(retries.values())} ({run.refused:.2%})"
        + "".join(f"; {reason}: {count}" for reason, count in retries.most_common())
        + ".",
        f"- Read back: {len(ledger.saves):,} saves accepted, {run.reckoning.saves:,} there, each once; "
        f"not as it should be: {len(run.reckoning.wrong)}.",
        f"- Clicks as jobs: {_counted(run.reckoning.jobs)}; answered 202 and asked for again: {ledger.polled}; "
        f"clicked again after a failure: {sum(ledger.failed_jobs.values())}.",
    ]
    return "\n".join(lines) + "\n"


def _aftermath(run: Run) -> str:
    rows = []
    for fault in (WORKER, BROKER):
        if found := run.silences(fault):
            rows.append([fault, str(len(found)), f"{median(found):.1f}", f"{max(found):.1f}"])
    return table(["fault", "times", "longest silence after it, s: median", "longest"], rows)


def _memory(run: Run) -> str:
    rows = []
    for name, one in sorted(run.memory.items()):
        sizes = [f"{one.at(share):.0f}" for share in (0, 0.5, 1)]
        rows.append([name, *sizes, _growth(one)])
    return table(["process", "start, MB", "middle", "end", "MB a minute, second half"], rows)


def _growth(one: Series) -> str:
    if len(one.pids) > 1:
        return f"started {len(one.pids)} times"
    return "too short-lived to say" if math.isnan(one.slope) else f"{one.slope:+.2f}"


def _processors(run: Run) -> str:
    shares = sorted(run.processors.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{name} {share:.2f}" for name, share in shares)
    return f"Processors: {parts}; everything on the machine {run.busy:.2f}.\n"


def _levels(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        click, saving = run.milliseconds("click"), run.milliseconds("save")
        rows.append(
            [
                f"{run.labelers}",
                f"{run.labelers / run.pace:.1f}",
                f"{run.rate('save'):.1f}",
                *(f"{value:,.0f}" for value in percentiles(click)),
                f"{percentiles(saving)[1]:,.0f}",
                f"{sum(run.processors.values()):.2f} / {run.busy:.2f}",
                f"{run.refused:.1%}",
                str(len(run.wrong)),
            ]
        )
    head = ["labelers", "objects a second, wanted", "done", "click: median, ms", "95 %", "save: 95 %"]
    return table([*head, "processors: ours / all", "asked to come again", "wrong"], rows)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
