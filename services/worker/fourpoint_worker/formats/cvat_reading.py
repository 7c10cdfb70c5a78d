"""Reads CVAT for images 1.1: masks, ellipses, boxes, and polygons, which make one object by group and label."""

from collections.abc import Iterator
from reprlib import repr as bounded_repr

from fourpoint_core.domain.annotations import Traits
from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_worker.formats import runs, text_attributes, traits_json
from fourpoint_worker.formats.coco import colour_or_none
from fourpoint_worker.formats.cvat import FILE
from fourpoint_worker.formats.fitting import ellipse, fitted, fitted_box, from_pixels, merged, turned_box
from fourpoint_worker.formats.text_attributes import OWN
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
from fourpoint_worker.formats.xml_elements import Element, elements

_AREAS = ("polygon", "mask", "ellipse", "box")
_WITHOUT_AREA = ("polyline", "points", "cuboid", "skeleton", "tag")


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every image of every XML at the top of the tree, as soon as it has been read."""
    paths = [path for path in tree.paths() if path.endswith(".xml") and not path.startswith("images/")]
    if not paths:
        yield Refusal("", "nothing_found", f"There is no XML; give one, such as {FILE}.")
    for path in paths:
        try:
            yield from _read_file(tree, path, size_of)
        except FormatError as error:
            yield Refusal.of(error, path)


def _read_file(tree: FileTree, path: str, size_of: SizeOf) -> Iterator[Found]:
    is_empty = True
    with tree.open(path) as stream:
        for element in elements(stream, "annotations", depth=1):
            is_empty = is_empty and element.name == "version"
            if element.name == "meta":
                yield from _labels(element)
            elif element.name == "image":
                yield _image(path, element, size_of)
            elif element.name == "track":
                yield Refusal(path, "tracks_refused", "Tracks are of videos; export images.", element.line)
            elif element.name != "version":
                what = f"Expected <image>, not {bounded_repr(element.name)}; it was left out."
                yield Refusal(path, "element_unknown", what, element.line)
    if is_empty:
        raise FormatError("nothing_found", "The file holds no <image>.", 1)


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
        if _is_grouped(each):
            groups.setdefault(_group(each), []).append(each)
    for each in image.children:
        if each.name in _WITHOUT_AREA:
            notes.add("shape_without_area", f"A {each.name} encloses nothing; it was left out.", each.line)
        elif each.name in _AREAS:
            parts = groups.pop(_group(each), []) if _is_grouped(each) else [each]
            if parts:
                yield _object(parts, size, notes)
        else:
            what = f"No shape is called {bounded_repr(each.name)}; it was left out."
            notes.add("shape_unknown", what, each.line)


def _is_grouped(each: Element) -> bool:
    return each.name == "polygon" and each.attributes.get("group_id", "0") not in ("", "0")


def _group(each: Element) -> tuple[str, str]:
    return (each.attributes["group_id"], each.attributes.get("label", ""))


def _object(parts: list[Element], size: tuple[int, int], notes: Notes) -> ImportedObject:
    first = parts[0]
    label = traits_json.label_name(first.attributes.get("label"), first.line)
    traits, score = traits_json.of_parts([_said(each) for each in parts], notes, first.line)
    if first.name == "box" and _degrees(first) == 0:
        box = fitted_box(_box(first), *size, notes, first.line)
        return ImportedObject(label, None, box, traits, None, score, first.line)
    contour = fitted(merged([_contour(each, size, notes) for each in parts]), *size, notes, first.line)
    return ImportedObject(label, contour, None, traits, None, score, first.line)


def _said(shape: Element) -> traits_json.Said:
    pairs = [(each.attributes.get("name", ""), each.text) for each in shape.all("attribute")]
    # CVAT writes declared attributes without a value, too.
    attributes, own = text_attributes.from_pairs(((k, v) for k, v in pairs if k and v), shape.line)
    traits = Traits(
        attributes=attributes,
        visible=own.get(OWN + "visible") != "false",
        z_order=text_attributes.z_order(shape.attributes.get("z_order"), shape.line),
        difficult=own.get(OWN + "difficult") == "true",
        truncated=own.get(OWN + "truncated") == "true",
        occluded=_is_occluded(shape),
    )
    score = own.get(OWN + "score")
    if score is None:
        return traits, None
    return traits, traits_json.share(traits_json.decimal(score, shape.line), shape.line)


def _is_occluded(shape: Element) -> bool:
    said = shape.attributes.get("occluded", "0").lower()
    if said not in ("0", "1", "false", "true"):
        raise FormatError("flag_invalid", "occluded is 0 or 1.", shape.line)
    return said in ("1", "true")


def _contour(each: Element, size: tuple[int, int], notes: Notes) -> Contour:
    if each.name == "polygon":
        return Contour((Part(tuple(_points(each))),))
    if each.name == "mask":
        return _contour_of_mask(each, size, notes)
    if each.name == "ellipse":
        notes.add("ellipse_as_polygon", "An ellipse became a polygon of as much area.", each.line)
        cx, cy, rx, ry = (_number(each, key) for key in ("cx", "cy", "rx", "ry"))
        return ellipse(cx, cy, rx, ry, _degrees(each), each.line)
    box = _box(each)
    middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    return turned_box(box, _degrees(each), middle, each.line)


def _box(each: Element) -> Box:
    return Box(*(_number(each, key) for key in ("xtl", "ytl", "xbr", "ybr")))


def _degrees(each: Element) -> float:
    return _number(each, "rotation") if "rotation" in each.attributes else 0.0


def _number(each: Element, name: str) -> float:
    if name not in each.attributes:
        raise FormatError("coordinate_missing", f"Give the {each.name} its {name}.", each.line)
    return traits_json.decimal(each.attributes[name], each.line)


def _points(each: Element) -> Iterator[tuple[float, float]]:
    for pair in each.attributes.get("points", "").split(";"):
        x, comma, y = pair.partition(",")
        if not comma:
            raise FormatError("coordinate_missing", "Points are pairs such as `1.5,2.5;3,4`.", each.line)
        yield (traits_json.decimal(x, each.line), traits_json.decimal(y, each.line))


def _contour_of_mask(each: Element, size: tuple[int, int], notes: Notes) -> Contour:
    left, top, width, height = (_whole(each, key, 0) for key in ("left", "top", "width", "height"))
    if left + width > size[0] + 1 or top + height > size[1] + 1:
        raise FormatError("size_differs", "The mask leaves the image.", each.line)
    try:
        counts = [_count(value) for value in each.attributes.get("rle", "").split(",")]
        found = runs.runs_from_counts(_complete(counts, width * height), width, width * height)
    except (ValueError, OverflowError) as error:
        raise FormatError("rle_invalid", f"The mask cannot be read: {error}.", each.line) from None
    return from_pixels(runs.contour_of(found, by_rows=True, left=left, top=top), notes, each.line)


def _count(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError(f"{bounded_repr(text)} is no number of pixels")
    return int(text)


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
