"""Waiting without holding anything but a thread and a seat: one Redis listener wakes all who wait for jobs.

Redis is a hint. Whoever waits also looks at the row once a second, so a lost message costs a second at most.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from fourpoint_api.web import leaving
from fourpoint_api.web.seats import Seats
from fourpoint_core import tracing
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.jobs.events import CHANNEL, JobEvent
from fourpoint_core.store.models import Job

LOOK_AGAIN_SECONDS = 1.0
SUBSCRIBE_SECONDS = 0.25
logger = logging.getLogger(__name__)


class JobNews:
    """Rings the bells of the jobs that something happened to.

    seats: for whoever waits, be it for a job or for something else.
    """

    def __init__(self, redis: Redis, max_waiters: int):
        self.seats = Seats(max_waiters)
        self._redis = redis
        self._lock = threading.Lock()
        self._bells: defaultdict[UUID, set[threading.Event]] = defaultdict(set)
        self._listener: threading.Thread | None = None
        self._subscribed = threading.Event()
        self._closed = threading.Event()

    @contextmanager
    def listen(
        self, job_id: UUID, who: UUID | None = None, *, is_stream: bool = False
    ) -> Iterator[threading.Event]:
        """An event that is set whenever there is news. See `Seats.taken`. Raises TooBusyError."""
        bell = threading.Event()
        with self.seats.taken(who, is_stream=is_stream):
            with self._lock:
                self._bells[job_id].add(bell)
                self._ensure_listener()
            # Or the first waiter of a process would miss its answer, and look at the row a second later.
            self._subscribed.wait(SUBSCRIBE_SECONDS)
            try:
                yield bell
            finally:
                with self._lock:
                    self._bells[job_id].discard(bell)
                    if not self._bells[job_id]:
                        del self._bells[job_id]

    def close(self) -> None:
        """End the listener."""
        self._closed.set()
        if self._listener is not None:
            self._listener.join()

    def _ensure_listener(self) -> None:
        # Started by the first waiter and not at construction: threads do not survive gunicorn's fork.
        if self._listener is None or not self._listener.is_alive():
            self._listener = threading.Thread(target=self._listen_for_ever, name="job-news", daemon=True)
            self._listener.start()

    def _listen_for_ever(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen_until_lost()
            except (RedisError, OSError) as error:
                logger.warning("no news of jobs; waiters look at the rows", extra={"reason": str(error)})
                # Nobody is to wait for a Redis that is away.
                self._subscribed.set()
                self._closed.wait(LOOK_AGAIN_SECONDS)

    def _listen_until_lost(self) -> None:
        with self._redis.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(CHANNEL)
            self._subscribed.set()
            while not self._closed.is_set():
                message = channel.get_message(timeout=LOOK_AGAIN_SECONDS)
                if message is not None:
                    self._ring(message["data"])

    def _ring(self, message: bytes) -> None:
        try:
            event = JobEvent.decode(message)
        except ValueError:
            return
        with self._lock:
            for bell in self._bells.get(event.job_id, ()):
                bell.set()


def wait_until_final(
    bell: threading.Event,
    seconds: float,
    read: Callable[[], Job],
    has_hung_up: Callable[[], bool] = lambda: False,
) -> Job:
    """Wait for the job's end, at most `seconds` or until this process leaves.

    read: opens and closes its own transaction.

    has_hung_up: whether nobody waits any more, asked once a second. Returns the job as it stood last.
    """
    deadline = time.monotonic() + seconds
    with tracing.step("wait for the job"):
        while True:
            left = deadline - time.monotonic()
            bell.wait(max(0.0, min(left, LOOK_AGAIN_SECONDS)))
            bell.clear()
            job = read()
            if JobState(job.state).is_final or left <= 0 or has_hung_up() or leaving.time_is_up():
                return job
