"""CVAT for images 1.1: one XML, polygons and masks, images under `images/`.

An object with holes becomes a mask of the pixels whose centres it covers (`holes_as_mask`); the parts of one
object become polygons of one group (`parts_grouped`). Attributes are declared with their labels; what CVAT has
no place for becomes an attribute whose name begins with `@fourpoint:`.
"""

from collections.abc import Iterator

import numpy as np

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_worker.formats import runs, text_attributes, traits_json
from fourpoint_worker.formats.coco import colour_or_none
from fourpoint_worker.formats.fitting import ellipse, fitted, fitted_box, from_pixels, merged
from fourpoint_worker.formats.text_attributes import OWN
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportSource,
    File,
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
from fourpoint_worker.formats.xml_elements import Element, attribute, elements, text

FILE = "annotations.xml"
_AREAS = ("polygon", "mask", "ellipse", "box")
_WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")
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


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every image of every XML at the top of the tree, as soon as it has been read."""
    for path in [path for path in tree.paths() if path.endswith(".xml") and not path.startswith("images/")]:
        try:
            with tree.open(path) as stream:
                for element in elements(stream, "annotations", depth=1):
                    if element.name == "meta":
                        yield from _labels(element)
                    elif element.name == "image":
                        yield _image(path, element, size_of)
                    elif element.name == "track":
                        yield Refusal(
                            path, "tracks_refused", "Tracks are of videos; export images.", element.line
                        )
        except FormatError as error:
            yield Refusal.of(error, path)


def _labels(meta: Element) -> Iterator[ImportedLabel]:
    for holder in meta.children:
        for each in (holder.find("labels") or Element("labels", 0)).all("label"):
            name, colour = each.find("name"), each.find("color")
            if name is not None:
                label = traits_json.label_name(name.text, each.line)
                yield ImportedLabel(label, colour_or_none(None if colour is None else colour.text))


def _image(path: str, element: Element, size_of: SizeOf) -> Found:
    name = element.attributes.get("name", "")
    if not name:
        return Refusal(path, "name_missing", "Give the image a name.", element.line)
    usage = element.attributes.get("subset", "").lower()
    places = (f"images/{name}", f"images/{usage}/{name}", name)
    notes = Notes()
    try:
        width, height = (_whole(element, side) for side in ("width", "height"))
        size = traits_json.agreed_size((width, height), size_of(places), element.line)
        objects = tuple(_objects(element, size, notes))
    except FormatError as error:
        return Refusal.of(error, path, name, element.line)
    return ImportedImage(
        name,
        width=size[0],
        height=size[1],
        objects=objects,
        usage=usage or None,
        line=element.line,
        notes=tuple(notes.first),
        files=places,
        place=path,
    )


def _objects(image: Element, size: tuple[int, int], notes: Notes) -> Iterator[ImportedObject]:
    groups: dict[tuple[str, str], list[Element]] = {}
    for each in image.children:
        if each.name == "polygon" and each.attributes.get("group_id", "0") != "0":
            groups.setdefault(_group(each), []).append(each)
    for each in image.children:
        if each.name in _WITHOUT_AREA:
            notes.add("shape_without_area", f"A {each.name} encloses nothing; it was left out.", each.line)
        elif each.name in _AREAS:
            members = [each]
            if each.name == "polygon" and each.attributes.get("group_id", "0") != "0":
                members = groups.pop(_group(each), [])
            if members:
                yield _object(members, size, notes)


def _group(each: Element) -> tuple[str, str]:
    return (each.attributes["group_id"], each.attributes.get("label", ""))


def _object(members: list[Element], size: tuple[int, int], notes: Notes) -> ImportedObject:
    first = members[0]
    label = traits_json.label_name(first.attributes.get("label"), first.line)
    pairs = [(each.attributes.get("name", ""), each.text) for each in first.all("attribute")]
    # CVAT writes declared attributes without a value, too.
    attributes, own = text_attributes.from_pairs(((k, v) for k, v in pairs if k and v), first.line)
    traits = Traits(
        attributes=attributes,
        visible=own.get(OWN + "visible") != "false",
        z_order=text_attributes.z_order(first.attributes.get("z_order"), first.line),
        difficult=own.get(OWN + "difficult") == "true",
        truncated=own.get(OWN + "truncated") == "true",
        occluded=first.attributes.get("occluded") == "1",
    )
    score = own.get(OWN + "score")
    found = ImportedObject(
        label,
        traits=traits,
        score=None if score is None else traits_json.share(_float(score, first.line), first.line),
        line=first.line,
    )
    if first.name == "box" and _degrees(first) == 0:
        corners = [_float(first.attributes.get(key, ""), first.line) for key in ("xtl", "ytl", "xbr", "ybr")]
        box = fitted_box(Box(*corners), *size, notes, first.line)
        return ImportedObject(label, None, box, traits, None, found.score, first.line)
    contour = fitted(merged([_contour(each, size, notes) for each in members]), *size, notes, first.line)
    return ImportedObject(label, contour, None, traits, None, found.score, first.line)


def _contour(each: Element, size: tuple[int, int], notes: Notes) -> Contour:
    if each.name == "polygon":
        return Contour((Part(tuple(_points(each))),))
    if each.name == "mask":
        return _contour_of_mask(each, size, notes)
    values = {key: _float(each.attributes.get(key, "0"), each.line) for key in ("cx", "cy", "rx", "ry")}
    if each.name == "ellipse":
        notes.add("ellipse_as_polygon", "An ellipse became a polygon of as much area.", each.line)
        return ellipse(values["cx"], values["cy"], values["rx"], values["ry"], _degrees(each))
    return _turned_box(each)


def _turned_box(each: Element) -> Contour:
    x0, y0, x1, y1 = (_float(each.attributes.get(key, ""), each.line) for key in ("xtl", "ytl", "xbr", "ybr"))
    turn, middle = np.deg2rad(_degrees(each)), np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    turning = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) - middle
    return Contour((Part(tuple((float(x), float(y)) for x, y in corners @ turning.T + middle)),))


def _degrees(each: Element) -> float:
    return _float(each.attributes.get("rotation", "0"), each.line)


def _points(each: Element) -> Iterator[tuple[float, float]]:
    for pair in each.attributes.get("points", "").split(";"):
        x, comma, y = pair.partition(",")
        if not comma:
            raise FormatError("coordinate_missing", "Points are pairs such as `1.5,2.5;3,4`.", each.line)
        yield (_float(x, each.line), _float(y, each.line))


def _contour_of_mask(each: Element, size: tuple[int, int], notes: Notes) -> Contour:
    left, top, width, height = (_whole(each, key, 0) for key in ("left", "top", "width", "height"))
    if left + width > size[0] + 1 or top + height > size[1] + 1:
        raise FormatError("size_differs", "The mask leaves the image.", each.line)
    try:
        counts = [int(value) for value in each.attributes.get("rle", "").split(",")]
        found = runs.runs_from_counts(_complete(counts, width * height), width, width * height)
    except (ValueError, OverflowError) as error:
        raise FormatError("rle_invalid", f"The mask cannot be read: {error}.", each.line) from None
    return from_pixels(runs.contour_of(found, by_rows=True, left=left, top=top), notes, each.line)


def _complete(counts: list[int], total: int) -> list[int]:
    """CVAT leaves out the zeros at the end."""
    missing = total - sum(counts)
    if missing <= 0:
        return counts
    return [*counts, missing] if len(counts) % 2 == 0 else [*counts[:-1], counts[-1] + missing]


def _whole(element: Element, name: str, least: int = 1) -> int:
    found = traits_json.whole(element.attributes.get(name, ""), 999_999)
    if found is None or found < least:
        raise FormatError("size_invalid", f"{name} is a whole number of pixels.", element.line)
    return found


def _float(value: str, line: int | None) -> float:
    try:
        return traits_json.number(float(value), line)
    except ValueError:
        raise FormatError("number_invalid", f"Expected a number, not {value[:40]!r}.", line) from None
