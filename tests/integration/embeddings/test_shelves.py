"""The places that workers share, on a real Redis and a real directory of objects."""

import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.derived import embeddings_prefix
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.object_shelf import ObjectShelf
from fourpoint_worker.segmenter.embeddings.redis_shelf import RedisShelf
from fourpoint_worker.segmenter.embeddings.shared import Shelf, Turn
from fourpoint_worker.segmenter.port import Urgency

KEYS = [EmbeddingKey(f"{number:064x}", "b" * 64, "whole") for number in range(4)]
KEY = KEYS[0]
MakeShelf = Callable[[int, int], Shelf]


@pytest.fixture(params=["redis", "objects"])
def make_shelf(request: pytest.FixtureRequest, redis: Redis, object_store: ObjectStore) -> MakeShelf:
    """A shelf of so many bytes whose entries last for so many seconds."""
    if request.param == "redis":
        return lambda room, seconds: RedisShelf(redis, room, seconds)
    return lambda room, seconds: ObjectShelf(object_store, room, seconds)


def test_an_entry_is_found_by_whoever_asks(make_shelf: MakeShelf) -> None:
    assert make_shelf(1000, 60).keep(KEY, b"entry")
    assert make_shelf(1000, 60).find(KEY) == b"entry"
    assert make_shelf(1000, 60).find(KEYS[1]) is None


def test_an_entry_is_forgotten_on_demand(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(1000, 60)
    shelf.keep(KEY, b"entry")
    shelf.forget(KEY)
    shelf.forget(KEY)
    assert shelf.find(KEY) is None


def test_an_entry_lasts_for_its_time(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(1000, 1)
    shelf.keep(KEY, b"entry")
    time.sleep(1.2)
    assert shelf.find(KEY) is None


def test_an_entry_larger_than_all_room_is_not_kept(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(10, 60)
    assert not shelf.keep(KEY, bytes(11))
    assert shelf.find(KEY) is None


def test_keeping_an_entry_again_takes_no_more_room(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(100, 60)
    for _ in range(5):
        assert shelf.keep(KEY, bytes(60))
    assert shelf.keep(KEYS[1], bytes(40))
    assert shelf.find(KEY) == bytes(60)


# Redis


def test_redis_lets_the_longest_unused_go_when_there_is_no_room(redis: Redis) -> None:
    shelf = RedisShelf(redis, 100, 60)
    # Redis tells the time of use in seconds.
    for key in KEYS[:2]:
        shelf.keep(key, bytes(40))
        time.sleep(1.1)
    shelf.find(KEYS[0])
    shelf.keep(KEYS[2], bytes(40))
    assert [shelf.find(key) is not None for key in KEYS[:3]] == [True, False, True]


def test_redis_forgets_what_it_counted_of_entries_that_ran_out(redis: Redis) -> None:
    short = RedisShelf(redis, 100, 1)
    short.keep(KEYS[0], bytes(90))
    time.sleep(2.1)
    assert short.keep(KEYS[1], bytes(90))
    assert int(redis.get("fourpoint:embeddings:bytes") or 0) == 90


@pytest.mark.parametrize("index", ["recency", "sizes", "bytes"])
def test_redis_keeps_as_much_as_before_when_it_has_evicted_an_index(redis: Redis, index: str) -> None:
    shelf = RedisShelf(redis, 1000, 60)
    for number in range(12):
        shelf.keep(EmbeddingKey(f"before {number}", "m", "whole"), bytes(100))
    redis.delete(f"fourpoint:embeddings:{index}")
    keys = [EmbeddingKey(f"after {number}", "m", "whole") for number in range(20)]
    for key in keys:
        shelf.keep(key, bytes(100))
    assert sum(shelf.find(key) is not None for key in keys) == 10
    assert len(redis.keys("fourpoint:embeddings:entry:*")) == 10
    assert int(redis.get("fourpoint:embeddings:bytes") or 0) == 1000


def test_one_worker_at_a_time_reserves_a_key_and_for_a_while(redis: Redis) -> None:
    one, other = RedisShelf(redis, 100, 60), RedisShelf(redis, 100, 60)
    assert one.reserve(KEY, "one", Urgency.CLICK, 1) is Turn.MINE
    assert other.reserve(KEY, "other", Urgency.CLICK, 1) is Turn.THEIRS
    time.sleep(1.1)
    assert other.reserve(KEY, "other", Urgency.CLICK, 60) is Turn.MINE
    other.release(KEY, "other")
    assert one.reserve(KEY, "one", Urgency.CLICK, 60) is Turn.MINE


def test_a_click_takes_over_what_is_only_prepared(redis: Redis) -> None:
    shelf = RedisShelf(redis, 100, 60)
    assert shelf.reserve(KEY, "batch", Urgency.BATCH, 60) is Turn.MINE
    assert shelf.reserve(KEY, "prefetch", Urgency.PREFETCH, 60) is Turn.MINE
    assert shelf.reserve(KEY, "click", Urgency.CLICK, 60) is Turn.MINE
    assert shelf.reserve(KEY, "prefetch", Urgency.PREFETCH, 60) is Turn.THEIRS


def test_a_reservation_is_renewed_and_released_by_its_owner_alone(redis: Redis) -> None:
    shelf = RedisShelf(redis, 100, 60)
    shelf.reserve(KEY, "owner", Urgency.PREFETCH, 1)
    shelf.release(KEY, "another")
    shelf.renew(KEY, "another", Urgency.CLICK, 60)
    assert shelf.reserve(KEY, "waiting", Urgency.PREFETCH, 60) is Turn.THEIRS
    shelf.renew(KEY, "owner", Urgency.CLICK, 60)
    time.sleep(1.1)
    assert shelf.reserve(KEY, "waiting", Urgency.CLICK, 60) is Turn.THEIRS
    shelf.release(KEY, "owner")
    shelf.renew(KEY, "owner", Urgency.CLICK, 60)
    assert shelf.reserve(KEY, "waiting", Urgency.CLICK, 60) is Turn.MINE


def test_a_redis_that_is_away_finds_nothing_and_keeps_nothing() -> None:
    shelf = RedisShelf(Redis(port=1, socket_connect_timeout=0.2), 100, 60)
    assert shelf.find(KEY) is None
    assert not shelf.keep(KEY, b"entry")
    assert shelf.reserve(KEY, "token", Urgency.CLICK, 1) is Turn.UNKNOWN
    shelf.forget(KEY)
    shelf.renew(KEY, "token", Urgency.CLICK, 1)
    shelf.release(KEY, "token")


@pytest.fixture
def fill_up(redis: Redis) -> Iterator[Callable[[], None]]:
    """Has Redis refuse writes from then on, because it holds more than it may."""

    def fill() -> None:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 100_000)

    yield fill
    redis.config_set("maxmemory", 0)


def test_a_redis_without_memory_left_keeps_nothing_and_finds_what_it_has(
    redis: Redis, fill_up: Callable[[], None]
) -> None:
    shelf = RedisShelf(redis, 2**20, 60)
    shelf.keep(KEYS[0], b"entry")
    fill_up()
    assert not shelf.keep(KEYS[1], b"another")
    assert shelf.find(KEYS[1]) is None
    assert shelf.find(KEYS[0]) == b"entry"
    # Nobody can be told that somebody is at it, so everybody is.
    assert shelf.reserve(KEYS[1], "token", Urgency.CLICK, 1) is Turn.UNKNOWN


# The object store


def test_the_object_store_is_tidied_of_what_is_too_much(object_store: ObjectStore) -> None:
    shelf = ObjectShelf(object_store, 100, 60)
    for key in KEYS[:3]:
        shelf.keep(key, bytes(40))
        time.sleep(0.02)
    shelf.tidy()
    assert [shelf.find(key) is not None for key in KEYS[:3]] == [False, True, True]


def test_the_object_store_is_tidied_of_what_is_too_old(object_store: ObjectStore) -> None:
    ObjectShelf(object_store, 1000, 60).keep(KEY, b"entry")
    time.sleep(1.1)
    ObjectShelf(object_store, 1000, 1).tidy()
    assert not list(object_store.list(embeddings_prefix()))


def test_embeddings_lie_apart_from_datasets_and_thumbnails() -> None:
    assert embeddings_prefix() == "derived/embeddings/"
