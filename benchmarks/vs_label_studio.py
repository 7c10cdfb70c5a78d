"""Label Studio and Fourpoint in turns, at what both do: upload, create, save, list, export.

Both run on this machine in one run: each in so many processes of gunicorn with as many threads, each with a
PostgreSQL of its own with fsync on: Fourpoint the wheel's, and Label Studio the system's, because it needs the
extension pg_trgm. Label Studio is the wheel that `make test-label-studio` installs; nothing is reported to
anybody. Both are spoken to over HTTP by the same client.

CPU is what the servers have used for a unit, PostgreSQL and background processes among them: what other
programs on the machine change least.

Usage: python benchmarks/vs_label_studio.py [--quick] [--rounds 3] [--workers 2] [--only WORDS] [--json]
       [--plot FILE]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import io
import json
import math
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

import httpx
import psycopg2
from benchmarks.support import plots, servers
from benchmarks.support.in_turns import Comparison, Result, Side, Turn, table
from benchmarks.support.label_studio import Peer, body_of, label_studio, version
from benchmarks.support.many_samples import LABELS, WORDS, Drawn, directory_for, labeler_token, seeded
from benchmarks.support.system_postgres import Cluster, system_postgres
from benchmarks.support.whole_stack import Ours, client_of, cursors, sample_ids
from PIL import Image
from rich.console import Console

from fourpoint_standalone.stack import Stack, StackOptions

THREADS = 16
PAGE = 100
_LINES = [2 * math.pi * step / 20 for step in range(20)]
RING = [[round(600 + 300 * math.cos(a), 2), round(500 + 200 * math.sin(a), 2)] for a in _LINES]
LABEL_NAMES = [f"label {number}" for number in range(LABELS)]


Upload = Callable[[Any, Sequence[tuple[str, bytes]]], None]


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    images: int = 200
    created: int = 10_000
    in_folder: int = 2_000
    lists: tuple[int, ...] = (10_000, 50_000)
    exported: int = 10_000
    seconds: float = 5.0
    pages: int = 12


QUICK = Sizes(20, 1_000, 100, (1_000, 5_000), 1_000, 1.5, 5)


class Theirs(Side):
    """Label Studio."""

    def __init__(self, peer: Peer, pids: Callable[[], list[int]]):
        super().__init__(pids)
        self.peer = peer


class Bench(Comparison):
    """Both sides."""

    def __init__(self, ours: Ours, theirs: Theirs, options: argparse.Namespace, console: Console):
        super().__init__(options.rounds, options.only, console)
        self.ours, self.theirs = ours, theirs


def main() -> None:
    """Start both, measure, print, and end with everything stopped."""
    options = _options()
    sizes = QUICK if options.quick else Sizes()
    console = Console(stderr=True)
    with directory_for(None, "side-by-side") as directory, ExitStack() as stack:
        directory.chmod(0o711)
        console.print("Label Studio makes its tables")
        cluster = stack.enter_context(system_postgres(directory / "theirs", "pg_trgm"))
        web = stack.enter_context(label_studio(directory / "label-studio", cluster, options.workers, THREADS))
        theirs = Theirs(Peer(web, LABEL_NAMES), lambda: [web.pid, cluster.pid])
        running = stack.enter_context(
            Stack(
                StackOptions(directory / "ours", api_port=0, api_workers=options.workers, api_threads=THREADS)
            )
        )
        bench = Bench(Ours(running), theirs, options, console)
        about = _versions(running.database_url, cluster)
        _uploads(bench, sizes)
        _created_and_saved(bench, sizes, directory)
        for count in sizes.lists:
            _lists(bench, sizes, directory / f"list-{count}", count, options)
        _exports(bench, sizes, directory, console)
    _report(bench.results, about, options)


# What is measured


def _uploads(bench: Bench, sizes: Sizes) -> None:
    ours, theirs = bench.ours, bench.theirs
    files = [(f"tile_{number:04d}.jpg", _jpeg(1024, 768)) for number in range(sizes.images)]
    for clients, together in ((1, 1), (4, 1), (1, 20)):
        groups = [files[begin : begin + together] for begin in range(0, len(files), together)]

        def send(upload: Upload, target: Any, clients: int = clients, groups: Any = groups) -> None:
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(lambda group: upload(target, group), groups))

        def send_ours(send: Any = send) -> Turn:
            dataset = ours.dataset()
            return ours.rate(len(files), lambda: send(ours.upload, dataset))

        def send_theirs(send: Any = send) -> Turn:
            project = theirs.peer.project()
            return theirs.rate(len(files), lambda: send(theirs.peer.upload, project))

        name = f"upload, {together} a request, {_people(clients)}"
        bench.compare(name, "images/s", send_ours, send_theirs)


def _created_and_saved(bench: Bench, sizes: Sizes, directory: Path) -> None:
    """Samples from a folder and tasks from addresses; then annotations on those that were made last."""
    ours, theirs = bench.ours, bench.theirs
    made: dict[str, Any] = {}
    names = [f"{WORDS[number % len(WORDS)]}_{number:07d}.jpg" for number in range(sizes.created)]
    pictures = [_jpeg(160, 120) for _ in names]
    folders = iter(range(1_000_000))

    def folder(below: Path, count: int) -> Path:
        found = below / f"folder-{next(folders)}"
        found.mkdir()
        for name, data in zip(names[:count], pictures, strict=False):
            (found / name).write_bytes(data)
        return found

    def our_folder(count: int) -> Turn:
        path = folder(ours.stack.object_directory, count)
        return ours.rate(count, lambda: made.update(dataset=ours.add_folder(path.name)))

    def their_folder(count: int) -> Turn:
        project, path = theirs.peer.project(), folder(directory / "label-studio", count)
        return theirs.rate(count, lambda: theirs.peer.add_folder(project, path))

    def their_addresses() -> Turn:
        made["project"] = theirs.peer.project()
        return theirs.rate(sizes.created, lambda: theirs.peer.add(made["project"], names))

    few = sizes.in_folder
    bench.compare(
        f"create {few:,} from a folder", "samples/s", lambda: our_folder(few), lambda: their_folder(few), 1
    )
    many = f"create {sizes.created:,}"
    bench.compare(many, "samples/s", lambda: our_folder(sizes.created), their_addresses)
    if {"dataset", "project"} <= made.keys():
        _saves(bench, sizes, made["dataset"], made["project"])


def _saves(bench: Bench, sizes: Sizes, dataset: str, project: int) -> None:
    ours, theirs = bench.ours, bench.theirs
    label = ours.call("POST", f"/v1/datasets/{dataset}/labels", json={"name": "label 0"})["id"]
    samples = cycle(sample_ids(ours.http, dataset))
    tasks = cycle(theirs.peer.task_ids(project, sizes.created))
    # These images are small.
    ring = [[x / 10, y / 10] for x, y in RING]
    drawn = {"label_id": label, "contour": {"parts": [{"outer": ring, "holes": []}]}}
    posted = body_of(theirs.peer.result(0, RING))
    typed = {"Content-Type": "application/json"}

    def save_ours() -> None:
        ours.call("POST", f"/v1/samples/{next(samples)}/annotations", json=drawn)

    def save_theirs() -> None:
        theirs.peer.call("POST", f"/api/tasks/{next(tasks)}/annotations/", content=posted, headers=typed)

    for clients in (1, 4, 8):
        bench.compare(
            f"save an annotation, {_people(clients)}",
            "saves/s",
            lambda clients=clients: ours.saves(clients, sizes.seconds, save_ours),
            lambda clients=clients: theirs.saves(clients, sizes.seconds, save_theirs),
        )


def _lists(bench: Bench, sizes: Sizes, directory: Path, count: int, options: argparse.Namespace) -> None:
    """Pages of a seeded dataset, by an API of its own, and of a project with the same names and annotations."""
    theirs = bench.theirs
    with ExitStack() as stack:
        url = stack.enter_context(servers.database(directory, "lists"))
        about = seeded(directory, url, count, bench.console, _drawn())
        api = stack.enter_context(servers.api(directory, url, THREADS, options.workers))
        postmaster = int((next(directory.rglob("postmaster.pid"))).read_text().split()[0])
        ours = Side(lambda: [api.pid, postmaster])
        http = stack.enter_context(client_of(api.base_url, labeler_token(url, about)))
        peer, project = theirs.peer, theirs.peer.project()
        names = [f"{WORDS[number % len(WORDS)]}_{number:07d}.jpg" for number in range(count)]
        peer.add(project, names, RING)
        samples = f"/v1/datasets/{about.dataset_id}/samples?limit={PAGE}"
        middle, last = cursors(http, about.dataset_id, count, PAGE)
        tasks = f"/api/tasks?project={project}&page_size={PAGE}"
        rare = f"{count // 2:07d}"
        views = {
            "labeled": peer.view(project, "completed_at", "empty", "Datetime", "False"),
            "of a label": peer.view(project, "annotations_results", "contains", "String", '"label 3"'),
            "name contains": peer.view(project, "data.image", "contains", "String", rare),
        }
        cases = {
            "first page": ("", "&page=1"),
            "page in the middle": (f"&cursor={middle}", f"&page={count // PAGE // 2}"),
            "last page": (f"&cursor={last}", f"&page={count // PAGE}"),
            "labeled": ("&status=labeled", f"&page=1&view={views['labeled']}"),
            "of a label": (f"&label_id={about.label_id}", f"&page=1&view={views['of a label']}"),
            "name contains": (f"&name_contains={rare}", f"&page=1&view={views['name contains']}"),
        }
        for name, (mine, their) in cases.items():

            def get(client: httpx.Client, path: str) -> Callable[[], object]:
                return lambda: client.get(path).raise_for_status()

            get_ours, get_theirs = get(http, samples + mine), get(peer.http, tasks + their)
            get_ours(), get_theirs()
            bench.compare(
                f"{name}, of {count:,}",
                "ms",
                lambda f=get_ours: _milliseconds(ours.seconds(1, f)),
                lambda f=get_theirs: _milliseconds(theirs.seconds(1, f)),
                sizes.pages,
            )


def _exports(bench: Bench, sizes: Sizes, directory: Path, console: Console) -> None:
    ours, theirs = bench.ours, bench.theirs
    # Three of four have an annotation.
    count = -(-sizes.exported * 4 // 3)
    (directory / "exported").mkdir()
    about = seeded(directory / "exported", ours.stack.owners_database_url, count, console, _drawn())
    project = theirs.peer.project()
    theirs.peer.add(project, [f"street_{number:07d}.jpg" for number in range(count)], RING)
    path = f"/api/projects/{project}/export?exportType=COCO&download_resources=false"
    found: dict[str, int] = {}

    def export_ours() -> None:
        found["ours"] = _annotations_in(ours.export(about.dataset_id))

    def export_theirs() -> None:
        found["theirs"] = _annotations_in(theirs.peer.http.get(path).raise_for_status().content)

    bench.compare(
        f"export {sizes.exported:,} annotations as COCO",
        "s",
        lambda: ours.seconds(1, export_ours),
        lambda: theirs.seconds(1, export_theirs),
    )
    if len(set(found.values())) > 1:
        raise SystemExit(f"the exports differ: {found}")


def _people(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


def _milliseconds(turn: Turn) -> Turn:
    return Turn(turn.figure * 1000, turn.units, turn.cpu)


def _annotations_in(archive: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        documents = [json.loads(files.read(name)) for name in files.namelist() if name.endswith(".json")]
    return sum(len(one["annotations"]) for one in documents if "annotations" in one)


# What is drawn


def _drawn() -> Drawn:
    pairs = zip(RING, RING[1:] + RING[:1], strict=True)
    area = abs(sum(x * v - u * y for (x, y), (u, v) in pairs)) / 2
    contour = json.dumps({"parts": [{"outer": RING, "holes": []}]})
    return Drawn(1, contour, "[300, 300, 900, 700]", area)


def _jpeg(width: int, height: int) -> bytes:
    """Noise over blots, so that it is as large as a photograph; no two are alike."""
    out = io.BytesIO()
    coarse = Image.effect_noise((width // 16, height // 16), 90).resize((width, height))
    Image.blend(coarse, Image.effect_noise((width, height), 60), 0.3).convert("RGB").save(
        out, "JPEG", quality=85
    )
    return out.getvalue()


# Output


def _report(results: list[Result], about: str, options: argparse.Namespace) -> None:
    if options.plot:
        plots.bars(
            options.plot,
            "How many times as fast as Label Studio",
            {one.name: (one.times,) for one in results},
            ("Fourpoint",),
            limit=(1, "as fast"),
        )
    if options.json:
        print(json.dumps([{**asdict(one), "times": round(one.times, 2)} for one in results], indent=2))
        return
    print(f"{about}; {options.workers} processes of {THREADS} threads each, {options.rounds} rounds\n")
    print("\n".join(table(results, "Fourpoint", "Label Studio")))


def _versions(our_database: str, cluster: Cluster) -> str:
    numbers = []
    for address in (servers.psycopg2_address(our_database), cluster.address):
        with closing(psycopg2.connect(address)) as connection:
            numbers.append(connection.server_version // 10_000)
    ours, theirs = numbers
    return f"Fourpoint on PostgreSQL {ours}, Label Studio {version()} on PostgreSQL {theirs}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it")
    parser.add_argument("--rounds", type=int, default=3, help="of each side, of all but lists")
    parser.add_argument("--workers", type=int, default=2, help="processes of each server")
    parser.add_argument("--only", default="", help="measures whose names have this in them")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="where the picture goes, e.g. vs-label-studio.svg")
    return parser.parse_args()


if __name__ == "__main__":
    main()
