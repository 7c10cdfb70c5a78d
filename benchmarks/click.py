"""How long one click takes, from HTTP in to answer out, and where the time goes.

Starts the whole system on this machine with empty data (real PostgreSQL with fsync on, real Redis, separate
processes), and lets 1, 4 and 16 people click on photographs. Each click is a `POST /contours` with
`Prefer: wait`; the answer says what the worker spent in the queue, on the image, the model and the polygon.

    overhead = total - (image + model + polygon)

so it holds HTTP, both commits, the broker and the time in the queue. What it is compared with, in the same run:

    engine alone    the same prompts in this process, with no service around
    GET /healthz    the floor of HTTP on this machine
    commit          the floor of one durable write: an UPDATE of one row, fsync on

With --steps it is told instead what is saved once somebody has looked at an image: a cold and a warm click, a
second user, a second worker, and sixteen people on one worker, with nothing kept and with all that is kept. The
engine `sam` then runs a small network made here (or --checkpoint), in the environment of `make test-sam`.

With --traces two systems run, of which one is traced, and a person clicks on either in turns.

Usage: python benchmarks/click.py [--clients 1,4,16] [--clicks 60] [--save document] [--json]
       python benchmarks/click.py --traces [--clicks 60]
       python benchmarks/click.py --steps [--engine weight-free] [--rounds 5] [--json]
       .venv-sam/bin/python benchmarks/click.py --steps --engine sam [--checkpoint FILE]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where this file would hide the library `click` from httpx.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import cycle
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import numpy as np
import skimage
from benchmarks.support import click_steps, click_traces
from benchmarks.support.click_steps import Target
from benchmarks.support.figures import numbers
from PIL import Image
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, text

from fourpoint_core.domain.prompts import prompt_from_json
from fourpoint_standalone.stack import Stack, StackOptions
from fourpoint_worker.segmenter.engines import build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded
from fourpoint_worker.settings import WorkerSettings

# CC0 photographs in scikit-image's wheel, each with the extreme points of one object.
PHOTOGRAPHS = {
    "coffee.png": {"top": [305, 45], "bottom": [300, 330], "left": [128, 195], "right": [470, 180]},
    "chelsea.png": {"top": [215, 12], "bottom": [225, 285], "left": [60, 150], "right": [330, 140]},
    "astronaut.png": {"top": [222, 5], "bottom": [230, 190], "left": [165, 95], "right": [285, 90]},
}
STAGES = ("queue", "image", "model", "polygon")


@dataclass(frozen=True)
class Click:
    """One answered click, in milliseconds."""

    total: float
    stages: dict[str, float]

    @property
    def overhead(self) -> float:
        """What the service adds to the engine's work; time in the queue included."""
        return self.total - sum(self.stages[stage] for stage in ("image", "model", "polygon"))


def main() -> None:
    """Run, print, and end with everything stopped."""
    options = _options()
    console = Console(stderr=True)
    if options.steps:
        _steps(options)
        return
    if options.traces:
        _traces(options)
        return
    with tempfile.TemporaryDirectory(prefix="fourpoint-click-") as directory:
        Path(directory).chmod(0o711)
        with Stack(
            StackOptions(Path(directory), api_port=0), lambda step: console.print(f"[dim]{step}")
        ) as stack:
            targets = _upload(stack.base_url, stack.admin_token)
            floors = _floors(stack, targets)
            runs = {
                clients: _measure(stack, targets, clients, options.clicks, options.save)
                for clients in options.clients
            }
    if options.json:
        print(
            json.dumps({"floors": floors, "clients": {n: _figures(run) for n, run in runs.items()}}, indent=2)
        )
    else:
        _print(floors, runs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=numbers, default=[1, 4, 16], help="people at once, e.g. 1,4,16")
    parser.add_argument("--clicks", type=int, default=60, help="clicks measured per run, over all clients")
    parser.add_argument("--save", choices=["none", "document"], default="none")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--traces", action="store_true", help="measure what tracing costs instead")
    steps = parser.add_argument_group("steps")
    steps.add_argument("--steps", action="store_true", help="measure what is kept of an image instead")
    steps.add_argument("--engine", help="the worker's engine; default: the service's own default")
    steps.add_argument("--checkpoint", default="", help="of the engine sam, in place of the small network")
    steps.add_argument("--rounds", type=int, default=5, help="images that one person clicks on in each step")
    return parser.parse_args()


def _steps(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="fourpoint-click-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        settings: dict[str, str] = {}
        if options.engine == "sam":
            # Needs PyTorch, which is not there for the others.
            from benchmarks.support.small_sam import small_sam  # noqa: PLC0415 - needs torch

            settings = small_sam(directory, options.checkpoint)
        photograph, points = "coffee.png", PHOTOGRAPHS["coffee.png"]
        target = Target(_photograph(photograph), points)
        found = click_steps.measure(directory, options.engine, settings, target, options.rounds)
    if options.json:
        print(json.dumps(click_steps.document(found), indent=2))
    else:
        click_steps.print_steps(found, options.engine or WorkerSettings.engine)


def _traces(options: argparse.Namespace) -> None:
    def prepare(stack: Stack) -> click_traces.Click:
        targets = _upload(stack.base_url, stack.admin_token)
        http = _connection(stack.base_url)
        turns = cycle(targets)
        return lambda: _click(http, stack.admin_token, *next(turns), options.save).total

    with tempfile.TemporaryDirectory(prefix="fourpoint-click-") as directory:
        Path(directory).chmod(0o711)
        print(json.dumps(click_traces.measure(Path(directory), prepare, options.clicks), indent=2))


def _photograph(name: str) -> Path:
    return Path(skimage.__file__).parent / "data" / name


def _upload(base_url: str, token: str) -> list[tuple[str, str]]:
    """Sample id and photograph of each target."""
    with httpx.Client(base_url=base_url, headers=_bearer(token), timeout=60) as http:
        dataset = http.post("/v1/datasets", json={"name": f"clicks {uuid4()}"}).json()["id"]
        files = [("files", (name, _photograph(name).read_bytes(), "image/png")) for name in PHOTOGRAPHS]
        response = http.post(f"/v1/datasets/{dataset}/samples", files=files).raise_for_status()
        return [(item["id"], item["name"]) for item in response.json()["items"]]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _measure(
    stack: Stack, targets: Sequence[tuple[str, str]], clients: int, clicks: int, save: str
) -> list[Click]:
    """`clients` people share `clicks` clicks; a first round of theirs is not measured."""
    each = max(2, clicks // clients)

    def person(number: int) -> list[Click]:
        with closing(_connection(stack.base_url)) as http:
            turns = range(each + len(targets))
            answers = [
                _click(http, stack.admin_token, *targets[(number + turn) % len(targets)], save)
                for turn in turns
            ]
        return answers[len(targets) :]

    with ThreadPoolExecutor(clients) as pool:
        return [click for answers in pool.map(person, range(clients)) for click in answers]


def _connection(base_url: str) -> HTTPConnection:
    # The standard library's client: a comfortable one would add more milliseconds than the server's own HTTP.
    return HTTPConnection(urlsplit(base_url).netloc, timeout=60)


def _click(http: HTTPConnection, token: str, sample_id: str, name: str, save: str) -> Click:
    body = {"points": PHOTOGRAPHS[name], "save": save} | ({"label": "thing"} if save != "none" else {})
    headers = {"Prefer": "wait=30", "Content-Type": "application/json", **_bearer(token)}
    began = time.perf_counter()
    http.request("POST", f"/v1/samples/{sample_id}/contours", json.dumps(body), headers)
    response = http.getresponse()
    answer = response.read()
    total = (time.perf_counter() - began) * 1000
    if response.status != 200:
        raise SystemExit(f"a click failed: {response.status} {answer.decode()}")
    return Click(total, json.loads(answer)["milliseconds"])


def _floors(stack: Stack, targets: Sequence[tuple[str, str]], rounds: int = 30) -> dict[str, dict[str, float]]:
    with closing(_connection(stack.base_url)) as http:
        healthz = _timed(lambda: (http.request("GET", "/healthz"), http.getresponse().read()), rounds)
    engine = create_engine(stack.database_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        write = text("UPDATE datasets SET updated_at = clock_timestamp()")
        commit = _timed(lambda: connection.execute(write), rounds)
    return {"engine alone": _spread(_engine_alone(rounds)), "GET /healthz": healthz, "commit": commit}


def _engine_alone(rounds: int) -> list[float]:
    engine = build_engine(WorkerSettings.engine)
    engine.warm_up()
    images = {name: np.asarray(Image.open(_photograph(name)).convert("RGB")) for name in PHOTOGRAPHS}
    times = []
    for turn in range(rounds):
        name = list(PHOTOGRAPHS)[turn % len(PHOTOGRAPHS)]
        prompt = prompt_from_json({"points": PHOTOGRAPHS[name]})
        began = time.perf_counter()
        draw_outline(engine, Decoded(images[name]), prompt, lambda stage: None)
        times.append((time.perf_counter() - began) * 1000)
    return times


def _timed(action: Callable[[], Any], rounds: int) -> dict[str, float]:
    times = []
    for _ in range(rounds + 3):
        began = time.perf_counter()
        action()
        times.append((time.perf_counter() - began) * 1000)
    return _spread(times[3:])


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Median and the 95th percentile, in milliseconds."""
    return {"p50": round(median(values), 2), "p95": round(float(np.percentile(values, 95)), 2)}


def _figures(run: Sequence[Click]) -> dict[str, dict[str, float]]:
    parts = {stage: _spread([click.stages[stage] for click in run]) for stage in STAGES}
    total, overhead = [click.total for click in run], [click.overhead for click in run]
    return {"total": _spread(total), **parts, "overhead": _spread(overhead)}


def _print(floors: dict[str, dict[str, float]], runs: dict[int, list[Click]]) -> None:
    console = Console(width=max(90, Console().width))
    table = Table("clients", "clicks", "", "total", *STAGES, "overhead", title="One click, milliseconds")
    for clients, run in runs.items():
        figures = _figures(run)
        for point in ("p50", "p95"):
            cells = [f"{figure[point]:.1f}" for figure in figures.values()]
            table.add_row(str(clients), str(len(run)), point, *cells)
    console.print(table)
    floor = Table("compared with", "p50", "p95", title="Floors, in the same run, milliseconds")
    for name, figure in floors.items():
        floor.add_row(name, f"{figure['p50']:.1f}", f"{figure['p95']:.1f}")
    console.print(floor)


if __name__ == "__main__":
    main()
