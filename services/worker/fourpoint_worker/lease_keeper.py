"""Keeps this process's leases alive, hears of cancellations, and ends the process when a stage hangs.

Threads cannot be interrupted from outside. So work passes checkpoints, where it hears that it was cancelled
or is late; and a stage that does not come to its next checkpoint in time costs the process: its leases are
given back, it exits, and its supervisor starts a fresh one.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from fourpoint_core import tracing
from fourpoint_core.errors import CancelledError, DeadlineExceededError, FourpointError, LeaseLostError
from fourpoint_core.store.queries import leases
from fourpoint_core.store.queries.leases import ClaimedJob, Lease
from fourpoint_core.store.session import Sessions, unit_of_work
from fourpoint_worker.periodic import Periodic

logger = logging.getLogger(__name__)

OVERRUN_EXIT_STATUS = 70
_LAST_WORDS_SECONDS = 5.0


class ActiveJob:
    """A job in hand: what its work may know, and the checkpoints it must pass."""

    def __init__(self, claimed: ClaimedJob, stage_seconds: float):
        self.lease = claimed.lease
        self.author: UUID = claimed.created_by
        self.milliseconds_queued = claimed.seconds_queued * 1000
        self.stage: str | None = "claim"
        self.is_lost = False
        self.is_cancelled = False
        self._stage_seconds = stage_seconds
        self._stages = tracing.stages()
        self._stage_began = time.monotonic()
        self._deadline = self._stage_began + claimed.seconds_left

    def checkpoint(self, stage: str) -> None:
        """Enter the next stage. Raises LeaseLostError, CancelledError or DeadlineExceededError."""
        if self.is_lost:
            raise LeaseLostError("Another worker owns the job now.")
        if self.is_cancelled:
            raise CancelledError("The job was cancelled.")
        if time.monotonic() > self._deadline:
            raise DeadlineExceededError(f"The time was up before the stage {stage!r}; try again.")
        self.stage = stage
        self._stage_began = time.monotonic()
        self._stages.enter(stage)

    def leave_stages(self) -> None:
        """The work is over; what is left is recording it, which the database's own time limits bound."""
        self.stage = None
        self._stages.leave()

    @property
    def hangs(self) -> bool:
        """Whether the current stage has taken longer than a stage may."""
        return self.stage is not None and time.monotonic() - self._stage_began > self._stage_seconds


class LeaseKeeper:
    """Renews the leases of all jobs in hand, three times per lease; watches their stages.

    end_process: called with an exit status when a stage hangs; the default leaves at once, because the
    hanging thread would keep an orderly exit waiting for ever.
    """

    def __init__(
        self,
        sessions: Sessions,
        lease_seconds: float,
        stage_seconds: float,
        end_process: Callable[[int], None] = os._exit,
    ):
        self._sessions = sessions
        self._lease_seconds = lease_seconds
        self._stage_seconds = stage_seconds
        self._end_process = end_process
        self._jobs: dict[Lease, ActiveJob] = {}
        self._lock = threading.Lock()
        self._renewing = Periodic("lease keeper", lease_seconds / 3, self._renew)
        self._watching = Periodic("watchdog", min(1.0, stage_seconds / 4), self._watch)

    def start(self) -> None:
        """Begin, once per process and after any fork."""
        self._renewing.start()
        self._watching.start()

    def stop(self) -> None:
        """End when no job is in hand any more."""
        self._watching.stop()
        self._renewing.stop()

    @contextmanager
    def keep(self, claimed: ClaimedJob) -> Iterator[ActiveJob]:
        """Hold the lease of a claimed job while the block runs."""
        job = ActiveJob(claimed, self._stage_seconds)
        with self._lock:
            self._jobs[job.lease] = job
        try:
            yield job
        finally:
            job.leave_stages()
            with self._lock:
                self._jobs.pop(job.lease, None)

    def _in_hand(self) -> list[ActiveJob]:
        with self._lock:
            return list(self._jobs.values())

    def _renew(self) -> None:
        in_hand = self._in_hand()
        if not in_hand:
            return
        with unit_of_work(self._sessions) as session:
            held = leases.renew(session, [job.lease for job in in_hand], self._lease_seconds)
        for job in in_hand:
            # Also of a job that ended while this waited for its row: then no checkpoint is left to hear of it.
            job.is_lost = job.lease not in held
            job.is_cancelled = held.get(job.lease, False)

    def _watch(self) -> None:
        hanging = [job for job in self._in_hand() if job.hangs]
        if not hanging:
            return
        for job in hanging:
            logger.error("a stage hangs; the process ends", extra={"stage": job.stage, "job": job.lease.job_id})
        # A database that hangs as well must not keep the process alive: the leases then run out by themselves.
        farewell = threading.Thread(target=self._give_all_back, args=(hanging,), daemon=True)
        farewell.start()
        farewell.join(_LAST_WORDS_SECONDS)
        self._end_process(OVERRUN_EXIT_STATUS)

    def _give_all_back(self, hanging: list[ActiveJob]) -> None:
        try:
            with unit_of_work(self._sessions) as session:
                for job in hanging:
                    leases.note_overrun(session, job.lease, f"The stage {job.stage!r} hung.")
                leases.give_back(session, [job.lease for job in hanging])
                # A prefetch has one try, and a click three: not to be paid for a neighbour.
                others = [job.lease for job in self._in_hand() if job not in hanging]
                leases.give_back_untried(session, others)
        except FourpointError as error:
            logger.warning("leases not given back; they will expire", extra={"reason": error.detail})
