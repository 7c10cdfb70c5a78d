"""A worker process saying that it is there; readiness and the sweep go by it."""

import os
import socket
from collections.abc import Sequence

from fourpoint_core.errors import DatabaseUnavailableError
from fourpoint_core.jobs.contracts import Queue
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import Sessions, unhurried_commit
from fourpoint_worker.periodic import Periodic

GREETING_SECONDS = 3.0


def process_name(role: str) -> str:
    """What this process is called in job attempts: host, process id and role."""
    return f"{socket.gethostname()}/{os.getpid()}/{role}"


class Presence:
    """Greets from `start` to `stop`; to be started when the process consumes, not before."""

    def __init__(
        self,
        sessions: Sessions,
        name: str,
        queues: Sequence[Queue],
        engine: str | None = None,
        model_digest: str | None = None,
    ):
        self._sessions = sessions
        self._name = name
        self._queues = [queue.value for queue in queues]
        self._engine = engine
        self._model_digest = model_digest
        self._periodic = Periodic("presence", GREETING_SECONDS, self._greet)

    def start(self) -> None:
        """Say hello, and again every few seconds."""
        self._periodic.start()

    def stop(self) -> None:
        """Say goodbye; a process that cannot is forgotten after a while."""
        self._periodic.stop()
        try:
            with unhurried_commit(self._sessions) as session:
                workers.take_leave(session, self._name)
        except DatabaseUnavailableError:
            return

    def _greet(self) -> None:
        with unhurried_commit(self._sessions) as session:
            workers.greet(session, self._name, self._queues, self._engine, self._model_digest)
