"""How fast a dataset is exported, and in how much memory, as the number of its annotations grows.

Seeds a dataset by COPY for each size, ten objects of 24 vertices on each labeled image of 640 x 480 pixels,
and exports it as a worker does, into an archive on disk. Each export runs in a process of its own, whose peak
memory is measured; beside it, in the same run, the least that anybody could do: the same rows by one
server-side cursor, each written as a line of JSON.

Usage: python benchmarks/export.py [--annotations 100000 1000000] [--formats coco modelarts] [--keep DIRECTORY]
"""

import sys
from pathlib import Path

# Python looks beside the script first, where `click.py` would hide the library of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

# ruff: noqa: E402
import argparse
import json
import math
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg2
from benchmarks.support.many_samples import Drawn, directory_for, seeded
from benchmarks.support.memory import peak_megabytes
from benchmarks.support.servers import database, psycopg2_address
from redis import Redis
from rich.console import Console
from rich.table import Table

from fourpoint_core.domain.transfers import ExportOrder, FormatName
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.jobs.contracts import EXPORT_DATASET
from fourpoint_core.jobs.payloads.transfers import ExportDataset
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import open_store
from fourpoint_core.store.queries import jobs
from fourpoint_core.store.session import connect, unit_of_work
from fourpoint_standalone.redis_server import RedisServer
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork

OBJECTS, VERTICES = 10, 24
BARE = "bare rows as JSON lines"


def _drawn() -> Drawn:
    turns = (2 * math.pi * number / VERTICES for number in range(VERTICES))
    ring = [(round(50 + 40 * math.cos(turn), 3), round(40 + 30 * math.sin(turn), 3)) for turn in turns]
    pairs = zip(ring, ring[1:] + ring[:1], strict=True)
    area = sum(x * v - u * y for (x, y), (u, v) in pairs) / 2
    return Drawn(
        OBJECTS, json.dumps({"parts": [{"outer": ring, "holes": []}]}), "[10, 10, 90, 70]", area, 640, 480
    )


@dataclass(frozen=True)
class Figures:
    """Of one run: what it took, and how many bytes it wrote."""

    annotations: int
    name: str
    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    size_bytes: int


def main() -> None:
    """Seed, export, print, and end with everything stopped."""
    options = _options()
    console = Console(stderr=True)
    with directory_for(options.keep, "export") as directory:
        found = [
            figures
            for count in sorted(options.annotations)
            for figures in _measure(directory / str(count), count, options.formats, console)
        ]
    _report(found, options.json)


def _measure(directory: Path, count: int, formats: list[str], console: Console) -> list[Figures]:
    images = count // OBJECTS * 4 // 3
    with database(directory, "export") as url:
        data = seeded(directory, url, images, console, _drawn())
        redis = RedisServer(directory / "redis", port=0)
        redis.start()
        try:
            settings = CoreSettings(
                database_url=url, redis_url=redis.url(), storage_url=(directory / "objects").as_uri()
            )
            dataset_id = UUID(data.dataset_id)
            tasks: dict[str, tuple[Callable[..., int], Any]] = {BARE: (_read_bare, directory / "bare.jsonl")}
            for name in formats:
                tasks[name] = (_export, _queue(settings, dataset_id, name))
            found = []
            for name, (task, about) in tasks.items():
                console.print(f"{count:,} annotations: {name}")
                found.append(Figures(count, name, *_in_process(task, settings, dataset_id, about)))
            return found
        finally:
            redis.stop()


def _in_process(task: Callable[..., int], *arguments: Any) -> tuple[float, float, float, int]:
    """Seconds, seconds of CPU, peak megabytes and bytes written of a task in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=_answer, args=(task, arguments, answers))
    process.start()
    answer = answers.get()
    process.join()
    if isinstance(answer, str):
        raise SystemExit(answer)
    found: tuple[float, float, float, int] = answer
    return found


def _answer(task: Callable[..., int], arguments: tuple[Any, ...], answers: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    try:
        written = task(*arguments)
    except Exception as error:  # noqa: BLE001 - the parent is waiting
        answers.put(f"{task.__name__}: {error!r}")
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    answers.put((time.perf_counter() - began, _cpu(used) - _cpu(before), peak_megabytes(), written))


def _cpu(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def _queue(settings: CoreSettings, dataset_id: UUID, name: str) -> UUID:
    job_id = new_id()
    payload = ExportDataset(dataset_id, ExportOrder(FormatName(name)))
    with unit_of_work(connect(settings)) as session:
        jobs.add_job(
            session,
            EXPORT_DATASET,
            payload,
            job_id=job_id,
            author=LOCAL_USER_ID,
            dataset_id=dataset_id,
            sample_id=None,
            request_id=None,
        )
    return job_id


def _export(settings: CoreSettings, dataset_id: UUID, job_id: UUID) -> int:
    sessions = connect(settings)
    keeper = LeaseKeeper(sessions, 30, stage_seconds=float("inf"))
    keeper.start()
    # Nothing lives as long as that: the files of a dataset that is kept are written anew each time.
    work = ExportDatasetWork(sessions, open_store(settings), settings.storage_url, days=1e-9)
    Runner(sessions, Redis.from_url(settings.redis_url), keeper, 30, "benchmark").run(work, job_id)
    with unit_of_work(sessions) as session:
        job = jobs.get_job(session, job_id)
    if job.state != "succeeded":
        raise RuntimeError(str(job.error))
    below = Path(settings.storage_url.removeprefix("file://"))
    return sum(path.stat().st_size for path in below.rglob("*") if str(job_id) in str(path) and path.is_file())


def _read_bare(settings: CoreSettings, dataset_id: UUID, file: Path) -> int:
    with (
        psycopg2.connect(psycopg2_address(settings.database_url)) as connection,
        connection.cursor("rows") as cursor,
        file.open("w") as out,
    ):
        cursor.itersize = 2000
        cursor.execute(
            "SELECT object_key, width, height, annotation_id::text, label_id::text, contour"
            " FROM samples LEFT JOIN annotations ON sample_id = samples.id AND valid_to IS NULL"
            " WHERE dataset_id = %s ORDER BY object_key",
            (str(dataset_id),),
        )
        for row in cursor:
            out.write(json.dumps(row) + "\n")
    return file.stat().st_size


def _report(found: list[Figures], as_json: bool) -> None:
    if as_json:
        print(json.dumps([{**vars(one)} for one in found], indent=2))
        return
    table = Table(title="exports")
    columns = ("annotations", "", "seconds", "CPU s", "times bare", "peak MB", "of the smallest", "MB written")
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    smallest = {one.name: one for one in reversed(found)}
    for one in found:
        (bare,) = (each for each in found if (each.annotations, each.name) == (one.annotations, BARE))
        table.add_row(
            f"{one.annotations:,}",
            one.name,
            f"{one.seconds:.1f}",
            f"{one.cpu_seconds:.1f}",
            f"{one.cpu_seconds / bare.cpu_seconds:.1f}",
            f"{one.peak_megabytes:.0f}",
            f"{one.peak_megabytes / smallest[one.name].peak_megabytes:.2f}",
            f"{one.size_bytes / 1e6:.0f}",
        )
    Console(width=120).print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument(
        "--formats", nargs="+", choices=[name.value for name in FormatName], default=["coco", "modelarts"]
    )
    parser.add_argument("--keep", type=Path, help="where the datasets lie, for this run and the next")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
