"""How soon is a new process ready to outline, and how much memory does it take?

    python benchmarks/engine_start.py [--engine weight-free compact] [--starts 9] [--json]

Each start is a process of its own that loads the engine and warms it up; the engines take turns. The
processor's seconds are what the process itself used, those of the wall what whoever starts it waits for.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_START = """
import json, os, sys, time
from benchmarks.support.memory import peak_megabytes
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.engines import Surroundings, build_engine

engine = build_engine(sys.argv[1], Surroundings(compact=CompactSettings.from_mapping(os.environ)))
engine.warm_up()
print(json.dumps({"processor_s": time.process_time(), "peak_mib": peak_megabytes()}))
"""


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for."""
    options = _parse(arguments)
    starts: dict[str, list[dict[str, float]]] = {name: [] for name in options.engine}
    for _ in range(options.starts):
        for name in options.engine:
            starts[name].append(start(name))
    report = {name: summary(found) for name, found in starts.items()}
    print(json.dumps(report, indent=2) if options.json else as_table(report))
    return 0


def start(engine: str) -> dict[str, float]:
    """One new process, until the engine is warm and the process has ended."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _START, engine], cwd=_ROOT, check=True, capture_output=True, text=True
    )
    return {"wall_s": time.perf_counter() - began, **json.loads(done.stdout)}


def summary(found: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Least, median and greatest of each figure."""
    return {
        name: {
            "least": round(min(one[name] for one in found), 2),
            "median": round(statistics.median(one[name] for one in found), 2),
            "greatest": round(max(one[name] for one in found), 2),
        }
        for name in found[0]
    }


def as_table(report: dict[str, dict[str, dict[str, float]]]) -> str:
    """A line for each figure of each engine."""
    lines = [f"{'':14}{'':14}{'median':>9}   least to greatest"]
    for engine, figures in report.items():
        for name, of in figures.items():
            lines.append(f"{engine:14}{name:14}{of['median']:9.2f}   {of['least']:.2f} to {of['greatest']:.2f}")
    return "\n".join(lines)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", nargs="+", default=["weight-free", "compact"], help="one or more")
    parser.add_argument("--starts", type=int, default=9, help="processes of each")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
