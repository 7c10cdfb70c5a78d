"""The process that draws outlines: `python -m fourpoint_worker.inference_app`.

Threads share one engine and one image cache. It warms up before it consumes: who is asked first waits as
long as who is asked tenth. When it cannot warm up, it does not start. Celery's threads are for clicks alone;
what else there is to do has a lane of its own.
"""

import logging
import os
import sys
from typing import Any

from celery import Celery, signals

from fourpoint_core import tracing
from fourpoint_core.errors import SettingsError
from fourpoint_core.imaging.memory import give_freed_memory_back
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import INFERENCE_QUEUES, JobKind, Queue
from fourpoint_core.logs import configure_logging
from fourpoint_core.metrics import serve
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_worker import transport
from fourpoint_worker.background_lane import BackgroundLane, ClicksInHand
from fourpoint_worker.images import ImageCache
from fourpoint_worker.metrics import engine_metrics, outline_metrics
from fourpoint_worker.presence import Presence, process_name
from fourpoint_worker.process import (
    Clients,
    JobProcess,
    build_clients,
    command_line,
    log_as_json,
    register_tasks,
)
from fourpoint_worker.segmenter.compact.settings import CompactSettings
from fourpoint_worker.segmenter.engines import Surroundings, build_engine
from fourpoint_worker.segmenter.port import Engine
from fourpoint_worker.segmenter.sam.settings import SamSettings
from fourpoint_worker.settings import WorkerSettings
from fourpoint_worker.shared_embeddings import open_shared_tier
from fourpoint_worker.tasks.infer_contour import InferContourWork
from fourpoint_worker.tasks.outline_picture import OutlinePictureWork
from fourpoint_worker.tasks.pre_label import PreLabelWork
from fourpoint_worker.tasks.prefetch_sample import PrefetchSampleWork

KINDS = (InferContourWork.kind, OutlinePictureWork.kind, PrefetchSampleWork.kind, PreLabelWork.kind)
ROLE = "inference"
logger = logging.getLogger(__name__)


class InferenceProcess:
    """What lives as long as the process, shared by its threads. Methods follow Celery's signals."""

    def __init__(self, settings: WorkerSettings, sam: SamSettings, compact: CompactSettings):
        self._settings = settings
        self._sam, self._compact = sam, compact
        self._clicks = ClicksInHand()
        self._jobs: JobProcess | None = None
        self._lane: BackgroundLane | None = None
        self._presence: Presence | None = None

    def begins(self, **_: Any) -> None:
        """Before anything is consumed: warm up. Raises SystemExit where the engine does not start."""
        if self._settings.tracing:
            tracing.start(ROLE)
        clients = build_clients(self._settings)
        shared = open_shared_tier(self._settings, clients.redis, clients.store)
        try:
            surroundings = Surroundings(
                self._sam, self._compact, shared, engine_metrics(), self._settings.stage_seconds
            )
            engine = build_engine(self._settings.engine, surroundings)
            engine.warm_up()
            serve(self._settings.metrics_address)
        except SettingsError as error:
            # For whoever set it, and not for whoever wrote the code.
            logger.critical("the engine %r does not start: %s", self._settings.engine, error)
            raise SystemExit(1) from error
        except Exception as error:
            logger.exception("the engine %r does not start", self._settings.engine)
            # Celery goes on after an error in a signal's receiver, but not after this.
            raise SystemExit(1) from error
        self._open(clients, engine)

    def consumes(self, **_: Any) -> None:
        """Consuming: say so."""
        if self._presence is not None and self._lane is not None:
            self._presence.start()
            self._lane.start()

    def shuts_down(self, **_: Any) -> None:
        """Not consuming any more, and no click in hand."""
        if self._presence is not None and self._jobs is not None and self._lane is not None:
            self._presence.stop()
            self._lane.stop()
            self._jobs.stop()
        tracing.stop()

    def handle(self, kind: JobKind, message: str) -> None:
        """A thread takes a message: a click it runs, for anything else it wakes the lane."""
        assert self._jobs is not None and self._lane is not None  # noqa: S101 - nothing is consumed before
        if kind.queue is not Queue.CLICK:
            self._lane.wake()
            return
        with self._clicks.one_more():
            self._jobs.handle(kind, message)

    def _lane_stops(self) -> bool:
        return self._lane is not None and self._lane.stops

    def _open(self, clients: Clients, engine: Engine) -> None:
        images = ImageCache(
            clients.store,
            self._settings.image_cache_bytes,
            DigestBook(clients.sessions, clients.store),
        )
        works = (
            InferContourWork(clients.sessions, images, engine, outline_metrics().drawn),
            OutlinePictureWork(images, engine, outline_metrics().drawn),
            PrefetchSampleWork(clients.sessions, images, engine),
            PreLabelWork(
                clients.sessions,
                images,
                engine,
                self._clicks.let_pass,
                self._lane_stops,
                outline_metrics().drawn,
            ),
        )
        self._jobs = jobs = JobProcess(clients, ROLE, works, self._settings.stage_seconds)
        self._jobs.start()
        self._lane = BackgroundLane(
            clients.sessions,
            (Queue.PREFETCH, Queue.BATCH),
            self._settings.background_threads,
            self._clicks,
            lambda kind, job_id: jobs.handle(kind, str(job_id)),
        )
        self._presence = Presence(
            clients.sessions, process_name(ROLE), INFERENCE_QUEUES, engine.name, engine.model_digest
        )


def create_app(
    settings: WorkerSettings, sam: SamSettings | None = None, compact: CompactSettings | None = None
) -> Celery:
    """The Celery application; everything else is built when the worker starts."""
    app = celery_app(settings, "fourpoint-inference")
    transport.install(app)
    process = InferenceProcess(
        settings, sam or SamSettings.from_mapping({}), compact or CompactSettings.from_mapping({})
    )
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
    configure_logging(settings.log_level)
    arguments = command_line("threads", settings.inference_threads, [queue.value for queue in INFERENCE_QUEUES])
    sam, compact = SamSettings.from_mapping(os.environ), CompactSettings.from_mapping(os.environ)
    sys.exit(create_app(settings, sam, compact).worker_main(arguments))


if __name__ == "__main__":
    main()
