"""Decoded images are kept by digest, made once, and bounded in memory."""

import hashlib
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tests.integration.worker.scenes import png

from fourpoint_core.errors import CancelledError, ObjectMissingError, UnsupportedImageError
from fourpoint_core.ids import new_id
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.queries.samples import Photograph
from fourpoint_worker.images import ImageCache, StoredPicture
from fourpoint_worker.segmenter.port import Checkpoint, Urgency


class CountingStore:
    """Counts the reads of a real store."""

    def __init__(self, store: ObjectStore):
        self._store = store
        self.reads = 0

    def read(self, key: str) -> bytes:
        self.reads += 1
        return self._store.read(key)


@pytest.fixture
def store(object_store: ObjectStore) -> CountingStore:
    return CountingStore(object_store)


def put(store: ObjectStore, key: str, data: bytes) -> str:
    store.put(key, data, content_type="image/png")
    return hashlib.sha256(data).hexdigest()


def cache_of(store: CountingStore, capacity: int) -> ImageCache:
    # Of digests that are some, no database is asked.
    return ImageCache(store, capacity, DigestBook(None, store))  # type: ignore[arg-type]


def test_the_second_look_reads_nothing(store: CountingStore, object_store: ObjectStore) -> None:
    digest = put(object_store, "a.png", png())
    images = cache_of(store, 2**20)
    first = images.upright(digest, "a.png")
    assert images.upright(digest, "a.png") is first
    assert store.reads == 1


def test_the_same_bytes_under_another_key_are_the_same_image(
    store: CountingStore, object_store: ObjectStore
) -> None:
    digest = put(object_store, "a.png", png())
    put(object_store, "b.png", png())
    images = cache_of(store, 2**20)
    assert images.upright(digest, "a.png") is images.upright(digest, "b.png")


def test_sixteen_threads_fetch_an_image_once(store: CountingStore, object_store: ObjectStore) -> None:
    digest = put(object_store, "a.png", png())
    images = cache_of(store, 2**20)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: images.upright(digest, "a.png"), range(16)))
    assert store.reads == 1
    assert all(image is found[0] for image in found)


def test_the_least_recently_used_image_goes_first(store: CountingStore, object_store: ObjectStore) -> None:
    digests = [put(object_store, f"{n}.png", png((n, n, n))) for n in range(3)]
    images = cache_of(store, 2 * 40 * 40 * 3)
    for number in (0, 1, 0, 2, 0):
        images.upright(digests[number], f"{number}.png")
    assert store.reads == 3
    images.upright(digests[1], "1.png")
    assert store.reads == 4


def test_an_image_larger_than_the_cache_is_served_all_the_same(
    store: CountingStore, object_store: ObjectStore
) -> None:
    digest = put(object_store, "a.png", png())
    images = cache_of(store, 10)
    assert images.upright(digest, "a.png").shape == (40, 40, 3)
    images.upright(digest, "a.png")
    assert store.reads == 2


def test_nobody_can_draw_into_a_shared_image(store: CountingStore, object_store: ObjectStore) -> None:
    digest = put(object_store, "a.png", png())
    image = cache_of(store, 2**20).upright(digest, "a.png")
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(image)[0, 0] = 0


def test_other_bytes_than_the_digest_says_are_refused(store: CountingStore, object_store: ObjectStore) -> None:
    put(object_store, "a.png", png())
    with pytest.raises(ObjectMissingError, match="replaced"):
        cache_of(store, 2**20).upright("0" * 64, "a.png")


def test_a_failure_does_not_stay(store: CountingStore, object_store: ObjectStore) -> None:
    broken = b"no image"
    digest = put(object_store, "a.png", broken)
    images = cache_of(store, 2**20)
    for _ in range(2):
        with pytest.raises(UnsupportedImageError):
            images.upright(digest, "a.png")
    good = put(object_store, "a.png", png())
    assert images.upright(good, "a.png").shape == (40, 40, 3)


class Decoding:
    """A batch in a thread that has begun to decode a large image, and goes on when it is let."""

    def __init__(self, picture_of: "PictureOf"):
        self._has_begun, self._may_go_on = threading.Event(), threading.Event()
        self._picture = picture_of("large.png", large_png(), self._checkpoint, Urgency.BATCH)

    def __enter__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._looking = self._pool.submit(self._picture.pixels)
        assert self._has_begun.wait(30)

    def __exit__(self, *_: object) -> None:
        self._may_go_on.set()
        assert isinstance(self._looking.exception(30), CancelledError)
        self._pool.shutdown()

    def _checkpoint(self, stage: str) -> None:
        self._has_begun.set()
        assert self._may_go_on.wait(30)
        raise CancelledError("It has begun, and that is enough.")


class PictureOf:
    """Puts an image into the store, and makes a picture of it."""

    def __init__(self, store: CountingStore, object_store: ObjectStore):
        self._images, self._store = cache_of(store, 2**20), object_store

    def __call__(
        self,
        key: str,
        data: bytes,
        checkpoint: Checkpoint = lambda stage: None,
        urgency: Urgency = Urgency.CLICK,
    ) -> StoredPicture:
        digest = put(self._store, key, data)
        return self._images.picture(Photograph(new_id(), digest, key, 1, 1), checkpoint, urgency)


def large_png(side: int = 5000) -> bytes:
    """25 megapixels, in a file that is soon written."""
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG", compress_level=1)
    return out.getvalue()


@pytest.fixture
def picture_of(store: CountingStore, object_store: ObjectStore) -> PictureOf:
    return PictureOf(store, object_store)


@pytest.mark.parametrize("how", ["whole", "scaled"])
def test_a_click_on_a_small_image_does_not_wait_for_a_large_one(picture_of: PictureOf, how: str) -> None:
    small = picture_of("small.png", png())
    with Decoding(picture_of):
        pixels = small.pixels() if how == "whole" else small.scaled(20)
    assert pixels.shape == ((40, 40, 3) if how == "whole" else (20, 20, 3))


@pytest.mark.parametrize("side", [pytest.param(5000, id="the same"), pytest.param(5001, id="another")])
def test_who_waits_for_a_large_image_passes_checkpoints_meanwhile(picture_of: PictureOf, side: int) -> None:
    """So that the watchdog does not take a waiter for a stage that hangs, and a cancelled job leaves."""
    passed: list[str] = []

    def checkpoint(stage: str) -> None:
        passed.append(stage)
        if len(passed) == 3:
            raise CancelledError("cancelled")

    waiting = picture_of("other.png", large_png(side), checkpoint)
    with Decoding(picture_of), pytest.raises(CancelledError):
        waiting.pixels()
    assert passed == ["image"] * 3
