"""CVAT for images 1.1: one XML, polygons and masks, images under `images/`.

An object with holes becomes a mask of the pixels whose centres it covers (`holes_as_mask`); the parts of one
object become polygons of one group (`parts_grouped`). Attributes are declared with their labels; what CVAT has
no place for becomes an attribute whose name begins with `@fourpoint:`.
"""

from collections.abc import Iterator

from fourpoint_core.domain.geometry import Contour
from fourpoint_worker.formats import runs, text_attributes
from fourpoint_worker.formats.text_attributes import OWN
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportSource,
    File,
    Notes,
)
from fourpoint_worker.formats.xml_elements import attribute, text

FILE = "annotations.xml"
_DECIMALS = 6
_MAX_DECLARED = 2000


def image_path(image: ExportedImage) -> str:
    """Where the image lies in the tree."""
    return f"images/{image.path}"


def files(source: ExportSource, notes: Notes) -> Iterator[File]:
    """The tree without its images."""
    yield File(FILE, _document(source, notes))


def _document(source: ExportSource, notes: Notes) -> Iterator[bytes]:
    declared, count = _declared(source)
    head = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotations>",
        "  <version>1.1</version>",
        "  <meta>",
        "    <task>",
        f"      <name>{text(source.name)}</name>",
        f"      <size>{count}</size>",
        "      <mode>annotation</mode>",
        "      <labels>",
    ]
    for label in source.labels:
        head += ["        <label>", f"          <name>{text(label.name)}</name>"]
        head += [f"          <color>{label.colour}</color>", "          <attributes>"]
        for name in sorted(declared.get(label.name, ())):
            head += [
                "            <attribute>",
                f"              <name>{text(name)}</name>",
                "              <mutable>False</mutable>",
                "              <input_type>text</input_type>",
                "              <default_value></default_value>",
                "              <values></values>",
                "            </attribute>",
            ]
        head += ["          </attributes>", "        </label>"]
    head += ["      </labels>", "    </task>", "  </meta>"]
    yield ("\n".join(head) + "\n").encode()
    for number, image in enumerate(source.images()):
        yield ("\n".join(_image_rows(number, image, notes)) + "\n").encode()
    yield b"</annotations>\n"


def _declared(source: ExportSource) -> tuple[dict[str, set[str]], int]:
    """Names of the attributes of each label, and the number of images."""
    found: dict[str, set[str]] = {}
    count = 0
    for image in source.images():
        count += 1
        for each in image.objects:
            names = found.setdefault(each.label.name, set())
            if len(names) < _MAX_DECLARED:
                names.update(key for key, _ in _pairs(each))
    return found, count


def _pairs(each: ExportedObject) -> Iterator[tuple[str, str]]:
    yield from text_attributes.to_pairs(each.traits.attributes)
    for name in ("difficult", "truncated"):
        if getattr(each.traits, name):
            yield OWN + name, "true"
    if not each.traits.visible:
        yield OWN + "visible", "false"
    if each.score is not None:
        yield OWN + "score", repr(each.score)


def _image_rows(number: int, image: ExportedImage, notes: Notes) -> Iterator[str]:
    subset = f" subset={attribute(image.usage)}" if image.usage else ""
    yield (
        f'  <image id="{number}" name={attribute(image.path)}{subset} width="{image.width}"'
        f' height="{image.height}">'
    )
    for group, each in enumerate(image.objects, 1):
        yield from _object_rows(each, group, image, notes)
    yield "  </image>"


def _object_rows(each: ExportedObject, group: int, image: ExportedImage, notes: Notes) -> Iterator[str]:
    common = f' label={attribute(each.label.name)} source="manual" occluded="{int(each.traits.occluded)}"'
    tail = f' z_order="{each.traits.z_order}"'
    parts = each.contour.parts
    if any(part.holes for part in parts):
        notes.add("holes_as_mask")
        yield from _with_attributes("mask", common + _mask(each.contour, image) + tail, each)
        return
    if len(parts) > 1:
        notes.add("parts_grouped")
        tail += f' group_id="{group}"'
    if any(round(v, _DECIMALS) != v for part in parts for vertex in part.outer for v in vertex):
        notes.add("coordinates_rounded")
    for part in parts:
        points = ";".join(f"{_decimal(x)},{_decimal(y)}" for x, y in part.outer)
        yield from _with_attributes("polygon", f'{common} points="{points}"{tail}', each)


def _with_attributes(name: str, head: str, each: ExportedObject) -> Iterator[str]:
    yield f"    <{name}{head}>"
    for key, value in _pairs(each):
        yield f"      <attribute name={attribute(key)}>{text(value)}</attribute>"
    yield f"    </{name}>"


def _decimal(value: float) -> str:
    return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")


def _mask(contour: Contour, image: ExportedImage) -> str:
    """Runs of the pixels in the object's box, row by row, zeros first."""
    found = runs.runs_of(contour, image.width, image.height, by_rows=True)
    if not len(found.lines):
        return ' rle="1" left="0" top="0" width="1" height="1"'
    left, top = int(found.starts.min()), int(found.lines.min())
    width, height = int(found.ends.max()) - left, int(found.lines.max()) - top + 1
    within = runs.Runs(found.lines - top, found.starts - left, found.ends - left)
    counts = ", ".join(map(str, runs.counts_of(within, width, width * height)))
    return f' rle="{counts}" left="{left}" top="{top}" width="{width}" height="{height}"'
