"""The process for all that is not inference, and for the periodic sweep: `python -m fourpoint_worker.io_app`.

Jobs run in child processes, which Celery's soft and hard time limits can end. It never loads an engine.
"""

import os
import sys
from contextlib import nullcontext
from typing import Any

from celery import Celery, signals

from fourpoint_core import tracing
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import IO_QUEUES, JobKind
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_core.logs import configure_logging
from fourpoint_core.metrics import processes_added_up, serve
from fourpoint_core.outbound import parse_networks
from fourpoint_worker import transport
from fourpoint_worker.periodic import Periodic
from fourpoint_worker.postman import Postman
from fourpoint_worker.presence import Presence, process_name
from fourpoint_worker.process import (
    JobProcess,
    build_clients,
    command_line,
    log_as_json,
    register_tasks,
)
from fourpoint_worker.settings import WorkerSettings
from fourpoint_worker.sweep import Sweep
from fourpoint_worker.syncer.context import Limits
from fourpoint_worker.tasks.delete_label import DeleteLabelWork
from fourpoint_worker.tasks.delete_samples import DeleteSamplesWork
from fourpoint_worker.tasks.export_dataset import ExportDatasetWork
from fourpoint_worker.tasks.import_dataset import ImportDatasetWork
from fourpoint_worker.tasks.merge_label import MergeLabelWork
from fourpoint_worker.tasks.publish_version import PublishVersionWork
from fourpoint_worker.tasks.purge_dataset import PurgeDatasetWork
from fourpoint_worker.tasks.restore_samples import RestoreSamplesWork
from fourpoint_worker.tasks.review_outlines import ReviewOutlinesWork
from fourpoint_worker.tasks.switch_version import SwitchVersionWork
from fourpoint_worker.tasks.sync_dataset import SyncDatasetWork

KINDS = (
    PurgeDatasetWork.kind,
    MergeLabelWork.kind,
    DeleteLabelWork.kind,
    DeleteSamplesWork.kind,
    RestoreSamplesWork.kind,
    SyncDatasetWork.kind,
    ExportDatasetWork.kind,
    PublishVersionWork.kind,
    SwitchVersionWork.kind,
    ImportDatasetWork.kind,
    ReviewOutlinesWork.kind,
)
ROLE = "io"
# Between the soft limit, which raises inside the job, and the hard one, which kills.
_GRACE_SECONDS = 30
_WEBHOOK_SECONDS = 1.0


class IoProcess:
    """What lives as long as the process: the sweep in the parent, jobs in the children."""

    def __init__(self, settings: WorkerSettings):
        self._settings = settings
        self._activities: list[Periodic | Presence] = []
        self._jobs: JobProcess | None = None
        self._postman: Postman | None = None

    def child_begins(self, **_: Any) -> None:
        """A child has been forked: open its own connections, and get ready for jobs."""
        self._trace()
        clients = build_clients(self._settings)
        works = (
            PurgeDatasetWork(clients.sessions, clients.store),
            MergeLabelWork(clients.sessions),
            DeleteLabelWork(clients.sessions, clients.store),
            DeleteSamplesWork(clients.sessions, clients.store),
            RestoreSamplesWork(clients.sessions),
            SyncDatasetWork(clients.sessions, clients.store, _limits(self._settings)),
            ExportDatasetWork(
                clients.sessions, clients.store, self._settings.storage_url, self._settings.export_days
            ),
            PublishVersionWork(clients.sessions),
            SwitchVersionWork(clients.sessions),
            ImportDatasetWork(
                clients.sessions,
                clients.store,
                self._settings.storage_url,
                self._settings.max_import_bytes,
                self._settings.max_image_pixels,
                Decoder.by(self._settings),
            ),
            ReviewOutlinesWork(clients.sessions),
        )
        # Time limits are Celery's here; the watchdog for threads would only be second.
        self._jobs = JobProcess(clients, ROLE, works, stage_seconds=float("inf"))
        self._jobs.start()

    def consumes(self, **_: Any) -> None:
        """The parent is ready: say so, and sweep."""
        self._trace()
        serve(self._settings.metrics_address)
        clients = build_clients(self._settings)
        dispatcher = Dispatcher(celery_app(self._settings, "fourpoint-sweep"), clients.sessions)
        sweep = Sweep(self._settings, clients.sessions, clients.redis, clients.store, dispatcher)
        postman = Postman(clients.sessions, parse_networks(self._settings.outbound_networks))
        self._postman = postman
        self._activities = [
            Presence(clients.sessions, process_name(ROLE), IO_QUEUES),
            Periodic("sweep", self._settings.sweep_seconds, sweep.run),
            Periodic("webhooks", _WEBHOOK_SECONDS, postman.run),
        ]
        for activity in self._activities:
            activity.start()

    def shuts_down(self, **_: Any) -> None:
        """The parent stops."""
        if self._postman is not None:
            # While something is due, a round of its has no end.
            self._postman.stop()
        for activity in self._activities:
            activity.stop()
        tracing.stop()

    def child_ends(self, **_: Any) -> None:
        """A child stops, with no job in hand."""
        tracing.stop()

    def handle(self, kind: JobKind, message: str) -> None:
        """A child takes a message."""
        assert self._jobs is not None  # noqa: S101 - Celery runs tasks in children only
        self._jobs.handle(kind, message)

    def _trace(self) -> None:
        if self._settings.tracing:
            tracing.start(ROLE)


def _limits(settings: WorkerSettings) -> Limits:
    return Limits(settings.max_object_bytes, settings.max_image_pixels, settings.sync_readers)


def create_app(settings: WorkerSettings) -> Celery:
    """The Celery application; nothing connects before the worker starts."""
    app = celery_app(settings, "fourpoint-io")
    transport.install(app)
    process = IoProcess(settings)
    signals.worker_process_init.connect(process.child_begins, weak=False)
    signals.worker_process_shutdown.connect(process.child_ends, weak=False)
    signals.worker_ready.connect(process.consumes, weak=False)
    signals.worker_shutdown.connect(process.shuts_down, weak=False)
    log_as_json(settings)
    for kind in KINDS:
        soft = kind.try_seconds
        hard = None if soft is None else soft + _GRACE_SECONDS
        register_tasks(app, [kind], process.handle, soft_time_limit=soft, time_limit=hard)
    return app


def main() -> None:
    """Consume and sweep until told to stop."""
    settings = WorkerSettings.from_mapping(os.environ)
    configure_logging(settings.log_level)
    arguments = command_line("prefork", settings.io_processes, [queue.value for queue in IO_QUEUES])
    # The children do the jobs, and the parent answers for all of them.
    with processes_added_up(settings.metrics_directory) if settings.metrics_address else nullcontext():
        sys.exit(create_app(settings).worker_main(arguments))


if __name__ == "__main__":
    main()
