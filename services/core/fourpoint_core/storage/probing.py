"""What the service may do below a path, found out by doing it, so that a missing permission has a name."""

import io
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from fourpoint_core.errors import FourpointError, ObjectMissingError
from fourpoint_core.storage.port import ObjectStore

# Neither an image nor a file of labels: should a probe be left behind, no synchronisation minds.
PROBE_NAME = ".fourpoint-probe-"
# More than any store takes in one piece, so that it comes in parts.
_PARTS_BYTES = 8 * 2**20 + 1


class Permission(StrEnum):
    """What can be allowed or not."""

    LIST = "list"
    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    MULTIPART = "multipart"


@dataclass(frozen=True, slots=True)
class Trial:
    """How one permission was tried. refusal: what the store said; None: it let us.

    untried: whether it could not be tried, for want of another one.
    """

    permission: Permission
    refusal: str | None = None
    untried: bool = False

    @property
    def is_granted(self) -> bool:
        """Whether it is there, as far as is known."""
        return self.refusal is None and not self.untried


def probe(store: ObjectStore, prefix: str) -> list[Trial]:
    """Try every permission below a prefix that ends with a slash; what is written for that is removed again."""
    key = f"{prefix}{PROBE_NAME}{uuid.uuid4().hex}"
    listed: list[str] = []
    listing = _tried(Permission.LIST, lambda: listed.extend(_first_key(store, prefix)))
    writing = _tried(Permission.WRITE, lambda: store.put(key, b"probe", content_type="text/plain"))
    readable = key if writing.is_granted else next(iter(listed), None)
    reading = Trial(Permission.READ, untried=True)
    if readable is not None:
        reading = _tried(Permission.READ, lambda: _read_byte(store, readable))
    parts = Trial(Permission.MULTIPART, untried=True)
    deleting = Trial(Permission.DELETE, untried=True)
    if writing.is_granted:
        parts = _tried(Permission.MULTIPART, lambda: _put_in_parts(store, key))
        deleting = _tried(Permission.DELETE, lambda: store.delete(key))
    return [listing, reading, writing, deleting, parts]


def _tried(permission: Permission, step: Callable[[], object]) -> Trial:
    try:
        step()
    except ObjectMissingError:
        # Somebody else removed it: it could have been read.
        return Trial(permission)
    except FourpointError as error:
        return Trial(permission, error.detail)
    return Trial(permission)


def _first_key(store: ObjectStore, prefix: str) -> list[str]:
    first = next(iter(store.list(prefix)), None)
    return [] if first is None or first.key.endswith("/") else [first.key]


def _read_byte(store: ObjectStore, key: str) -> None:
    with store.open_range(key, 0, 1) as chunks:
        b"".join(chunks)


def _put_in_parts(store: ObjectStore, key: str) -> None:
    store.put(key, io.BytesIO(bytes(_PARTS_BYTES)), content_type="application/octet-stream")
