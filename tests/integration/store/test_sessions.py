"""The unit of work: all or nothing, and an honest error when the database is away."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from tests.factories import make_dataset

from fourpoint_core.domain.access import Caller, Scope
from fourpoint_core.errors import DatabaseUnavailableError
from fourpoint_core.ids import LOCAL_USER_ID
from fourpoint_core.settings import CoreSettings
from fourpoint_core.store import liveness, silence
from fourpoint_core.store.queries import datasets
from fourpoint_core.store.session import (
    Sessions,
    autocommit,
    connect,
    one_at_a_time,
    reading,
    unhurried_commit,
    unit_of_work,
)

_PID = text("SELECT pg_backend_pid()")
ADMIN = Caller(LOCAL_USER_ID, "local", True, Scope.ADMIN)


def end_session(sessions: Sessions, pid: int) -> None:
    """End a connection at the server's end, and wait until it has ended."""
    other = create_engine(sessions.kw["bind"].url, poolclass=NullPool)
    with other.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def names(sessions: Sessions) -> list[str]:
    with unit_of_work(sessions) as session:
        return [row.name for row in datasets.list_datasets(session, ADMIN, None, None, 10).rows]


def test_what_is_done_in_a_block_is_kept(sessions: Sessions) -> None:
    make_dataset(sessions, "Cats")
    assert names(sessions) == ["Cats"]


@pytest.mark.parametrize("begin", [unit_of_work, unhurried_commit])
def test_a_block_that_raises_leaves_nothing(sessions: Sessions, begin: object) -> None:
    with pytest.raises(ZeroDivisionError), begin(sessions) as session:
        datasets.add_dataset(session, "Cats", "", None, LOCAL_USER_ID)
        raise ZeroDivisionError
    assert names(sessions) == []


def test_rows_stay_readable_after_the_commit(sessions: Sessions) -> None:
    dataset = make_dataset(sessions, "Cats")
    assert (dataset.name, dataset.row_version, dataset.deleted_at) == ("Cats", 1, None)


def test_a_database_that_is_away_is_an_error_that_may_be_retried(core_settings: CoreSettings) -> None:
    away = connect(replace(core_settings, database_url="postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(DatabaseUnavailableError), unit_of_work(away) as session:
        session.execute(text("SELECT 1"))


@pytest.mark.parametrize("begin", [unit_of_work, reading])
@pytest.mark.parametrize("asked_after", [0.0, 3600.0])
def test_a_connection_that_was_cut_costs_the_next_block_nothing(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, begin: Any, asked_after: float
) -> None:
    monkeypatch.setattr(liveness, "ASKED_AFTER_SECONDS", asked_after)
    with begin(sessions) as session:
        pid = session.scalar(_PID)
    # It lies in the pool now, and is the next to be handed out.
    end_session(sessions, pid)
    with begin(sessions) as session:
        assert session.scalar(_PID) != pid


def test_a_connection_is_used_again_without_being_asked(sessions: Sessions) -> None:
    pids, asked = [], sessions.kw["bind"].dialect
    with mock.patch.object(asked, "do_ping", side_effect=AssertionError):
        for _ in range(2):
            with unit_of_work(sessions) as session:
                pids.append(session.scalar(_PID))
    assert pids[0] == pids[1]


def test_a_connection_that_has_rested_is_asked_whether_it_lives(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "ASKED_AFTER_SECONDS", 0.0)
    dialect = sessions.kw["bind"].dialect
    with mock.patch.object(dialect, "do_ping", wraps=dialect.do_ping) as ping:
        for _ in range(2):
            with reading(sessions) as session:
                session.scalar(_PID)
    # Not the first time: it was opened just then.
    assert ping.call_count == 1


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A backend that stands still, and whose kernel acknowledges what is sent to it all the same."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("begin", [unit_of_work, reading])
def test_a_server_that_falls_silent_is_an_error_that_may_be_retried(
    core_settings: CoreSettings, begin: Any
) -> None:
    sessions = connect(core_settings, silence_seconds=1.0)
    with pytest.raises(DatabaseUnavailableError), begin(sessions) as session:
        pid = session.scalar(_PID)
        with stopped(pid):
            session.execute(text("SELECT 1"))
    with begin(sessions) as session:
        assert session.scalar(_PID) != pid
    sessions.kw["bind"].dispose()


def test_a_commit_of_which_nothing_is_heard_is_an_error_that_may_be_retried(
    core_settings: CoreSettings,
) -> None:
    sessions = connect(core_settings, silence_seconds=1.0)
    with ExitStack() as meanwhile, pytest.raises(DatabaseUnavailableError), unit_of_work(sessions) as session:
        datasets.add_dataset(session, "Cats", "", None, LOCAL_USER_ID)
        meanwhile.enter_context(stopped(session.scalar(_PID)))
    sessions.kw["bind"].dispose()


def test_a_server_that_rests_between_questions_is_not_silent(core_settings: CoreSettings) -> None:
    sessions = connect(core_settings, silence_seconds=0.2)
    with unit_of_work(sessions) as session:
        pid = session.scalar(_PID)
        # Longer than the watch sleeps.
        time.sleep(2 * silence.LOOK_AGAIN_SECONDS)
        assert session.scalar(_PID) == pid
    sessions.kw["bind"].dispose()


def test_reading_opens_no_transaction(sessions: Sessions) -> None:
    with reading(sessions) as session:
        one, other = (session.scalar(text("SELECT now()")) for _ in range(2))
    with unit_of_work(sessions) as session:
        third, fourth = (session.scalar(text("SELECT now()")) for _ in range(2))
    assert one < other < third == fourth


def test_a_connection_cut_in_the_middle_is_an_error_that_may_be_retried(sessions: Sessions) -> None:
    with pytest.raises(DatabaseUnavailableError), unit_of_work(sessions) as session:
        end_session(sessions, session.scalar(_PID))
        session.execute(text("SELECT 1"))


@pytest.mark.parametrize("begin", [reading, autocommit])
def test_a_connection_cut_after_its_last_answer_takes_nothing_back(sessions: Sessions, begin: Any) -> None:
    # A connection that has been here before: the driver remembers what it was told of transactions.
    with begin(sessions) as session:
        session.scalar(_PID)
    with begin(sessions) as session:
        end_session(sessions, session.scalar(_PID))
    with begin(sessions) as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_statements_of_an_autocommit_block_are_kept_one_by_one(sessions: Sessions) -> None:
    with pytest.raises(ZeroDivisionError), autocommit(sessions) as session:
        datasets.add_dataset(session, "Cats", "", None, LOCAL_USER_ID)
        session.flush()
        raise ZeroDivisionError
    assert names(sessions) == ["Cats"]


def test_nobody_waits_for_a_lock_longer_than_a_person_would(sessions: Sessions) -> None:
    with unit_of_work(sessions) as session:
        shown = [session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")]
    assert shown == ["30s", "10s"]


def test_only_an_unhurried_commit_does_not_wait_for_the_disk(sessions: Sessions) -> None:
    with unhurried_commit(sessions) as session:
        assert (
            session.scalar(text("SELECT source FROM pg_settings WHERE name = 'synchronous_commit'"))
            == "session"
        )
    with unit_of_work(sessions) as session:
        assert (
            session.scalar(text("SELECT source FROM pg_settings WHERE name = 'synchronous_commit'"))
            != "session"
        )


def test_of_two_only_one_may_at_a_time(sessions: Sessions) -> None:
    with one_at_a_time(sessions, 7) as first, one_at_a_time(sessions, 7) as second:
        assert (first, second) == (True, False)
    with one_at_a_time(sessions, 7) as later:
        assert later
