"""How fast a dataset is synchronised, and in how much memory: first, unchanged, and with 1 % changes.

    .venv/bin/python benchmarks/sync.py --objects 10000                  on the real S3 server of the tests
    .venv/bin/python benchmarks/sync.py --objects 1000000 --replay       on a listing replayed from a file

Beside every figure stands the bare listing of the same objects, taken in the same run: an unchanged
synchronisation should take at most 1.5 times as long. Each runs in a process of its own, whose peak memory is
measured. The server lists a thousand objects a page, as S3 does, and keeps them in memory where that can hold
them, so that a slow disk is not measured. A replayed listing comes over HTTP page by page as well; its images
are one and the same PNG, which is not sent, so that all but the object store is measured.
"""

import argparse
import io
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.support.memory import peak_megabytes
from benchmarks.support.replayed_bucket import Recording, ReplayedStore, replaying
from PIL import Image
from redis import Redis
from tests.s3_server import running_s3, takes_xattrs

from fourpoint_core.errors import ObjectMissingError
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.jobs.payloads.syncs import Cause
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import open_store
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
# As many as S3 lists at once.
PAGE = 1000
MEMORY = Path("/dev/shm")


def png() -> bytes:
    """A small image."""
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 120, 30)).save(out, "PNG")
    return out.getvalue()


PNG = png()


def key_of(number: int) -> str:
    """A thousand objects to a folder."""
    return f"{PREFIX}{number // 1000:04}/{number:08}.png"


def objects(count: int, *, changed: bool) -> Iterator[tuple[str, str]]:
    """Keys and tags. Of every hundred objects, one is gone (a third), other (a third), or joined by another."""
    for number in range(count):
        kind = number // 100 % 3 if changed and number % 100 == 0 else None
        if kind == 0:
            continue
        if kind == 2:
            yield key_of(number)[:-4] + "-new.png", f"{number + count:032x}"
        yield key_of(number), f"{number + (kind == 1) * count * 2:032x}"


def fill_bucket(store: Any, count: int) -> None:
    """Write the images."""
    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda n: store.put(key_of(n), PNG, content_type="image/png"), range(count)):
            pass


def change_bucket(store: Any, count: int) -> None:
    """As `objects` says."""
    for number in range(0, count, 100):
        kind = number // 100 % 3
        if kind == 0:
            with suppress(ObjectMissingError):
                store.delete(key_of(number))
        elif kind == 1:
            store.put(key_of(number), PNG + b"\0", content_type="image/png")
        else:
            store.put(key_of(number)[:-4] + "-new.png", PNG, content_type="image/png")


def measured(
    settings: CoreSettings, replayed: tuple[str, str] | None, job_id: UUID | None, answers: Any
) -> None:
    """In a process of its own: a synchronisation, or the bare listing; its seconds and its peak memory."""
    store = open_store(settings) if replayed is None else ReplayedStore(*replayed, PNG)
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
    answers.put((seconds, cpu, peak_megabytes(), found))


def run(
    settings: CoreSettings, replayed: tuple[str, str] | None, job_id: UUID | None
) -> tuple[float, float, float, Any]:
    """Seconds, seconds of CPU, peak megabytes and what came out. replayed: endpoint and bucket."""
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=measured, args=(settings, replayed, job_id, answers))
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
        plain: tuple[str, str] | None = None
        changed: tuple[str, str] | None = None
        store: Any = None
        if options.replay:
            values["FOURPOINT_STORAGE_URL"] = (home / "objects").as_uri()
            recordings = {
                name: Recording(home / name, objects(options.objects, changed=name == "changed"), len(PNG))
                for name in ("plain", "changed")
            }
            endpoint = stack.enter_context(replaying(recordings))
            plain, changed = (endpoint, "plain"), (endpoint, "changed")
        else:
            memory = MEMORY if MEMORY.is_dir() and takes_xattrs(MEMORY) else None
            server = stack.enter_context(running_s3(PAGE, memory))
            values |= {
                "FOURPOINT_STORAGE_URL": f"{server.url}/{server.make_bucket()}",
                "FOURPOINT_STORAGE_ACCESS_KEY": server.access_key,
                "FOURPOINT_STORAGE_SECRET_KEY": server.secret_key,
                "FOURPOINT_STORAGE_REGION": server.region,
            }
        settings = CoreSettings.from_mapping(values)
        if not options.replay:
            store = open_store(settings)
            began = time.perf_counter()
            fill_bucket(store, options.objects)
            show("filled", (time.perf_counter() - began, 0.0, 0.0, ""), options.objects)
        sessions = connect(settings)
        with unit_of_work(sessions) as session:
            dataset = datasets.add_dataset(session, "benchmark", "", PREFIX, LOCAL_USER_ID)

        def synchronise(replayed: tuple[str, str] | None) -> tuple[float, float, float, Any]:
            with unit_of_work(sessions) as session:
                job_id = syncs.start(session, dataset.id, Cause.REQUEST, author=LOCAL_USER_ID).job_id
            return run(settings, replayed, job_id)

        show("bare listing", run(settings, plain, None), options.objects)
        show("first", synchronise(plain), options.objects)
        bare = run(settings, plain, None)
        show("bare listing", bare, options.objects)
        unchanged = synchronise(plain)
        show("unchanged", unchanged, options.objects)
        print(f"{'':>14} {unchanged[0] / bare[0]:.2f} times the bare listing")
        if store is not None:
            change_bucket(store, options.objects)
        show("1 % changes", synchronise(changed), options.objects)


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
