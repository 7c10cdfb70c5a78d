"""Prefetch and batch, beside the clicks of the same process and never in their way.

A message of theirs only wakes a thread of its own, which takes jobs by their rows: prefetches first, the
newest of them first, because an older one is for an image that has been left. So no thread that waits for
clicks is ever taken by anything else, however much there is to do.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from fourpoint_core.errors import FourpointError
from fourpoint_core.jobs.contracts import KINDS, JobKind, Queue
from fourpoint_core.store.queries import jobs
from fourpoint_core.store.session import Sessions, reading

logger = logging.getLogger(__name__)
# How many candidates are read at once: other processes may be quicker with the first of them.
_CANDIDATES = 8
# Nothing else may starve where people click without a pause.
LONGEST_WAIT_SECONDS = 5.0
_STOP_SECONDS = 5.0


class ClicksInHand:
    """How many clicks this process works on; what is less urgent waits between its steps until it is none."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """While a click is worked on."""
        with self._changed:
            self._count += 1
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._changed.notify_all()

    def let_pass(self) -> None:
        """Wait until no click is in hand, for some seconds at most."""
        give_up_at = time.monotonic() + LONGEST_WAIT_SECONDS
        with self._changed:
            while self._count and (left := give_up_at - time.monotonic()) > 0:
                self._changed.wait(left)


class BackgroundLane:
    """Runs the jobs of some queues in threads of its own. run: handles one job, as a message about it would."""

    def __init__(
        self,
        sessions: Sessions,
        queues: Sequence[Queue],
        threads: int,
        clicks: ClicksInHand,
        run: Callable[[JobKind, UUID], None],
    ):
        self._sessions = sessions
        self._queues = queues
        self._clicks = clicks
        self._run = run
        self._wakes = threading.Condition()
        # Wakings that no thread has looked after yet; each thread that finds nothing takes them all.
        self._woken = 0
        self._stops = False
        self._in_hand: set[UUID] = set()
        self._threads = [
            threading.Thread(target=self._work, name=f"background {number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Begin, with what is there already."""
        for thread in self._threads:
            thread.start()
        self.wake()

    def stop(self) -> None:
        """Take no other job. One in hand goes on until its checkpoint, or ends with the process."""
        with self._wakes:
            self._stops = True
            self._wakes.notify_all()
        give_up_at = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, give_up_at - time.monotonic()))

    def wake(self) -> None:
        """There may be something to do."""
        with self._wakes:
            self._woken += 1
            self._wakes.notify_all()

    @property
    def stops(self) -> bool:
        """Whether the process is about to end: long work should be given back."""
        return self._stops

    def _work(self) -> None:
        seen = 0
        while True:
            with self._wakes:
                while not self._stops and self._woken == seen:
                    self._wakes.wait()
                if self._stops:
                    return
                seen = self._woken
            self._do_all()

    def _do_all(self) -> None:
        while not self._stops:
            try:
                self._clicks.let_pass()
                if not self._do_one():
                    return
            except FourpointError as error:
                # The sweep publishes again what waits, and so wakes this thread again.
                logger.warning("no background job could be taken", extra={"reason": error.detail})
                return
            except Exception:
                # The thread must outlive it, or nothing in the background would be done any more.
                logger.exception("a background job failed outside of its own run")

    def _do_one(self) -> bool:
        """Run the job whose turn it is; whether there was one."""
        for kind, job_id in self._waiting():
            with self._taking(job_id) as mine:
                if mine:
                    self._run(kind, job_id)
                    return True
        return False

    def _waiting(self) -> list[tuple[JobKind, UUID]]:
        found = []
        with reading(self._sessions) as session:
            for queue in self._queues:
                newest_first = queue is Queue.PREFETCH
                for message in jobs.waiting_in(session, queue, _CANDIDATES, newest_first=newest_first):
                    found.append((KINDS[message.kind], message.job_id))
        return found

    @contextmanager
    def _taking(self, job_id: UUID) -> Iterator[bool]:
        """Whether no other thread of this process has it; the claim decides between processes."""
        with self._wakes:
            mine = job_id not in self._in_hand
            self._in_hand.add(job_id)
        try:
            yield mine
        finally:
            if mine:
                with self._wakes:
                    self._in_hand.discard(job_id)
