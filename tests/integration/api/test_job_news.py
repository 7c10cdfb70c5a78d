"""News of jobs: whoever listens is woken, whatever else comes over the channel, and over a restart of Redis."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from tests.factories import make_job

from fourpoint_api.resources.jobs.operations import read
from fourpoint_api.web import waiting
from fourpoint_api.web.problems import TooBusyError
from fourpoint_api.web.waiting import JobNews, wait_until_final
from fourpoint_core.domain.jobs import JobState
from fourpoint_core.ids import new_id
from fourpoint_core.jobs.events import CHANNEL, JobEvent, announce
from fourpoint_core.store.models import Sample
from fourpoint_core.store.session import Sessions
from fourpoint_standalone.redis_server import RedisServer

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def whoever_listens_is_subscribed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is."""
    monkeypatch.setattr(waiting, "SUBSCRIBE_SECONDS", PATIENCE)


@pytest.fixture
def news(redis: Redis) -> Iterator[JobNews]:
    """News for at most three who wait."""
    made = JobNews(redis, 3)
    yield made
    made.close()


@pytest.fixture
def crowd(redis: Redis) -> Iterator[JobNews]:
    """News for at most eight who wait."""
    made = JobNews(redis, 8)
    yield made
    made.close()


def test_who_listens_is_woken(news: JobNews, redis: Redis) -> None:
    job_id = new_id()
    with news.listen(job_id) as bell:
        announce(redis, JobEvent(job_id, JobState.SUCCEEDED))
        assert bell.wait(PATIENCE)


def test_the_first_who_listens_misses_nothing(redis: Redis) -> None:
    """Not even the news that comes at once, while the listener is only starting."""
    for _ in range(5):
        news, job_id = JobNews(redis, 1), new_id()
        with news.listen(job_id) as bell:
            announce(redis, JobEvent(job_id, JobState.RUNNING))
            assert bell.wait(PATIENCE)
        news.close()


def test_news_of_another_job_wakes_nobody(news: JobNews, redis: Redis) -> None:
    mine, other = new_id(), new_id()
    with news.listen(mine) as bell, news.listen(other) as other_bell:
        announce(redis, JobEvent(other, JobState.SUCCEEDED))
        assert other_bell.wait(PATIENCE)
        assert not bell.is_set()


@pytest.mark.parametrize(
    "nonsense", [b"", b"{", b"{}", b"[]", b"\xff", b'{"job_id": 5, "state": "queued"}', b"null"]
)
def test_nonsense_on_the_channel_ends_nothing(news: JobNews, redis: Redis, nonsense: bytes) -> None:
    job_id = new_id()
    with news.listen(job_id) as bell:
        redis.publish(CHANNEL, nonsense)
        announce(redis, JobEvent(job_id, JobState.SUCCEEDED))
        assert bell.wait(PATIENCE)


def test_no_more_wait_than_may(news: JobNews) -> None:
    with ExitStack() as seats:
        for _ in range(3):
            seats.enter_context(news.listen(new_id()))
        with pytest.raises(TooBusyError):
            seats.enter_context(news.listen(new_id()))
    with news.listen(new_id()):
        pass


def test_one_caller_has_half_of_the_seats(crowd: JobNews) -> None:
    greedy, other = new_id(), new_id()
    with ExitStack() as seats:
        for _ in range(4):
            seats.enter_context(crowd.listen(new_id(), greedy))
        with pytest.raises(TooBusyError, match="of yours"):
            seats.enter_context(crowd.listen(new_id(), greedy))
        for _ in range(4):
            seats.enter_context(crowd.listen(new_id(), other))


def test_streams_have_half_of_the_seats_and_one_caller_half_of_these(crowd: JobNews) -> None:
    with ExitStack() as seats:
        for who in (new_id(), new_id()):
            for _ in range(2):
                seats.enter_context(crowd.listen(new_id(), who, is_stream=True))
            with pytest.raises(TooBusyError, match="streams"):
                seats.enter_context(crowd.listen(new_id(), who, is_stream=True))
        with pytest.raises(TooBusyError, match="streams are open"):
            seats.enter_context(crowd.listen(new_id(), new_id(), is_stream=True))
        for who in (None, None, new_id(), new_id()):
            seats.enter_context(crowd.listen(new_id(), who))


def test_who_cannot_be_told_from_others_has_no_share(crowd: JobNews) -> None:
    with ExitStack() as seats:
        for _ in range(8):
            seats.enter_context(crowd.listen(new_id()))
        with pytest.raises(TooBusyError):
            seats.enter_context(crowd.listen(new_id(), new_id()))


def test_who_finds_no_seat_is_told_to_come_again_when_those_who_wait_have_waited_as_long(
    news: JobNews, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    with ExitStack() as seats:
        for _ in range(3):
            seats.enter_context(news.listen(new_id()))
        pauses = []
        for waited in (0, 4.5, 300):
            monkeypatch.setattr("fourpoint_api.web.seats.time.monotonic", lambda waited=waited: now + waited)
            with pytest.raises(TooBusyError) as refusal:
                seats.enter_context(news.listen(new_id()))
            pauses.append(refusal.value.retry_in)
    assert pauses == [2, 5, 10]


def test_a_process_that_leaves_answers_as_things_stand(
    news: JobNews, sessions: Sessions, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourpoint_api.web.leaving.time_is_up", lambda: True)
    job = make_job(sessions, sample)
    with news.listen(job.id) as bell:
        found = wait_until_final(bell, 10 * PATIENCE, lambda: read(sessions, job.id))
    assert found.state == "queued"


def test_news_come_again_after_a_restart_of_redis(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, port=0)
    server.start()
    redis = Redis.from_url(server.url())
    news, job_id = JobNews(redis, 1), new_id()
    try:
        with news.listen(job_id) as bell:
            server.restart(kill=True)
            deadline = time.monotonic() + PATIENCE
            while not bell.wait(0.1) and time.monotonic() < deadline:
                announce(redis, JobEvent(job_id, JobState.SUCCEEDED))
            assert bell.is_set()
    finally:
        news.close()
        server.stop()


def test_closing_ends_the_listener(redis: Redis) -> None:
    news = JobNews(redis, 1)
    with news.listen(new_id()):
        pass
    news.close()
    assert "job-news" not in {thread.name for thread in threading.enumerate()}
