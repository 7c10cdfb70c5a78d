"""What a click costs before and after somebody has looked at the image: with nothing kept, and as it is.

Each step clicks on the same images, in a system of its own for `nothing kept` and for `kept`; both run all the
time, and one person's clicks alternate between them, so that whatever else the machine does meets both:

    cold            the first click on an image, by one person
    warm            the same click again
    second user     the same click by somebody else
    second worker   the same click after the worker was exchanged for a fresh process
    16 people       each on an image of their own that nobody has looked at, all at once, on one worker
    16 again        the same once more

`nothing kept` means no embeddings, on the device or shared, and no decoded images.
"""

import io
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from PIL import Image
from rich.console import Console
from rich.table import Table

from fourpoint_core.domain.access import Scope
from fourpoint_standalone import people, processes
from fourpoint_standalone.stack import INFERENCE, Stack, StackOptions

# A photograph of the size that cameras have had for long.
SIZE = (2400, 1600)
CROWD = 16
STEPS = ("cold", "warm", "second user", "second worker", "16 people", "16 again")
SWITCHES = {
    "nothing kept": {
        "FOURPOINT_EMBEDDINGS": "nowhere",
        "FOURPOINT_SAM_MEMORY_BYTES": "1",
        "FOURPOINT_IMAGE_CACHE_BYTES": "1",
    },
    "kept": {},
}
STAGES = ("queue", "image", "embedding", "model", "polygon")
# Someone who waits longer than this has gone.
_WAIT_SECONDS = 110


@dataclass(frozen=True)
class Target:
    """A photograph, and the outermost points of something on it, as [x, y] by name."""

    path: Path
    points: dict[str, list[float]]

    def scaled(self) -> tuple[Image.Image, dict[str, list[float]]]:
        """Both, at the size that is measured with."""
        image = Image.open(self.path).convert("RGB")
        x, y = SIZE[0] / image.width, SIZE[1] / image.height
        return image.resize(SIZE), {name: [px * x, py * y] for name, (px, py) in self.points.items()}


class Answer(NamedTuple):
    """Milliseconds of a click, from request to answer, and of its stages in the worker."""

    total: float
    stages: dict[str, float]


@dataclass(frozen=True)
class Step:
    """Clicks of one kind, and how many images were encoded meanwhile."""

    answers: list[Answer]
    encoded: int

    def figures(self) -> dict[str, float]:
        """Median and bounds of the whole; of a stage the median."""
        totals = [answer.total for answer in self.answers]
        names = sorted({name for answer in self.answers for name in answer.stages})
        return {
            "median": round(median(totals), 1),
            "least": round(min(totals), 1),
            "most": round(max(totals), 1),
            "clicks": len(totals),
            "encoded": self.encoded,
            **{name: round(median(a.stages.get(name, 0.0) for a in self.answers), 1) for name in names},
        }


class Clicker:
    """One running system, and people who click in it."""

    def __init__(self, stack: Stack, target: Target, metrics_url: str):
        self._stack = stack
        self._image, self._points = target.scaled()
        self._metrics_url = metrics_url
        self._tokens = [stack.admin_token, _another(stack)]
        self._headers = {"Authorization": f"Bearer {stack.admin_token}"}
        with self._http() as http:
            self._dataset = http.post("/v1/datasets", json={"name": "steps"}).raise_for_status().json()["id"]
        self._made = 0

    def images(self, count: int) -> list[str]:
        """So many new images, all of which look alike and none of which is another."""
        with self._http() as http:
            return [self._upload(http) for _ in range(count)]

    def alone(self, sample: str, person: int = 0) -> Answer:
        """One person's click, when nobody else clicks."""
        with closing(self._connection()) as http:
            return self._click(http, sample, person)

    def all_at_once(self, samples: Sequence[str]) -> list[Answer]:
        """As many people as images."""
        with ThreadPoolExecutor(len(samples)) as pool:
            return list(pool.map(self.alone, samples))

    def exchange_worker(self) -> None:
        """Stop the worker and start another one; go on when it has answered a click."""
        with self._stack.without(INFERENCE):
            pass
        self.alone(*self.images(1))

    def encoded(self) -> int:
        """How many images this worker has encoded."""
        lines = httpx.get(self._metrics_url).text.splitlines()
        named = (line.split()[-1] for line in lines if line.startswith("fourpoint_encoder_batch_images_sum"))
        return int(float(next(named, "0")))

    def _upload(self, http: httpx.Client) -> str:
        self._made += 1
        out = io.BytesIO()
        self._image.save(out, "JPEG", quality=92, comment=f"number {self._made}")
        files = [("files", (f"{self._made}.jpg", out.getvalue(), "image/jpeg"))]
        answer = http.post(f"/v1/datasets/{self._dataset}/samples", files=files).raise_for_status()
        return str(answer.json()["items"][0]["id"])

    def _click(self, http: HTTPConnection, sample: str, person: int) -> Answer:
        headers = {
            "Prefer": f"wait={_WAIT_SECONDS}",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._tokens[person]}",
        }
        began = time.perf_counter()
        http.request("POST", f"/v1/samples/{sample}/contours", json.dumps({"points": self._points}), headers)
        response = http.getresponse()
        answer = response.read()
        total = (time.perf_counter() - began) * 1000
        if response.status != 200:
            raise SystemExit(f"a click failed: {response.status} {answer.decode()}")
        return Answer(total, json.loads(answer)["milliseconds"])

    def _http(self) -> httpx.Client:
        return httpx.Client(base_url=self._stack.base_url, headers=self._headers, timeout=120)

    def _connection(self) -> HTTPConnection:
        return HTTPConnection(urlsplit(self._stack.base_url).netloc, timeout=_WAIT_SECONDS + 10)


def measure(
    directory: Path, engine: str | None, settings: dict[str, str], target: Target, rounds: int
) -> dict[str, dict[str, Step]]:
    """Every step, with nothing kept and with all of it. rounds: images that one person clicks on."""
    with ExitStack() as running:
        clickers = {
            name: running.enter_context(
                _system(directory / name.replace(" ", "-"), engine, {**settings, **switches}, target)
            )
            for name, switches in SWITCHES.items()
        }
        return _steps(clickers, rounds)


def _steps(clickers: dict[str, Clicker], rounds: int) -> dict[str, dict[str, Step]]:
    for clicker in clickers.values():
        clicker.alone(*clicker.images(1))
    images = {name: clicker.images(rounds) for name, clicker in clickers.items()}
    crowd = {name: clicker.images(CROWD) for name, clicker in clickers.items()}
    found: dict[str, dict[str, Step]] = {name: {} for name in clickers}

    def one_by_one(step: str, person: int = 0) -> None:
        before = {name: clicker.encoded() for name, clicker in clickers.items()}
        answers: dict[str, list[Answer]] = {name: [] for name in clickers}
        for turn in range(rounds):
            for name, clicker in clickers.items():
                answers[name].append(clicker.alone(images[name][turn], person))
        for name, clicker in clickers.items():
            found[name][step] = Step(answers[name], clicker.encoded() - before[name])

    def all_at_once(step: str) -> None:
        for name, clicker in clickers.items():
            before = clicker.encoded()
            found[name][step] = Step(clicker.all_at_once(crowd[name]), clicker.encoded() - before)

    one_by_one("cold")
    one_by_one("warm")
    one_by_one("second user", person=1)
    for clicker in clickers.values():
        clicker.exchange_worker()
    one_by_one("second worker")
    all_at_once("16 people")
    all_at_once("16 again")
    return found


@contextmanager
def _system(directory: Path, engine: str | None, settings: dict[str, str], target: Target) -> Iterator[Clicker]:
    directory.mkdir()
    directory.chmod(0o711)
    port = processes.free_port("127.0.0.1")
    environment = {**settings, "FOURPOINT_METRICS_BIND": f"127.0.0.1:{port}"}
    # Cold clicks of people that wait for one another on a slow machine; a person would have a GPU.
    environment |= {"FOURPOINT_STAGE_SECONDS": "100", "FOURPOINT_MAX_WAIT_SECONDS": "120"}
    options = StackOptions(
        directory, api_port=0, api_workers=1, inference_threads=CROWD, engine=engine, environment=environment
    )
    with Stack(options) as stack:
        yield Clicker(stack, target, f"http://127.0.0.1:{port}/metrics")


def _another(stack: Stack) -> str:
    people.add_user(stack.database_url, "second", is_admin=True)
    _, secret = people.create_token(stack.database_url, "second", "clicks", Scope.ADMIN, 1)
    return secret


def document(found: dict[str, dict[str, Step]]) -> dict[str, Any]:
    """The figures, for JSON."""
    return {name: {step: result.figures() for step, result in steps.items()} for name, steps in found.items()}


def print_steps(found: dict[str, dict[str, Step]], engine: str) -> None:
    """A table, the two ways beside each other."""
    console = Console(width=max(112, Console().width))
    console.print(f"One click with the engine {engine}, milliseconds; of the stages the medians.")
    table = Table("step", "", "median (least to most)", *STAGES, "encoded")
    for step in STEPS:
        for name, steps in found.items():
            figures = steps[step].figures()
            whole = f"{figures['median']:.0f} ({figures['least']:.0f} to {figures['most']:.0f})"
            stages = (f"{figures.get(stage, 0):.1f}" for stage in STAGES)
            table.add_row(step, name, whole, *stages, f"{figures['encoded']:.0f} of {figures['clicks']:.0f}")
    console.print(table)
