"""ModelArts' tree of a published version: a manifest, a VOC-XML and a palette mask for each labeled image.

`<name>.manifest`, `annotations/<stem>.xml`, `segmentationClass/<stem>.png`, and `data/` for images. The mask is
what `cv2.fillPoly` paints on the written vertices, object after object; its values are the labels' mask
indices. A label beyond 255 gets a value that no other label of its image has (`mask_index_changed`).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fourpoint_worker.formats import manifest, modelarts_xml, png_masks
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportSource,
    File,
    FileTree,
    FormatError,
    Found,
    ImportedImage,
    Note,
    Notes,
    Refusal,
    SizeOf,
    stem_of,
)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
_MASKS = ("segmentationclass/", "segmentationclassraw/")
_MOST = 255
_LONGEST_KEY = 1024


def image_path(image: ExportedImage) -> str:
    """Where the image lies in the tree."""
    return f"data/{image.path}"


def files(source: ExportSource, notes: Notes, *, with_images: bool = False) -> Iterator[File]:
    """The tree without its images. with_images: the manifest names those of the tree, not the originals."""
    for image in source.images():
        if image.objects:
            mask = f"segmentationClass/{image.stem}.png"
            data, painted = modelarts_xml.write(image, notes, source.root + mask)
            yield File(f"annotations/{image.stem}.xml", [data])
            yield File(mask, [_mask(image, painted, notes)])
    yield File(f"{source.name}.manifest", _manifest(source, with_images=with_images))


def _mask(image: ExportedImage, painted: Sequence[tuple[Any, Any]], notes: Notes) -> bytes:
    values = _mask_values([label.mask_index for label, _ in painted], notes)
    filled = png_masks.filled_on_indices(
        image.width, image.height, [(values.get(label.mask_index, 0), ring) for label, ring in painted]
    )
    colours = {values[label.mask_index]: label.rgb for label, _ in painted if label.mask_index in values}
    return png_masks.palette_png(filled, colours)


def _mask_values(indices: Sequence[int], notes: Notes) -> dict[int, int]:
    """The value of each label: its mask index, where a byte holds that."""
    used = sorted(set(indices))
    values = {index: index for index in used if index <= _MOST}
    free = (value for value in range(_MOST, 0, -1) if value not in values)
    for index in used:
        if index > _MOST:
            with suppress(StopIteration):
                values[index] = next(free)
            notes.add("mask_index_changed" if index in values else "mask_index_lacking")
    return values


def _manifest(source: ExportSource, *, with_images: bool) -> Iterator[bytes]:
    for image in source.images():
        place = source.root + image_path(image) if with_images or not image.location else image.location
        annotation = f"{source.root}annotations/{image.stem}.xml" if image.objects else None
        yield manifest.written(place, image.id.replace("-", ""), image.usage, annotation, image.labeled_at)


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """What the manifests of the tree say; without one, every image with the XML of its stem beside it."""
    manifests = [path for path in tree.paths() if path.endswith(".manifest")]
    for path in manifests:
        yield from _read_manifest(tree, path, size_of)
    if not manifests:
        yield from _read_folder(tree, size_of)


def _read_manifest(tree: FileTree, path: str, size_of: SizeOf) -> Iterator[Found]:
    try:
        with tree.open(path) as stream:
            for found in manifest.read(stream):
                if isinstance(found, FormatError):
                    yield Refusal.of(found, path)
                else:
                    yield _read_line(tree, path, found, size_of)
    except FormatError as error:
        yield Refusal.of(error, path)


def _read_line(tree: FileTree, path: str, line: manifest.ManifestLine, size_of: SizeOf) -> Found:
    places = tuple(suffixes(line.source))
    name = _name(line.source, line.annotation)
    image = ImportedImage(
        name, usage=line.usage, location=line.source, line=line.number, files=places, place=path
    )
    others = tuple(
        Note("annotation_left_out", f"An annotation of type {kind} was left out.", line.number)
        for kind in line.left_out
    )
    if line.annotation is None:
        return replace(image, notes=others)
    xml = next((place for place in suffixes(line.annotation) if tree.has(place)), None)
    if xml is None:
        detail = f"The annotation {line.annotation[:300]} is not there."
        return Refusal(path, "annotation_missing", detail, line.number, name)
    try:
        with tree.open(xml) as stream:
            said = modelarts_xml.read(stream, size_of(places))
    except FormatError as error:
        return Refusal.of(error, xml, name)
    objects = said.objects
    if line.hard:
        objects = tuple(replace(each, traits=replace(each.traits, difficult=True)) for each in objects)
    return (
        replace(
            said, name=name, usage=line.usage, location=line.source, line=line.number, files=places, place=path
        )
        .with_objects(objects)
        .with_notes((*said.notes, *others))
    )


def _name(source: str, annotation: str | None) -> str:
    """The image's path in the set: what its source and its annotation have in common, or what `data/` holds."""
    stem = stem_of(source)
    for folder in ("annotations/", "annotation/"):
        own = stem_of((annotation or "").rpartition(f"/{folder}")[2].removeprefix(folder))
        if annotation and own and f"/{stem}".endswith(f"/{own}"):
            return own + source[len(stem) :]
    return source.removeprefix("data/") if source.startswith("data/") else source.rpartition("/")[2]


def _read_folder(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    for path in tree.paths():
        lower = path.lower()
        if any(f"/{lower}".rfind("/" + folder) >= 0 for folder in _MASKS):
            continue
        if lower.endswith(IMAGE_SUFFIXES) and not _is_spoken_of(tree, path):
            yield ImportedImage(path, files=(path,), place=path)
        elif lower.endswith(".xml"):
            yield _read_xml(tree, path, size_of)


def _is_spoken_of(tree: FileTree, image: str) -> bool:
    """Whether an XML file is this image's, and not that of another one with the same stem."""
    return any(tree.has(xml) and _image_of(tree, _image_places(xml)) == image for xml in _xml_places(image))


def _xml_places(image: str) -> Iterator[str]:
    stem = stem_of(image)
    yield f"{stem}.xml"
    for folder in ("data/", "images/"):
        if stem.startswith(folder):
            yield f"annotations/{stem.removeprefix(folder)}.xml"
            yield f"annotation/{stem.removeprefix(folder)}.xml"


def _stems(xml: str) -> list[str]:
    """Of the images that an XML file may be about."""
    stem = stem_of(xml)
    stems = [stem]
    for folder in ("annotations/", "annotation/"):
        if stem.startswith(folder):
            stems += [head + stem.removeprefix(folder) for head in ("data/", "images/", "")]
    return stems


def _image_places(xml: str) -> list[str]:
    ends = [end for suffix in IMAGE_SUFFIXES for end in (suffix, suffix.upper())]
    return [stem + end for stem in _stems(xml) for end in ends]


def _image_of(tree: FileTree, places: Sequence[str]) -> str | None:
    return next((place for place in places if tree.has(place)), None)


def _read_xml(tree: FileTree, path: str, size_of: SizeOf) -> Found:
    stems, places = _stems(path), _image_places(path)
    image = _image_of(tree, places)
    asked = (image,) if image else tuple(places)
    try:
        with tree.open(path) as stream:
            said = modelarts_xml.read(stream, size_of(asked))
    except FormatError as error:
        return Refusal.of(error, path, image)
    folder = stems[-1].rpartition("/")[0]
    own = f"{folder}/{said.name}" if folder and said.name else said.name
    name = (image or own or stems[0]).removeprefix("data/")
    return replace(said, name=name, files=(*asked, *((own,) if own else ())), place=path)


def suffixes(address: str) -> Iterator[str]:
    """The address itself, and the paths that it ends with, as far as they can be keys, the longest first."""
    yield address
    path = (address.partition("://")[2] or address)[-_LONGEST_KEY:]
    while "/" in path:
        path = path.partition("/")[2]
        yield path
