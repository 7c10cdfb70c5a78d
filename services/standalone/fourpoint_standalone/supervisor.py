"""Keep services running: start them in order, start again what ends by itself, stop in reverse order."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from fourpoint_standalone import processes
from fourpoint_standalone.processes import Process, StandaloneError

# A worker whose watchdog sees a stage overrun ends itself so; people wait for the next one.
WATCHDOG_STATUS = 70
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
# Who has served for so long did not fail at starting, and people wait for it.
STEADY_SECONDS = 10.0
POLL_SECONDS = 0.1
GRACE_SECONDS = 10.0
LOG_BYTES = 10 * 2**20

Report = Callable[[str], None]


class Service(Protocol):
    """Something that runs in processes of its own."""

    def start(self) -> None:
        """Start it. Raises StandaloneError."""

    def stop(self) -> None:
        """Stop it; harmless when it does not run."""

    @property
    def pid(self) -> int | None:
        """Process id; None when it does not run."""

    @property
    def status(self) -> int | None:
        """How the process ended that ran last, as Popen and shells say it; None while it runs."""

    @property
    def log_file(self) -> Path:
        """Where it writes its log."""


class Program:
    """A program of ours as a service, under a keeper that lets none of its children outlive it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_file: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ):
        self._command = command
        self._log_file = log_file
        self._environment = environment
        self._directory = directory
        self._grace = grace_seconds
        self._keeper: Process | None = None
        # The first child that each keeper was seen to have.
        self._programs: dict[int, int] = {}

    def start(self) -> None:
        """See Service."""
        if self.pid is not None:
            return
        # Nobody is left of an earlier run, unless its keeper was killed.
        self.stop()
        _set_aside(self._log_file)
        self._keeper = processes.spawn(
            self._command,
            log=self._log_file,
            environment=self._environment,
            directory=self._directory,
            keep_seconds=self._grace,
        )

    def stop(self) -> None:
        """See Service."""
        if self._keeper is not None:
            # The keeper needs a moment of its own after it has killed those who did not end.
            processes.stop(self._keeper, grace_seconds=self._grace + 5.0)

    @property
    def pid(self) -> int | None:
        """The program's process, until all that it started has ended as well.

        Its keeper's while it starts, and where there is no /proc.
        """
        if self._keeper is None or self._keeper.poll() is not None:
            return None
        keeper = self._keeper.pid
        with contextlib.suppress(OSError, IndexError):
            # What a program leaves behind becomes its keeper's child, and is not taken for the program.
            first = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()[0]
            self._programs.setdefault(keeper, int(first))
        return self._programs.get(keeper, keeper)

    @property
    def status(self) -> int | None:
        """See Service."""
        return None if self._keeper is None else self._keeper.poll()

    @property
    def log_file(self) -> Path:
        """See Service."""
        return self._log_file


class Backoff:
    """How long to wait before a service is started again: ever longer, until it has lived for a while."""

    def __init__(self) -> None:
        self._failures = 0

    def pause_seconds(self, status: int | None, lived_seconds: float) -> float:
        """status: how the service ended, after it had lived that long."""
        if lived_seconds >= STEADY_SECONDS:
            self._failures = 0
        if status == WATCHDOG_STATUS:
            return 0.0
        self._failures += 1
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self._failures - 1))


class Supervisor:
    """Runs named services.

    report: told in a sentence when a service has ended by itself, from a thread of the supervisor's.
    """

    def __init__(self, report: Report):
        self._report = report
        self._services: dict[str, Service] = {}
        self._tiers: list[list[Service]] = []
        # Held while a service is looked at or started again, and by whoever handles one.
        self._locks: dict[str, threading.RLock] = {}
        self._watchers: list[threading.Thread] = []
        self._stopping = threading.Event()

    def start(self, **services: Service) -> None:
        """Start services after those before them; those of one call will be stopped together.

        Raises StandaloneError when one does not start.
        """
        self._services |= services
        self._tiers.append(list(services.values()))
        self._locks |= {name: threading.RLock() for name in services}
        for service in services.values():
            service.start()

    def watch(self) -> None:
        """From now on, start again what ends by itself; until then an early end is the caller's to see."""
        for name in self._services:
            watcher = threading.Thread(target=self._watch, args=(name,), name=f"watch-{name}", daemon=True)
            self._watchers.append(watcher)
            watcher.start()

    def stop(self) -> None:
        """Stop all, the last ones first, whatever goes wrong with one of them."""
        self._stopping.set()
        for watcher in self._watchers:
            watcher.join()
        with contextlib.ExitStack() as stack:
            for tier in self._tiers:
                stack.callback(_stop_together, tier)

    @contextlib.contextmanager
    def handling(self, name: str) -> Iterator[Service]:
        """The service, for the caller to stop and start while the supervisor looks away."""
        with self._locks[name]:
            yield self._services[name]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal a service's process, as a crash would; one that has just ended needs no signal."""
        pid = self._services[name].pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, of the services that run."""
        found = {name: service.pid for name, service in self._services.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    @property
    def ended(self) -> dict[str, Service]:
        """The services that were started and do not run now."""
        return {name: service for name, service in self._services.items() if service.pid is None}

    def _watch(self, name: str) -> None:
        backoff = Backoff()
        started = time.monotonic()
        while not self._stopping.wait(POLL_SECONDS):
            with self.handling(name) as service:
                ended, status = service.pid is None, service.status
            if ended:
                pause = backoff.pause_seconds(status, time.monotonic() - started)
                self._report(f"{name} {how_it_ended(status)}; starting it again in {pause:g} s")
                self._stopping.wait(pause)
                self._revive(name)
                started = time.monotonic()

    def _revive(self, name: str) -> None:
        with self.handling(name) as service:
            if self._stopping.is_set():
                return
            try:
                service.start()
            except StandaloneError as error:
                self._report(f"{name} does not start: {error}")


def _stop_together(services: Sequence[Service]) -> None:
    with ThreadPoolExecutor() as pool:
        stops = [pool.submit(service.stop) for service in services]
    for stop in stops:
        stop.result()


def how_it_ended(status: int | None) -> str:
    """An exit status as a phrase: `ended with status 1`, `was ended by SIGKILL`."""
    if status is None:
        return "ended"
    # A keeper tells signals as shells do.
    number = -status if status < 0 else status - 128
    try:
        return f"was ended by {signal.Signals(number).name}"
    except ValueError:
        return f"ended with status {status}"


def _set_aside(log: Path) -> None:
    # At a start and not while running: whoever writes keeps the file open.
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
