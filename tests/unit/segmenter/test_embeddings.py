"""Embeddings as bytes, in memory, and made once: whatever is in the way costs time and no answer."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.unit.segmenter.scenes import carry_on

from fourpoint_worker.segmenter.embeddings.cache import Codec, EmbeddingCache, Source
from fourpoint_worker.segmenter.embeddings.entries import (
    Packed,
    UnusableEntryError,
    read_entry,
    write_entry,
)
from fourpoint_worker.segmenter.embeddings.flights import Haste
from fourpoint_worker.segmenter.embeddings.keys import EmbeddingKey
from fourpoint_worker.segmenter.embeddings.memory import MemoryTier
from fourpoint_worker.segmenter.embeddings.shared import SharedTier
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


class Shelf:
    """A shelf in memory, shared by the caches of a test."""

    name = "dictionary"

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.reserved: set[str] = set()

    def find(self, key: EmbeddingKey) -> bytes | None:
        return self.entries.get(str(key))

    def keep(self, key: EmbeddingKey, entry: bytes) -> bool:
        self.entries[str(key)] = entry
        return True

    def forget(self, key: EmbeddingKey) -> None:
        self.entries.pop(str(key), None)

    def reserve(self, key: EmbeddingKey, seconds: float) -> bool:
        if str(key) in self.reserved:
            return False
        self.reserved.add(str(key))
        return True

    def is_reserved(self, key: EmbeddingKey) -> bool:
        return str(key) in self.reserved

    def release(self, key: EmbeddingKey) -> None:
        self.reserved.discard(str(key))


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


def test_a_worker_does_not_wait_for_ever_for_one_that_died() -> None:
    """Who made the reservation is gone; it counts for a second or so, and then the work is done here."""
    shelf, make = Shelf(), Maker()
    shelf.reserve(KEY, 60)
    assert get(cache_over(shelf), make) is Source.MADE


def test_a_failure_gives_the_reservation_back() -> None:
    shelf = Shelf()

    def fail(haste: Haste) -> Features:
        raise ValueError

    with pytest.raises(ValueError):
        cache_over(shelf).get(KEY, fail, Urgency.CLICK, carry_on)
    assert not shelf.reserved
