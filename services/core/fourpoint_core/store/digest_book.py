"""Whether bytes are those that a sample's digest stands for, also where nobody had read them before.

A sample that was synchronised by its header has a stand-in for a digest. The first who reads all of its bytes,
for a click, a thumbnail or an export, keeps their SHA-256 for everybody.
"""

import hashlib

from fourpoint_core.domain.reconcile import STAND_IN_PREFIX, stand_in_digest
from fourpoint_core.errors import ObjectMissingError
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.queries import sync_changes
from fourpoint_core.store.session import Sessions, reading, unhurried_commit


def unread_digest(store: ObjectStore, key: str, etag: str, size: int) -> str:
    """What stands for the bytes of an object before anybody has read them."""
    named = f"{etag}:{size}"
    # Where tags do not tell bytes apart, only the same key with the same tag is the same.
    return stand_in_digest(named if store.same_bytes(etag, etag) else f"{key}\n{named}")


class DigestBook:
    """Compares, and learns."""

    def __init__(self, sessions: Sessions, store: ObjectStore):
        self._sessions = sessions
        self._store = store

    def check(self, digest: str, key: str, data: bytes) -> None:
        """Make sure that bytes read under `key` are those of `digest`.

        Raises ObjectMissingError where the object is another one by now.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if not self._is_of(digest, key, len(data), sha256):
            raise ObjectMissingError(
                f"The object {key} was replaced in the bucket; synchronise the dataset to see the new one."
            )

    def _is_of(self, digest: str, key: str, size: int, sha256: str) -> bool:
        if not digest.startswith(STAND_IN_PREFIX):
            return digest == sha256
        with reading(self._sessions) as session:
            known = sync_changes.known_sha256(session, digest)
        if known is not None:
            return known == sha256
        # Asked behind the reading: a file that was replaced before it has another tag now, or another size.
        info = self._store.stat(key)
        if info.size != size or unread_digest(self._store, key, info.etag, info.size) != digest:
            return False
        with unhurried_commit(self._sessions) as session:
            sync_changes.note_sha256(session, key, info.etag, sha256)
        return True
