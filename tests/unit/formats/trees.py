"""Exports in memory, to be written and to be read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO

from tests.unit.formats.shapes import CUP, PLATE

from fourpoint_worker.formats.catalogue import FORMATS
from fourpoint_worker.formats.modelarts import suffixes
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportLabel,
    Found,
    ImportedImage,
    ImportedLabel,
    Notes,
    Refusal,
)


@dataclass(frozen=True)
class Source:
    """See ExportSource."""

    pictures: Sequence[ExportedImage]
    labels: Sequence[ExportLabel] = (CUP, PLATE)
    name: str = "kitchen"
    root: str = ""

    def images(self) -> Iterator[ExportedImage]:
        return iter(self.pictures)

    def usages(self) -> Sequence[str]:
        return sorted({image.usage for image in self.pictures}) or [""]


@dataclass(frozen=True)
class Tree:
    """See FileTree."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def paths(self) -> Iterator[str]:
        return iter(sorted(self.contents, key=str.encode))

    def has(self, path: str) -> bool:
        return path in self.contents

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        yield BytesIO(self.contents[path])


def written(name: str, source: Source, notes: Notes | None = None, *, with_images: bool = False) -> Tree:
    """The tree that a format makes of a source; images are stood for by their paths."""
    chosen = FORMATS[name]
    write = chosen.write_with_images if with_images else chosen.write
    files = write(source, Notes() if notes is None else notes)
    contents = {file.path: b"".join(file.chunks) for file in files}
    images = {chosen.image_path(image): b"" for image in source.pictures} if with_images else {}
    return Tree({**contents, **images})


def read(name: str, tree: Tree, size: tuple[int, int] | None = (100, 90)) -> list[Found]:
    """What a format finds in a tree whose images all have one size."""
    return list(FORMATS[name].read(tree, lambda _: size))


def images_in(found: Sequence[Found]) -> list[ImportedImage]:
    return [each for each in found if isinstance(each, ImportedImage)]


def refusals_in(found: Sequence[Found]) -> list[Refusal]:
    return [each for each in found if isinstance(each, Refusal)]


def labels_in(found: Sequence[Found]) -> list[ImportedLabel]:
    return [each for each in found if isinstance(each, ImportedLabel)]


def taken_over(source: Source, found: Sequence[Found]) -> Source:
    """The source with what was read in place of its objects: a dataset after an import."""
    by_path = {image.name: image for image in images_in(found)}
    # Without the images, some formats know no more than stems.
    by_file = {end: image for image in images_in(found) for path in image.files for end in suffixes(path)}
    labels = {label.name: label for label in source.labels}

    def again(image: ExportedImage) -> ExportedImage:
        read = by_path.get(image.path) or by_path.get(image.file_name) or by_file[image.path]
        objects = [
            ExportedObject(str(number), labels[each.label], each.contour, each.traits, each.score)
            for number, each in enumerate(read.objects)
            if each.contour is not None
        ]
        return replace(image, objects=tuple(objects), usage=read.usage or "")

    return replace(source, pictures=[again(image) for image in source.pictures])
