"""Looking at what the service depends on; no HTTP."""

from dataclasses import dataclass
from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError

from fourpoint_core.errors import DatabaseUnavailableError, StorageUnavailableError
from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store import migrate
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import Sessions, reading

# Three heartbeats may be lost before a worker counts as gone.
WORKER_SILENCE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Readiness:
    """checks: per dependency `ok` or what is wrong; engines: those of the live inference workers."""

    checks: dict[str, str]
    engines: list[str]


def readiness(sessions: Sessions, redis: Redis, store: ObjectStore) -> Readiness:
    """Ask every dependency now."""
    database, workers, engines = _database(sessions)
    checks = {
        "database": database,
        "broker": _broker(redis),
        "storage": _storage(store),
        "workers": workers,
    }
    return Readiness(checks, engines)


def _database(sessions: Sessions) -> tuple[str, str, list[str]]:
    try:
        with reading(sessions) as session:
            if not migrate.is_current(session.connection()):
                return "the schema is older than this version: run the migrations", "unknown", []
            seen = workers.workers_seen(session, WORKER_SILENCE)
    except DatabaseUnavailableError as error:
        return error.detail, "unknown", []
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
