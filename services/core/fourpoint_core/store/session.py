"""Sessions and the unit of work: the only commit in the code base."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker

from fourpoint_core import tracing
from fourpoint_core.errors import DatabaseUnavailableError
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store import authorship, liveness, pool_use, silence, statement_spans

__all__ = [
    "MAX_QUEUED",
    "SILENCE_SECONDS",
    "Session",  # so that whoever works inside a unit of work need not know SQLAlchemy
    "Sessions",
    "as_json",
    "asking",
    "autocommit",
    "connect",
    "effect_var",
    "note_change",
    "note_result",
    "noted_result",
    "one_at_a_time",
    "preparation",
    "reading",
    "sessions_for",
    "unhurried_commit",
    "unit_of_work",
    "with_driver",
]

Sessions = sessionmaker[Session]
_STATEMENT_SECONDS = 30
# Whoever waits for longer than a server lets a statement run, and for what is on its way, waits for nobody.
SILENCE_SECONDS = _STATEMENT_SECONDS + 5.0
_AWAY = (OperationalError, InterfaceError, PoolTimeoutError, PendingRollbackError)
# What is to be committed together with a change, by whoever asked for the change: see `unit_of_work`.
effect_var: ContextVar[Callable[[Session], None] | None] = ContextVar("effect", default=None)
# In `Session.info`: how many jobs may wait in one queue; missing where as many may as come.
MAX_QUEUED = "max_queued"
_CHANGED = "changed"
_RESULT = "result"
# Where most of a save is spent: it waits for the disk.
_COMMIT = "COMMIT"
_SAY_AGAIN = "The database did not answer; try again."


def with_driver(database_url: str) -> URL:
    """The address with our driver named: what plain `postgresql://` means depends on SQLAlchemy's version."""
    return make_url(database_url).set(drivername="postgresql+psycopg2")


def connect(settings: CoreSettings, *, silence_seconds: float | None = None) -> Sessions:
    """A pool of connections to the database; nothing is opened yet.

    silence_seconds: how long an answer is waited for at most; by default for as long as the connection stands.
    """
    engine = create_engine(
        with_driver(settings.database_url),
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_pool_size,
        pool_timeout=5,
        json_serializer=as_json,
        # Or an error that nobody foresaw would bring the values of its statement into the log.
        hide_parameters=True,
        connect_args={
            "connect_timeout": 3,
            # A server that a network has cut off says nothing any more: within half a minute it is given up.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 4,
            "tcp_user_timeout": 30_000,
            "application_name": "fourpoint",
            **({} if silence_seconds is None else silence.connect_args(silence_seconds)),
            # No request may hold a lock, or wait for one, longer than a person would.
            "options": f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout=10s "
            "-c idle_in_transaction_session_timeout=30s",
        },
    )
    # A restarted PostgreSQL must cost the next request a reconnect, not an error.
    liveness.watch(engine)
    pool_use.watch(engine, 2 * settings.database_pool_size)
    if settings.tracing:
        statement_spans.watch(engine)
    return sessions_for(engine)


def as_json(value: Any) -> str:
    """Plain values, ids and times as JSON."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Of integers it knows those of 64 bits, and attributes may hold others.
        return json.dumps(value, default=str)


def sessions_for(engine: Engine) -> Sessions:
    """Sessions whose objects stay readable after the commit."""
    sessions = sessionmaker(engine, expire_on_commit=False, autoflush=False)
    authorship.watch(sessions)
    return sessions


@contextmanager
def unit_of_work(sessions: Sessions, *, durable: bool = True) -> Iterator[Session]:
    """One transaction: committed when the block ends, rolled back when it raises.

    durable: whether the commit waits for the disk. Without that, a crash of PostgreSQL within the next
    second may forget it; a durable commit that follows takes it to the disk as well.
    Where `effect_var` is set and the block changed something, that is called last, in the same transaction.
    Raises DatabaseUnavailableError where PostgreSQL did not answer, or where this process has no connection
    to spare; what was asked may then be tried again.
    """
    effect = effect_var.get()
    with _outages_named(), sessions() as session:
        if effect is not None:
            _note_changes(session)
        if not durable:
            _do_not_wait(session)
        yield session
        if effect is not None:
            session.flush()
            if _CHANGED in session.info:
                effect(session)
        with tracing.step(_COMMIT, "client"):
            session.commit()


@contextmanager
def reading(sessions: Sessions) -> Iterator[Session]:
    """Questions only: each statement sees what is committed at its moment, as in `unit_of_work`.

    Saves the two round trips of a transaction. Nothing may be written or locked here, and what has to be of
    one moment has to be one statement. Raises DatabaseUnavailableError.
    """
    with _outages_named(), sessions() as session, _without_transaction(session.connection()):
        yield session


@contextmanager
def asking(sessions: Sessions) -> Iterator[Connection]:
    """As `reading`, for a question of few words that every request asks: a session would cost as much again."""
    engine: Engine = sessions.kw["bind"]
    with _outages_named(), engine.connect() as connection, _without_transaction(connection):
        yield connection


@contextmanager
def _without_transaction(connection: Connection) -> Iterator[None]:
    # Not by SQLAlchemy's isolation levels: to come back from AUTOCOMMIT, psycopg2 then asks the server, and
    # what has been answered would fail with a server that ends just then.
    driver: Any = connection.connection.dbapi_connection
    driver.autocommit = True
    try:
        yield
    finally:
        if not driver.closed:
            driver.autocommit = False


@contextmanager
def preparation(sessions: Sessions) -> Iterator[Session]:
    """A transaction that is not yet, or no longer, what was asked for: promises, and what clears them away."""
    with _outages_named(), sessions() as session:
        yield session
        with tracing.step(_COMMIT, "client"):
            session.commit()


@contextmanager
def autocommit(sessions: Sessions) -> Iterator[Session]:
    """Statements that are a transaction each, for whoever needs one only: two round trips less.

    Nothing is written here together with `effect_var`; what a caller asked for is a `unit_of_work`.
    """
    with _outages_named(), sessions() as session, _without_transaction(session.connection()):
        yield session


@contextmanager
def unhurried_commit(sessions: Sessions) -> Iterator[Session]:
    """A transaction whose loss would cost nothing but a repetition: it does not wait for the disk."""
    with preparation(sessions) as session:
        _do_not_wait(session)
        yield session


def _do_not_wait(session: Session) -> None:
    session.connection().exec_driver_sql("SET LOCAL synchronous_commit = off")


def note_change(session: Session) -> None:
    """Say that a statement, written as text, changes something; of others the session sees it itself."""
    session.info[_CHANGED] = True


def note_result(session: Session, result: dict[str, Any]) -> None:
    """Say what the transaction made, as JSON, for whoever commits it together with something else."""
    session.info[_RESULT] = result


def noted_result(session: Session) -> dict[str, Any] | None:
    """What the transaction made, if anybody said."""
    return session.info.get(_RESULT)


def _note_changes(session: Session) -> None:
    """Have the session remember whether it wrote anything."""

    def executed(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            session.info[_CHANGED] = True

    def flushed(*_: object) -> None:
        session.info[_CHANGED] = True

    event.listen(session, "do_orm_execute", executed)
    event.listen(session, "after_flush", flushed)


@contextmanager
def one_at_a_time(sessions: Sessions, key: int) -> Iterator[bool]:
    """Whether this process may do what only one may do at a time; true for one of all who ask at once.

    key: any constant of the activity. The lock is the connection's: it ends with the block or the process,
    and no transaction is open meanwhile.
    """
    with _outages_named(), sessions() as session, _without_transaction(session.connection()):
        connection = session.connection()
        if not connection.scalar(select(func.pg_try_advisory_lock(key))):
            yield False
            return
        try:
            yield True
        finally:
            connection.scalar(select(func.pg_advisory_unlock(key)))


@contextmanager
def _outages_named() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        # A server that is killed also shows as a bare DatabaseError; what tells is that the connection died.
        if isinstance(error, _AWAY) or error.connection_invalidated:
            raise DatabaseUnavailableError(_SAY_AGAIN) from error
        raise
    except _AWAY as error:
        raise DatabaseUnavailableError(_SAY_AGAIN) from error
