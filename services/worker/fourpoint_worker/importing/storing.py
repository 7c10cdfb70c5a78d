"""The bytes of an imported image: found in the dataset under its name, or stored under a promise."""

import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid5

from fourpoint_core.errors import FourpointError, InvalidInputError, ObjectMissingError
from fourpoint_core.imaging.decoder import Decoder
from fourpoint_core.imaging.inspect import ImageFacts
from fourpoint_core.storage import ObjectStore
from fourpoint_core.storage.port import validate_key
from fourpoint_core.store.models import Dataset, Sample
from fourpoint_core.store.queries import imports, samples
from fourpoint_core.store.session import Sessions, preparation, reading
from fourpoint_worker.formats.values import FormatError, ImportedImage
from fourpoint_worker.importing.matching import numbered, read_bounded
from fourpoint_worker.importing.slices import Slice, TakenImage
from fourpoint_worker.importing.trees import ImportTree
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.syncer.reading import sha256_of

MAX_IMAGE_BYTES = 25 * 1024 * 1024


class ImageStorage:
    """Brings images into a dataset. In a dry run it looks, and stores nothing."""

    def __init__(
        self,
        sessions: Sessions,
        store: ObjectStore,
        dataset: Dataset,
        tree: ImportTree,
        job: ActiveJob,
        max_pixels: int,
        decoder: Decoder,
        *,
        with_images: bool,
        dry_run: bool,
    ):
        """with_images: whether any are to be added."""
        self._sessions = sessions
        self._store = store
        self._dataset = dataset
        self._tree = tree
        self._job_id = job.lease.job_id
        self._author = job.author
        self._max_pixels = max_pixels
        self._decoder = decoder
        self._with_images = with_images
        self._dry_run = dry_run

    def bring(self, taken: TakenImage, path: str, current: Slice) -> None:
        """Find the bytes in the dataset under the image's name, or store them. Raises FormatError.

        Equal bytes under other names are images of their own, as for uploads, and named in the report.
        """
        data = read_bounded(self._tree, path, MAX_IMAGE_BYTES)
        digest = hashlib.sha256(data).hexdigest()
        place = self._place_among_samples(path)
        in_place = place is not None
        wanted = place or self._wanted_key(taken.image.name or path)
        taken.sample = self._same_under(wanted, digest, len(data), current, numbers=not in_place)
        if taken.sample is not None:
            return
        taken.twin = self._of_digest(digest) or current.digests.get(digest)
        if not self._with_images:
            if taken.twin is None:
                raise FormatError(
                    "image_not_in_dataset",
                    "The dataset lacks this image, and none are to be added.",
                    taken.image.line,
                )
            taken.sample = taken.twin
            return
        if in_place and self._is_known(wanted):
            raise FormatError(
                "image_set_aside",
                "The image lies in the trash, or was missing: restore it, or synchronise, and import again.",
                taken.image.line,
            )
        try:
            facts = self._decoder.facts(data, self._max_pixels)
        except FourpointError as error:
            raise FormatError(error.code, error.detail, taken.image.line) from None
        # Before anything is stored: what is refused leaves no file behind.
        require_size(taken.image, facts.width, facts.height)
        key = wanted if in_place else self._promised_key(wanted, current)
        etag = self._written(key, data, facts, in_place=in_place)
        taken.row = current.rows[key] = self._row(key, etag, digest, facts, len(data))
        current.digests.setdefault(digest, taken.row)

    def _place_among_samples(self, path: str) -> str | None:
        """The key of an object that lies where the dataset's images do; None for any other file."""
        key = self._tree.key_of(path)
        return key if key is not None and key.startswith(self._dataset.input_path) else None

    def _of_digest(self, digest: str) -> Sample | None:
        with reading(self._sessions) as session:
            return imports.samples_of_digest(session, self._dataset.id, [digest]).get(digest)

    def _same_under(
        self, wanted: str, digest: str, size: int, current: Slice, *, numbers: bool
    ) -> Sample | None:
        """The sample with these bytes under a key, or under one that was numbered because others had it.

        numbers: whether the image would be numbered where others have its key.
        """
        for key in numbered(wanted):
            sample = current.rows.get(key)
            if sample is None:
                with reading(self._sessions) as session:
                    sample = imports.sample_at(session, self._dataset.id, key)
            if sample is None:
                # A key may be taken by what is no sample here now; behind it the image was numbered.
                if not numbers or not self._is_taken(key):
                    return None
                continue
            known = sample.known_sha256
            if known is None and sample.size_bytes == size:
                # It was synchronised by its header, and nobody has read it since.
                with suppress(ObjectMissingError):
                    known = sha256_of(self._store, key)
            if known == digest:
                return sample
        return None

    def _is_known(self, key: str) -> bool:
        with reading(self._sessions) as session:
            return imports.is_known(session, self._dataset.id, key)

    def _is_taken(self, key: str) -> bool:
        with reading(self._sessions) as session:
            if samples.is_referred(session, key):
                return True
        return self._store.exists(key)

    def _wanted_key(self, name: str) -> str:
        """Where an image of this name belongs. Raises FormatError."""
        wanted = self._dataset.input_path + (name.partition("://")[2] or name)
        try:
            return validate_key(wanted)
        except InvalidInputError as error:
            raise FormatError("name_invalid", error.detail) from None

    def _promised_key(self, wanted: str, current: Slice) -> str:
        if self._dry_run:
            return next(key for key in numbered(wanted) if key not in current.rows and not self._is_taken(key))
        key = next(key for key in numbered(wanted) if key not in current.promised and self._may_have(key))
        current.promised.append(key)
        return key

    def _may_have(self, key: str) -> bool:
        with preparation(self._sessions) as session:
            if imports.is_promised(session, self._job_id, key):
                return True
        # First the bucket: what is there already is somebody's, and must never be promised to us.
        if self._store.exists(key):
            return False
        with preparation(self._sessions) as session:
            return imports.reserve(session, self._job_id, key)

    def _written(self, key: str, data: bytes, facts: ImageFacts, *, in_place: bool) -> str:
        if self._dry_run:
            return ""
        if in_place:
            return self._store.stat(key).etag
        return self._store.put(key, data, content_type=facts.media_type).etag

    def _row(self, key: str, etag: str, digest: str, facts: ImageFacts, size: int) -> Sample:
        return Sample(
            id=uuid5(self._job_id, key),
            dataset_id=self._dataset.id,
            name=key.rpartition("/")[2],
            object_key=key,
            object_etag=etag,
            digest=digest,
            media_type=facts.media_type,
            size_bytes=size,
            width=facts.width,
            height=facts.height,
            created_by=self._author,
            created_at=datetime.now(UTC),
            revision=0,
            annotation_count=0,
        )


def require_size(image: ImportedImage, width: int, height: int) -> None:
    """Refuse objects that were drawn on an image of another size. Raises FormatError."""
    if image.objects and (image.width, image.height) != (width, height):
        raise FormatError(
            "size_differs",
            f"The file was made for an image of {image.width} x {image.height} pixels; this is "
            f"{width} x {height}.",
            image.line,
        )
