"""Many who ask whether the service is ready, while what it depends on hangs: threads are left to others."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest
from redis import Redis

from fourpoint_api import dependencies
from fourpoint_api.dependencies import LOOKERS, Dependencies, Readiness
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.session import Sessions
from fourpoint_standalone.redis_server import RedisServer

OTHERS = 3
PATIENCE = 30.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def asked(
    broker: RedisServer, sessions: Sessions, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dependencies]:
    """What asks the Redis above, and waits for it longer than the test does."""
    monkeypatch.setattr(dependencies, "PATIENCE_SECONDS", 2 * PATIENCE)
    with Redis.from_url(broker.url(), socket_timeout=None) as redis:
        yield Dependencies(sessions, redis, object_store)


@contextmanager
def frozen(broker: RedisServer) -> Iterator[None]:
    """A Redis that takes questions and gives no answers."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


def answers_of_a_crowd(asked: Dependencies, broker: RedisServer) -> tuple[list[Readiness], list[Readiness]]:
    """What those hear who are answered while the Redis is frozen, and what the others hear then."""
    heard: Queue[Readiness] = Queue()
    crowd = [
        threading.Thread(target=lambda: heard.put(asked.readiness()), daemon=True)
        for _ in range(LOOKERS + OTHERS)
    ]
    with frozen(broker):
        for one in crowd:
            one.start()
        early = [heard.get(timeout=PATIENCE) for _ in range(OTHERS)]
        assert heard.empty()
    return early, [heard.get(timeout=PATIENCE) for _ in range(LOOKERS)]


def test_two_wait_for_what_hangs_and_the_others_hear_what_was_found_last(
    asked: Dependencies, broker: RedisServer
) -> None:
    before = asked.readiness()
    early, late = answers_of_a_crowd(asked, broker)
    assert before.checks["broker"] == "ok"
    assert early == [before] * OTHERS
    assert [found.checks["broker"] for found in late] == ["ok"] * LOOKERS


@pytest.mark.parametrize("has_looked", [False, True])
def test_where_nothing_was_found_lately_the_others_hear_that_nobody_knows(
    asked: Dependencies, broker: RedisServer, monkeypatch: pytest.MonkeyPatch, has_looked: bool
) -> None:
    monkeypatch.setattr(dependencies, "REMEMBERED_SECONDS", 0.0)
    if has_looked:
        asked.readiness()
    early, _ = answers_of_a_crowd(asked, broker)
    assert [set(found.checks.values()) for found in early] == [{"unknown"}] * OTHERS
