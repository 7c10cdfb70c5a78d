"""Pascal VOC with masks: `JPEGImages`, `Annotations`, `SegmentationClass`, `SegmentationObject`, `ImageSets`.

The sets stand in `ImageSets/Segmentation`, and again in `Main` for readers that look for boxes.

Outlines become the pixels whose centres they cover (`rasterised`), the upper object over the lower; where that
takes pixels from an object it is counted (`overlap_cut`), and where nothing is left (`hidden_by_others`) its
box in the XML remains. The n-th object of the XML is the n-th of the object mask.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from fourpoint_worker.formats import pixel_indices, png_masks, runs, text_attributes
from fourpoint_worker.formats.runs import Runs
from fourpoint_worker.formats.text_attributes import OWN
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportLabel,
    ExportSource,
    File,
    Notes,
)
from fourpoint_worker.formats.xml_elements import text

WHOLE = "default"
SETS = "ImageSets/Segmentation"
BOX_SETS = "ImageSets/Main"
LABEL_MAP = "labelmap.txt"
# What surrounds objects in VOC's own masks, and is none.
VOID_NUMBER = 255
VOID = png_masks.voc_colour(VOID_NUMBER)
Colour = tuple[int, int, int]


def image_path(image: ExportedImage) -> str:
    """Where the image lies in the tree."""
    return f"JPEGImages/{image.stem}{PurePosixPath(image.path).suffix}"


def files(source: ExportSource, notes: Notes) -> Iterator[File]:
    """The tree without its images."""
    classes = _classes(source.labels, notes)
    rows = [f"{each.name}:{','.join(map(str, each.colour))}::\n" for each in classes.values()]
    head = "# label:color_rgb:parts:actions\nbackground:0,0,0::\n"
    yield File(LABEL_MAP, [(head + "".join(rows)).encode()])
    for image in source.images():
        yield from _image_files(image, classes, notes)
    for folder in (SETS, BOX_SETS):
        for usage in source.usages():
            chosen = (f"{image.stem}\n".encode() for image in source.images() if image.usage == usage)
            yield File(f"{folder}/{usage or WHOLE}.txt", chosen)


@dataclass(frozen=True, slots=True)
class _Class:
    number: int
    name: str
    colour: Colour


def _classes(labels: Sequence[ExportLabel], notes: Notes) -> dict[int, _Class]:
    """By mask_index; names and colours that a label map can tell apart."""
    names = {"background"}
    colours: set[Colour] = {(0, 0, 0), VOID}
    found = {}
    for number, label in enumerate(labels, 1):
        name = label.name.replace(":", "_").lstrip("#") or "_"
        while name in names:
            name += "_"
        if name != label.name:
            notes.add("label_renamed", f"{label.name!r} is {name!r} in the label map.")
        colour, spare = label.rgb, number
        while colour in colours:
            colour, spare = png_masks.voc_colour(spare), spare + 1
        if colour != label.rgb:
            notes.add("colour_changed", f"{label.name!r} shares its colour with another label.")
        names.add(name)
        colours.add(colour)
        found[label.mask_index] = _Class(number, name, colour)
    return found


def _image_files(image: ExportedImage, classes: dict[int, _Class], notes: Notes) -> Iterator[File]:
    drawn = [
        (
            classes[each.label.mask_index],
            each,
            runs.runs_of(each.contour, image.width, image.height, by_rows=True),
        )
        for each in image.objects
    ]
    for _ in drawn:
        notes.add("rasterised")
    yield File(f"Annotations/{image.stem}.xml", [_xml(image, drawn)])
    objects = np.zeros((image.height, image.width), np.uint16)
    for number, (_, _, found) in enumerate(drawn, 1):
        runs.paint(objects, found, number)
    _count_overlaps(objects, [found for _, _, found in drawn], notes)
    yield File(f"SegmentationClass/{image.stem}.png", [_class_png(objects, [each for each, _, _ in drawn])])
    yield File(f"SegmentationObject/{image.stem}.png", [_object_png(objects, len(drawn))])


def _count_overlaps(objects: npt.NDArray[Any], drawn: Sequence[Runs], notes: Notes) -> None:
    left = np.bincount(objects.ravel(), minlength=len(drawn) + 1)
    for number, found in enumerate(drawn, 1):
        if not left[number]:
            notes.add("hidden_by_others")
        elif left[number] < found.area:
            notes.add("overlap_cut")


def _class_png(objects: npt.NDArray[Any], drawn: Sequence[_Class]) -> bytes:
    if all(each.number <= 255 for each in drawn):
        numbers = np.array([0, *(each.number for each in drawn)], np.uint8)
        return png_masks.palette_png(numbers[objects], {each.number: each.colour for each in drawn})
    colours = np.array([(0, 0, 0), *(each.colour for each in drawn)], np.uint8)
    return png_masks.colour_png(colours[objects])


def _object_png(objects: npt.NDArray[Any], count: int) -> bytes:
    colours = {number: png_masks.voc_colour(number) for number in range(count + 1)}
    if count <= 255:
        return png_masks.palette_png(objects.astype(np.uint8), colours)
    return png_masks.colour_png(np.array(list(colours.values()), np.uint8)[objects])


def _xml(image: ExportedImage, drawn: Sequence[tuple[_Class, ExportedObject, Runs]]) -> bytes:
    rows = [
        "<annotation>",
        "  <folder>JPEGImages</folder>",
        f"  <filename>{text(image_path(image).removeprefix('JPEGImages/'))}</filename>",
        "  <source>",
        "    <database>Unknown</database>",
        "  </source>",
        "  <size>",
        f"    <width>{image.width}</width>",
        f"    <height>{image.height}</height>",
        f"    <depth>{image.depth}</depth>",
        "  </size>",
        "  <segmented>1</segmented>",
    ]
    for each, drawing, found in drawn:
        rows.extend(_object_rows(each, drawing, found, image))
    return ("\n".join([*rows, "</annotation>"]) + "\n").encode()


def _object_rows(each: _Class, drawing: ExportedObject, found: Runs, image: ExportedImage) -> Iterator[str]:
    traits = drawing.traits
    box = runs.box_of(found) or drawing.contour.bounding_box
    corners = pixel_indices.box_to_indices(box, image.width, image.height)
    yield "  <object>"
    yield f"    <name>{text(each.name)}</name>"
    yield "    <pose>Unspecified</pose>"
    yield f"    <truncated>{int(traits.truncated)}</truncated>"
    yield f"    <difficult>{int(traits.difficult)}</difficult>"
    yield f"    <occluded>{int(traits.occluded)}</occluded>"
    yield "    <bndbox>"
    for name, corner in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
        yield f"      <{name}>{corner}</{name}>"
    yield "    </bndbox>"
    pairs = [*text_attributes.to_pairs(traits.attributes), *_own(drawing)]
    if pairs:
        yield "    <attributes>"
        for key, value in pairs:
            yield f"      <attribute><name>{text(key)}</name><value>{text(value)}</value></attribute>"
        yield "    </attributes>"
    yield "  </object>"


def _own(drawing: ExportedObject) -> Iterator[tuple[str, str]]:
    if drawing.traits.z_order:
        yield OWN + "z_order", str(drawing.traits.z_order)
    if not drawing.traits.visible:
        yield OWN + "visible", "0"
    if drawing.score is not None:
        yield OWN + "score", repr(drawing.score)
