"""The process for all that is not inference, and for the periodic sweep: `python -m fourpoint_worker.io_app`.

Jobs run in child processes, which Celery's soft and hard time limits can end. It never loads an engine.
"""

import os
import sys
from typing import Any

from celery import Celery, signals

from fourpoint_core.jobs.broker import celery_app
from fourpoint_core.jobs.contracts import IO_QUEUES, JobKind
from fourpoint_core.jobs.dispatch import Dispatcher
from fourpoint_worker.periodic import Periodic
from fourpoint_worker.presence import Presence, process_name
from fourpoint_worker.process import (
    TRANSPORT,
    JobProcess,
    build_clients,
    command_line,
    log_as_json,
    register_tasks,
)
from fourpoint_worker.settings import WorkerSettings
from fourpoint_worker.sweep import Sweep
from fourpoint_worker.tasks.delete_label import DeleteLabelWork
from fourpoint_worker.tasks.delete_samples import DeleteSamplesWork
from fourpoint_worker.tasks.merge_label import MergeLabelWork
from fourpoint_worker.tasks.purge_dataset import PurgeDatasetWork
from fourpoint_worker.tasks.restore_samples import RestoreSamplesWork

KINDS = (
    PurgeDatasetWork.kind,
    MergeLabelWork.kind,
    DeleteLabelWork.kind,
    DeleteSamplesWork.kind,
    RestoreSamplesWork.kind,
)
ROLE = "io"
# Between the soft limit, which raises inside the job, and the hard one, which kills.
_GRACE_SECONDS = 30


def create_app(settings: WorkerSettings) -> Celery:
    """The Celery application; clients are built when the worker starts, in the parent and in each child."""
    app = celery_app(settings, "fourpoint-io")
    app.conf.broker_transport = TRANSPORT
    in_child: list[JobProcess] = []
    in_parent: list[Periodic | Presence] = []

    def child_begins(**_: Any) -> None:
        clients = build_clients(settings)
        works = (
            PurgeDatasetWork(clients.sessions, clients.store),
            MergeLabelWork(clients.sessions),
            DeleteLabelWork(clients.sessions, clients.store),
            DeleteSamplesWork(clients.sessions, clients.store),
            RestoreSamplesWork(clients.sessions),
        )
        # Time limits are Celery's here; the watchdog for threads would only be second.
        process = JobProcess(clients, ROLE, works, stage_seconds=float("inf"))
        process.start()
        in_child[:] = [process]

    def consuming(**_: Any) -> None:
        clients = build_clients(settings)
        dispatcher = Dispatcher(celery_app(settings, "fourpoint-sweep"), clients.sessions)
        sweep = Sweep(settings, clients.sessions, clients.redis, clients.store, dispatcher)
        in_parent.append(Presence(clients.sessions, process_name(ROLE), IO_QUEUES))
        in_parent.append(Periodic("sweep", settings.sweep_seconds, sweep.run))
        for activity in in_parent:
            activity.start()

    def shut_down(**_: Any) -> None:
        for activity in in_parent:
            activity.stop()

    def handle(kind: JobKind, message: str) -> None:
        in_child[0].handle(kind, message)

    signals.worker_process_init.connect(child_begins, weak=False)
    signals.worker_ready.connect(consuming, weak=False)
    signals.worker_shutdown.connect(shut_down, weak=False)
    log_as_json(settings)
    for kind in KINDS:
        soft = kind.try_seconds
        hard = None if soft is None else soft + _GRACE_SECONDS
        register_tasks(app, [kind], handle, soft_time_limit=soft, time_limit=hard)
    return app


def main() -> None:
    """Consume and sweep until told to stop."""
    settings = WorkerSettings.from_mapping(os.environ)
    arguments = command_line("prefork", settings.io_processes, [queue.value for queue in IO_QUEUES])
    sys.exit(create_app(settings).worker_main(arguments))


if __name__ == "__main__":
    main()
