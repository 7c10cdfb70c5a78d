"""Looking at what the service depends on; no HTTP."""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError

from fourpoint_api.patience import Question, T
from fourpoint_core.errors import DatabaseUnavailableError, StorageUnavailableError
from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store import migrate
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import Sessions, reading

# Three heartbeats may be lost before a worker counts as gone.
WORKER_SILENCE = timedelta(seconds=10)
# What hangs does not answer: whoever asks gives up soon as well.
PATIENCE_SECONDS = 3.0
# Anybody may ask, and whoever waits holds a thread; the others hear what these have found last.
LOOKERS = 2
REMEMBERED_SECONDS = 10.0
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Readiness:
    """checks: per dependency `ok` or what is wrong; engines: those of the live inference workers."""

    checks: dict[str, str]
    engines: list[str]


_OTHERS_LOOK = Readiness(dict.fromkeys(("database", "broker", "storage", "workers"), _UNKNOWN), [])


class Dependencies:
    """Asks what the service depends on; one a process."""

    def __init__(self, sessions: Sessions, redis: Redis, store: ObjectStore):
        self._database = Question(lambda: _database(sessions))
        self._broker = Question(lambda: _broker(redis))
        self._storage = Question(lambda: _storage(store))
        self._lookers = threading.BoundedSemaphore(LOOKERS)
        self._found_at, self._found = 0.0, _OTHERS_LOOK

    def readiness(self) -> Readiness:
        """How things are now; how they were a moment ago, or unknown, where LOOKERS wait for that already."""
        if not self._lookers.acquire(blocking=False):
            is_fresh = time.monotonic() < self._found_at + REMEMBERED_SECONDS
            return self._found if is_fresh else _OTHERS_LOOK
        try:
            self._found = self._look()
            self._found_at = time.monotonic()
        finally:
            self._lookers.release()
        return self._found

    def _look(self) -> Readiness:
        """Ask every dependency now, and wait for all of them together no longer than PATIENCE_SECONDS."""
        until = time.monotonic() + PATIENCE_SECONDS
        asked = self._database.asked(), self._broker.asked(), self._storage.asked()
        database, workers, engines = _in_time(asked[0], until, ("The database hangs", _UNKNOWN, []))
        checks = {
            "database": database,
            "broker": _in_time(asked[1], until, "Redis hangs"),
            "storage": _in_time(asked[2], until, "The object store hangs"),
            "workers": workers,
        }
        return Readiness(checks, engines)


def _in_time(answer: Future[T], until: float, else_: T) -> T:
    try:
        return answer.result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        return else_


def _database(sessions: Sessions) -> tuple[str, str, list[str]]:
    try:
        with reading(sessions) as session:
            if not migrate.is_current(session.connection()):
                return "the schema is older than this version: run the migrations", _UNKNOWN, []
            seen = workers.workers_seen(session, WORKER_SILENCE)
    except DatabaseUnavailableError as error:
        return error.detail, _UNKNOWN, []
    missing = sorted({queue.value for queue in Queue} - {queue for worker in seen for queue in worker.queues})
    engines = sorted({worker.engine for worker in seen if worker.engine is not None})
    return "ok", f"nobody consumes: {', '.join(missing)}" if missing else "ok", engines


def _broker(redis: Redis) -> str:
    try:
        redis.ping()
    except (RedisError, OSError):
        return "Redis does not answer"
    return "ok"


def _storage(store: ObjectStore) -> str:
    try:
        store.check()
    except StorageUnavailableError as error:
        return error.detail
    return "ok"
