"""Decoded images in memory, by the digest of their bytes: looked up before anything is fetched or decoded."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from fourpoint_core import tracing
from fourpoint_core.imaging.needs import bytes_to_decode
from fourpoint_core.imaging.scaling import decode_scaled, shrunk, size_scaled
from fourpoint_core.imaging.strips import strips
from fourpoint_core.imaging.upright import decode_upright
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.queries.samples import Photograph
from fourpoint_worker.decoding_rooms import DecodingRooms
from fourpoint_worker.metrics import image_metrics
from fourpoint_worker.segmenter.embeddings.flights import Flights, Haste
from fourpoint_worker.segmenter.port import Checkpoint, RgbImage, Urgency


def _unwatched(stage: str) -> None:
    """The checkpoint of whoever is no job."""


class ImageCache:
    """The most recently used images, up to `capacity_bytes` in all.

    An image that several threads want is fetched and decoded by one of them. How many are decoded at once, and
    in which order: decoding_rooms.py. Who waits for either passes checkpoints of the stage `image`.
    """

    def __init__(self, store: ObjectStore, capacity_bytes: int, digests: DigestBook):
        """digests: tells whether an object still holds the bytes that were labeled."""
        self._store = store
        self._digests = digests
        self._capacity_bytes = capacity_bytes
        self._images: OrderedDict[str, RgbImage] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._rooms = DecodingRooms()
        self._flights = Flights("image")

    def picture(
        self,
        photograph: Photograph,
        checkpoint: Checkpoint = _unwatched,
        urgency: Urgency = Urgency.CLICK,
    ) -> "StoredPicture":
        """The image, to be looked at or not. urgency: of whoever would wait for it."""
        return StoredPicture(self, photograph, checkpoint, urgency)

    def upright(
        self,
        digest: str,
        object_key: str,
        checkpoint: Checkpoint = _unwatched,
        urgency: Urgency = Urgency.CLICK,
    ) -> RgbImage:
        """The image whose bytes `digest` stands for (see Sample) and that lies under `object_key`; read-only.

        Raises ObjectMissingError (also where the object's bytes are others by now), DamagedImageError or
        StorageUnavailableError, and what `checkpoint` raises.
        """
        image, source = self._find(digest), "memory"
        while image is None:
            with self._flights.lead_or_wait(digest, urgency, checkpoint) as haste:
                # Whoever had this turn before us may have made it, or failed.
                image = self._find(digest)
                if image is None and haste is not None:
                    image, source = self._make(digest, object_key, haste, checkpoint), "store"
                    self._keep(digest, image)
        image_metrics().found_in(source)
        return image

    def scaled(
        self,
        digest: str,
        object_key: str,
        longest_side: int,
        checkpoint: Checkpoint = _unwatched,
        urgency: Urgency = Urgency.CLICK,
    ) -> RgbImage:
        """The image, its longer side resampled to `longest_side` pixels; it is not kept.

        Raises as `upright`.
        """
        image = self._find(digest)
        image_metrics().found_in("memory" if image is not None else "store")
        if image is not None:
            return _scaled(image, longest_side)
        data = self._read(digest, object_key)
        with self._rooms.turn(bytes_to_decode(data, longest_side), Haste(urgency), checkpoint):
            return np.asarray(decode_scaled(data, longest_side))

    def _find(self, digest: str) -> RgbImage | None:
        with self._lock:
            image = self._images.get(digest)
            if image is not None:
                self._images.move_to_end(digest)
            return image

    def _read(self, digest: str, object_key: str) -> bytes:
        with tracing.step("read the object", "client"):
            data = self._store.read(object_key)
        self._digests.check(digest, object_key, data)
        return data

    def _make(self, digest: str, object_key: str, haste: Haste, checkpoint: Checkpoint) -> RgbImage:
        data = self._read(digest, object_key)
        with self._rooms.turn(bytes_to_decode(data), haste, checkpoint), tracing.step("decode"):
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

    def __init__(self, images: ImageCache, photograph: Photograph, checkpoint: Checkpoint, urgency: Urgency):
        self.digest = photograph.digest
        self.width, self.height = photograph.width, photograph.height
        self.milliseconds = 0.0
        self._images = images
        self._object_key = photograph.object_key
        self._checkpoint, self._urgency = checkpoint, urgency

    def pixels(self) -> RgbImage:
        """See Picture."""
        with self._timed():
            return self._images.upright(self.digest, self._object_key, self._checkpoint, self._urgency)

    def scaled(self, longest_side: int) -> RgbImage:
        """See Picture."""
        with self._timed():
            return self._images.scaled(
                self.digest, self._object_key, longest_side, self._checkpoint, self._urgency
            )

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
