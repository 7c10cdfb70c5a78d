"""Reading samples and their thumbnails; no HTTP."""

from contextlib import suppress
from uuid import UUID

from fourpoint_core.errors import ObjectMissingError, StorageUnavailableError
from fourpoint_core.imaging.upright import thumbnail_jpeg
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.derived import thumbnail_key
from fourpoint_core.store.models import Sample
from fourpoint_core.store.queries import datasets, samples
from fourpoint_core.store.queries.paging import Keyset, Page
from fourpoint_core.store.session import Sessions, unit_of_work


def read(sessions: Sessions, sample_id: UUID) -> Sample:
    """A sample. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        return samples.get_sample(session, sample_id)


def listing(
    sessions: Sessions,
    dataset_id: UUID,
    status: samples.Status,
    after: Keyset | None,
    limit: int,
    *,
    count: bool,
) -> tuple[Page[Sample], int | None]:
    """A page of a dataset's samples, and how many there are if asked. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        page = samples.list_samples(session, dataset_id, status, after, limit)
        return page, samples.count_samples(session, dataset_id, status) if count else None


def thumbnail(store: ObjectStore, sample: Sample, size: int) -> bytes:
    """JPEG whose longest side is at most `size` pixels; made once per image content, and kept.

    Raises ObjectMissingError when the image is gone from the store.
    """
    key = thumbnail_key(sample.digest, size)
    try:
        return store.read(key)
    except ObjectMissingError:
        made = thumbnail_jpeg(store.read(sample.object_key), size)
    # A picture that cannot be kept can still be shown.
    with suppress(StorageUnavailableError):
        store.put(key, made, content_type="image/jpeg")
    return made
