"""Embeddings as bytes, in memory, and made once: whatever is in the way costs time and no answer."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from tests.unit.segmenter.scenes import carry_on

from fourpoint_worker.segmenter.embeddings import reservations
from fourpoint_worker.segmenter.embeddings.cache import Codec, EmbeddingCache, Source
from fourpoint_worker.segmenter.embeddings.entries import (
    _HEAD,
    MAGIC,
    VERSION,
    Packed,
    UnusableEntryError,
    read_entry,
    write_entry,
)
from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.memory import MemoryTier
from fourpoint_worker.segmenter.embeddings.shared import SharedTier, Turn
from fourpoint_worker.segmenter.port import Urgency

KEY = EmbeddingKey("a" * 64, "b" * 64, "whole")
OTHER_MODEL = EmbeddingKey("a" * 64, "c" * 64, "whole")
FEATURES = np.arange(24, dtype=np.float16).reshape(2, 3, 4)


# Entries


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_an_entry_says_what_was_written(dtype: type[np.generic]) -> None:
    found = read_entry(KEY, write_entry(KEY, Packed(FEATURES.astype(dtype)))).features
    assert found.dtype == dtype
    assert np.array_equal(found, FEATURES)


def test_an_entry_of_another_key_is_refused() -> None:
    """Somebody copied it, or a model was exchanged under the same name."""
    with pytest.raises(UnusableEntryError, match="belongs to"):
        read_entry(OTHER_MODEL, write_entry(KEY, Packed(FEATURES)))


@pytest.mark.parametrize("length", [0, 3, 20, 100, -33, -1])
def test_a_truncated_entry_is_refused(length: int) -> None:
    with pytest.raises(UnusableEntryError):
        read_entry(KEY, write_entry(KEY, Packed(FEATURES))[:length])


def test_no_changed_bit_gets_through() -> None:
    entry = write_entry(KEY, Packed(FEATURES))
    for place in range(0, len(entry), 7):
        changed = bytearray(entry)
        changed[place] ^= 0x10
        with pytest.raises(UnusableEntryError):
            read_entry(KEY, bytes(changed))


def test_an_entry_with_numbers_that_are_none_is_refused() -> None:
    poisoned = FEATURES.copy()
    poisoned[1, 1, 1] = np.nan
    with pytest.raises(UnusableEntryError, match="not finite"):
        read_entry(KEY, write_entry(KEY, Packed(poisoned)))


DESCRIPTION = {"key": str(KEY), "dtype": "float16", "shape": [2, 3, 4]}


@pytest.mark.parametrize(
    "description",
    [
        pytest.param(b"[" * 200_000, id="too deep for a parser"),
        pytest.param(b"[" * 1000, id="deep"),
        pytest.param(b"\xff", id="no text"),
        pytest.param(json.dumps({**DESCRIPTION, "shape": [10**30]}).encode(), id="beyond any integer"),
        pytest.param(b'{"key": "k", "dtype": "float16", "shape": [Infinity]}', id="endless"),
        pytest.param(json.dumps({**DESCRIPTION, "shape": [2**32, 2**32]}).encode(), id="of no product"),
        pytest.param(json.dumps({**DESCRIPTION, "shape": [-1, 0]}).encode(), id="below nothing"),
        pytest.param(json.dumps({**DESCRIPTION, "dtype": []}).encode(), id="of no type"),
        pytest.param(json.dumps({**DESCRIPTION, "shape": 24}).encode(), id="of no shape"),
    ],
)
def test_an_entry_whose_description_breaks_a_parser_is_refused(description: bytes) -> None:
    """The sum is right: anybody can make one."""
    body = _HEAD.pack(MAGIC, VERSION, len(description)) + description
    with pytest.raises(UnusableEntryError):
        read_entry(KEY, body + hashlib.sha256(body).digest())


# Memory


def test_memory_keeps_the_latest_used_within_its_bytes() -> None:
    tier: MemoryTier[str] = MemoryTier(100)
    keys = [EmbeddingKey(str(number), "m", "whole") for number in range(3)]
    tier.keep(keys[0], "first", 40)
    tier.keep(keys[1], "second", 40)
    tier.find(keys[0])
    tier.keep(keys[2], "third", 40)
    assert [tier.find(key) for key in keys] == ["first", None, "third"]
    assert tier.size_bytes == 80


def test_what_is_larger_than_all_memory_is_not_kept() -> None:
    tier: MemoryTier[str] = MemoryTier(100)
    tier.keep(KEY, "large", 101)
    assert tier.find(KEY) is None


def test_keeping_the_same_again_takes_no_more_room() -> None:
    tier: MemoryTier[str] = MemoryTier(100)
    for _ in range(5):
        tier.keep(KEY, "same", 60)
    assert tier.size_bytes == 60


# The cache


class Held(NamedTuple):
    """A reservation, by the clock of the process."""

    token: str
    urgency: Urgency
    until: float


class Shelf:
    """A shelf in memory, shared by the caches of a test."""

    name = "dictionary"

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.reserved: dict[str, Held] = {}
        self._lock = threading.Lock()

    def find(self, key: EmbeddingKey) -> bytes | None:
        return self.entries.get(str(key))

    def keep(self, key: EmbeddingKey, entry: bytes) -> bool:
        self.entries[str(key)] = entry
        return True

    def forget(self, key: EmbeddingKey) -> None:
        self.entries.pop(str(key), None)

    def reserve(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> Turn:
        with self._lock:
            held = self.reserved.get(str(key))
            if held is not None and held.until > time.monotonic() and held.urgency <= urgency:
                return Turn.THEIRS
            self.reserved[str(key)] = Held(token, urgency, time.monotonic() + seconds)
            return Turn.MINE

    def renew(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> None:
        with self._lock:
            if str(key) in self.reserved and self.reserved[str(key)].token == token:
                self.reserved[str(key)] = Held(token, urgency, time.monotonic() + seconds)

    def release(self, key: EmbeddingKey, token: str) -> None:
        with self._lock:
            if str(key) in self.reserved and self.reserved[str(key)].token == token:
                del self.reserved[str(key)]


Features = np.ndarray
CODEC: Codec[Features] = Codec(Packed, lambda packed: packed.features, lambda features: features.nbytes)


def cache_over(shelf: Shelf | None, codec: Codec[Features] = CODEC) -> EmbeddingCache[Features]:
    return EmbeddingCache(codec, 2**20, None if shelf is None else SharedTier(shelf))


class Maker:
    """Makes the features, and counts how often. meanwhile: called while it does."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None):
        self.calls = 0
        self.haste: Haste | None = None
        self._meanwhile = meanwhile

    def __call__(self, haste: Haste) -> Features:
        self.calls += 1
        self.haste = haste
        self._meanwhile()
        return FEATURES


def stopping(started: threading.Event, go_on: threading.Event) -> Callable[[], None]:
    """Says that it was reached, and waits."""

    def stop() -> None:
        started.set()
        assert go_on.wait(10)

    return stop


def get(
    cache: EmbeddingCache[Features], make: Maker, urgency: Urgency = Urgency.CLICK, key: EmbeddingKey = KEY
) -> Source:
    features, source = cache.get(key, make, urgency, carry_on)
    assert np.array_equal(features, FEATURES)
    return source


def test_the_second_time_nothing_is_made() -> None:
    cache, make = cache_over(None), Maker()
    assert [get(cache, make), get(cache, make)] == [Source.MADE, Source.MEMORY]
    assert make.calls == 1


def test_another_worker_finds_what_the_first_has_made() -> None:
    shelf, make = Shelf(), Maker()
    first = cache_over(shelf)
    get(first, make)
    first.settle()
    assert get(cache_over(shelf), make) is Source.SHARED
    assert make.calls == 1


def test_another_model_makes_its_own() -> None:
    shelf, make = Shelf(), Maker()
    first = cache_over(shelf)
    get(first, make)
    first.settle()
    assert get(cache_over(shelf), make, key=OTHER_MODEL) is Source.MADE


@pytest.mark.parametrize(
    "poison",
    [lambda entry: entry[:100], lambda entry: b"", lambda entry: bytes(len(entry)), lambda entry: entry[::-1]],
)
def test_a_poisoned_entry_is_made_again_and_replaced(poison: Callable[[bytes], bytes]) -> None:
    shelf, make = Shelf(), Maker()
    first = cache_over(shelf)
    get(first, make)
    first.settle()
    whole = shelf.entries[str(KEY)]
    shelf.entries[str(KEY)] = poison(whole)
    second = cache_over(shelf)
    assert get(second, make) is Source.MADE
    second.settle()
    assert shelf.entries[str(KEY)] == whole


def test_an_entry_that_does_not_fit_the_engine_is_made_again() -> None:
    def refuse(packed: Packed) -> Features:
        raise ValueError("features of another shape")

    shelf, make = Shelf(), Maker()
    first = cache_over(shelf)
    get(first, make)
    first.settle()
    strict = cache_over(shelf, Codec(Packed, refuse, lambda features: features.nbytes))
    assert get(strict, make) is Source.MADE


def test_sixteen_who_ask_at_once_have_it_made_once() -> None:
    started, go_on = threading.Event(), threading.Event()
    make = Maker(stopping(started, go_on))
    cache = cache_over(Shelf())
    with ThreadPoolExecutor(16) as pool:
        found = [pool.submit(get, cache, make) for _ in range(16)]
        assert started.wait(10)
        go_on.set()
        sources = [future.result() for future in found]
    assert make.calls == 1
    assert sources.count(Source.MADE) == 1


def test_a_click_hastens_the_prefetch_that_it_waits_for() -> None:
    started, go_on = threading.Event(), threading.Event()
    make = Maker(stopping(started, go_on))
    cache = cache_over(None)
    with ThreadPoolExecutor(2) as pool:
        prefetch = pool.submit(get, cache, make, Urgency.PREFETCH)
        assert started.wait(10)
        assert make.haste is not None and make.haste.urgency is Urgency.PREFETCH
        click = pool.submit(get, cache, make, Urgency.CLICK)
        while make.haste.urgency is not Urgency.CLICK:
            pass
        go_on.set()
        assert (prefetch.result(), click.result()) == (Source.MADE, Source.AWAITED)


def test_who_waited_for_one_that_failed_makes_it_himself() -> None:
    class CancelledError(Exception):
        pass

    started, go_on = threading.Event(), threading.Event()

    def cancelled(haste: Haste) -> Features:
        started.set()
        assert go_on.wait(10)
        raise CancelledError

    cache, make = cache_over(Shelf()), Maker()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, KEY, cancelled, Urgency.PREFETCH, carry_on)
        assert started.wait(10)
        second = pool.submit(get, cache, make)
        go_on.set()
        with pytest.raises(CancelledError):
            first.result()
        assert second.result() is Source.MADE


def test_a_worker_waits_for_another_that_is_at_it() -> None:
    shelf, started, go_on = Shelf(), threading.Event(), threading.Event()
    first, second = cache_over(shelf), cache_over(shelf)
    slow, make = Maker(stopping(started, go_on)), Maker()
    with ThreadPoolExecutor(2) as pool:
        maker = pool.submit(get, first, slow)
        assert started.wait(10)
        waiter = pool.submit(get, second, make)
        go_on.set()
        assert (maker.result(), waiter.result()) == (Source.MADE, Source.SHARED)
    assert make.calls == 0


def test_of_those_who_wait_for_a_worker_that_died_one_makes_it() -> None:
    shelf, make = Shelf(), Maker()
    shelf.reserve(KEY, "dead", Urgency.CLICK, 0.3)
    caches = [cache_over(shelf) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        sources = list(pool.map(lambda cache: get(cache, make), caches))
    assert make.calls == 1
    assert sorted(sources) == [Source.MADE, Source.SHARED, Source.SHARED]


@pytest.mark.parametrize("urgency", [Urgency.PREFETCH, Urgency.BATCH])
def test_a_click_does_not_wait_for_what_another_worker_prepares(urgency: Urgency) -> None:
    """There it may stand behind any number of clicks, and nobody there knows of this one."""
    shelf, started, go_on = Shelf(), threading.Event(), threading.Event()
    slow, make = Maker(stopping(started, go_on)), Maker()
    first, second, third = (cache_over(shelf) for _ in range(3))
    with ThreadPoolExecutor(1) as pool:
        prepared = pool.submit(get, first, slow, urgency)
        assert started.wait(10)
        assert get(second, make) is Source.MADE
        second.settle()
        assert get(third, make) is Source.SHARED
        go_on.set()
        assert prepared.result() is Source.MADE
    assert (slow.calls, make.calls) == (1, 1)


def test_what_is_prepared_waits_for_another_workers_click() -> None:
    shelf, started, go_on = Shelf(), threading.Event(), threading.Event()
    slow, make = Maker(stopping(started, go_on)), Maker()
    first, second = cache_over(shelf), cache_over(shelf)
    with ThreadPoolExecutor(2) as pool:
        click = pool.submit(get, first, slow)
        assert started.wait(10)
        prepared = pool.submit(get, second, make, Urgency.PREFETCH)
        go_on.set()
        assert (click.result(), prepared.result()) == (Source.MADE, Source.SHARED)
    assert make.calls == 0


def test_a_reservation_is_renewed_while_it_is_made_and_tells_who_waits_by_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reservations, "RENEW_SECONDS", 0.01)
    shelf, started, go_on = Shelf(), threading.Event(), threading.Event()
    cache, slow = cache_over(shelf), Maker(stopping(started, go_on))
    with ThreadPoolExecutor(2) as pool:
        prepared = pool.submit(get, cache, slow, Urgency.PREFETCH)
        assert started.wait(10)
        before = shelf.reserved[str(KEY)]
        click = pool.submit(get, cache, slow)
        until(lambda: shelf.reserved[str(KEY)].urgency is Urgency.CLICK)
        assert shelf.reserved[str(KEY)].until > before.until
        assert shelf.reserved[str(KEY)].token == before.token
        go_on.set()
        assert (prepared.result(), click.result()) == (Source.MADE, Source.AWAITED)
    cache.settle()
    assert not shelf.reserved


def test_a_worker_gives_back_no_reservation_but_its_own() -> None:
    """Its own ran out while it was held up, and somebody else is at it."""
    shelf, started, go_on = Shelf(), threading.Event(), threading.Event()
    cache, slow = cache_over(shelf), Maker(stopping(started, go_on))
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(get, cache, slow)
        assert started.wait(10)
        shelf.reserved.clear()
        shelf.reserve(KEY, "another", Urgency.CLICK, 60)
        go_on.set()
        made.result()
    cache.settle()
    assert shelf.reserved[str(KEY)].token == "another"


class LateShelf(Shelf):
    """Another worker ends between our look and our word."""

    def reserve(self, key: EmbeddingKey, token: str, urgency: Urgency, seconds: float) -> Turn:
        self.keep(key, write_entry(key, Packed(FEATURES)))
        return super().reserve(key, token, urgency, seconds)


def test_what_came_between_the_look_and_the_reservation_is_not_made_again() -> None:
    shelf, make = LateShelf(), Maker()
    assert get(cache_over(shelf), make) is Source.SHARED
    assert make.calls == 0 and not shelf.reserved


def until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)


def test_a_failure_gives_the_reservation_back() -> None:
    shelf = Shelf()

    def fail(haste: Haste) -> Features:
        raise ValueError

    with pytest.raises(ValueError):
        cache_over(shelf).get(KEY, fail, Urgency.CLICK, carry_on)
    assert not shelf.reserved
