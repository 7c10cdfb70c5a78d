"""What both Celery processes are made of: clients, the runner, and one Celery task per kind of work."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import Celery, signals
from celery.apps import worker
from redis import Redis

from fourpoint_core import tracing
from fourpoint_core.jobs.contracts import JobKind
from fourpoint_core.logs import JsonFormatter, configure_logging
from fourpoint_core.storage import ObjectStore, open_store
from fourpoint_core.store.session import Sessions, connect
from fourpoint_worker.lease_keeper import LeaseKeeper
from fourpoint_worker.presence import process_name
from fourpoint_worker.running import Runner, Work
from fourpoint_worker.settings import WorkerSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clients:
    """Connections of one process, opened on first use and never before a fork."""

    settings: WorkerSettings
    sessions: Sessions
    redis: "Redis"
    store: ObjectStore


def build_clients(settings: WorkerSettings) -> Clients:
    """Nothing connects yet."""
    return Clients(
        settings=settings,
        sessions=connect(settings),
        redis=Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=5),
        store=open_store(settings),
    )


class JobProcess:
    """The part of a process that runs jobs."""

    def __init__(self, clients: Clients, role: str, works: Sequence[Work], stage_seconds: float):
        settings = clients.settings
        self._works = {work.kind: work for work in works}
        self._keeper = LeaseKeeper(clients.sessions, settings.lease_seconds, stage_seconds)
        self._runner = Runner(
            clients.sessions, clients.redis, self._keeper, settings.lease_seconds, process_name(role)
        )

    def start(self) -> None:
        """Begin to keep leases."""
        self._keeper.start()

    def stop(self) -> None:
        """End, when no job is in hand any more."""
        self._keeper.stop()

    def handle(self, kind: JobKind, message: str) -> None:
        """Run the job that a message names. A message that names none is dropped."""
        try:
            job_id = UUID(message)
        except ValueError:
            logger.error("a message names no job", extra={"kind": kind.name})
            return
        self._runner.run(self._works[kind], job_id)


def register_tasks(
    app: Celery, kinds: Sequence[JobKind], handle: Callable[[JobKind, str], None], **options: Any
) -> None:
    """One Celery task per kind; a message's only argument is the job's id."""
    for kind in kinds:
        _register_task(app, kind, handle, options)


def _register_task(
    app: Celery, kind: JobKind, handle: Callable[[JobKind, str], None], options: dict[str, Any]
) -> None:
    @app.task(name=kind.task_name, bind=True, **options)
    def run(task: Any, job_id: str) -> None:
        with tracing.continued(getattr(task.request, tracing.HEADER, None)):
            handle(kind, job_id)


def log_as_json(settings: WorkerSettings) -> None:
    """Keep Celery from configuring logs in its own way."""

    def configure(**_: Any) -> None:
        configure_logging(settings.log_level)

    signals.setup_logging.connect(configure, weak=False)
    worker.safe_say = _say  # type: ignore[attr-defined]


def _say(message: str, stream: Any = None) -> None:
    """What Celery says in a signal's handler, where no lock may be waited for: past all loggers, as it does."""
    record = logging.makeLogRecord({"name": "celery.worker", "levelname": "INFO", "msg": message.strip()})
    os.write(sys.stderr.fileno(), f"{JsonFormatter().format(record)}\n".encode())


def command_line(pool: str, concurrency: int, queues: Sequence[str]) -> list[str]:
    """Arguments of `celery worker`, without gossip: workers know all they need from the rows."""
    options = [f"--pool={pool}", f"--concurrency={concurrency}", f"--queues={','.join(queues)}"]
    return ["--quiet", "worker", *options, "--without-gossip", "--without-mingle", "--without-heartbeat"]
