"""Reads Pascal VOC's class and object masks; see `voc_masks`, which writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Box, Contour
from fourpoint_worker.formats import pixel_indices, png_masks, runs, text_attributes, traits_json
from fourpoint_worker.formats.fitting import fitted, fitted_box, from_pixels
from fourpoint_worker.formats.runs import Runs
from fourpoint_worker.formats.text_attributes import OWN
from fourpoint_worker.formats.text_lines import lines
from fourpoint_worker.formats.values import (
    FileTree,
    FormatError,
    Found,
    ImportedImage,
    ImportedLabel,
    ImportedObject,
    Notes,
    Refusal,
    SizeOf,
)
from fourpoint_worker.formats.voc_masks import SETS, VOID, Colour
from fourpoint_worker.formats.xml_elements import Element, elements

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".JPEG", ".PNG")
_PASCAL = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every image that a set of `ImageSets/Segmentation` names; without sets, every one with a class mask."""
    try:
        classes = _read_classes(tree)
    except FormatError as error:
        yield Refusal.of(error, "labelmap.txt")
        return
    for name, colour in classes:
        yield ImportedLabel(name, f"#{png_masks.as_number(colour):06x}")
    seen: set[str] = set()
    try:
        for stem, usage in _stems(tree):
            if stem not in seen:
                seen.add(stem)
                yield _read_image(tree, stem, usage, classes, size_of)
    except FormatError as error:
        yield Refusal.of(error, SETS)


def _stems(tree: FileTree) -> Iterator[tuple[str, str | None]]:
    sets = [path for path in tree.paths() if path.startswith(SETS + "/") and path.endswith(".txt")]
    # The usual union of the other two says nothing that they do not.
    whole = [path for path in sets if path.rpartition("/")[2] != "trainval.txt"] or sets
    for path in whole:
        usage = path.rpartition("/")[2].removesuffix(".txt")
        with tree.open(path) as stream:
            for _, line in lines(stream):
                if line.strip():
                    yield line.strip(), usage if usage in ("train", "val", "test") else None
    if not sets:
        for path in tree.paths():
            if path.startswith("SegmentationClass/") and path.endswith(".png"):
                yield path.removeprefix("SegmentationClass/").removesuffix(".png"), None


def _read_classes(tree: FileTree) -> list[tuple[str, Colour]]:
    if not tree.has("labelmap.txt"):
        return [(name, png_masks.voc_colour(number)) for number, name in enumerate(_PASCAL, 1)]
    found = []
    with tree.open("labelmap.txt") as stream:
        for number, line in lines(stream):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, rest = line.partition(":")
            values = [traits_json.whole(each.strip(), 255) for each in rest.partition(":")[0].split(",")]
            said = [value for value in values if value is not None]
            if len(values) != 3 or len(said) != 3:
                raise FormatError("colour_invalid", "A label map has lines such as `cup:51,153,255::`.", number)
            red, green, blue = said
            if name != "background":
                found.append((traits_json.label_name(name, number), (red, green, blue)))
    return found


def _read_image(
    tree: FileTree, stem: str, usage: str | None, classes: list[tuple[str, Colour]], size_of: SizeOf
) -> Found:
    places = tuple(f"JPEGImages/{stem}{suffix}" for suffix in _SUFFIXES)
    image = next((place for place in places if tree.has(place)), None)
    asked = (image,) if image else places
    name = (image or places[0]).removeprefix("JPEGImages/")
    place = f"SegmentationClass/{stem}.png"
    notes = Notes()
    try:
        size = size_of(asked)
        told, size = _read_xml(tree, stem, size)
        objects = _read_masks(tree, stem, classes, told, size, notes)
    except FormatError as error:
        return Refusal.of(error, place, name)
    return ImportedImage(
        name,
        width=None if size is None else size[0],
        height=None if size is None else size[1],
        objects=tuple(objects),
        usage=usage,
        notes=tuple(notes.first),
        files=asked,
        place=place,
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """What the XML says of an object."""

    label: str
    traits: Traits
    score: float | None
    box: Box | None
    line: int


def _read_xml(
    tree: FileTree, stem: str, known: tuple[int, int] | None
) -> tuple[list[_Told], tuple[int, int] | None]:
    path = f"Annotations/{stem}.xml"
    if not tree.has(path):
        return [], known
    with tree.open(path) as stream:
        root = next(elements(stream, "annotation"), None)
    if root is None:
        raise FormatError("xml_malformed", "The file is empty.", 1)
    size = root.find("size")
    stated = None if size is None else (_whole(size, "width"), _whole(size, "height"))
    agreed = traits_json.agreed_size(stated, known, 1 if size is None else size.line)
    return [_told(element) for element in root.all("object")], agreed


def _told(element: Element) -> _Told:
    name = element.find("name")
    label = traits_json.label_name(None if name is None else name.text, element.line)
    holder = element.find("attributes")
    pairs = [
        (key.text, value.text)
        for each in ([] if holder is None else holder.all("attribute"))
        if (key := each.find("name")) is not None and (value := each.find("value")) is not None
    ]
    attributes, own = text_attributes.from_pairs(pairs, element.line)
    flags = {
        flag: (found := element.find(flag)) is not None and found.text in ("1", "true", "True")
        for flag in ("difficult", "occluded", "truncated")
    }
    traits = Traits(
        attributes=attributes,
        visible=own.get(OWN + "visible") != "0",
        z_order=text_attributes.z_order(own.get(OWN + "z_order"), element.line),
        **flags,
    )
    score = own.get(OWN + "score")
    box = element.find("bndbox")
    return _Told(
        label,
        traits,
        None if score is None else traits_json.share(_float(score, element.line), element.line),
        None if box is None else _box(box),
        element.line,
    )


def _box(element: Element) -> Box:
    values = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        found = element.find(name)
        values.append(_float("" if found is None else found.text, element.line))
    return pixel_indices.box_from_indices(*values)


def _float(value: str, line: int) -> float:
    try:
        return traits_json.number(float(value), line)
    except ValueError:
        raise FormatError("number_invalid", f"Expected a number, not {value[:40]!r}.", line) from None


def _whole(element: Element, name: str) -> int:
    found = element.find(name)
    value = None if found is None else traits_json.whole(found.text, 999_999)
    if not value:
        raise FormatError("size_invalid", f"<{name}> takes a whole number of pixels.", element.line)
    return value


def _read_masks(
    tree: FileTree,
    stem: str,
    classes: list[tuple[str, Colour]],
    told: list[_Told],
    size: tuple[int, int] | None,
    notes: Notes,
) -> Iterator[ImportedObject]:
    path = f"SegmentationClass/{stem}.png"
    if not tree.has(path):
        return
    with tree.open(path) as stream:
        kinds, palette = png_masks.read_png(stream, size)
    size = (kinds.shape[1], kinds.shape[0])
    label_of = _Labels(classes, palette, coloured=kinds.ndim == 3)
    kinds = png_masks.as_numbers(kinds)
    path = f"SegmentationObject/{stem}.png"
    if not tree.has(path):
        yield from _regions(kinds, label_of, size, notes)
        return
    with tree.open(path) as stream:
        objects, _ = png_masks.read_png(stream, size)
    by_value = runs.runs_by_value(png_masks.as_numbers(objects))
    numbered = _numbered(by_value, coloured=objects.ndim == 3)
    matches = bool(told) and all(number <= len(told) for number in numbered)
    for number, found in sorted(numbered.items()):
        label = label_of.of(_most_common(kinds, found))
        if label is None:
            continue
        said = told[number - 1] if matches and told[number - 1].label == label else None
        contour = _outline(found, size, notes)
        yield ImportedObject(
            label,
            contour,
            traits=Traits() if said is None else said.traits,
            score=None if said is None else said.score,
            line=None if said is None else said.line,
        )
    if matches:
        for number, said in enumerate(told, 1):
            if number not in numbered and said.box is not None:
                box = fitted_box(said.box, *size, notes, said.line)
                yield ImportedObject(said.label, box=box, traits=said.traits, score=said.score, line=said.line)


def _numbered(by_value: dict[int, Runs], *, coloured: bool) -> dict[int, Runs]:
    """Objects by their number; 0 is background, and the colour that surrounds objects in VOC is none."""
    if not coloured:
        return {value: found for value, found in by_value.items() if value not in (0, 255)} or {
            value: found for value, found in by_value.items() if value != 0
        }
    order = {png_masks.as_number(png_masks.voc_colour(number)): number for number in range(1, 65536)}
    void = png_masks.as_number(VOID)
    known = {order[value]: found for value, found in by_value.items() if value in order and value != void}
    foreign = [found for value, found in by_value.items() if value not in order and value not in (0, void)]
    start = max(known, default=0) + 1
    return {**known, **dict(enumerate(foreign, start))}


def _regions(
    kinds: npt.NDArray[Any], label_of: "_Labels", size: tuple[int, int], notes: Notes
) -> Iterator[ImportedObject]:
    """Without an object mask, every connected region is an object."""
    for value, found in sorted(runs.runs_by_value(kinds).items()):
        label = label_of.of(value)
        if label is not None:
            for part in _outline(found, size, notes).parts:
                notes.add("regions_as_objects", "Without an object mask, each region became an object.")
                yield ImportedObject(label, Contour((part,)))


def _outline(found: Runs, size: tuple[int, int], notes: Notes) -> Contour:
    return fitted(from_pixels(runs.contour_of(found, by_rows=True), notes), *size, notes)


def _most_common(kinds: npt.NDArray[Any], found: Runs) -> int:
    values, counts = np.unique(kinds[found.lines, found.starts], return_counts=True)
    return int(values[counts.argmax()])


class _Labels:
    """What the values of a class mask mean: colours by the label map, bare numbers by its order."""

    def __init__(self, classes: list[tuple[str, Colour]], palette: Any, *, coloured: bool):
        by_colour = {png_masks.as_number(colour): name for name, colour in classes}
        if coloured:
            self._names = by_colour
        elif palette is not None:
            numbers = {value: png_masks.as_number(colour) for value, colour in enumerate(palette)}
            self._names = {value: by_colour[each] for value, each in numbers.items() if each in by_colour}
        else:
            self._names = {number: name for number, (name, _) in enumerate(classes, 1)}
        self._void = png_masks.as_number(VOID) if coloured else 255

    def of(self, value: int) -> str | None:
        """The label; None for background and void. Raises FormatError for a value that stands for nothing."""
        if value == 0 or (value == self._void and value not in self._names):
            return None
        if value not in self._names:
            raise FormatError("label_unknown", f"The label map does not have the value {value} of the mask.")
        return self._names[value]
