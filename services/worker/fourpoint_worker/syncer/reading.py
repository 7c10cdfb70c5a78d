"""Reads objects in parallel, no more of each than is needed, and says of each what came of it.

A single object that cannot be read costs itself; a store that does not answer costs the try, and the job is
tried again later.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from fourpoint_core.errors import FourpointError, StorageDeniedError, StorageUnavailableError
from fourpoint_core.imaging.header import read_facts
from fourpoint_core.imaging.inspect import ImageFacts
from fourpoint_core.storage import ObjectStore

Subject = TypeVar("Subject")
Answer = TypeVar("Answer")
TRIES = 3
PAUSE_SECONDS = 0.5


class Readers:
    """Threads that read; one pool for a whole synchronisation."""

    def __init__(self, store: ObjectStore, threads: int):
        self._store = store
        self._pool = ThreadPoolExecutor(threads, "reader")

    def map(
        self, read: Callable[[Subject], Answer], subjects: Iterable[Subject]
    ) -> list[Answer | FourpointError]:
        """What `read` answers for each, or the error that only concerns this one.

        Raises StorageUnavailableError where the store does not answer at all.
        """
        futures = [self._pool.submit(self._patiently, read, subject) for subject in subjects]
        return list(_results(futures))

    def close(self) -> None:
        """Let the threads go; what has not begun is not read."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _patiently(self, read: Callable[[Subject], Answer], subject: Subject) -> Answer | FourpointError:
        for attempt in range(TRIES):
            try:
                return read(subject)
            except StorageUnavailableError as error:
                failure: FourpointError = error
                if isinstance(error, StorageDeniedError):
                    break
                time.sleep(PAUSE_SECONDS * attempt)
            except FourpointError as error:
                return error
        # Is it this object, or the store, or a key that has run out? But for the first, everybody waits.
        self._store.check()
        return failure


def _results(futures: list[Future[Answer]]) -> Iterator[Answer]:
    try:
        for future in futures:
            yield future.result()
    except BaseException:
        for future in futures:
            future.cancel()
        raise


@contextmanager
def readers(store: ObjectStore, threads: int) -> Iterator[Readers]:
    """A pool that ends with the block."""
    pool = Readers(store, threads)
    try:
        yield pool
    finally:
        pool.close()


def image_facts(store: ObjectStore, key: str, size: int, max_pixels: int) -> ImageFacts:
    """What an image is, from its header. Raises what `read_facts` and the store raise."""

    def read(start: int, length: int) -> bytes:
        return read_exactly(store, key, start, length)

    return read_facts(read, size, max_pixels)


def read_exactly(store: ObjectStore, key: str, start: int, length: int) -> bytes:
    """A range that lies within the object. Raises StorageUnavailableError where less of it arrives."""
    with store.open_range(key, start, length) as chunks:
        data = b"".join(chunks)
    if len(data) != length:
        # Cut off on its way, or another object by now: an image must not be called damaged for that.
        raise StorageUnavailableError(f"Of {key!r}, {len(data)} bytes came instead of {length}.")
    return data


def sha256_of(store: ObjectStore, key: str) -> str:
    """SHA-256 of an object, hex, in constant memory."""
    digest = hashlib.sha256()
    with store.open_range(key) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest()
