"""Finds what fell through: jobs nobody runs, lost messages, uploads that died, workers that fell silent.

Any number of processes may sweep; an advisory lock lets one do it at a time.
"""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.exceptions import RedisError

from fourpoint_core.domain.jobs import JobState
from fourpoint_core.errors import StorageUnavailableError, SyncRunningError
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.jobs.events import JobEvent, announce
from fourpoint_core.settings import CoreSettings
from fourpoint_core.storage import ObjectStore, pictures
from fourpoint_core.storage.derived import embeddings_prefix
from fourpoint_core.storage.removal import remove_objects
from fourpoint_core.storage.staging import staged_keys
from fourpoint_core.store.queries import (
    exports,
    idempotency,
    jobs,
    sample_leases,
    samples,
    syncs,
    tallies,
    trash,
    uploads,
    version_forgetting,
    webhooks,
    workers,
)
from fourpoint_core.store.queries.jobs import Message
from fourpoint_core.store.session import Sessions, one_at_a_time, unit_of_work
from fourpoint_worker.metrics import job_metrics
from fourpoint_worker.removal import remove_condemned

logger = logging.getLogger(__name__)

ADVISORY_LOCK = 0x53776565
# As long as so many messages wait in a queue, publishing again what may still be there helps nobody.
QUEUE_DEPTH = 1000
_JOBS_AT_ONCE = 500
_INTENTS_AT_ONCE = 20
_LEASES_AT_ONCE = 1000
_DELIVERIES_AT_ONCE = 1000
_SILENCE = timedelta(minutes=1)
_TRASH_AT_ONCE = 200
_UPLOADS_AT_ONCE = 20
_SYNCS_AT_ONCE = 20
_LINES_AT_ONCE = 10_000
_EXPORTS_AT_ONCE = 20
# Whoever lost his lease hears of it before the next file.
_EXPORT_GRACE = timedelta(minutes=1)
_VERSIONS_AT_ONCE = 20
_PINS_AT_ONCE = 10_000
# Whoever began to write in time may go on for a while.
_UPLOAD_GRACE = timedelta(minutes=10)
# Finding them takes a listing, and none of them is in anybody's way.
_LISTING_SECONDS = 600.0


class Sweep:
    """One round is `run`; it may be repeated at any time by anybody."""

    def __init__(
        self,
        settings: CoreSettings,
        sessions: Sessions,
        redis: "Redis",
        store: ObjectStore,
        dispatcher: Dispatcher,
    ):
        self._settings = settings
        self._sessions = sessions
        self._redis = redis
        self._store = store
        self._dispatcher = dispatcher
        self._list_at = 0.0

    def run(self) -> None:
        """Do a round, unless somebody else is at it. Raises DatabaseUnavailableError."""
        with one_at_a_time(self._sessions, ADVISORY_LOCK) as may_sweep:
            if may_sweep:
                self._round()

    def _round(self) -> None:
        for duty in (
            self.settle_jobs,
            self.publish_again,
            self.remove_abandoned_objects,
            self.remove_dead_uploads,
            self.remove_unfinished_exports,
            self.remove_old_exports,
            self.remove_old_objects,
            self.empty_trash,
            self.forget_versions,
            self.forget_answers,
            self.fold_counts,
            self.forget_leases,
            self.forget_deliveries,
            self.forget_silent_workers,
            self.start_syncs,
            self.forget_reports,
        ):
            try:
                duty()
            except StorageUnavailableError as error:
                # An object store that is away must not keep the counts from being folded, and so on.
                logger.warning("%s put off", duty.__name__, extra={"reason": error.detail})

    def settle_jobs(self) -> None:
        """Queue again, or end, the jobs whose worker is gone or whose time is up."""
        with unit_of_work(self._sessions) as session:
            settled = jobs.settle_stranded(session, _JOBS_AT_ONCE)
        for job in settled:
            job_metrics().stranded.labels(job.queue).inc()
            logger.info("stranded job settled", extra={"job": job.id, "state": job.state})
            announce(self._redis, JobEvent(job.id, JobState(job.state)))

    def publish_again(self) -> None:
        """Publish the messages of queued jobs that were never published, or are probably lost."""
        try:
            room = {queue: QUEUE_DEPTH - self._depth(queue) for queue in Queue}
        except (RedisError, OSError) as error:
            logger.warning("no queue can be read; nothing is published", extra={"reason": str(error)})
            return
        for queue, free in room.items():
            messages = self._due(queue, free)
            if messages:
                published = self._dispatcher.dispatch(messages)
                job_metrics().published_again.labels(queue.value).inc(published)
                logger.info("messages published again", extra={"queue": queue.value, "published": published})

    def remove_abandoned_objects(self) -> None:
        """Remove the objects of uploads, and of removals, that died half-way."""
        for _ in range(_INTENTS_AT_ONCE):
            key = self._remove_abandoned_object()
            if key is None:
                return
            logger.info("abandoned object removed", extra={"key": key})

    def _remove_abandoned_object(self) -> str | None:
        # The one place where the object store is spoken to with a transaction open, for one object at a time:
        # the promise stays locked until the object is gone, so that an upload that ends after all waits, finds
        # its promise broken, and says so; and nobody is promised a key whose object is about to be removed.
        patience = timedelta(seconds=self._settings.upload_intent_seconds)
        with unit_of_work(self._sessions) as session:
            key = samples.abandoned_key(session, patience)
            if key is None:
                return None
            # No promise outlives a sample's birth; should one ever, it is not the object that pays for it.
            if not samples.is_referred(session, key):
                self._store.delete(key)
            samples.forget_intents(session, [key])
            return key

    def remove_dead_uploads(self) -> None:
        """Remove what direct uploads left in the bucket, registered or not, once nobody can write any more."""
        with unit_of_work(self._sessions) as session:
            dead = uploads.run_out(session, _UPLOAD_GRACE, _UPLOADS_AT_ONCE)
            keys = [key for upload in dead for key in staged_keys(upload.id, len(upload.files))]
            samples.condemn_keys(session, keys, by=new_id())
            uploads.forget(session, [upload.id for upload in dead])
        remove_condemned(self._sessions, self._store, keys)

    def remove_unfinished_exports(self) -> None:
        """Remove the files of exports that died, once nobody can be writing them any more."""
        with unit_of_work(self._sessions) as session:
            abandoned = exports.abandoned_attempts(session, _EXPORT_GRACE, _EXPORTS_AT_ONCE)
        for attempt in abandoned:
            for found in self._store.list(attempt.prefix):
                self._store.delete(found.key)
        with unit_of_work(self._sessions) as session:
            exports.forget_attempts(session, abandoned)

    def remove_old_exports(self) -> None:
        """Remove archives whose time is up; what lies at a path of the bucket is somebody's, and stays."""
        with unit_of_work(self._sessions) as session:
            old = exports.run_out(session, _EXPORTS_AT_ONCE)
        for export in old:
            if export.object_key is not None:
                self._store.delete(export.object_key)
        with unit_of_work(self._sessions) as session:
            exports.forget(session, [export.id for export in old])

    def remove_old_objects(self) -> None:
        """Now and then, remove images that other tools have not asked about for long, and old embeddings.

        Of embeddings a worker that keeps new ones takes care, too; none does once they are kept elsewhere.
        """
        if time.monotonic() < self._list_at:
            return
        self._list_at = time.monotonic() + _LISTING_SECONDS
        self._remove_older(f"{pictures.FOLDER}/", timedelta(hours=self._settings.picture_hours))
        self._remove_older(embeddings_prefix(), timedelta(seconds=self._settings.embeddings_seconds))

    def _remove_older(self, prefix: str, age: timedelta) -> None:
        long_ago = datetime.now(UTC) - age
        for found in self._store.list(prefix):
            if found.last_modified < long_ago:
                self._store.delete(found.key)

    def empty_trash(self) -> None:
        """Remove for good what has lain in the trash for longer than it may; objects stay in the bucket."""
        with unit_of_work(self._sessions) as session:
            patience = timedelta(days=self._settings.trash_days)
            purged = trash.purge(session, trash.run_out(patience), _TRASH_AT_ONCE, condemned_by=None)
        # Should this be cut short, thumbnails stay that nobody asks for; the same image makes use of them.
        remove_objects(self._store, (), purged.forgotten_digests)
        if purged.samples:
            logger.info("trash emptied", extra={"samples": purged.samples})

    def forget_versions(self) -> None:
        """Forget versions that were deleted long ago, and what was kept for their sake."""
        with unit_of_work(self._sessions) as session:
            patience = timedelta(days=self._settings.trash_days)
            given_up = version_forgetting.give_up(session, patience, _VERSIONS_AT_ONCE)
        for version_id in given_up:
            # Some of it now and the rest in the next rounds; the version's row goes when nothing is left.
            with unit_of_work(self._sessions) as session:
                if version_forgetting.forget_some(session, version_id, _TRASH_AT_ONCE, _PINS_AT_ONCE):
                    logger.info("version forgotten", extra={"version": version_id})

    def forget_answers(self) -> None:
        """Remove idempotency keys that have served their time."""
        with unit_of_work(self._sessions) as session:
            idempotency.forget_old(session, timedelta(hours=self._settings.idempotency_hours))

    def fold_counts(self) -> None:
        """Add what savers have left beside the counters to the counters, so that reading them stays cheap."""
        while True:
            with unit_of_work(self._sessions) as session:
                if tallies.fold(session) < tallies.DELTAS_AT_ONCE:
                    return

    def forget_leases(self) -> None:
        """Remove the leases of labelers who went away."""
        with unit_of_work(self._sessions) as session:
            sample_leases.forget_expired(session, _LEASES_AT_ONCE)

    def forget_deliveries(self) -> None:
        """Shorten the log of webhooks, and remove the webhooks of datasets that are gone."""
        with unit_of_work(self._sessions) as session:
            webhooks.forget_ended(session, timedelta(days=self._settings.webhook_log_days), _DELIVERIES_AT_ONCE)
            webhooks.forget_orphans(session)

    def forget_silent_workers(self) -> None:
        """Remove worker processes that died without saying goodbye."""
        with unit_of_work(self._sessions) as session:
            workers.forget_silent_workers(session, _SILENCE)

    def start_syncs(self) -> None:
        """Synchronise the datasets whose time has come, or whose bucket has told of a change."""
        for _ in range(_SYNCS_AT_ONCE):
            try:
                with unit_of_work(self._sessions) as session:
                    messages = [
                        syncs.start(session, one.dataset_id, one.cause, author=one.author)
                        for one in syncs.take_due(session, 1)
                    ]
            except SyncRunningError:
                # Somebody was faster. It is due again when that has ended.
                return
            if not messages:
                return
            self._dispatcher.dispatch(messages)

    def forget_reports(self) -> None:
        """Remove reports of synchronisations that newer ones have taken the place of."""
        with unit_of_work(self._sessions) as session:
            syncs.forget_old_runs(session, _LINES_AT_ONCE)

    def _depth(self, queue: Queue) -> int:
        depth = self._redis.llen(queue.value)
        assert isinstance(depth, int)  # noqa: S101 - redis types its synchronous client as maybe awaitable
        return depth

    def _due(self, queue: Queue, free: int) -> Sequence[Message]:
        if free <= 0:
            return []
        with unit_of_work(self._sessions) as session:
            limit = min(free, _JOBS_AT_ONCE)
            return jobs.take_due_for_dispatch(session, queue, self._settings.redispatch_seconds, limit)
