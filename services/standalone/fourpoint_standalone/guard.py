"""Runs in the child: drop root, ask to die with the parent, then become the command or keep it.

Executed as a file, on the standard library alone, so that a start costs some 20 ms. It exists because what it
does must happen after the uid has changed (that clears the death signal) and must not run as Python between
fork and exec of a process with threads.
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"


def main() -> None:
    """Entry point: see `processes.spawn`, the only caller."""
    options = _options()
    if options.uid is not None:
        os.setgroups([])
        os.setgid(options.gid)
        os.setuid(options.uid)
    _die_with(options.parent, options.death_signal)
    if options.keep is None:
        os.execvp(options.command[0], options.command)  # noqa: S606 - that is its purpose
    sys.exit(Keeper(options.command, options.keep, options.parent).run())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--keep", type=float, help="seconds between TERM and KILL")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def _die_with(parent: int, death_signal: int) -> None:
    _prctl(_PR_SET_PDEATHSIG, death_signal)
    # The parent may have died before the request was made; then no signal will ever come.
    if os.getppid() != parent:
        sys.exit("the parent process is gone")


def _prctl(option: int, value: int) -> None:
    if _LINUX and ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Keeper:
    """Runs one command and leaves none of its descendants behind, however command or parent end.

    A subreaper: what the command's children leave behind, even in sessions of their own, becomes ours.
    """

    def __init__(self, command: list[str], grace_seconds: float, parent: int):
        self._command = command
        self._grace = grace_seconds
        self._parent = parent
        self._told_to_stop = False
        self._status: int | None = None
        self._kill_at: float | None = None

    def run(self) -> int:
        """Wait for the command and all its descendants; the command's status, 128 + n after signal n."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        wake = self._wake_on_signals()
        me = os.getpid()
        # One thread here, so code between fork and exec is safe.
        self._child = subprocess.Popen(
            self._command,
            preexec_fn=lambda: _die_with(me, signal.SIGKILL),  # noqa: PLW1509
        )
        while self._reap():
            if self._told_to_stop or os.getppid() != self._parent:
                self._stop()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill_all()
            select.select([wake], [], [], 0.2)
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 512)
        return 1 if self._status is None else self._status

    def _wake_on_signals(self) -> int:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return reader

    def _hear(self, *_: object) -> None:
        # At any moment, also while the command is being started.
        self._told_to_stop = True

    def _reap(self) -> bool:
        """Collect who has ended; whether anybody is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._child.pid:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code
                self._stop_leftovers()

    def _stop(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace
            if self._status is None:
                # Popen would collect a command that has just ended, and keep its status to itself.
                _signal(self._child.pid, signal.SIGTERM)

    def _stop_leftovers(self) -> None:
        # The command had its chance to stop its children; whoever is left gets a moment, not the full grace.
        for pid in _children():
            _signal(pid, signal.SIGTERM)
        self._kill_at = time.monotonic() + min(1.0, self._grace)

    def _kill_all(self) -> None:
        # Those killed here may leave children of their own to us: the next round finds them.
        for pid in _children():
            _signal(pid, signal.SIGKILL)
        if not _LINUX:
            os.killpg(0, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _children() -> list[int]:
    """Direct children, from /proc; none where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # "pid (name) state ppid ...": the name may hold spaces and parentheses.
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(entry.parent.name))
    return found


if __name__ == "__main__":
    main()
