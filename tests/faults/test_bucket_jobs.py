"""The worker is killed at ten random moments of each kind of job that moves files or versions.

Each run that had a kill in it ends as one that had none. Every other kill takes only the child that runs the
job, as the kernel does when memory runs out; the rest take the whole worker.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import UUID, uuid4

import pytest
from tests.faults.bucket_jobs import Bucket, archive
from tests.faults.test_faults import SEED, children
from tests.http_client import JSON

from fourpoint_standalone.stack import IO, Stack

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

KILLS = min(10, int(os.environ.get("FAULT_KILLS", "10")))
# Of these, some come when the job has just ended; the moments then move to the front.
MOST_TRIES = 4 * KILLS
_FINAL = {"succeeded", "failed", "cancelled"}


class Killer:
    """Has a job run, kills who runs it at a random moment, and waits until others have ended it.

    hits: kills that met a job in hand. seconds: how long a run takes that is left alone.
    """

    def __init__(self, bucket: Bucket):
        self._bucket = bucket
        self._chance = random.Random(SEED)
        self.hits = 0
        self.tries = 0
        self.seconds = 0.0

    def __iter__(self) -> Iterator[int]:
        """Numbers of tries until there were enough hits."""
        while self.hits < KILLS:
            self.tries += 1
            assert self.tries <= MOST_TRIES, f"{self.hits} of {self.tries} kills met a job in hand"
            yield self.tries

    def spare(self, job_id: str) -> JSON:
        """A run that is left alone; what came of it."""
        job = self._end(job_id)
        self.seconds = job["seconds"]
        return job

    def kill(self, job_id: str) -> JSON:
        """A run with a kill in it; what came of it."""
        self._wait(job_id, lambda job: job["state"] != "queued")
        time.sleep(self._chance.uniform(0, self.seconds))
        self._kill()
        hit = self._bucket.job(job_id)["state"] == "running"
        self.hits += hit
        if not hit:
            self.seconds *= 0.8
        return self._end(job_id)

    def _kill(self) -> None:
        parent = self._bucket.stack.pids[IO]
        victims = children(parent) if self.tries % 2 else [parent]
        for victim in victims:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)

    def _end(self, job_id: str) -> JSON:
        job = self._wait(job_id, lambda job: job["state"] in _FINAL)
        assert job["state"] == "succeeded", job
        return job

    def _wait(self, job_id: str, fact: Callable[[JSON], bool]) -> JSON:
        end = time.monotonic() + 300
        while not fact(job := self._bucket.job(job_id)):
            assert time.monotonic() < end, job
            time.sleep(0.002)
        return job


@pytest.fixture
def bucket(stack: Stack) -> Bucket:
    return Bucket(stack)


@pytest.fixture
def killer(bucket: Bucket, request: pytest.FixtureRequest) -> Iterator[Killer]:
    made = Killer(bucket)
    yield made
    print(f"{request.node.name}: {made.hits} hits of {made.tries} kills, runs of {made.seconds:.1f} s")


def a_dataset(bucket: Bucket, **how: str) -> UUID:
    return UUID(bucket.post("/datasets", name=f"bucket {uuid4()}", **how)["id"])


def test_a_first_synchronisation_is_killed(bucket: Bucket, killer: Killer) -> None:
    def begin() -> tuple[UUID, str]:
        folder = f"first-{uuid4()}"
        bucket.fill(folder)
        dataset_id = a_dataset(bucket, input_path=f"{folder}/")
        return dataset_id, bucket.client.get(f"/v1/datasets/{dataset_id}/sync")["job"]["id"]

    dataset_id, job_id = begin()
    expected = bucket.synchronised(killer.spare(job_id), dataset_id)
    for _ in killer:
        dataset_id, job_id = begin()
        assert bucket.synchronised(killer.kill(job_id), dataset_id) == expected


def test_a_synchronisation_of_what_has_changed_is_killed(bucket: Bucket, killer: Killer) -> None:
    def begin() -> tuple[UUID, str]:
        folder = f"again-{uuid4()}"
        bucket.fill(folder)
        dataset_id = a_dataset(bucket, input_path=f"{folder}/")
        killer.spare(bucket.client.get(f"/v1/datasets/{dataset_id}/sync")["job"]["id"])
        bucket.change(folder)
        return dataset_id, bucket.post(f"/datasets/{dataset_id}/sync")["id"]

    dataset_id, job_id = begin()
    expected = bucket.synchronised(killer.spare(job_id), dataset_id)
    seconds = killer.seconds
    for _ in killer:
        dataset_id, job_id = begin()
        killer.seconds = seconds
        assert bucket.synchronised(killer.kill(job_id), dataset_id) == expected
        seconds = killer.seconds


def test_an_import_is_killed(bucket: Bucket, killer: Killer) -> None:
    bucket.put("archives/many.zip", archive())

    def begin() -> tuple[UUID, str]:
        dataset_id = a_dataset(bucket)
        job = bucket.post(f"/datasets/{dataset_id}/imports", format="coco", path="archives/many.zip")
        return dataset_id, job["id"]

    dataset_id, job_id = begin()
    expected = bucket.imported(killer.spare(job_id), dataset_id, job_id)
    for _ in killer:
        dataset_id, job_id = begin()
        assert bucket.imported(killer.kill(job_id), dataset_id, job_id) == expected


def test_an_export_is_killed(bucket: Bucket, killer: Killer) -> None:
    bucket.put("archives/many.zip", archive())
    dataset_id = a_dataset(bucket)
    killer.spare(bucket.post(f"/datasets/{dataset_id}/imports", format="coco", path="archives/many.zip")["id"])

    def begin() -> str:
        how = {"format": "modelarts", "with_images": True, "output_path": f"out/{uuid4()}/"}
        return str(bucket.post(f"/datasets/{dataset_id}/exports", **how)["id"])

    expected = bucket.exported(killer.spare(begin()), dataset_id)
    for _ in killer:
        assert bucket.exported(killer.kill(begin()), dataset_id) == expected


def test_a_publication_is_killed(bucket: Bucket, killer: Killer) -> None:
    dataset_id = a_dataset(bucket)
    bucket.crowd(dataset_id)

    def begin() -> str:
        return str(bucket.post(f"/datasets/{dataset_id}/versions")["id"])

    expected = bucket.stir(dataset_id, 0)
    assert bucket.published(killer.spare(begin()), dataset_id) == expected
    for number in killer:
        expected = bucket.stir(dataset_id, number)
        assert bucket.published(killer.kill(begin()), dataset_id) == expected
