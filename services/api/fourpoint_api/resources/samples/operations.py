"""Reading samples and their thumbnails; no HTTP."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from fourpoint_core.domain.filters import SampleFilter, Sort, Status
from fourpoint_core.errors import ObjectMissingError, StorageUnavailableError
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.derived import thumbnail_key
from fourpoint_core.store.digest_book import DigestBook
from fourpoint_core.store.models import Sample
from fourpoint_core.store.queries import (
    datasets,
    sample_filters,
    sample_leases,
    samples,
    sync_changes,
    versions,
)
from fourpoint_core.store.queries.sample_leases import Lease
from fourpoint_core.store.queries.sample_rows import Place, SamplePage
from fourpoint_core.store.session import Sessions, reading, unit_of_work


def read(sessions: Sessions, sample_id: UUID) -> Sample:
    """A sample. Raises NotFoundError."""
    with reading(sessions) as session:
        return samples.get_sample(session, sample_id)


def listing(
    sessions: Sessions,
    dataset_id: UUID,
    wanted: SampleFilter,
    sort: Sort,
    after: Place | None,
    limit: int,
    *,
    count: str | None,
) -> tuple[SamplePage, int | None]:
    """A page of the samples that match. Raises NotFoundError or InvalidInputError.

    count: `exact` or `estimated` also says how many match.
    """
    with reading(sessions) as session:
        if wanted.version is not None:
            datasets.require_dataset(session, dataset_id)
            versions.require_readable(session, dataset_id, wanted.version)
        page = sample_filters.list_samples(session, dataset_id, wanted, sort, after, limit)
        total = None
        if count == "exact":
            total = sample_filters.count_exactly(session, dataset_id, wanted)
        elif count == "estimated":
            total = sample_filters.estimate_count(session, dataset_id, wanted)
        return page, total


def neighbours(
    sessions: Sessions, sample_id: UUID, wanted: SampleFilter, sort: Sort
) -> tuple[UUID | None, UUID | None]:
    """The samples before and after this one in a list, whether or not it is in it. Raises NotFoundError."""
    with reading(sessions) as session:
        if wanted.version is not None:
            dataset_id = samples.get_sample(session, sample_id).dataset_id
            versions.require_readable(session, dataset_id, wanted.version)
        return sample_filters.neighbours(session, sample_id, wanted, sort)


def confirm_change(sessions: Sessions, sample_id: UUID) -> Sample:
    """Somebody has looked at the other file in an image's place. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id, lock=True)
        sync_changes.confirm_change(session, sample)
    with reading(sessions) as session:
        return samples.get_sample(session, sample_id)


def take_next(
    sessions: Sessions,
    dataset_id: UUID,
    wanted: SampleFilter,
    sort: Sort,
    user_id: UUID,
    length: timedelta,
    skip: Collection[UUID],
) -> Lease | None:
    """Give a labeler the next unlabeled image that nobody else has, or None. Raises NotFoundError."""
    unlabeled = replace(wanted, status=Status.UNLABELED)
    with unit_of_work(sessions) as session:
        datasets.get_dataset(session, dataset_id)
        return sample_leases.take_next(session, dataset_id, unlabeled, sort, user_id, length, skip)


def release(sessions: Sessions, sample_id: UUID, user_id: UUID) -> None:
    """Give an image back that was taken with `take_next`. Raises NotFoundError."""
    with unit_of_work(sessions) as session:
        samples.get_sample(session, sample_id)
        sample_leases.release(session, sample_id, user_id)


def thumbnail(sessions: Sessions, store: ObjectStore, decoder: Decoder, sample: Sample, size: int) -> bytes:
    """JPEG whose longest side is at most `size` pixels; made once per image content, and kept.

    Raises ObjectMissingError when the image is gone from the store.
    """
    key = thumbnail_key(sample.digest, size)
    try:
        return store.read(key)
    except ObjectMissingError:
        data = store.read(sample.object_key)
        # A picture of other bytes must not be kept under the digest of these.
        DigestBook(sessions, store).check(sample.digest, sample.object_key, data)
        made = decoder.thumbnail(data, size)
    # A picture that cannot be kept can still be shown.
    with suppress(StorageUnavailableError):
        store.put(key, made, content_type="image/jpeg")
    return made
