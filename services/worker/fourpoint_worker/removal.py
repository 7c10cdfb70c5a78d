"""Removing objects whose rows are gone, and with them the intents that name them."""

from collections.abc import Collection

from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.removal import remove_objects
from fourpoint_core.store.queries import samples
from fourpoint_core.store.session import Sessions, unit_of_work


def remove_condemned(
    sessions: Sessions, store: ObjectStore, keys: Collection[str], forgotten_digests: Collection[str] = ()
) -> None:
    """Remove objects that are promised to be removed, and what was made from images of these digests.

    To be called behind the commit that condemned them; whoever dies here leaves them to the sweep.
    Raises StorageUnavailableError or DatabaseUnavailableError.
    """
    remove_objects(store, keys, forgotten_digests)
    if keys:
        with unit_of_work(sessions) as session:
            samples.forget_intents(session, keys)
