"""LabelMe: one JSON beside each image, as labelme, X-AnyLabeling and others read it.

Parts of one object share a `group_id`; holes are joined to their outline by seams (`holes_bridged`), which our
reader finds again. `attributes`, `difficult` and `score` are X-AnyLabeling's; the rest stands in `fourpoint`.
"""

import base64
import json
import math
from binascii import Error as Base64Error
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from reprlib import repr as bounded_repr
from typing import Any

from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_worker.formats import png_masks, runs, traits_json
from fourpoint_worker.formats.fitting import circle, fitted, fitted_box, from_pixels, merged
from fourpoint_worker.formats.flattening import bridged
from fourpoint_worker.formats.json_entries import Entry, members
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportSource,
    File,
    FileTree,
    FormatError,
    Found,
    ImportedImage,
    ImportedObject,
    Notes,
    Refusal,
    SizeOf,
)

OWN = "fourpoint"
_Group = tuple[int | float | str, str]
_AREAS = ("polygon", "rectangle", "circle", "mask", "rotation")


def image_path(image: ExportedImage) -> str:
    """Where the image lies in the tree: beside its JSON."""
    return f"{_folder(image)}{image.stem}{PurePosixPath(image.path).suffix}"


def _folder(image: ExportedImage) -> str:
    return f"{image.usage}/" if image.usage else ""


def files(source: ExportSource, notes: Notes) -> Iterator[File]:
    """The tree without its images."""
    for image in source.images():
        shapes = [
            shape for number, each in enumerate(image.objects, 1) for shape in _shapes(number, each, notes)
        ]
        record: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": image_path(image).rpartition("/")[2],
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        written = json.dumps(record, ensure_ascii=True, indent=1) + "\n"
        yield File(f"{_folder(image)}{image.stem}.json", [written.encode()])


def _shapes(number: int, each: ExportedObject, notes: Notes) -> Iterator[dict[str, Any]]:
    parts = each.contour.parts
    if len(parts) > 1:
        notes.add("parts_grouped")
    for part in parts:
        if part.holes:
            notes.add("holes_bridged")
        shape: dict[str, Any] = {
            "label": each.label.name,
            "points": [[x, y] for x, y in bridged(part)],
            "group_id": number if len(parts) > 1 else None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
            "difficult": each.traits.difficult,
            "attributes": each.traits.attributes,
            "score": each.score,
        }
        own = traits_json.to_json(each.traits)
        own.pop("difficult", None)
        if own:
            shape[OWN] = own
        yield shape


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every JSON of the tree, in the order of their paths."""
    is_empty = True
    for path in tree.paths():
        if path.endswith(".json") and path.rpartition("/")[2] != "fourpoint.json":
            is_empty = False
            yield _read_file(tree, path, size_of)
    if is_empty:
        yield Refusal("", "nothing_found", "There is no JSON; give one beside each image.")


def _read_file(tree: FileTree, path: str, size_of: SizeOf) -> Found:
    shapes: list[Entry] = []
    said: dict[str, Any] = {}
    name: str | None = None
    notes = Notes()
    try:
        with tree.open(path) as stream:
            for entry in members(stream, lists=("shapes",), needed=("shapes",)):
                if entry.key == "shapes" and entry.item:
                    shapes.append(entry)
                elif entry.key in ("imagePath", "imageHeight", "imageWidth"):
                    said[entry.key] = entry.value
        name = said.get("imagePath")
        if not isinstance(name, str) or not name:
            raise FormatError("name_missing", "Give the file an imagePath.", 1)
        folder = path.rpartition("/")[0]
        beside = PurePosixPath(folder, name.replace("\\", "/").rpartition("/")[2]).as_posix()
        stated = [traits_json.pixels(said.get(key), 1) for key in ("imageWidth", "imageHeight")]
        both = None if None in stated else (stated[0] or 0, stated[1] or 0)
        size = traits_json.agreed_size(both, size_of((beside,)), 1)
        objects = tuple(_objects(shapes, size, notes))
    except FormatError as error:
        return Refusal.of(error, path, name if isinstance(name, str) else None)
    usage = beside.partition("/")[0]
    usage = usage if usage in ("train", "val", "test") else ""
    return ImportedImage(
        beside.removeprefix(f"{usage}/") if usage else beside,
        width=size[0],
        height=size[1],
        objects=objects,
        usage=usage or None,
        line=1,
        notes=tuple(notes.first),
        files=(beside,),
        place=path,
    )


def _objects(shapes: list[Entry], size: tuple[int, int], notes: Notes) -> Iterator[ImportedObject]:
    groups: dict[_Group, list[Entry]] = {}
    for entry in shapes:
        if not isinstance(entry.value, dict):
            raise FormatError("shape_missing", "A shape is an object.", entry.line)
        if _is_grouped(entry.value):
            groups.setdefault(_group(entry.value, entry.line), []).append(entry)
    for entry in shapes:
        kind = entry.value.get("shape_type") or "polygon"
        if kind not in _AREAS:
            notes.add(
                "shape_without_area",
                f"A {bounded_repr(kind)} encloses nothing; it was left out.",
                entry.line,
            )
            continue
        parts = groups.pop(_group(entry.value, entry.line), []) if _is_grouped(entry.value) else [entry]
        if parts:
            yield _object(parts, size, notes)


def _is_grouped(shape: dict[str, Any]) -> bool:
    return shape.get("group_id") not in (None, "") and (shape.get("shape_type") or "polygon") in (
        "polygon",
        "mask",
    )


def _group(shape: dict[str, Any], line: int) -> _Group:
    group, label = shape["group_id"], shape.get("label")
    if isinstance(group, bool) or not isinstance(group, int | float | str):
        raise FormatError("group_invalid", "A group_id is a number or a name.", line)
    return (group, label if isinstance(label, str) else "")


def _object(parts: list[Entry], size: tuple[int, int], notes: Notes) -> ImportedObject:
    shape, line = parts[0].value, parts[0].line
    label = traits_json.label_name(shape.get("label"), line)
    traits, score = traits_json.of_parts([_said(each.value, each.line) for each in parts], notes, line)
    if shape.get("shape_type") == "rectangle":
        xs, ys = zip(*_points(shape, line), strict=True)
        box = fitted_box(Box(min(xs), min(ys), max(xs), max(ys)), *size, notes, line)
        return ImportedObject(label, None, box, traits, None, score, line)
    contour = fitted(merged([_contour(each, size, notes) for each in parts]), *size, notes, line)
    return ImportedObject(label, contour, None, traits, None, score, line)


def _said(shape: dict[str, Any], line: int) -> traits_json.Said:
    said = traits_json.mapping(shape.get(OWN), line)
    difficult = shape.get("difficult")
    if difficult is not None:
        said["difficult"] = bool(difficult) if difficult in (0, 1) else difficult
    attributes = traits_json.mapping(shape.get("flags"), line)
    attributes.update(traits_json.mapping(shape.get("attributes"), line))
    if shape.get("description"):
        attributes["description"] = shape["description"]
    return traits_json.from_json(said, attributes, line), traits_json.share(shape.get("score"), line)


def _contour(entry: Entry, size: tuple[int, int], notes: Notes) -> Contour:
    shape, line = entry.value, entry.line
    points = _points(shape, line)
    kind = shape.get("shape_type") or "polygon"
    if kind == "circle":
        notes.add("circle_as_polygon", "A circle became a polygon of as much area.", line)
        if len(points) != 2:
            raise FormatError("coordinate_missing", "A circle has a centre and a point on it.", line)
        return circle(*points[0], math.dist(*points), line)
    if kind == "mask":
        return _contour_of_mask(shape, points, size, notes, line)
    return Contour((Part(tuple(points)),))


def _contour_of_mask(
    shape: dict[str, Any],
    points: list[tuple[float, float]],
    size: tuple[int, int],
    notes: Notes,
    line: int,
) -> Contour:
    """A bitmap of the box from the first point to the second, as base64 of a PNG."""
    try:
        data = base64.b64decode(str(shape.get("mask")), validate=True)
    except (Base64Error, ValueError):
        raise FormatError("mask_damaged", "A mask is the base64 of a PNG.", line) from None
    try:
        mask, _ = png_masks.read_png(BytesIO(data), None)
    except FormatError as error:
        raise FormatError(error.code, error.detail, line) from None
    if mask.shape[0] > size[1] + 1 or mask.shape[1] > size[0] + 1:
        raise FormatError("size_differs", "The mask is larger than the image.", line)
    xs, ys = zip(*points, strict=True)
    # Tools disagree on whether the second corner is the last pixel, or its far edge.
    if any(abs(mask.shape[axis] - max(at) + min(at)) >= 2 for axis, at in ((0, ys), (1, xs))):
        raise FormatError("size_differs", "The mask is not as large as the box of its two points.", line)
    found = runs.runs_by_value((png_masks.as_numbers(mask) != 0).astype("uint8")).get(1)
    left, top = round(min(xs)), round(min(ys))
    outline = None if found is None else runs.contour_of(found, by_rows=True, left=left, top=top)
    return from_pixels(outline, notes, line)


def _points(shape: dict[str, Any], line: int) -> list[tuple[float, float]]:
    points = shape.get("points")
    if not isinstance(points, list) or not points:
        raise FormatError("coordinate_missing", "A shape has a list of points.", line)
    if not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise FormatError("coordinate_missing", "A point is a pair of numbers.", line)
    return [(traits_json.number(x, line), traits_json.number(y, line)) for x, y in points]
