"""What follows from a bucket and a table that should say the same: a join of two sorted streams, key by key.

Both streams come in the order of the keys' code points, which is that of their UTF-8 bytes. Nothing is kept
of what has gone by, so a join of a million objects takes the memory of a few, and one that was cut short goes
on behind any key.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

# What is no SHA-256 says so: see `stand_in_digest`.
STAND_IN_PREFIX = "etag-"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
# Pictures that people put into a bucket and wonder about: named in the report, and not taken.
FOREIGN_SUFFIXES = (".gif", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".jp2", ".svg")
SIDECAR_SUFFIX = ".xml"


class Role(StrEnum):
    """What an object is for, by its name."""

    IMAGE = "image"
    FOREIGN = "foreign"
    SIDECAR = "sidecar"
    OTHER = "other"


class Standing(StrEnum):
    """What the table knows of a key.

    REFUSED: an image that could not be taken. TRASHED and FORGOTTEN: deleted here, and its file was left: in
    the trash still, or for good. SIDECAR: a file of labels that has been looked at.
    """

    PRESENT = "present"
    MISSING = "missing"
    TRASHED = "trashed"
    FORGOTTEN = "forgotten"
    REFUSED = "refused"
    SIDECAR = "sidecar"


class Outcome(StrEnum):
    """What a report says of a key.

    LABELS_KEPT: a sidecar vanished, and the labels that came from it stay. UNMATCHED: a sidecar without an
    image. CONFLICT: a sidecar says something else than what was edited here, which counts.
    """

    ADDED = "added"
    UPDATED = "updated"
    RENAMED = "renamed"
    MISSING = "missing"
    RETURNED = "returned"
    LABELS_READ = "labels_read"
    LABELS_KEPT = "labels_kept"
    UNMATCHED = "unmatched"
    CONFLICT = "conflict"
    FAILED = "failed"


class Finding(StrEnum):
    """What a key's two sides make together; `reconcile` says when."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    MISSING = "missing"
    STILL_MISSING = "still_missing"
    RETURNED = "returned"
    LEFT_ALONE = "left_alone"
    REFUSED = "refused"
    GONE = "gone"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as the bucket lists it."""

    key: str
    etag: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A key of the table, with what the bucket said of it the last time.

    id: the sample's, if it is one, or the one that the labels went to. error: why it could not be taken.
    """

    key: str
    standing: Standing
    etag: str = ""
    size: int = 0
    id: UUID | None = None
    error: dict[str, Any] | None = None

    def is_same_as(self, listed: Listed) -> bool:
        """Whether the object has not been written since. Times are left out: some stores round them."""
        return self.etag == listed.etag and self.size == listed.size


@dataclass(frozen=True, slots=True)
class Step:
    """A key, what both sides say of it, and what follows."""

    key: str
    finding: Finding
    listed: Listed | None = None
    known: Known | None = None


def role_of(key: str) -> Role:
    """What an object is for. Folders, which end in a slash, are for nothing."""
    name = key.rpartition("/")[2].lower()
    stem, dot, _ = name.rpartition(".")
    if not dot or not stem:
        return Role.OTHER
    if name.endswith(IMAGE_SUFFIXES):
        return Role.IMAGE
    if name.endswith(SIDECAR_SUFFIX):
        return Role.SIDECAR
    return Role.FOREIGN if name.endswith(FOREIGN_SUFFIXES) else Role.OTHER


def stem_of(key: str) -> str:
    """The key without its suffix: what an image shares with its sidecar."""
    return key.rpartition(".")[0]


def reconcile(listing: Iterable[Listed], known: Iterable[Known]) -> Iterator[Step]:
    """Every key of either stream once, in order, with what follows from it.

    listing, known: sorted by key, each key once.

    In both: UNCHANGED where the object was not written since, else UPDATED; RETURNED where it had been missing;
    LEFT_ALONE where it was deleted here without its file; REFUSED where it could not be taken and is the same.
    Only in the bucket: ADDED, or IGNORED where its name says that it is neither image nor sidecar.
    Only in the table: MISSING, STILL_MISSING, LEFT_ALONE in the trash, or GONE where nothing is lost but the
    note that there was something.
    """
    objects, rows = iter(listing), iter(known)
    listed, row = next(objects, None), next(rows, None)
    while listed is not None or row is not None:
        if row is None or (listed is not None and listed.key < row.key):
            assert listed is not None  # noqa: S101 - one of both is left
            yield Step(listed.key, _only_listed(listed.key), listed)
            listed = next(objects, None)
        elif listed is None or row.key < listed.key:
            yield Step(row.key, _ONLY_KNOWN[row.standing], None, row)
            row = next(rows, None)
        else:
            yield Step(listed.key, _of_both(listed, row), listed, row)
            listed, row = next(objects, None), next(rows, None)


def _only_listed(key: str) -> Finding:
    return {Role.OTHER: Finding.IGNORED, Role.FOREIGN: Finding.REFUSED}.get(role_of(key), Finding.ADDED)


_ONLY_KNOWN = {
    Standing.PRESENT: Finding.MISSING,
    Standing.MISSING: Finding.STILL_MISSING,
    Standing.TRASHED: Finding.LEFT_ALONE,
    Standing.FORGOTTEN: Finding.GONE,
    Standing.REFUSED: Finding.GONE,
    Standing.SIDECAR: Finding.GONE,
}


def _of_both(listed: Listed, row: Known) -> Finding:
    if row.standing in {Standing.TRASHED, Standing.FORGOTTEN}:
        return Finding.LEFT_ALONE
    if row.standing is Standing.MISSING:
        return Finding.RETURNED
    if not row.is_same_as(listed):
        return Finding.ADDED if row.standing is Standing.REFUSED else Finding.UPDATED
    return Finding.REFUSED if row.standing is Standing.REFUSED else Finding.UNCHANGED


def stand_in_digest(content_tag: str) -> str:
    """What stands for the bytes of an object that nobody has read.

    content_tag: the store's, which two objects share only if their bytes are the same. Never a SHA-256 of
    anything's content, and recognised by its prefix.
    """
    return STAND_IN_PREFIX + hashlib.sha256(content_tag.encode()).hexdigest()


class Verdict(StrEnum):
    """What becomes of the labels in a sidecar."""

    READ = "read"
    SAME = "same"
    CONFLICT = "conflict"


def judge_sidecar(*, edited_here: bool, says_the_same: bool) -> Verdict:
    """Whether a sidecar's labels become the document.

    edited_here: somebody has saved the document in Fourpoint since a sidecar was read, or before there was one.
    What was edited here counts, and nothing is lost by it: the file stays as it is.
    """
    if says_the_same:
        return Verdict.SAME
    return Verdict.CONFLICT if edited_here else Verdict.READ


@dataclass(frozen=True, slots=True)
class Vanished:
    """A sample whose file is missing. annotations: objects in its document."""

    id: UUID
    key: str
    annotations: int


def pair_renames(vanished: Iterable[Vanished], appeared: Iterable[str]) -> list[tuple[Vanished, str]]:
    """Which file that appeared is which image that vanished, of those that have the same bytes.

    vanished, appeared: of one content. An image with labels finds its file before one without; equals go by
    key, so that the same files are always paired the same way.
    """
    order = sorted(vanished, key=lambda one: (-one.annotations, one.key))
    return list(zip(order, sorted(appeared), strict=False))
