"""ModelArts' VOC-XML for image segmentation: one file per image, one polygon per object, pixel indices.

Reading takes every form that is found in the wild: closed and open rings, decimals, missing optional elements,
`x`/`y` beside `x1`/`y1`, snake_case names, shapes of the detection format. Writing gives the documented form:
closed rings of integer indices, `name, pose, truncated, difficult, mask_color, occluded` and the shape in this
order. What the format has no place for goes into its custom properties, whose names begin with `@fourpoint:`.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Box, Contour, Part, Vertex
from fourpoint_worker.formats import pixel_indices, text_attributes, traits_json
from fourpoint_worker.formats.fitting import circle, fitted, fitted_box, merged
from fourpoint_worker.formats.text_attributes import OWN
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    FormatError,
    ImportedImage,
    ImportedObject,
    Note,
    Notes,
)
from fourpoint_worker.formats.xml_elements import Element, elements, text

ROOT = "annotation"
GROUP = OWN + "group"
Z_ORDER = OWN + "z_order"
VISIBLE = OWN + "visible"
_HARD = "@modelarts:hard_coefficient"
_POSE = "@modelarts:pose"
_NO_POSE = {"unspecified", "0", "none"}
_SHAPES = ("polygon", "bndbox", "circle", "point", "line", "dashed", "polyline")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
_TRUE = {"1", "true", "yes"}
_FALSE = {"0", "false", "no"}


def read(stream: BinaryIO, size: tuple[int, int] | None = None) -> ImportedImage:
    """The image that a file describes. An image without objects is an unlabeled one.

    size: width and height of the upright image, where it is known; it counts, and a file that was made for
    another one is refused. Raises FormatError with a line: the whole file is taken, or nothing of it.
    """
    root = next(elements(stream, ROOT), None)
    if root is None:
        raise FormatError("xml_malformed", "The file is empty.", 1)
    # Huawei's own reader takes an annotation without anything in it.
    name = _field(root, "filename")
    _field(root, "folder")
    stated = _stated_size(root)
    _integer(root, "segmented")
    _field(root, "mask-source")
    notes: list[Note] = []
    where = next((child.line for child in root.children if child.name == "size"), root.line)
    frame = None if size is None and stated is None else traits_json.agreed_size(stated, size, where)
    read_objects = _Objects(frame)
    for element in root.all("object"):
        read_objects.add(element)
    found = tuple(read_objects.objects())
    notes.extend(read_objects.notes.first)
    return ImportedImage(
        name=name,
        width=frame[0] if frame else None,
        height=frame[1] if frame else None,
        objects=found,
        line=root.line,
        notes=tuple(notes),
    )


class _Objects:
    """Collects the objects of one image; those of one group become one object again."""

    def __init__(self, frame: tuple[int, int] | None):
        self.notes = Notes()
        self._frame = frame
        self._found: list[tuple[str | None, ImportedObject]] = []

    def add(self, element: Element) -> None:
        label_element = _child(element, "name")
        if label_element is None:
            raise FormatError("label_missing", "Give the object a <name>.", element.line)
        label = traits_json.label_name(_text(label_element), label_element.line)
        shape = _shape(element)
        if shape is not None:
            self._add_shape(element, shape, label)
        for part in element.all("part"):
            self.notes.add("part_as_object", "A part of an object became an object of its own.", part.line)
            self.add(part)

    def _add_shape(self, element: Element, shape: Element, label: str) -> None:
        if self._frame is None:
            raise FormatError("size_missing", "Give the image's <size>; nothing else says it.", element.line)
        attributes, own = text_attributes.from_pairs(
            _properties(element).items(), element.line, beside=dict(_elements(element))
        )
        drawn = ImportedObject(
            label,
            traits=_traits(element, attributes, own),
            colour=_colour(element),
            score=_share(element, "confidence"),
            line=element.line,
        )
        if shape.name == "bndbox":
            found = fitted_box(_box(shape), *self._frame, self.notes, shape.line)
            self._found.append((None, replace(drawn, box=found)))
            return
        contour = self._outline(shape)
        if contour is None:
            self.notes.add(
                "shape_without_area", f"A {shape.name} encloses nothing; it was left out.", shape.line
            )
            return
        group = own.get(GROUP)
        self._found.append((group, replace(drawn, contour=contour)))

    def _outline(self, shape: Element) -> Contour | None:
        if shape.name == "polygon":
            return Contour((Part(tuple(_vertices(shape))),))
        if shape.name == "circle":
            self.notes.add("circle_as_polygon", "A circle became a polygon of as much area.", shape.line)
            x, y = pixel_indices.from_index(_coordinate(shape, "cx"), _coordinate(shape, "cy"))
            return circle(x, y, _coordinate(shape, "r"), shape.line)
        return None

    def objects(self) -> Iterator[ImportedObject]:
        """In the order of the file, each fitted to the image."""
        groups: dict[tuple[str, str], list[ImportedObject]] = {}
        for group, found in self._found:
            if group is not None:
                groups.setdefault((group, found.label), []).append(found)
        for group, found in self._found:
            members = [found] if group is None else groups.pop((group, found.label), [])
            if members:
                yield self._fitted(members)

    def _fitted(self, members: list[ImportedObject]) -> ImportedObject:
        first = members[0]
        if first.contour is None or self._frame is None:
            return first
        contour = merged([each.contour for each in members if each.contour is not None])
        contour = fitted(contour, *self._frame, self.notes, first.line)
        return replace(first, contour=contour)


def write(image: ExportedImage, notes: Notes, mask_source: str | None = None) -> tuple[bytes, list[Any]]:
    """The file of one image, and the rings of indices that stand in it, each with its label, in painting order.

    mask_source: address of the class mask. Notes what had to be converted; see `pixel_indices`.
    """
    painted: list[Any] = []
    lines = [
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>',
        "<annotation>",
        "    <folder>NA</folder>",
        f"    <filename>{text(image.file_name)}</filename>",
        "    <source>",
        "        <database>Unknown</database>",
        "    </source>",
        "    <size>",
        f"        <width>{image.width}</width>",
        f"        <height>{image.height}</height>",
        f"        <depth>{image.depth}</depth>",
        "    </size>",
        "    <segmented>1</segmented>",
    ]
    if mask_source is not None:
        lines.append(f"    <mask_source>{text(mask_source)}</mask_source>")
    for number, each in enumerate(image.objects, 1):
        rings = pixel_indices.index_rings(each.contour, image.width, image.height, notes)
        if len(rings) > 1:
            notes.add("parts_split")
        group = str(number) if len(rings) > 1 else None
        for ring in rings:
            lines.extend(_object_lines(each, ring, group))
            painted.append((each.label, ring))
    lines.append("</annotation>")
    return ("\n".join(lines) + "\n").encode(), painted


def _object_lines(each: ExportedObject, ring: tuple[tuple[int, int], ...], group: str | None) -> Iterator[str]:
    traits = each.traits
    pose = _element_value(traits, _POSE) or "Unspecified"
    hard = _element_value(traits, _HARD)
    yield "    <object>"
    yield f"        <name>{text(each.label.name)}</name>"
    yield f"        <pose>{text(pose)}</pose>"
    yield f"        <truncated>{int(traits.truncated)}</truncated>"
    yield f"        <difficult>{int(traits.difficult)}</difficult>"
    yield f"        <mask_color>{','.join(map(str, each.label.rgb))}</mask_color>"
    yield f"        <occluded>{int(traits.occluded)}</occluded>"
    if each.score is not None:
        yield f"        <confidence>{each.score!r}</confidence>"
    if hard is not None:
        yield f"        <difficult-coefficient>{hard!r}</difficult-coefficient>"
    yield "        <polygon>"
    for index, (x, y) in enumerate((*ring, ring[0]), 1):
        yield f"            <x{index}>{x}</x{index}>"
        yield f"            <y{index}>{y}</y{index}>"
    yield "        </polygon>"
    properties = list(_written_properties(traits, group))
    if properties:
        yield "        <properties>"
        for key, value in properties:
            yield "            <property>"
            yield f"                <key>{text(key)}</key>"
            yield f"                <value>{text(value)}</value>"
            yield "            </property>"
        yield "        </properties>"
    yield "    </object>"


def _written_properties(traits: Traits, group: str | None) -> Iterator[tuple[str, str]]:
    said = {key: value for key, value in traits.attributes.items() if not _has_element(key, value)}
    yield from text_attributes.to_pairs(said)
    if traits.z_order:
        yield Z_ORDER, str(traits.z_order)
    if not traits.visible:
        yield VISIBLE, "0"
    if group is not None:
        yield GROUP, group


def _element_value(traits: Traits, key: str) -> Any:
    value = traits.attributes.get(key)
    return value if _has_element(key, value) else None


def _has_element(key: str, value: Any) -> bool:
    """Whether the format has a place of its own for an attribute."""
    if key == _HARD:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return key == _POSE and isinstance(value, str) and value.strip() == value and value.lower() not in _NO_POSE


def _canonical(name: str) -> str:
    return name.replace("_", "-").lower()


def _child(parent: Element, name: str) -> Element | None:
    return next((child for child in parent.children if _canonical(child.name) == name), None)


def _text(element: Element) -> str:
    """Not empty: Huawei's reader refuses an element that is there and says nothing."""
    if not element.text:
        raise FormatError(
            "field_empty", f"<{element.name}> is empty; give it a value or leave it out.", element.line
        )
    return element.text


def _field(parent: Element, name: str) -> str | None:
    found = _child(parent, name)
    return None if found is None else _text(found)


def _integer(parent: Element, name: str) -> int | None:
    found = _child(parent, name)
    if found is None:
        return None
    value = _number(found)
    if value != int(value) or value < 0:
        raise FormatError("number_invalid", f"<{found.name}> takes whole numbers.", found.line)
    return int(value)


def _number(element: Element) -> float:
    value = _text(element)
    if not _NUMBER.match(value):
        raise FormatError(
            "number_invalid", f"<{element.name}> takes a number, not {value[:40]!r}.", element.line
        )
    found = float(value)
    if not math.isfinite(found):
        raise FormatError("number_invalid", f"<{element.name}> takes a finite number.", element.line)
    return found


def _coordinate(parent: Element, *names: str) -> float:
    found = next((child for name in names if (child := _child(parent, name)) is not None), None)
    if found is None:
        raise FormatError("coordinate_missing", f"<{parent.name}> lacks <{names[0]}>.", parent.line)
    return _number(found)


def _stated_size(root: Element) -> tuple[int, int] | None:
    size = _child(root, "size")
    if size is None:
        return None
    width, height = _integer(size, "width"), _integer(size, "height")
    _integer(size, "depth")
    if width is None or height is None or not width or not height:
        return None
    return (width, height)


def _shape(element: Element) -> Element | None:
    found = [child for child in element.children if child.name in _SHAPES]
    if len(found) > 1:
        raise FormatError(
            "several_shapes", "An object has one shape; make each further one an <object>.", found[1].line
        )
    if not found:
        if next(element.all("part"), None) is None:
            raise FormatError("shape_missing", "The object has no shape; give it a <polygon>.", element.line)
        return None
    return found[0]


def _vertices(polygon: Element) -> Iterator[Vertex]:
    """In the order of the x; each y belongs to the x of its number."""
    ys: dict[str, Element] = {}
    xs: list[tuple[str, Element]] = []
    for child in polygon.children:
        axis, number = child.name[:1].lower(), child.name[1:]
        if axis not in ("x", "y") or not ((number.isascii() and number.isdigit()) or not number):
            continue
        if axis == "x":
            xs.append((number, child))
        elif number in ys:
            raise FormatError("coordinate_repeated", f"<{child.name}> is there twice.", child.line)
        else:
            ys[number] = child
    for number, x in xs:
        y = ys.pop(number, None)
        if y is None:
            raise FormatError("coordinate_missing", f"<{x.name}> has no <y{number}>.", x.line)
        yield pixel_indices.from_index(_number(x), _number(y))
    if ys:
        number, y = next(iter(ys.items()))
        raise FormatError("coordinate_missing", f"<{y.name}> has no <x{number}>.", y.line)


def _box(shape: Element) -> Box:
    return pixel_indices.box_from_indices(
        *(_coordinate(shape, name) for name in ("xmin", "ymin", "xmax", "ymax"))
    )


def _flag(element: Element, name: str) -> bool:
    found = _child(element, name)
    if found is None:
        return False
    value = _text(found).lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise FormatError("flag_invalid", f"<{found.name}> takes 0 or 1, not {value[:40]!r}.", found.line)


def _share(element: Element, name: str) -> float | None:
    found = _child(element, name)
    if found is None:
        return None
    value = _number(found)
    if not 0 <= value <= 1:
        raise FormatError("number_invalid", f"<{found.name}> takes a number from 0 to 1.", found.line)
    return value


def _colour(element: Element) -> str | None:
    found = _child(element, "mask-color")
    if found is None:
        return None
    parts = _text(found).split(",")
    values = [value for part in parts if (value := traits_json.whole(part.strip(), 255)) is not None]
    if len(parts) != 3 or len(values) != 3:
        raise FormatError("colour_invalid", f"<{found.name}> takes three numbers, `255,153,0`.", found.line)
    return "#" + "".join(f"{value:02x}" for value in values)


def _properties(element: Element) -> dict[str, str]:
    holder = _child(element, "properties")
    if holder is None:
        return {}
    found: dict[str, str] = {}
    for child in holder.children:
        if child.name != "property":
            # The older form: the element's name is the key.
            found[child.name] = _text(child)
            continue
        key, value = _child(child, "key"), _child(child, "value")
        if key is None or value is None:
            raise FormatError("field_empty", "A property has a <key> and a <value>.", child.line)
        found[_text(key)] = _text(value)
    return found


def _elements(element: Element) -> Iterator[tuple[str, Any]]:
    """Attributes that ModelArts has elements for."""
    pose = _field(element, "pose")
    if pose is not None and pose.lower() not in _NO_POSE:
        yield _POSE, pose
    hard = _share(element, "difficult-coefficient")
    hard = _share(element, "hard-coefficient") if hard is None else hard
    if hard is not None:
        yield _HARD, hard


def _traits(element: Element, attributes: dict[str, Any], own: dict[str, str]) -> Traits:
    return Traits(
        attributes=attributes,
        visible=own.get(VISIBLE) != "0",
        z_order=text_attributes.z_order(own.get(Z_ORDER), element.line),
        difficult=_flag(element, "difficult") or _flag(element, "hard"),
        occluded=_flag(element, "occluded"),
        truncated=_flag(element, "truncated"),
    )
