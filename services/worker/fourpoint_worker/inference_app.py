"""The process that draws outlines: `python -m fourpoint_worker.inference_app`.

Threads share one engine and one image cache. It warms up before it consumes: who is asked first waits as
long as who is asked tenth. When it cannot warm up, it does not start.
"""

import logging
import os
import sys
from typing import Any

from celery import Celery, signals

from fourpoint_core.imaging.memory import give_freed_memory_back
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import INFERENCE_QUEUES, JobKind
from fourpoint_worker.images import ImageCache
from fourpoint_worker.presence import Presence, process_name
from fourpoint_worker.process import (
    TRANSPORT,
    Clients,
    JobProcess,
    build_clients,
    command_line,
    log_as_json,
    register_tasks,
)
from fourpoint_worker.segmenter.engines import build_engine
from fourpoint_worker.segmenter.port import Engine
from fourpoint_worker.settings import WorkerSettings
from fourpoint_worker.tasks.infer_contour import InferContourWork
from fourpoint_worker.tasks.prefetch_sample import PrefetchSampleWork

KINDS = (InferContourWork.kind, PrefetchSampleWork.kind)
ROLE = "inference"
logger = logging.getLogger(__name__)


class InferenceProcess:
    """What lives as long as the process, shared by its threads. Methods follow Celery's signals."""

    def __init__(self, settings: WorkerSettings):
        self._settings = settings
        self._jobs: JobProcess | None = None
        self._presence: Presence | None = None

    def begins(self, **_: Any) -> None:
        """Before anything is consumed: warm up. Raises SystemExit where the engine does not start."""
        try:
            engine = build_engine(self._settings.engine)
            engine.warm_up()
        except Exception as error:
            logger.exception("the engine %r does not start", self._settings.engine)
            # Celery goes on after an error in a signal's receiver, but not after this.
            raise SystemExit(1) from error
        self._open(build_clients(self._settings), engine)

    def consumes(self, **_: Any) -> None:
        """Consuming: say so."""
        if self._presence is not None:
            self._presence.start()

    def shuts_down(self, **_: Any) -> None:
        """Not consuming any more, and no job in hand."""
        if self._presence is not None and self._jobs is not None:
            self._presence.stop()
            self._jobs.stop()

    def handle(self, kind: JobKind, message: str) -> None:
        """A thread takes a message."""
        assert self._jobs is not None  # noqa: S101 - nothing is consumed before `begins`
        self._jobs.handle(kind, message)

    def _open(self, clients: Clients, engine: Engine) -> None:
        images = ImageCache(clients.store, self._settings.image_cache_bytes)
        works = (
            InferContourWork(clients.sessions, images, engine),
            PrefetchSampleWork(clients.sessions, images, engine),
        )
        self._jobs = JobProcess(clients, ROLE, works, self._settings.stage_seconds)
        self._jobs.start()
        self._presence = Presence(
            clients.sessions, process_name(ROLE), INFERENCE_QUEUES, engine.name, engine.model_digest
        )


def create_app(settings: WorkerSettings) -> Celery:
    """The Celery application; everything else is built when the worker starts."""
    app = celery_app(settings, "fourpoint-inference")
    app.conf.broker_transport = TRANSPORT
    process = InferenceProcess(settings)
    signals.worker_init.connect(process.begins, weak=False)
    signals.worker_ready.connect(process.consumes, weak=False)
    signals.worker_shutdown.connect(process.shuts_down, weak=False)
    log_as_json(settings)
    register_tasks(app, KINDS, process.handle)
    return app


def main() -> None:
    """Consume until told to stop."""
    give_freed_memory_back()
    settings = WorkerSettings.from_mapping(os.environ)
    arguments = command_line("threads", settings.inference_threads, [queue.value for queue in INFERENCE_QUEUES])
    sys.exit(create_app(settings).worker_main(arguments))


if __name__ == "__main__":
    main()
