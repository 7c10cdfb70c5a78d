"""A span for every statement, inside of work that is traced: its text with placeholders, never its parameters.

Not OpenTelemetry's instrumentation of SQLAlchemy: it refuses SQLAlchemy 2.1, and writes down the messages of
errors, in which PostgreSQL quotes values.
"""

import re
from typing import Any

from sqlalchemy import Engine, ExceptionContext, event

from fourpoint_core import tracing

_KEY = "fourpoint_statement"
_LONGEST = 1000
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+([a-z_]+)")


def watch(engine: Engine) -> None:
    """Tell of the statements of an engine."""
    event.listen(engine, "before_cursor_execute", _begins)
    event.listen(engine, "after_cursor_execute", _ends)
    event.listen(engine, "handle_error", _fails)


def _begins(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    facts = {"db.system.name": "postgresql", "db.query.text": statement[:_LONGEST]}
    connection.info[_KEY] = tracing.begin(_name(statement), "client", facts)


def _ends(connection: Any, *_: Any) -> None:
    connection.info.pop(_KEY, tracing.NOTHING).end()


def _fails(failure: ExceptionContext) -> None:
    if failure.connection is None or failure.connection.invalidated:
        return
    told = failure.connection.info.pop(_KEY, tracing.NOTHING)
    told.fail(type(failure.original_exception).__name__)
    told.end()


def _name(statement: str) -> str:
    """What it does, and to which table, as far as a glance tells: `SELECT samples`."""
    verb = (statement.split(None, 1) or ["statement"])[0]
    table = _TABLE.search(statement)
    return verb if table is None else f"{verb} {table[1]}"
