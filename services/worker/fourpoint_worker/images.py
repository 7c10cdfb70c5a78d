"""Decoded images in memory, by the digest of their bytes: looked up before anything is fetched or decoded."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from fourpoint_core import tracing
from fourpoint_core.imaging.scaling import decode_scaled, shrunk, size_scaled
from fourpoint_core.imaging.strips import strips
from fourpoint_core.imaging.upright import decode_upright
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.queries.samples import Photograph
from fourpoint_worker.metrics import image_metrics
from fourpoint_worker.segmenter.port import RgbImage


class ImageCache:
    """The most recently used images, up to `capacity_bytes` in all.

    An image that several threads want is fetched and decoded by one of them; images are decoded one at a
    time, because each may unpack to hundreds of megabytes.
    """

    def __init__(self, store: ObjectStore, capacity_bytes: int, digests: DigestBook):
        """digests: tells whether an object still holds the bytes that were labeled."""
        self._store = store
        self._digests = digests
        self._capacity_bytes = capacity_bytes
        self._images: OrderedDict[str, RgbImage] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._decoding = threading.Lock()
        self._being_made: dict[str, threading.Lock] = {}

    def picture(self, photograph: Photograph) -> "StoredPicture":
        """The image, to be looked at or not."""
        return StoredPicture(self, photograph)

    def upright(self, digest: str, object_key: str) -> RgbImage:
        """The image whose bytes `digest` stands for (see Sample) and that lies under `object_key`; read-only.

        Raises ObjectMissingError (also where the object's bytes are others by now), DamagedImageError or
        StorageUnavailableError.
        """
        image = self._find(digest)
        if image is not None:
            image_metrics().found_in("memory")
            return image
        with self._alone_on(digest):
            # Whoever had this turn before us may have made it.
            image = self._find(digest)
            image_metrics().found_in("memory" if image is not None else "store")
            if image is None:
                image = self._make(digest, object_key)
                self._keep(digest, image)
        return image

    def scaled(self, digest: str, object_key: str, longest_side: int) -> RgbImage:
        """The image, its longer side resampled to `longest_side` pixels; it is not kept.

        Raises as `upright`.
        """
        image = self._find(digest)
        image_metrics().found_in("memory" if image is not None else "store")
        if image is not None:
            return _scaled(image, longest_side)
        data = self._read(digest, object_key)
        with self._decoding:
            return np.asarray(decode_scaled(data, longest_side))

    def _find(self, digest: str) -> RgbImage | None:
        with self._lock:
            image = self._images.get(digest)
            if image is not None:
                self._images.move_to_end(digest)
            return image

    @contextmanager
    def _alone_on(self, digest: str) -> Iterator[None]:
        with self._lock:
            turn = self._being_made.setdefault(digest, threading.Lock())
        try:
            with turn:
                yield
        finally:
            with self._lock:
                self._being_made.pop(digest, None)

    def _read(self, digest: str, object_key: str) -> bytes:
        with tracing.step("read the object", "client"):
            data = self._store.read(object_key)
        self._digests.check(digest, object_key, data)
        return data

    def _make(self, digest: str, object_key: str) -> RgbImage:
        data = self._read(digest, object_key)
        with tracing.step("decode"), self._decoding:
            image = _pixels_of(decode_upright(data))
        image.flags.writeable = False
        return image

    def _keep(self, digest: str, image: RgbImage) -> None:
        if image.nbytes > self._capacity_bytes:
            return
        with self._lock:
            self._images[digest] = image
            self._bytes += image.nbytes
            while self._bytes > self._capacity_bytes:
                _, oldest = self._images.popitem(last=False)
                self._bytes -= oldest.nbytes


class StoredPicture:
    """See segmenter.port.Picture: an image of the object store, by way of the cache."""

    def __init__(self, images: ImageCache, photograph: Photograph):
        self.digest = photograph.digest
        self.width, self.height = photograph.width, photograph.height
        self.milliseconds = 0.0
        self._images = images
        self._object_key = photograph.object_key

    def pixels(self) -> RgbImage:
        """See Picture."""
        with self._timed():
            return self._images.upright(self.digest, self._object_key)

    def scaled(self, longest_side: int) -> RgbImage:
        """See Picture."""
        with self._timed():
            return self._images.scaled(self.digest, self._object_key, longest_side)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds += (time.perf_counter() - began) * 1000


def _pixels_of(image: Image.Image) -> RgbImage:
    """By strips: Pillow would write a whole image out twice more on the way to an array."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for box in strips(image.size):
        pixels[box[1] : box[3]] = np.asarray(image.crop(box))
    return pixels


def _scaled(pixels: RgbImage, longest_side: int) -> RgbImage:
    height, width = pixels.shape[:2]
    wanted = size_scaled(width, height, longest_side)
    return np.asarray(shrunk((width, height), lambda box: Image.fromarray(pixels[box[1] : box[3]]), wanted))
