"""JSON lines on standard error; `request_id` and `job_id` travel in context variables.

The API sets the request id; it is stored on the job's row, and the worker that claims the job
sets both, so one search finds a click from HTTP to mask.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from fourpoint_core import tracing

request_id_var: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id_var: ContextVar[str | None] = ContextVar("job_id", default=None)

# They say at every task, and at every look at the schema, what our own lines say once; httpx says where each
# call went, with the secrets in the address.
_CHATTY = ("celery.worker.strategy", "celery.app.trace", "alembic.runtime.migration", "httpx")
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line; whatever is passed as `extra` becomes a key."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter.format."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id_var.get(),
            "job_id": job_id_var.get(),
            **tracing.ids(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({key: value for key, value in line.items() if value is not None}, default=str)


def configure_logging(level: str) -> None:
    """Send every logger of this process, and Python's warnings, to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


@contextmanager
def log_context(*, request_id: str | None = None, job_id: str | None = None) -> Iterator[None]:
    """Name the request and the job that the lines logged inside belong to."""
    request_token = request_id_var.set(request_id or request_id_var.get())
    job_token = job_id_var.set(job_id or job_id_var.get())
    try:
        yield
    finally:
        request_id_var.reset(request_token)
        job_id_var.reset(job_token)
