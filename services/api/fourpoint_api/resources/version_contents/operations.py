"""Reading the contents of versions; no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fourpoint_core.domain.versions import FileState
from fourpoint_core.errors import ObjectGoneError, ObjectMissingError
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.queries import datasets, version_contents, versions
from fourpoint_core.store.queries.annotations import LabeledAnnotation
from fourpoint_core.store.queries.version_contents import Pinned
from fourpoint_core.store.session import Sessions, reading

_WHY = {
    FileState.REPLACED: "Another file lies in its place by now.",
    FileState.MISSING: "The last synchronisation did not find it in the bucket.",
    FileState.DELETED: "It was deleted for good.",
}


@dataclass(frozen=True, slots=True)
class PinnedDocument:
    """An image of a version, and its objects in painting order."""

    pinned: Pinned
    objects: Sequence[LabeledAnnotation]


def read(sessions: Sessions, dataset_id: UUID, version_id: UUID, sample_id: UUID) -> PinnedDocument:
    """What a version says of an image. Raises NotFoundError or VersionStateError."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        version = versions.get_published(session, dataset_id, version_id)
        pinned = version_contents.read_pinned(session, version, sample_id)
        return PinnedDocument(pinned, version_contents.objects_of(session, version, pinned.pin))


def find_file(
    sessions: Sessions, store: ObjectStore, dataset_id: UUID, version_id: UUID, sample_id: UUID
) -> tuple[Pinned, str]:
    """An image of a version, and the key of the very file that it pinned.

    Raises NotFoundError, VersionStateError, or ObjectGoneError, which says what became of it.
    """
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        version = versions.get_published(session, dataset_id, version_id)
        pinned = version_contents.read_pinned(session, version, sample_id)
    if pinned.state is FileState.THERE and pinned.key is not None:
        return pinned, pinned.key
    # The row may be behind the bucket: what was left there when the image was deleted is still the file.
    if not _is_there(store, pinned):
        raise ObjectGoneError(
            f"The file of {pinned.pin.name!r} is not what it was when {version.name!r} was published."
            f" {_WHY[pinned.state]}"
        )
    return pinned, pinned.pin.object_key


def drift(
    sessions: Sessions, dataset_id: UUID, version_id: UUID, after: UUID | None, limit: int
) -> tuple[Sequence[Pinned], UUID | None]:
    """A page of the images whose file is not the pinned one any more. Raises as `read`."""
    with reading(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        version = versions.get_published(session, dataset_id, version_id)
        return version_contents.list_drift(session, version, after, limit)


def _is_there(store: ObjectStore, pinned: Pinned) -> bool:
    try:
        found = store.stat(pinned.pin.object_key)
    except ObjectMissingError:
        return False
    return found.etag == pinned.pin.object_etag and found.size == pinned.pin.size_bytes
