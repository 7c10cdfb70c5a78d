"""What a process counts and times for Prometheus, and how processes of one server add up what they counted.

Every process keeps its numbers in `REGISTRY`. A server of several (gunicorn's, or Celery's with its children)
has each write them to files of one directory, which whoever is asked adds up: see `add_up_processes`.
"""

import contextlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)
REGISTRY = CollectorRegistry()
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
LONG_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 7200)
# Where the library looks for the files of all processes.
_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
_OF_THE_LIVING = re.compile(r"gauge_live\w*_(\d+)\.db")


@contextlib.contextmanager
def processes_added_up(parent: str) -> Iterator[None]:
    """As `add_up_processes`, and the files are removed in the end."""
    directory = add_up_processes(parent)
    try:
        yield
    finally:
        remove_files(directory)


def add_up_processes(parent: str) -> Path:
    """From now on numbers are kept where the others of this server find them, forked ones included.

    To be called before anything is counted. parent: a directory, best in memory; empty: the system's. Returns
    the directory made in it, to be removed by the process that made it.
    """
    if parent:
        Path(parent).mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="fourpoint-metrics-", dir=parent or None))
    os.environ[_DIRECTORY] = str(directory)
    # As the library's manual has it for servers that it does not know from the environment at its import.
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    return directory


def remove_files(directory: Path) -> None:
    """Forget what a server that has ended counted."""
    shutil.rmtree(directory, ignore_errors=True)


def exposition() -> bytes:
    """All numbers of this server's processes, in Prometheus' text format."""
    return generate_latest(_of_all_processes())


def serve(address: tuple[str, int] | None) -> None:
    """Answer at `http://host:port/metrics` from now on; None: nobody asks. Raises OSError."""
    if address is None:
        return
    host, port = address
    start_http_server(port, host, _of_all_processes())
    logger.info("metrics are served", extra={"address": f"{host}:{port}"})


def _of_all_processes() -> CollectorRegistry:
    directory = os.environ.get(_DIRECTORY)
    if not directory:
        return REGISTRY
    registry = CollectorRegistry()
    registry.register(_Living(Path(directory)))
    return registry


class _Living(Collector):
    """All processes together, but what is so now (in use, waiting) of the living only."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._all: Any = MultiProcessCollector(None, path=str(directory))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        """See Collector. A process that was killed cannot take back what it held."""
        for file in self._directory.iterdir():
            found = _OF_THE_LIVING.fullmatch(file.name)
            if found and not Path(f"/proc/{found[1]}").exists():
                file.unlink(missing_ok=True)
        return self._all.collect()  # type: ignore[no-any-return]
