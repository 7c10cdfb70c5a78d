"""Start processes that cannot outlive this one, wait for them, and stop them for certain."""

import contextlib
import errno
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

_GUARD = Path(__file__).with_name("guard.py")
_POLL_SECONDS = 0.02
# Below those that Linux and macOS give to connections, any of which could have the port of a server that is yet
# to listen, or is being started again.
_SERVER_PORTS = range(20_000, 30_000)
_PORTS_TRIED = 100

Process = subprocess.Popen[bytes]


class StandaloneError(Exception):
    """The stack cannot do what was asked. The message is for a person and says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group to run as."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    account: Account | None = None,
    keep_seconds: float | None = None,
) -> Process:
    """Start `command` in a session of its own, with output appended to `log`.

    death_signal: what it receives when this process dies, however that happens (Linux).
    account: whom to run as; only root may ask for that. environment: None passes on this process's own.
    keep_seconds: run it under a keeper that, when the command or this process ends, stops all descendants
    of the command: TERM, then KILL after that many seconds. Signals go to the keeper.
    """
    guard = [sys.executable, "-I", "-S", str(_GUARD)]
    guard += ["--parent", str(os.getpid()), "--death-signal", str(int(death_signal))]
    if account is not None:
        guard += ["--uid", str(account.uid), "--gid", str(account.gid)]
    if keep_seconds is not None:
        guard += ["--keep", str(keep_seconds)]
    with log.open("ab") as output:
        return _spawner().run(
            lambda: subprocess.Popen(
                [*guard, "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                start_new_session=True,
            )
        )


class _Spawner:
    """One thread that starts every child and lives as long as the process.

    The kernel sends the death signal when the *thread* that started the child ends: a server started from a
    short-lived thread would be shut down under its users.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._requests: queue.SimpleQueue[tuple[Callable[[], Process], Future[Process]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="spawner", daemon=True).start()

    def run(self, start: Callable[[], Process]) -> Process:
        answer: Future[Process] = Future()
        self._requests.put((start, answer))
        return answer.result()

    def _serve(self) -> None:
        while True:
            start, answer = self._requests.get()
            try:
                answer.set_result(start())
            except OSError as error:
                answer.set_exception(error)


_spawners: list[_Spawner] = []
_spawners_lock = threading.Lock()


def _spawner() -> _Spawner:
    with _spawners_lock:
        # After a fork the thread exists in the parent only.
        if not _spawners or _spawners[0].pid != os.getpid():
            _spawners[:] = [_Spawner()]
        return _spawners[0]


def wait_until(
    ready: Callable[[], bool], *, seconds: float, process: Process | None = None, failure: Callable[[], str]
) -> None:
    """Poll `ready`. Raises StandaloneError(failure()) when time is up, or at once when `process` has ended."""
    deadline = time.monotonic() + seconds
    while True:
        # Asked before `ready`: a process that ends between the two may have become ready by ending.
        ended = process is not None and process.poll() is not None
        if ready():
            return
        if ended or time.monotonic() > deadline:
            raise StandaloneError(failure())
        time.sleep(_POLL_SECONDS)


def stop(process: Process, number: signal.Signals = signal.SIGTERM, *, grace_seconds: float = 10.0) -> None:
    """Signal `process`, kill it after the grace, and leave nobody of its process group behind."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    clear_group(process.pid)


def clear_group(group: int, *, seconds: float = 30.0) -> None:
    """Kill whoever is left in a process group, and wait until it is empty."""
    deadline = time.monotonic() + seconds
    while group_alive(group):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise StandaloneError(f"Process group {group} cannot be killed; look at it with: ps -g {group}")
        time.sleep(_POLL_SECONDS)


def group_alive(group: int) -> bool:
    """Whether anybody lives in the process group; zombies count where there is no /proc."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _all_zombies(group)


def _all_zombies(group: int) -> bool:
    # An orphan is reaped by init, and an init that is slow at it must not look like a process that refuses
    # to die.
    entries = list(Path("/proc").glob("[0-9]*/stat"))
    if not entries:
        return False
    for entry in entries:
        with contextlib.suppress(OSError):
            state, _, owner = entry.read_text().rpartition(")")[2].split()[:3]
            if int(owner) == group and state not in "ZX":
                return False
    return True


def working_in(directory: Path) -> list[int]:
    """The processes whose current directory this is; none where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == directory:
                found.append(int(entry.name))
    return found


def outwait(directory: Path, *, seconds: float = 30.0) -> None:
    """Wait until nobody works in a directory: what a killed launcher has left is on its way out.

    Until it is out it may hold a port, and on its way it removes its socket. Raises StandaloneError.
    """
    wait_until(
        lambda: not working_in(directory),
        seconds=seconds,
        failure=lambda: (
            f"Processes {working_in(directory)} of an earlier start do not end; "
            "look at them with `ps`, and end them with `kill`."
        ),
    )


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on; another server may take it before it is used. Raises StandaloneError."""
    for port in secrets.SystemRandom().sample(_SERVER_PORTS, _PORTS_TRIED):
        with contextlib.suppress(_PortTakenError), _listener(port, host):
            return port
    raise StandaloneError(f"No free port was found on {host}.")


def require_free_port(port: int, host: str, *, what: str, option: str) -> None:
    """Raises StandaloneError unless a server can listen there; `option` is where people change the port."""
    try:
        _listener(port, host).close()
    except _PortTakenError as error:
        raise StandaloneError(
            f"Port {port} on {host} is in use by another program; choose another one for {what} with {option}."
        ) from error


class _PortTakenError(Exception):
    """Somebody listens there."""


def _listener(port: int, host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Connections of an earlier server in TIME_WAIT are no obstacle, here as for the servers.
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _PortTakenError from error
        raise StandaloneError(f"Nobody can listen on {host}, port {port}: {error.strerror}.") from error


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file, for an error message."""
    if not log.exists():
        return "(no log)"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16384))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
