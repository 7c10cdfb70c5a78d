"""A server that has fallen silent, though its connections stand, is hung up on.

A process that is stopped, and a machine that is paused, keep their connections: the kernel acknowledges what
is sent, so neither keepalives nor TCP's own timeout notice, a Unix socket has neither, and libpq has no timeout
at all. But a server that lives ends every statement by `statement_timeout`: whoever has waited for longer waits
for nobody. Then the connection is shut from this side, and the waiting thread finds that it has ended.

What a commit came to is then unknown, as where a server dies: the request may be sent again under its key.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from psycopg2.extensions import connection, cursor

LOOK_AGAIN_SECONDS = 0.5


def connect_args(seconds: float) -> dict[str, Any]:
    """What psycopg2 has to be told for waits on a connection to end after so long."""
    return {"connection_factory": partial(_Connection, seconds), "cursor_factory": _Cursor}


class _Watch:
    """Ends waits that are overdue: one thread for a process, which begins with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[socket.socket, float] = {}
        self._is_watched = False

    def begin(self, line: socket.socket, due: float) -> None:
        """Somebody waits for the server at the other end of a line."""
        self._due[line] = due
        if not self._is_watched:
            with self._lock:
                if not self._is_watched:
                    self._is_watched = True
                    threading.Thread(target=self._look_for_ever, name="silent servers", daemon=True).start()

    def end(self, line: socket.socket) -> None:
        """The server has answered, or the connection has ended."""
        del self._due[line]

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(LOOK_AGAIN_SECONDS)
            now = time.monotonic()
            for line, due in self._due.copy().items():
                # Looked at once more: it may have been answered just now.
                if due < now and self._due.get(line) == due:
                    _shut(line)


class _Connection(connection):
    """See psycopg2."""

    def __init__(self, seconds: float, dsn: str, *arguments: Any):
        super().__init__(dsn, *arguments)
        self._seconds = seconds
        # Its own descriptor: that of libpq may be closed, and be somebody else's, when it is to be shut.
        self._line = socket.socket(fileno=os.dup(self.fileno()))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The server is asked something."""
        _watch.begin(self._line, time.monotonic() + self._seconds)
        try:
            yield
        finally:
            _watch.end(self._line)

    def commit(self) -> None:
        """See psycopg2."""
        with self.waiting():
            super().commit()

    def rollback(self) -> None:
        """See psycopg2."""
        with self.waiting():
            super().rollback()

    def close(self) -> None:
        """See psycopg2."""
        super().close()
        self._line.close()


class _Cursor(cursor):
    """See psycopg2."""

    connection: _Connection

    def execute(self, query: Any, vars: Any = None) -> None:
        """See psycopg2."""
        with self.connection.waiting():
            super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        """See psycopg2."""
        with self.connection.waiting():
            super().executemany(query, vars_list)


def _shut(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The server was quicker, or whoever waited for it has closed.
        return


_watch = _Watch()
