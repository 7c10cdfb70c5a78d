"""What Fourpoint asks of an object store, and the rules that hold for every one of them."""

import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from fourpoint_core.errors import ConflictError, InvalidInputError, ObjectMissingError

MAX_KEY_BYTES = 1024
CHUNK_BYTES = 256 * 1024


class ObjectExistsError(ConflictError):
    """An object already has this key, and the write was told not to replace one."""

    code = "object_exists"
    title = "The object already exists"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store says about one object.

    etag: opaque, without quotes. The same tag under the same key means the same bytes; it is no checksum.
    size: bytes. last_modified: aware, UTC, by the store's clock; some round it differently from call to call,
    so compare tags. content_type: None where the store does not say, as S3 does not in listings.
    """

    key: str
    size: int
    etag: str
    last_modified: datetime
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class SignedPut:
    """A request that may be sent without keys: PUT to `url`, with exactly these headers."""

    url: str
    headers: dict[str, str]


class ObjectStore(Protocol):
    """Bytes under keys. Safe to share between threads; open one per process, after forking.

    Every method may raise StorageUnavailableError (try again), StorageDeniedError where the access key may not
    do what was asked, and InvalidInputError for a key against the rules of `validate_key`. What is written is
    read and listed from then on, by every process.
    """

    @property
    def bucket(self) -> str | None:
        """The bucket's name; None where keys lie in none, as in a directory."""
        ...

    def same_bytes(self, etag: str, other_etag: str) -> bool | None:
        """Whether objects of one size with these tags, under any keys, have the same bytes.

        None: tags do not tell. In most buckets they do: the tag of what was written in one piece is its MD5.
        """
        ...

    def put(
        self,
        key: str,
        data: bytes | BinaryIO,
        *,
        content_type: str,
        size: int | None = None,
        if_absent: bool = False,
    ) -> ObjectInfo:
        """Store `data` whole or not at all, in memory bounded by one part however long it is.

        size: bytes to take from the stream; None takes all. Raises InvalidInputError where it ends before.
        if_absent: never replace an object; raises ObjectExistsError where there is one. Of writers that race
        for one key, one wins where the store decides atomically (a directory, AWS S3, MinIO). Others (Swift)
        compare before they receive: writers at the same moment may all be told that they won, and the last
        one's bytes stay. So this catches keys used twice; it is no lock.
        """
        ...

    def read(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissingError."""
        ...

    def open_range(
        self, key: str, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes [start, start + length), or to the end, in chunks of at most CHUNK_BYTES.

        What lies past the end is left out: a range that starts there is empty. An object replaced meanwhile
        is read on as it was, or the reading fails; never a mixture. Raises ObjectMissingError on entering.
        """
        ...

    def stat(self, key: str) -> ObjectInfo:
        """Raises ObjectMissingError."""
        ...

    def exists(self, key: str) -> bool:
        """Whether an object has this key."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""
        ...

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, in the order of the keys' UTF-8 bytes, page by page.

        start_after: only keys after this one, which need not exist.
        Keys that other programs wrote are listed even where `validate_key` refuses them (`dir/`, `a//b`):
        whoever lists a foreign bucket must expect them. What changes while the iteration runs may or may not
        be seen.
        """
        ...

    def signed_put(self, key: str, *, size: int, content_type: str, seconds: int) -> SignedPut | None:
        """A request with which somebody else may write this object: `size` bytes, within `seconds`.

        None where the store takes no requests of its own, as a directory. Nothing is contacted.
        """
        ...

    def check(self) -> None:
        """A cheap sign of life. Raises StorageUnavailableError, saying what to repair."""
        ...


def validate_key(key: str) -> str:
    """The key, if every store can hold it. Raises InvalidInputError.

    Relative, at most 1024 UTF-8 bytes, no empty, `.` or `..` segment, no control character.
    """
    if not key:
        raise InvalidInputError("An object key must not be empty.")
    _check_characters(key)
    _check_segments(key, key.split("/"))
    return key


def validate_prefix(prefix: str) -> str:
    """The prefix, if a valid key can begin with it. Raises InvalidInputError.

    May be empty; the last segment is the beginning of one: `photos/` and `photos/.` are prefixes, not keys.
    """
    _check_characters(prefix)
    _check_segments(prefix, prefix.split("/")[:-1])
    return prefix


def _check_characters(text: str) -> None:
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{text!r} is no Unicode text: it holds half a surrogate pair.") from error
    if len(encoded) > MAX_KEY_BYTES:
        raise InvalidInputError(
            f"An object key has at most {MAX_KEY_BYTES} UTF-8 bytes; this one has {len(encoded)}."
        )
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise InvalidInputError(f"The object key {text!r} holds a control character.")


def _check_segments(text: str, segments: list[str]) -> None:
    if any(segment in {"", ".", ".."} for segment in segments):
        raise InvalidInputError(f"The object key {text!r} has an empty, `.` or `..` segment.")


def missing(key: str) -> ObjectMissingError:
    """The error of every store for a key without an object."""
    return ObjectMissingError(f"The object store has no object {key!r}.")


def check_range(start: int, length: int | None) -> None:
    """Raises InvalidInputError for a range that counts backwards."""
    if start < 0 or (length is not None and length < 0):
        raise InvalidInputError(f"A range starts at 0 or later and has no negative length: {start}, {length}.")


class ExactReader:
    """A stream as stores read it: full chunks, the promised number of bytes, and a count of them."""

    def __init__(self, source: BinaryIO, size: int | None):
        """size: bytes to take from `source`; None takes all."""
        self._source = source
        self._size = size
        self._ended = False
        self.count = 0

    def read(self, amount: int) -> bytes:
        """`amount` bytes, fewer only at the end. Raises InvalidInputError where the source ends too early."""
        if self._ended:
            return b""
        if self._size is not None:
            amount = min(amount, self._size - self.count)
        data = _read_fully(self._source, amount)
        self.count += len(data)
        # A source that has ended is not asked again: some would wait, or fail.
        self._ended = len(data) < amount
        if self._ended and self._size is not None:
            raise InvalidInputError(f"The data ended after {self.count} of {self._size} bytes.")
        return data


def _read_fully(source: BinaryIO, amount: int) -> bytes:
    """Sockets and pipes return what has arrived; collected here, a part is copied once, not per packet."""
    first = source.read(amount)
    if len(first) == amount or not first:
        return first
    pieces = [first]
    missing_bytes = amount - len(first)
    while missing_bytes and (piece := source.read(missing_bytes)):
        pieces.append(piece)
        missing_bytes -= len(piece)
    return b"".join(pieces)
