"""Everything on one machine: PostgreSQL, Redis, a directory as bucket, the API and both worker processes."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self

from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from fourpoint_api.settings import ServerSettings
from fourpoint_core.errors import SettingsError
from fourpoint_core.jobs.contracts import INFERENCE_QUEUES
from fourpoint_core.store.queries import workers
from fourpoint_core.store.session import sessions_for, unit_of_work
from fourpoint_standalone import people, postgres, private, processes, readiness, schema
from fourpoint_standalone.postgres import PostgresServer
from fourpoint_standalone.processes import StandaloneError
from fourpoint_standalone.redis_server import RedisServer
from fourpoint_standalone.supervisor import GRACE_SECONDS, Program, Report, Supervisor

POSTGRES, REDIS, API, INFERENCE, IO = "postgres", "redis", "api", "inference", "io"
_DATABASE = "fourpoint"
# Who API and workers are in the database: the owner's doings are not theirs.
_SERVICE_ROLE = "fourpoint_service"
_READY_SECONDS = 240.0
_POLL_SECONDS = 0.1
# Modules and arguments for Python.
_PROGRAMS = {
    API: [
        "gunicorn",
        "fourpoint_api.wsgi:app",
        "--config=python:fourpoint_api.gunicorn_conf",
    ],
    INFERENCE: ["fourpoint_worker.inference_app"],
    IO: ["fourpoint_worker.io_app"],
}
# What a data directory holds; `remove_data` removes this and nothing else, and only beside the lock: people
# have other directories called logs.
_LOCK = "fourpoint.lock"
_METRICS = "metrics"
DATABASE_ADDRESS = "database-url"
_OF_SERVICE_ROLE = "database-password"
_FILES = (_LOCK, "secret-key", _OF_SERVICE_ROLE, people.ADMIN_TOKEN, DATABASE_ADDRESS)
_DIRECTORIES = ("redis", "objects", "logs", "metrics", "demo-output")


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How to run the stack.

    api_port, redis_port: 0 = any free port. postgres_port: None = a Unix socket and no port.
    engine: None = the worker's own default. environment: variables for API and workers, above all others.
    """

    data_directory: Path
    host: str = "127.0.0.1"
    api_port: int = 8040
    postgres_port: int | None = None
    redis_port: int = 0
    api_workers: int = 2
    api_threads: int = 32
    inference_threads: int = 2
    io_processes: int = 2
    engine: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Stack:
    """The running system. A context manager: on the way out everything is stopped, and the data stays.

    report: told in a phrase what happens, for a person who waits; also from other threads.
    """

    def __init__(self, options: StackOptions, report: Report = lambda text: None):
        self._options = options
        self._report = report
        self.data_directory = options.data_directory.resolve()
        self._lock = private.DirectoryLock(self.data_directory / _LOCK)
        self._supervisor = Supervisor(report)
        self._port = options.api_port or processes.free_port(options.host)
        self._postgres = PostgresServer(self.data_directory / "postgres", options.postgres_port)
        self._admin_token = ""
        self._redis = RedisServer(self.data_directory / "redis", options.redis_port)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it is ready.

        Raises StandaloneError, for a person to read; nothing runs then.
        """
        try:
            self._take_directory()
            self._start_servers()
            self._start_programs()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self._supervisor.watch()
        self._report("ready")

    def stop(self) -> None:
        """Stop everything, the last started first, and give the data directory free."""
        try:
            self._supervisor.stop()
        finally:
            self._lock.release()

    @property
    def base_url(self) -> str:
        """Where the API answers, seen from this machine."""
        return f"http://{readiness.in_url(readiness.reachable(self._options.host), self._port)}"

    @property
    def admin_token(self) -> str:
        """A token that opens everything; it lies in the data directory, too. Empty without `has_admin`."""
        return self._admin_token

    @property
    def has_admin(self) -> bool:
        """Whether the stack's own user is an admin who may sign in."""
        return bool(self._admin_token)

    @property
    def advice_without_admin(self) -> str:
        """What to do where that user was shut out, or is no admin any more."""
        return (
            f"The user {people.ADMIN!r} is disabled or no admin, so there is no token to show. While this runs,"
            f" `fourpoint user change {people.ADMIN} --admin --enabled --data-directory {self.data_directory}`"
            f" lets it in again, and the next start shows its token; every other admin's is good as ever."
        )

    @property
    def admin_token_file(self) -> Path:
        """Where that token lies, readable by this user alone."""
        return self.data_directory / people.ADMIN_TOKEN

    @property
    def database_url(self) -> str:
        """Address of the database for the service, for SQLAlchemy."""
        owners = make_url(self.owners_database_url)
        password = private.password_in(self.data_directory / _OF_SERVICE_ROLE)
        return owners.set(username=_SERVICE_ROLE, password=password).render_as_string(hide_password=False)

    @property
    def owners_database_url(self) -> str:
        """Address of the database for whoever owns the tables."""
        return self._postgres.url(_DATABASE)

    @property
    def redis_url(self) -> str:
        """Address of the broker."""
        return self._redis.url()

    @property
    def object_directory(self) -> Path:
        """Where the objects are: every object is the file of its name."""
        return self.data_directory / "objects"

    @property
    def log_directory(self) -> Path:
        """Where API and workers write their logs, one file each."""
        return self.data_directory / "logs"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs: postgres, redis, api, inference, io."""
        return self._supervisor.pids

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a service as a crash would; the supervisor starts it again."""
        self._supervisor.kill(name, number)

    @contextlib.contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Stop a service for as long as the block lasts."""
        with self._supervisor.handling(name) as service:
            service.stop()
            try:
                yield
            finally:
                service.start()

    def restart_postgres(self, mode: postgres.Mode = "fast") -> None:
        """Restart the database at the same address; `immediate` is a crash."""
        with self._supervisor.handling(POSTGRES):
            self._postgres.restart(mode)

    def restart_redis(self, *, kill: bool = False) -> None:
        """Restart the broker at the same address; it comes back empty. `kill` is a crash."""
        with self._supervisor.handling(REDIS):
            self._redis.restart(kill=kill)

    def _take_directory(self) -> None:
        try:
            private.make_passable(self.data_directory)
            holder = self._lock.acquire(f"process {os.getpid()}, which serves {self.base_url}")
        except OSError as error:
            raise StandaloneError(
                f"{self.data_directory} cannot hold the data: {error.strerror}. "
                "Choose another directory with --data-directory."
            ) from error
        if holder is not None:
            raise StandaloneError(
                f"{self.data_directory} is in use by {holder}. Use that one, stop it with Ctrl-C or `kill`, "
                "or choose another directory with --data-directory."
            )
        for directory in (self.log_directory, self.object_directory):
            private.make_private(directory)
        processes.outwait(self.log_directory)
        # What killed processes have counted is no more.
        private.remove_tree(self.data_directory / _METRICS)
        private.make_private(self.data_directory / _METRICS)
        processes.require_free_port(self._port, self._options.host, what="the API", option="--port")

    def _start_servers(self) -> None:
        self._report("starting PostgreSQL")
        self._supervisor.start(postgres=self._postgres)
        self._postgres.create_database(_DATABASE)
        self._report("starting Redis")
        self._supervisor.start(redis=self._redis)
        self._report("bringing the database to this version's schema")
        schema.upgrade(self.owners_database_url, self.database_url)
        _forget_workers(self.database_url)
        # For `fourpoint user` and `fourpoint token`, which talk to the database of a running stack.
        private.write_private(self.data_directory / DATABASE_ADDRESS, self.database_url)
        self._admin_token = people.ensure_admin(self.database_url, self.data_directory) or ""

    def _start_programs(self) -> None:
        self._report("starting the API and the workers")
        environment = self._environment()
        self._supervisor.start(
            **{
                name: Program(
                    [sys.executable, "-m", *arguments],
                    log_file=self._log_file(name),
                    environment=environment | _served_apart(name, environment),
                    # `python -m` imports from the current directory first; here is nothing to import.
                    directory=self.log_directory,
                    grace_seconds=grace_seconds(name, environment),
                )
                for name, arguments in _PROGRAMS.items()
            }
        )

    def _log_file(self, name: str) -> Path:
        return self.log_directory / f"{name}.log"

    def _environment(self) -> dict[str, str]:
        options = self._options
        chosen = {} if options.engine is None else {"FOURPOINT_ENGINE": options.engine}
        # Requests that wait must leave threads to those that do not.
        waiters = {"FOURPOINT_MAX_WAITERS": str(max(1, options.api_threads * 3 // 4))}
        return {
            **waiters,
            **os.environ,
            "FOURPOINT_DATABASE_URL": self.database_url,
            # Of whatever database of the person who starts this: nobody's here.
            "FOURPOINT_OWNER_DATABASE_URL": "",
            "FOURPOINT_REDIS_URL": self.redis_url,
            "FOURPOINT_STORAGE_URL": self.object_directory.as_uri(),
            "FOURPOINT_SECRET_KEY": private.password_in(self.data_directory / "secret-key"),
            "FOURPOINT_BIND": readiness.in_url(options.host, self._port),
            "FOURPOINT_METRICS_DIRECTORY": str(self.data_directory / _METRICS),
            "FOURPOINT_API_WORKERS": str(options.api_workers),
            "FOURPOINT_API_THREADS": str(options.api_threads),
            "FOURPOINT_INFERENCE_THREADS": str(options.inference_threads),
            "FOURPOINT_IO_PROCESSES": str(options.io_processes),
            **chosen,
            **options.environment,
        }

    def _wait_until_ready(self) -> None:
        self._report("waiting until everything is ready")
        deadline = time.monotonic() + _READY_SECONDS
        while missing := readiness.missing(self._options.host, self._port):
            for name, service in self._supervisor.ended.items():
                raise StandaloneError(f"{name} ended while it started.{_end_of(service.log_file)}")
            if time.monotonic() > deadline:
                raise StandaloneError(self._late(missing))
            time.sleep(_POLL_SECONDS)

    def _late(self, missing: Mapping[str, str]) -> str:
        what = "; ".join(f"{check}: {text}" for check, text in missing.items())
        return f"Not ready after {_READY_SECONDS:g} s: {what}.{_end_of(self._log_of_culprit(missing))}"

    def _log_of_culprit(self, missing: Mapping[str, str]) -> Path:
        # "nobody consumes: click, io": whoever has one of its own queues in there.
        text = missing.get("workers", "")
        if not text or "unknown" in text:
            culprit = API
        else:
            culprit = INFERENCE if any(queue in text for queue in INFERENCE_QUEUES) else IO
        return self._log_file(culprit)


def remove_data(directory: Path) -> None:
    """Remove what a stack has left in a data directory, and the directory when that was all.

    Raises StandaloneError while a stack runs there, and when there never was one.
    """
    directory = directory.resolve()
    if not (directory / _LOCK).exists():
        raise StandaloneError(f"{directory} does not hold the data of a stack; nothing was removed.")
    lock = private.DirectoryLock(directory / _LOCK)
    holder = lock.acquire()
    if holder is not None:
        raise StandaloneError(f"{directory} is in use by {holder}; stop that one first.")
    try:
        postgres.remove_data(directory / POSTGRES)
        for name in _DIRECTORIES:
            private.remove_tree(directory / name)
        for name in _FILES:
            (directory / name).unlink(missing_ok=True)
    finally:
        lock.release()
    # Whatever else is in there is not ours to remove.
    with contextlib.suppress(OSError):
        directory.rmdir()


def _forget_workers(database_url: str) -> None:
    # Those that were killed with an earlier stack would count as present for some seconds more.
    sessions = sessions_for(create_engine(database_url, poolclass=NullPool))
    with unit_of_work(sessions) as session:
        workers.forget_silent_workers(session, timedelta(0))


def grace_seconds(name: str, environment: Mapping[str, str]) -> float:
    """How long a program may take to end: the API, whose clients wait, longer than it gives them.

    Raises StandaloneError where a variable is malformed.
    """
    if name != API:
        return GRACE_SECONDS
    try:
        return ServerSettings.from_mapping(environment).graceful_seconds + 5.0
    except SettingsError as error:
        raise StandaloneError(str(error)) from error


def _served_apart(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    # Both workers serve metrics, and here they share an address: background work takes the next port.
    host, _, port = environment.get("FOURPOINT_METRICS_BIND", "").rpartition(":")
    if name != IO or not port.isdigit():
        return {}
    return {"FOURPOINT_METRICS_BIND": f"{host}:{int(port) + 1}"}


def _end_of(log: Path) -> str:
    return f" The end of {log}:\n{processes.tail(log)}"
