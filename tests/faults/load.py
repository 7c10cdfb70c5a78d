"""Load, and the reckoning afterwards: what was accepted must have ended truthfully, and nothing be doubled."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from sqlalchemy import create_engine, select
from sqlalchemy.pool import NullPool
from tests.http_client import Client, disc_photo

from fourpoint_core.store.models import Annotation, Job, JobAttempt
from fourpoint_core.store.session import Sessions, sessions_for, unit_of_work
from fourpoint_standalone.stack import Stack

PEOPLE = 3
LEASE = timedelta(seconds=2)
# What a job may truthfully say when its workers are killed again and again.
HONEST_FAILURES = {"attempts_exhausted", "deadline_exceeded"}
FINAL = {"succeeded", "failed", "cancelled"}


@dataclass
class Reckoning:
    """What the database says after the storm, about all jobs of one load.

    states: how many jobs ended how. answered: jobs whose 200 or 202 a person received. lapsed: tries whose
    lease was not renewed in time, whatever kept the machine from it: others rightly took those jobs.
    """

    states: Counter[str]
    answered: int
    attempts: int
    lapsed: int


@dataclass
class Load:
    """Three people, each clicking and saving on an image of their own, as fast as the service answers.

    Whoever got no outline within a second clicks again. accepted: ids of the annotations whose request was
    answered with 200 or 202. refusals: what else came back, by error; unexpected: what never should have.
    """

    stack: Stack
    accepted: set[UUID] = field(default_factory=set)
    refusals: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._client = Client(self.stack.base_url, self.stack.admin_token)
        self._wait_for_api()
        self._dataset = self._client.create_dataset(f"load {uuid4()}")
        photos = [(f"{number}.png", disc_photo(number)) for number in range(PEOPLE)]
        self._samples = [sample["id"] for sample in self._client.upload(self._dataset["id"], *photos)]
        self._stop = threading.Event()
        self._people = [threading.Thread(target=self._click, args=(sample,)) for sample in self._samples]
        for person in self._people:
            person.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody clicks any more."""
        self._stop.set()
        for person in self._people:
            person.join()

    @property
    def sessions(self) -> Sessions:
        """For looking past the API."""
        return sessions_for(create_engine(self.stack.database_url, poolclass=NullPool))

    def wait_for(self, fact: Callable[[], bool], seconds: float = 180) -> None:
        """Wait until the fact is true. Raises AssertionError when it does not come true."""
        end = time.monotonic() + seconds
        while not fact():
            assert time.monotonic() < end, f"not true within {seconds} s"
            time.sleep(0.002)

    def wait_for_accepted(self, more: int) -> None:
        """Wait until so many more jobs have been accepted: the service works again."""
        wanted = len(self.accepted) + more
        self.wait_for(lambda: len(self.accepted) >= wanted)

    def wait_for_a_new_job(self) -> None:
        """Wait until one more job is committed, published or not."""
        before = len(self.job_ids())
        self.wait_for(lambda: len(self.job_ids()) > before)

    def wait_for_success(self) -> None:
        """Wait until one more job has ended well. Raises AssertionError when none does."""
        before = self._succeeded()
        self.wait_for(lambda: self._succeeded() > before)

    def job_ids(self) -> set[UUID]:
        """All jobs of this load, whoever heard of them."""
        return {job.id for job in self._jobs()}

    def reckon(self) -> Reckoning:
        """Stop the load, wait until every job has ended, and check each of them."""
        self.stop()
        self.wait_for(lambda: all(job.state in FINAL for job in self._jobs()), seconds=360)
        self._wait_for_api()
        jobs = self._jobs()
        assert not self.unexpected, self.unexpected
        missing = self.accepted - {UUID(job.payload["annotation_id"]) for job in jobs}
        assert not missing, f"accepted and gone: {missing}"
        self._check_annotations(jobs)
        for job in jobs:
            _check_truth(job)
        tries = self._tries(jobs)
        return Reckoning(
            Counter(job.state for job in jobs), len(self.accepted), len(tries), sum(map(_lapsed, tries))
        )

    def _wait_for_api(self) -> None:
        def answers() -> bool:
            try:
                return self._client.http.get("/healthz").is_success
            except httpx.TransportError:
                return False

        self.wait_for(answers)

    def _click(self, sample_id: str) -> None:
        client = Client(self.stack.base_url, self.stack.admin_token)
        while not self._stop.is_set():
            annotation_id = uuid4()
            try:
                response = client.click(
                    sample_id, wait=1, save="document", label="disc", annotation_id=str(annotation_id)
                )
            except httpx.TransportError as error:
                # Killed under our request: whether it was accepted, nobody knows.
                self.refusals[type(error).__name__] += 1
                time.sleep(0.05)
            else:
                self._note(annotation_id, response)

    def _note(self, annotation_id: UUID, response: httpx.Response) -> None:
        if response.is_success:
            self.accepted.add(annotation_id)
            return
        code = response.json()["code"]
        self.refusals[code] += 1
        if response.status_code != 503 and code not in HONEST_FAILURES:
            self.unexpected.append(response.text)
        time.sleep(0.05)

    def _succeeded(self) -> int:
        return sum(job.state == "succeeded" for job in self._jobs())

    def _jobs(self) -> list[Any]:
        with unit_of_work(self.sessions) as session:
            ours = select(Job).where(Job.dataset_id == UUID(self._dataset["id"]))
            return list(session.scalars(ours))

    def _check_annotations(self, jobs: list[Any]) -> None:
        expected = {UUID(job.payload["annotation_id"]) for job in jobs if job.state == "succeeded"}
        with unit_of_work(self.sessions) as session:
            of_ours = Annotation.sample_id.in_([UUID(sample) for sample in self._samples])
            rows = list(session.scalars(select(Annotation.annotation_id).where(of_ours)))
        assert len(rows) == len(set(rows)), "an annotation is there twice"
        assert set(rows) == expected, "an annotation is lost, or came from a job that failed"
        for sample in self._samples:
            document = self._client.annotations(sample)
            assert self._client.get(f"/v1/samples/{sample}")["annotation_count"] == len(document)

    def _tries(self, jobs: list[Any]) -> list[Any]:
        with unit_of_work(self.sessions) as session:
            ids = [job.id for job in jobs]
            return list(session.scalars(select(JobAttempt).where(JobAttempt.job_id.in_(ids))))


def _lapsed(one: Any) -> bool:
    return one.outcome == "lease_expired" and one.ended_at - one.started_at > 0.9 * LEASE


def _check_truth(job: Any) -> None:
    if job.state == "succeeded":
        assert job.result["annotation_id"] == job.payload["annotation_id"]
        assert job.error is None
    else:
        assert job.state == "failed", job.state
        assert job.error["code"] in HONEST_FAILURES, job.error
        assert job.result is None
