"""gunicorn's settings: threads, because requests wait for jobs; no database connection is held meanwhile."""

import os
from typing import Any

from fourpoint_api.gunicorn_log import JsonLogger
from fourpoint_api.gunicorn_worker import Worker
from fourpoint_api.settings import ServerSettings
from fourpoint_core import tracing
from fourpoint_core.metrics import add_up_processes, remove_files

settings = ServerSettings.from_mapping(os.environ)
bind = settings.bind
workers = settings.workers
threads = settings.threads
worker_tmp_dir = settings.worker_tmp_dir or None
worker_class = "fourpoint_api.gunicorn_worker.Worker"
# A filter with a hundred labels in its address; the most that gunicorn can be told.
limit_request_line = 8190
# Longer than the longest `Prefer: wait`.
timeout = 120
graceful_timeout = settings.graceful_seconds
Worker.drain_seconds = settings.drain_seconds
Worker.head_seconds = settings.head_seconds
Worker.body_seconds = settings.body_seconds
Worker.least_rate = settings.least_rate
# It would go past `PatientSocket`, and wait for ever for a client that does not read.
sendfile = False
keepalive = 15
# A signed link is as good as a token, and stands in the address; `web.request_ids` writes lines without.
accesslog = None
logger_class = JsonLogger
# Its default place is one per user, and a user may run several stacks.
control_socket_disable = True
# Any of its processes answers `GET /metrics` for all of them.
_metrics = add_up_processes(settings.metrics_directory)


def worker_exit(server: Any, worker: Any) -> None:
    """See gunicorn: one of its processes ends."""
    tracing.stop()


def on_exit(server: Any) -> None:
    """See gunicorn: the last of its processes ends."""
    remove_files(_metrics)
