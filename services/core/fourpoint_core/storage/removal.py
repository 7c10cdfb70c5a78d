"""Removing objects that nothing refers to any more, with what was made from them."""

from collections.abc import Iterable

from fourpoint_core.storage.derived import derived_prefix, embeddings_of
from fourpoint_core.storage.port import ObjectStore


def remove_objects(store: ObjectStore, keys: Iterable[str], forgotten_digests: Iterable[str]) -> None:
    """Remove the objects, and everything made from images of these digests; what is gone already is no error.

    Raises StorageUnavailableError.
    """
    for key in keys:
        store.delete(key)
    for digest in forgotten_digests:
        for prefix in (derived_prefix(digest), embeddings_of(digest)):
            for made in store.list(prefix):
                store.delete(made.key)
