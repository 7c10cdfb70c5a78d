"""Reads Pascal VOC's trees of masks and boxes; see `voc_masks`, which writes them."""

from collections.abc import Iterator
from dataclasses import replace

from fourpoint_worker.formats import png_masks, voc_label_map, voc_objects, voc_xml_reading
from fourpoint_worker.formats.text_lines import lines
from fourpoint_worker.formats.values import (
    FileTree,
    FormatError,
    Found,
    ImportedImage,
    ImportedLabel,
    Notes,
    Refusal,
    SizeOf,
)
from fourpoint_worker.formats.voc_label_map import LabelMap
from fourpoint_worker.formats.voc_masks import BOX_SETS, LABEL_MAP, SETS
from fourpoint_worker.formats.voc_objects import Mask

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".JPEG", ".PNG")
_USAGES = ("train", "val", "test")
_CLASSES = "SegmentationClass/"
_OBJECTS = "SegmentationObject/"
_XML = "Annotations/"


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every image that a set of `ImageSets/Segmentation` names; without sets, each with a mask or an XML."""
    try:
        labels = voc_label_map.read(tree)
    except FormatError as error:
        yield Refusal.of(error, LABEL_MAP)
        return
    if labels.is_said:
        for name, colour in labels.hex_colours().items():
            yield ImportedLabel(name, colour)
    seen: set[str] = set()
    is_refused = False
    for found in _stems(tree):
        if isinstance(found, Refusal):
            is_refused = True
            yield found
        elif found[0] not in seen:
            seen.add(found[0])
            yield _read_image(tree, *found, labels, size_of)
    if not seen and not is_refused:
        detail = f"Name images in {SETS}, or give masks in {_CLASSES}, or XML in {_XML}."
        yield Refusal(SETS, "nothing_found", detail)


def _stems(tree: FileTree) -> Iterator[tuple[str, str | None] | Refusal]:
    """Name and part of the split of every image, some more than once."""
    sets = _sets(tree, SETS)
    # The usual union of the other two says nothing that they do not.
    for path in [path for path in sets if _usage(path) != "trainval"] or sets:
        yield from _named(tree, path)
    if not sets:
        # Beside these, there is one for each label.
        for path in _sets(tree, BOX_SETS):
            if _usage(path) in _USAGES:
                yield from _named(tree, path)
        for folder, suffix in ((_CLASSES, ".png"), (_OBJECTS, ".png"), (_XML, ".xml")):
            for path in tree.paths():
                if path.startswith(folder) and path.endswith(suffix):
                    yield path.removeprefix(folder).removesuffix(suffix), None


def _sets(tree: FileTree, folder: str) -> list[str]:
    return [path for path in tree.paths() if path.startswith(folder + "/") and path.endswith(".txt")]


def _usage(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".txt")


def _named(tree: FileTree, path: str) -> Iterator[tuple[str, str | None] | Refusal]:
    usage = _usage(path)
    try:
        with tree.open(path) as stream:
            for _, line in lines(stream):
                if line.strip():
                    yield line.strip(), usage if usage in _USAGES else None
    except FormatError as error:
        yield Refusal.of(error, path)


def _read_image(tree: FileTree, stem: str, usage: str | None, labels: LabelMap, size_of: SizeOf) -> Found:
    places = tuple(f"JPEGImages/{stem}{suffix}" for suffix in _SUFFIXES)
    image = next((place for place in places if tree.has(place)), None)
    asked = (image,) if image else places
    name = (image or places[0]).removeprefix("JPEGImages/")
    xml, mask, objects = f"{_XML}{stem}.xml", f"{_CLASSES}{stem}.png", f"{_OBJECTS}{stem}.png"
    at, notes = xml, Notes()
    try:
        told, size = voc_xml_reading.read(tree, xml, size_of(asked))
        at = mask
        kinds = _read_mask(tree, mask, size)
        if size is None and kinds is not None:
            size = kinds.size
        at = objects if tree.has(objects) else mask
        drawn = _read_mask(tree, objects, size)
        if size is None and drawn is not None:
            size = drawn.size
        found = tuple(voc_objects.found_in(kinds, drawn, told, labels, notes, size or (0, 0)))
    except FormatError as error:
        # Only XML has lines.
        return Refusal.of(error, xml if error.line else at, name)
    colours = labels.hex_colours()
    return ImportedImage(
        name,
        width=size and size[0],
        height=size and size[1],
        objects=tuple(replace(each, colour=colours.get(each.label)) for each in found),
        usage=usage,
        notes=tuple(notes.first),
        files=asked,
        place=xml if tree.has(xml) else mask,
    )


def _read_mask(tree: FileTree, path: str, size: tuple[int, int] | None) -> Mask | None:
    if not tree.has(path):
        return None
    with tree.open(path) as stream:
        found, palette = png_masks.read_png(stream, size)
    return Mask(png_masks.as_numbers(found), palette, coloured=found.ndim == 3)
