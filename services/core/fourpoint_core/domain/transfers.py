"""Exports and imports: what somebody asks for, and the names of the formats."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from fourpoint_core.domain.filter_documents import filter_from_json, filter_to_json
from fourpoint_core.domain.filters import SampleFilter
from fourpoint_core.errors import InvalidInputError

# Below these lie the service's own objects; nobody's data goes there, and none is read from there.
RESERVED_FOLDERS = (
    "derived/",
    ".fourpoint-uploads/",
    ".fourpoint-exports/",
    ".fourpoint-pictures/",
    ".fourpoint-tmp/",
)
USAGES = ("train", "val", "test")


class FormatName(StrEnum):
    """The formats that are written and read."""

    MODELARTS = "modelarts"
    COCO = "coco"
    YOLO = "yolo"
    VOC = "voc"
    CVAT = "cvat"
    LABEL_STUDIO = "label_studio"
    LABELME = "labelme"


@dataclass(frozen=True, slots=True)
class Split:
    """How images are dealt out to train, val and test; by ratios or by an attribute of their objects.

    ratios: of train, val and test, adding up to 1. Each label is spread by them as evenly as its images allow;
    the seed decides where that leaves a choice. attribute: its value names the part.
    """

    ratios: tuple[float, float, float] | None = None
    seed: int = 0
    attribute: str | None = None

    @classmethod
    def of(cls, ratios: dict[str, float] | None, seed: int, attribute: str | None) -> "Split":
        """What a request said. Raises InvalidInputError."""
        if (ratios is None) == (attribute is None):
            raise InvalidInputError.at("/split", "split_ambiguous", "Give either ratios or an attribute.")
        if ratios is None:
            return cls(attribute=attribute)
        train, val, test = (float(ratios.get(usage, 0.0)) for usage in USAGES)
        if min(train, val, test) < 0 or not math.isclose(train + val + test, 1.0, abs_tol=1e-6):
            raise InvalidInputError.at("/split/ratios", "split_invalid", "Give shares that add up to 1.")
        return cls((train, val, test), seed)


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What is exported, and how.

    wanted: which samples, of which state; ids: only those of them. output_path: the prefix of the bucket below
    which the files go, with a slash at its end; None: into one archive, to be downloaded. published_as: of a
    version that is written because it is published, its name, after which its folder is called.
    """

    format: FormatName
    wanted: SampleFilter = field(default_factory=SampleFilter)
    ids: tuple[UUID, ...] = ()
    with_images: bool = False
    split: Split | None = None
    output_path: str | None = None
    published_as: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The document that a row keeps."""
        split = self.split
        return {
            "format": self.format.value,
            "filter": filter_to_json(self.wanted),
            "ids": [str(sample_id) for sample_id in self.ids],
            "with_images": self.with_images,
            "split": None
            if split is None
            else {
                "ratios": None if split.ratios is None else list(split.ratios),
                "seed": split.seed,
                "attribute": split.attribute,
            },
            "output_path": self.output_path,
            "published_as": self.published_as,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "ExportOrder":
        """The inverse of `to_json`."""
        split = document["split"]
        return cls(
            format=FormatName(document["format"]),
            wanted=filter_from_json(document["filter"]),
            ids=tuple(map(UUID, document["ids"])),
            with_images=document["with_images"],
            split=None if split is None else _split_from_json(split),
            output_path=document["output_path"],
            published_as=document.get("published_as"),
        )


def _split_from_json(document: dict[str, Any]) -> Split:
    ratios = document["ratios"]
    found = None if ratios is None else (ratios[0], ratios[1], ratios[2])
    return Split(found, document["seed"], document["attribute"])


class Existing(StrEnum):
    """What becomes of the objects of an image that is labeled already.

    MERGE: they stay, and those of the file that are not there yet are added. REPLACE: those of the file take
    their place. SKIP: the image is left as it is.
    """

    MERGE = "merge"
    REPLACE = "replace"
    SKIP = "skip"


class SourceKind(StrEnum):
    """Where the files of an import are."""

    BUCKET = "bucket"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What is imported, and how.

    path: a prefix of the bucket, ending with a slash, or the key of one file; upload_id: of an upload, with one
    archive or one file. labels: names of the file by names of the dataset; an empty one leaves its objects out.
    with_images: whether images that the dataset lacks are added. dry_run: say what would be, do nothing.
    """

    format: FormatName
    path: str | None = None
    upload_id: UUID | None = None
    labels: tuple[tuple[str, str], ...] = ()
    existing: Existing = Existing.MERGE
    with_images: bool = True
    dry_run: bool = False

    @property
    def mapping(self) -> dict[str, str]:
        """Names in the dataset by names in the file."""
        return dict(self.labels)

    def to_json(self) -> dict[str, Any]:
        """The document that a row keeps."""
        return {
            "format": self.format.value,
            "path": self.path,
            "upload_id": None if self.upload_id is None else str(self.upload_id),
            "labels": [list(pair) for pair in self.labels],
            "existing": self.existing.value,
            "with_images": self.with_images,
            "dry_run": self.dry_run,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "ImportOrder":
        """The inverse of `to_json`."""
        upload_id = document["upload_id"]
        return cls(
            format=FormatName(document["format"]),
            path=document["path"],
            upload_id=None if upload_id is None else UUID(upload_id),
            labels=tuple((one, other) for one, other in document["labels"]),
            existing=Existing(document["existing"]),
            with_images=document["with_images"],
            dry_run=document["dry_run"],
        )


def require_free_of_service(path: str, pointer: str) -> None:
    """Refuse a path of the bucket in which the service keeps objects of its own. Raises InvalidInputError."""
    if any(path.startswith(folder) or folder.startswith(path) for folder in RESERVED_FOLDERS):
        raise InvalidInputError.at(
            pointer, "path_reserved", f"{path!r} holds objects of the service; choose another path."
        )
