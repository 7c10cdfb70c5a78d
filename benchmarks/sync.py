"""How fast a dataset is synchronised, and in how much memory: first, unchanged, and with 1 % changes.

    .venv/bin/python benchmarks/sync.py --objects 10000                  on the real S3 server of the tests
    .venv/bin/python benchmarks/sync.py --objects 1000000 --replay       on a listing replayed from a file

Beside every figure stands the bare listing of the same objects, taken in the same run: an unchanged
synchronisation should take at most 1.5 times as long. Each runs in a process of its own, whose peak memory is
measured. Replayed, images are one and the same PNG, so that all but the object store is measured.
"""

import argparse
import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parent.parent))

from PIL import Image
from redis import Redis
from tests.s3_server import running_s3

from fourpoint_core.errors import ObjectMissingError
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.jobs.payloads.syncs import Cause
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectInfo, open_store
from fourpoint_core.store import migrate
from fourpoint_core.store.queries import datasets, jobs, syncs
from fourpoint_core.store.session import connect, unit_of_work
from fourpoint_standalone.postgres import PostgresServer, remove_data
from fourpoint_standalone.redis_server import RedisServer
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.running import Runner
from fourpoint_worker.syncer.context import Limits
from fourpoint_worker.tasks.sync_dataset import SyncDatasetWork

PREFIX = "in/"
TIME = datetime(2026, 1, 1, tzinfo=UTC)


def png() -> bytes:
    """A small image."""
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 30)).save(out, "PNG")
    return out.getvalue()


PNG = png()


class Replayed:
    """A bucket as a file lists it, one JSON line for each object; all of them hold the same image."""

    bucket = "replayed"

    def __init__(self, listing: str):
        self._listing = listing

    def same_bytes(self, etag: str, other_etag: str) -> bool | None:
        """See ObjectStore."""
        return etag == other_etag

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        """See ObjectStore."""
        with Path(self._listing).open() as lines:
            for line in lines:
                key, etag = json.loads(line)
                if key > (start_after or ""):
                    yield ObjectInfo(key, len(PNG), etag, TIME)

    @contextmanager
    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[Iterator[bytes]]:
        """See ObjectStore."""
        yield iter([PNG[start : None if length is None else start + length]])

    def exists(self, key: str) -> bool:
        """Only what is missing from the listing is asked for."""
        return False

    def check(self) -> None:
        """See ObjectStore."""


def key_of(number: int) -> str:
    """A thousand objects to a folder."""
    return f"{PREFIX}{number // 1000:04}/{number:08}.png"


def write_listing(path: Path, count: int, changed: int) -> None:
    """Of every hundred objects, one is gone (a third), other (a third), or joined by a new one."""
    with path.open("w") as file:
        for number in range(count):
            kind = number // 100 % 3 if changed and number % 100 == 0 else None
            if kind == 0:
                continue
            file.write(json.dumps([key_of(number), f"{number + (kind == 1) * count * 2:032x}"]) + "\n")
            if kind == 2:
                file.write(json.dumps([key_of(number)[:-4] + "-new.png", f"{number + count:032x}"]) + "\n")


def fill_bucket(store: Any, count: int) -> None:
    """Write the images."""
    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda n: store.put(key_of(n), PNG, content_type="image/png"), range(count)):
            pass


def change_bucket(store: Any, count: int) -> None:
    """As `write_listing` does."""
    for number in range(0, count, 100):
        kind = number // 100 % 3
        if kind == 0:
            with suppress(ObjectMissingError):
                store.delete(key_of(number))
        elif kind == 1:
            store.put(key_of(number), PNG + b"\0", content_type="image/png")
        else:
            store.put(key_of(number)[:-4] + "-new.png", PNG, content_type="image/png")


def measured(settings: CoreSettings, listing: str | None, job_id: UUID | None, answers: Any) -> None:
    """In a process of its own: a synchronisation, or the bare listing; its seconds and its peak memory."""
    store: Any = Replayed(listing) if listing else open_store(settings)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    if job_id is None:
        found: Any = sum(1 for _ in store.list(PREFIX))
    else:
        sessions = connect(settings)
        keeper = LeaseKeeper(sessions, 30, stage_seconds=float("inf"))
        keeper.start()
        work = SyncDatasetWork(sessions, store, Limits(25 * 2**20, 10**8, 16))
        Runner(sessions, Redis.from_url(settings.redis_url), keeper, 30, "benchmark").run(work, job_id)
        with unit_of_work(sessions) as session:
            job = jobs.get_job(session, job_id)
            found = job.result or job.error
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    answers.put((seconds, cpu, after.ru_maxrss / 1024, found))


def run(settings: CoreSettings, listing: str | None, job_id: UUID | None) -> tuple[float, float, float, Any]:
    """Seconds, seconds of CPU, peak megabytes and what came out."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measured, args=(settings, listing, job_id, answers))
    process.start()
    answer = answers.get()
    process.join()
    return answer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--replay", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fourpoint-sync-")))
        home.chmod(0o711)
        postgres = PostgresServer(home / "postgres")
        postgres.start()
        stack.callback(remove_data, home / "postgres")
        stack.callback(postgres.stop)
        redis = RedisServer(home / "redis", port=0)
        redis.start()
        stack.callback(redis.stop)
        postgres.create_database("sync")
        migrate.upgrade(postgres.url("sync"))
        values = {"FOURPOINT_DATABASE_URL": postgres.url("sync"), "FOURPOINT_REDIS_URL": redis.url()}
        listings: dict[str, str | None] = {"plain": None, "changed": None}
        store: Any = None
        if options.replay:
            values["FOURPOINT_STORAGE_URL"] = (home / "objects").as_uri()
            for name in listings:
                listings[name] = str(home / f"{name}.jsonl")
                write_listing(home / f"{name}.jsonl", options.objects, name == "changed")
        else:
            server = stack.enter_context(running_s3())
            values |= {
                "FOURPOINT_STORAGE_URL": f"{server.url}/{server.make_bucket()}",
                "FOURPOINT_STORAGE_ACCESS_KEY": server.access_key,
                "FOURPOINT_STORAGE_SECRET_KEY": server.secret_key,
                "FOURPOINT_STORAGE_REGION": server.region,
            }
        settings = CoreSettings.from_mapping(values)
        if not options.replay:
            store = open_store(settings)
            fill_bucket(store, options.objects)
        sessions = connect(settings)
        with unit_of_work(sessions) as session:
            dataset = datasets.add_dataset(session, "benchmark", "", PREFIX, LOCAL_USER_ID)

        def synchronise(listing: str | None) -> tuple[float, float, float, Any]:
            with unit_of_work(sessions) as session:
                job_id = syncs.start(session, dataset.id, Cause.REQUEST, author=LOCAL_USER_ID).job_id
            return run(settings, listing, job_id)

        show("bare listing", run(settings, listings["plain"], None), options.objects)
        show("first", synchronise(listings["plain"]), options.objects)
        bare = run(settings, listings["plain"], None)
        show("bare listing", bare, options.objects)
        unchanged = synchronise(listings["plain"])
        show("unchanged", unchanged, options.objects)
        print(f"{'':>14} {unchanged[0] / bare[0]:.2f} times the bare listing")
        if store is not None:
            change_bucket(store, options.objects)
        show("1 % changes", synchronise(listings["changed"]), options.objects)


def show(name: str, found: tuple[float, float, float, Any], objects: int) -> None:
    """A line of figures."""
    seconds, cpu, megabytes, said = found
    counts = {k: v for k, v in said.items() if v} if isinstance(said, dict) else said
    print(
        f"{name:>14} {seconds:8.1f} s {objects / seconds:10,.0f} objects/s {cpu:8.1f} s CPU {megabytes:6.0f} MB"
        f"   {counts}",
        flush=True,
    )


if __name__ == "__main__":
    main()
