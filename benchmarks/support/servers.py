"""The API as it is run, and a baseline written by hand, both under gunicorn; a PostgreSQL with fsync on."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from benchmarks.support.processes import cpu_milliseconds, family

from fourpoint_standalone import processes
from fourpoint_standalone.postgres import PostgresServer

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = {"max_wal_size": "8GB", "shared_buffers": "1GB"}
_GUNICORN = ("--worker-class=gthread", "--keep-alive=60", "--no-control-socket")


@dataclass(frozen=True)
class Server:
    """A program that answers HTTP in a process of its own."""

    base_url: str
    pid: int

    def cpu_milliseconds(self) -> float:
        """What it has used so far, its children included, by the kernel's own clock."""
        return sum(map(cpu_milliseconds, family(self.pid)))


@contextmanager
def database(directory: Path, name: str) -> Iterator[str]:
    """The address of a database in a cluster of its own below `directory`; made where it is not there yet."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
    is_new = not (directory / "postgres").exists()
    server = PostgresServer(directory / "postgres", options=POSTGRES)
    server.start()
    try:
        if is_new:
            server.create_database(name)
        yield server.url(name)
    finally:
        server.stop("fast")


def psycopg2_address(url: str) -> str:
    """As psycopg2 takes it, without SQLAlchemy's name of the driver."""
    return url.replace("postgresql+psycopg2://", "postgresql://")


@contextmanager
def api(directory: Path, database_url: str, threads: int = 4, workers: int = 1) -> Iterator[Server]:
    """The API in so many processes, without Redis: nothing measured with it needs one."""
    port = processes.free_port("127.0.0.1")
    environment = {
        "FOURPOINT_DATABASE_URL": database_url,
        "FOURPOINT_REDIS_URL": "redis://127.0.0.1:1/0",
        "FOURPOINT_STORAGE_URL": (directory / "objects").as_uri(),
        "FOURPOINT_SECRET_KEY": "a secret of the benchmark",
        "FOURPOINT_BIND": f"127.0.0.1:{port}",
        "FOURPOINT_API_WORKERS": str(workers),
        "FOURPOINT_API_THREADS": str(threads),
    }
    arguments = ["fourpoint_api.wsgi:app", "--config=python:fourpoint_api.gunicorn_conf"]
    with _gunicorn(arguments, environment, port, "/healthz") as server:
        yield server


@contextmanager
def baseline(application: str, database_url: str, threads: int = 4, workers: int = 1) -> Iterator[Server]:
    """A Flask application in so many processes, e.g. `benchmarks.support.raw_lists:app`."""
    port = processes.free_port("127.0.0.1")
    arguments = [
        application,
        f"--bind=127.0.0.1:{port}",
        f"--threads={threads}",
        f"--workers={workers}",
        *_GUNICORN,
    ]
    environment = {"RAW_DATABASE": psycopg2_address(database_url)}
    with _gunicorn(arguments, environment, port, "/none") as server:
        yield server


@contextmanager
def _gunicorn(arguments: list[str], environment: dict[str, str], port: int, path: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "gunicorn", *arguments]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=quiet, stderr=quiet)
    server = Server(f"http://127.0.0.1:{port}", process.pid)
    try:
        _until(lambda: httpx.get(server.base_url + path).status_code < 500)
        yield server
    finally:
        process.terminate()
        process.wait()


def _until(answers: Callable[[], bool]) -> None:
    for _ in range(300):
        try:
            if answers():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("a server did not start")
