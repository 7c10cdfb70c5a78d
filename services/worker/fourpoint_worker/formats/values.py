"""What the formats speak: images with objects, as they come out of a file and as they go into one.

Frame and units as in `core.domain.geometry`: continuous pixels of the upright image. What a file means by its
numbers is converted where the file is read or written.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Protocol

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Box, Contour

# More than an image may have objects.
MAX_NOTES = 10_000
# What a file says of an image that nobody has is believed no further: memory goes with it.
MAX_IMAGE_PIXELS = 250_000_000


class FormatError(Exception):
    """A file, or one image of it, cannot be taken.

    code: stable, for programs. detail: what is wrong and what to do. line: counted from 1; None where a file
    has no lines.
    """

    def __init__(self, code: str, detail: str, line: int | None = None):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.line = line

    def __str__(self) -> str:
        return self.detail if self.line is None else f"line {self.line}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was taken, though not just as the file says it."""

    code: str
    detail: str
    line: int | None = None


class Notes:
    """Counts every conversion; keeps the words of the first ones."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: list[Note] = []

    def add(self, code: str, detail: str = "", line: int | None = None) -> None:
        """Count one."""
        self.counts[code] += 1
        if detail and len(self.first) < MAX_NOTES:
            self.first.append(Note(code, detail, line))

    def extend(self, others: Iterable[Note]) -> None:
        """Count those that somebody else wrote down."""
        for note in others:
            self.add(note.code, note.detail, note.line)


@dataclass(frozen=True, slots=True)
class ImportedObject:
    """One object of an image: an outline, or only a box.

    box: where the file knows no outline; it is kept as a prompt for inference. colour: `#rrggbb`. score: 0 to
    1. line: where the object begins in its file.
    """

    label: str
    contour: Contour | None = None
    box: Box | None = None
    traits: Traits = Traits()
    colour: str | None = None
    score: float | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """One image of a file that was read, with all its objects.

    name: file name or path in the set, as the file says it. width, height: None where it does not say.
    usage: the part of a split, in lower case. location: the address in a bucket that the file gives.
    files: where in the imported tree the image's bytes may lie. place: the file that says all this.
    """

    name: str | None
    width: int | None = None
    height: int | None = None
    objects: tuple[ImportedObject, ...] = ()
    usage: str | None = None
    location: str | None = None
    line: int | None = None
    notes: tuple[Note, ...] = ()
    files: tuple[str, ...] = ()
    place: str = ""

    def with_objects(self, objects: Iterable[ImportedObject]) -> "ImportedImage":
        """The same image with other objects."""
        return replace(self, objects=tuple(objects))

    def with_notes(self, notes: Iterable[Note]) -> "ImportedImage":
        """The same image with other notes."""
        return replace(self, notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class ImportedLabel:
    """A label that a file declares, used or not. mask_index: its value in masks, where the file says it."""

    name: str
    colour: str | None = None
    mask_index: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An image, or a whole file, that was not taken, and why. place: the file; name: the image, if known."""

    place: str
    code: str
    detail: str
    line: int | None = None
    name: str | None = None

    @classmethod
    def of(cls, error: FormatError, place: str, name: str | None = None, line: int | None = None) -> "Refusal":
        """What an error says about a file. line: where the image begins, if the error does not say where."""
        return cls(place, error.code, error.detail, error.line or line, name)


@dataclass(frozen=True, slots=True)
class ExportLabel:
    """A label as it is written. colour: `#rrggbb`. mask_index: its value in class masks, from 1."""

    name: str
    colour: str
    mask_index: int

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return (int(self.colour[1:3], 16), int(self.colour[3:5], 16), int(self.colour[5:7], 16))


@dataclass(frozen=True, slots=True)
class ExportedObject:
    """One object that is written. id: of the annotation. method, prompt: how the outline came about."""

    id: str
    label: ExportLabel
    contour: Contour
    traits: Traits = Traits()
    score: float | None = None
    method: str = "polygon"
    prompt: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """One image that is written, objects in painting order.

    path: of the image in the exported tree, with slashes, unique in the export. location: the object's address
    in the bucket, for formats that refer to it. labeled_at: `yyyy-MM-dd HH:mm:ss`, UTC.
    """

    id: str
    path: str
    width: int
    height: int
    objects: tuple[ExportedObject, ...] = ()
    location: str = ""
    digest: str = ""
    size_bytes: int = 0
    usage: str = ""
    labeled_at: str | None = None
    depth: int = 3
    own_stem: str = ""

    @property
    def stem(self) -> str:
        """The path without its extension; another name where two images would share it."""
        return self.own_stem or stem_of(self.path)

    @property
    def file_name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class File:
    """One file of an export. path: with slashes, below the export's root. chunks: read once, in order."""

    path: str
    chunks: Iterable[bytes]


class ExportSource(Protocol):
    """What is exported, as it stood at one moment; to be gone through as often as a format needs."""

    @property
    def name(self) -> str:
        """Of the dataset, or of the version."""

    @property
    def labels(self) -> Sequence[ExportLabel]:
        """All labels of the dataset, by mask_index."""

    @property
    def root(self) -> str:
        """The address below which the files will lie, with a slash at its end; empty for an archive."""

    def images(self) -> Iterator[ExportedImage]:
        """In the order of their paths."""

    def usages(self) -> Sequence[str]:
        """The parts of the split; `("",)` where it is not split."""


class FileTree(Protocol):
    """Files that are imported: an archive, or what lies below a prefix of the bucket."""

    def paths(self) -> Iterator[str]:
        """Of all files, with slashes, in the order of their UTF-8 bytes."""

    def has(self, path: str) -> bool:
        """Whether there is a file."""

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """The file's bytes, as a stream that is read forward only."""


# Of an image that a file names: width and height, where anybody knows them.
SizeOf = Callable[[Sequence[str]], tuple[int, int] | None]


def stem_of(path: str) -> str:
    """A path without its extension."""
    head, dot, tail = path.rpartition(".")
    return head if dot and "/" not in tail and head and not head.endswith("/") else path


Found = ImportedLabel | ImportedImage | Refusal
