"""Whether the worker of this host consumes, for a container's health check: `python -m fourpoint_worker.alive`.

Asks what everybody goes by: the worker's own greetings. A process that lives and does not consume is not well.
"""

import os
import socket
import sys
from datetime import timedelta

from fourpoint_core.errors import DatabaseUnavailableError
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import Sessions, connect, unit_of_work
from fourpoint_worker.presence import GREETING_SECONDS
from fourpoint_worker.settings import WorkerSettings

_SILENCE = timedelta(seconds=5 * GREETING_SECONDS)


def consumes(sessions: Sessions, host: str) -> bool:
    """Whether a worker of this host was heard of lately. Raises DatabaseUnavailableError."""
    with unit_of_work(sessions) as session:
        return any(worker.name.startswith(f"{host}/") for worker in workers.workers_seen(session, _SILENCE))


def main() -> None:
    """Exit with 0 when all is well; 1 and a word on standard error when not."""
    try:
        if consumes(connect(WorkerSettings.from_mapping(os.environ)), socket.gethostname()):
            return
    except DatabaseUnavailableError:
        # Killing workers would not bring the database back.
        return
    sys.exit("no worker of this host has greeted lately")


if __name__ == "__main__":
    main()
