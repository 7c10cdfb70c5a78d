"""Whether a connection that lay in the pool still leads to a server, without asking it each time.

A server that ends, or ends a session, closes the socket or says goodbye on it: either can be read here, by a
look that costs microseconds where a question costs a round trip. What has rested for long is asked
all the same, because something in between may have forgotten it without a word.
"""

import select
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

ASKED_AFTER_SECONDS = 10.0
_USED_AT = "used_at"


def watch(engine: Engine) -> None:
    """Let the pool hand out no connection that is known to be dead; it opens another one instead."""

    def check(connection: Any, record: Any, _proxy: Any) -> None:
        used_at = record.info.get(_USED_AT)
        # Without one it was opened just now.
        if used_at is not None and not _leads_to_a_server(engine, connection, used_at):
            raise InvalidatePoolError("the server has ended the connections in the pool")

    def note(_connection: Any, record: Any) -> None:
        record.info[_USED_AT] = time.monotonic()

    event.listen(engine, "checkout", check)
    event.listen(engine, "checkin", note)


def _leads_to_a_server(engine: Engine, connection: Any, used_at: float) -> bool:
    if connection.closed:
        return False
    rested = time.monotonic() - used_at
    # Between two statements a server says nothing; what it does say is most often that it goes.
    if rested < ASKED_AFTER_SECONDS and not _has_something_to_read(connection):
        return True
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


def _has_something_to_read(connection: Any) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
