"""Label Studio's JSON: one task for each image, outlines as polygons in percent of the image.

Holes and further parts are joined to one ring by seams (`holes_bridged`, `parts_bridged`); our reader finds
them again. Positions are written to a millionth of a pixel. Attributes and the like stand in a region's `meta`.
"""

import json
from collections.abc import Iterator
from reprlib import repr as bounded_repr
from typing import Any

import numpy as np

from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_worker.formats import brush, runs, traits_json
from fourpoint_worker.formats.fitting import ellipse, fitted, fitted_box, from_pixels
from fourpoint_worker.formats.flattening import DECIMALS, single_ring
from fourpoint_worker.formats.json_entries import Entry, entries
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
from fourpoint_worker.formats.xml_elements import attribute

FILE = "tasks.json"
CONFIG = "label_config.xml"
OWN = "fourpoint"
_WITHOUT_AREA = (
    "keypointlabels",
    "vectorlabels",
    "choices",
    "textarea",
    "rating",
    "number",
    "taxonomy",
    "relation",
)


def image_path(image: ExportedImage) -> str:
    """Where the image lies in the tree."""
    return f"images/{image.path}"


def files(source: ExportSource, notes: Notes, *, with_images: bool = False) -> Iterator[File]:
    """The tree without its images. with_images: tasks name those of the tree, not the originals."""
    yield File(CONFIG, [_config(source)])
    yield File(FILE, _document(source, notes, with_images=with_images))


def _config(source: ExportSource) -> bytes:
    labels = "".join(
        f"    <Label value={attribute(label.name)} background={attribute(label.colour)}/>\n"
        for label in source.labels
    )
    return (
        '<View>\n  <Image name="image" value="$image"/>\n  <PolygonLabels name="label" toName="image">\n'
        f"{labels}  </PolygonLabels>\n</View>\n"
    ).encode()


def _document(source: ExportSource, notes: Notes, *, with_images: bool) -> Iterator[bytes]:
    yield b"["
    for number, image in enumerate(source.images(), 1):
        place = image_path(image) if with_images or not image.location else image.location
        data = {"image": place, "path": image.path}
        if image.usage:
            data["usage"] = image.usage
        annotations = []
        if image.objects:
            results = [_result(index, each, image, notes) for index, each in enumerate(image.objects, 1)]
            annotations = [{"id": number, "was_cancelled": False, "ground_truth": False, "result": results}]
        task = {
            "id": number,
            "data": data,
            "meta": {OWN: {"width": image.width, "height": image.height}},
            "annotations": annotations,
            "predictions": [],
        }
        yield (b",\n" if number > 1 else b"\n") + json.dumps(task, separators=(",", ":")).encode()
    yield b"]\n"


def _result(number: int, each: ExportedObject, image: ExportedImage, notes: Notes) -> dict[str, Any]:
    ring = single_ring(each.contour, notes)
    if any(round(value, DECIMALS) != value for vertex in ring for value in vertex):
        notes.add("coordinates_rounded")
    points = [[_percent(x, image.width), _percent(y, image.height)] for x, y in ring]
    own = traits_json.to_json(each.traits)
    if each.traits.attributes:
        own["attributes"] = each.traits.attributes
    result = {
        "id": str(number),
        "type": "polygonlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": image.width,
        "original_height": image.height,
        "image_rotation": 0,
        "value": {"points": points, "closed": True, "polygonlabels": [each.label.name]},
    }
    if own:
        result["meta"] = {OWN: own}
    if each.score is not None:
        result["score"] = each.score
    return result


def _percent(value: float, size: int) -> float:
    """Ten decimals bring back a millionth of a pixel in an image of any size."""
    return round(round(value, DECIMALS) / size * 100, 10)


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every task of every JSON at the top of the tree."""
    for path in [path for path in tree.paths() if path.endswith(".json") and not path.startswith("images/")]:
        colours: dict[str, str | None] = {}
        try:
            with tree.open(path) as stream:
                for entry in entries(stream):
                    if entry.key is None:
                        yield from _task(path, entry, size_of, colours)
                    elif not entry.item and entry.key == "data":
                        raise FormatError("tasks_missing", "Give a list of tasks.", entry.line)
        except FormatError as error:
            yield Refusal.of(error, path)


def _task(path: str, entry: Entry, size_of: SizeOf, seen: dict[str, str | None]) -> Iterator[Found]:
    task = entry.value
    data = task.get("data") if isinstance(task, dict) else None
    address = data.get("image") if isinstance(data, dict) else None
    if not isinstance(address, str) or not address:
        yield Refusal(path, "name_missing", "Give the task an image in its data.", entry.line)
        return
    said = data.get("path") if isinstance(data, dict) else None
    name = said if isinstance(said, str) and said else _name(address)
    places = (f"images/{name}", name, address)
    notes = Notes()
    try:
        results = _results(task, notes, entry.line)
        size = _size(task, results, size_of(places), entry.line)
        objects = list(_objects(results, size, notes, entry.line))
    except FormatError as error:
        yield Refusal.of(error, path, name, entry.line)
        return
    for each in objects:
        if each.label not in seen:
            seen[each.label] = None
            yield ImportedLabel(each.label)
    usage = data.get("usage") if isinstance(data, dict) else None
    yield ImportedImage(
        name,
        width=None if size is None else size[0],
        height=None if size is None else size[1],
        objects=tuple(objects),
        usage=usage if isinstance(usage, str) else None,
        location=address if "://" in address else None,
        line=entry.line,
        notes=tuple(notes.first),
        files=places,
        place=path,
    )


def _name(address: str) -> str:
    """What an address of a task calls its image: Label Studio's local files, uploads, buckets."""
    tail = address.partition("?d=")[2] or address.partition("?")[0]
    return tail.rpartition("/")[2]


def _size(
    task: dict[str, Any], results: list[dict[str, Any]], known: tuple[int, int] | None, line: int
) -> tuple[int, int] | None:
    """The image's one size, that of every region of it, even of one that is left out. Raises FormatError."""
    said = [None if known else _own_size(task, line), *(_stated(each, line) for each in results)]
    sizes = list(dict.fromkeys(each for each in said if each))
    if len(sizes) > 1:
        (width, height), (other, high) = sizes[:2]
        raise FormatError(
            "size_differs",
            f"A task has one image; this one says {width} x {height} pixels and {other} x {high}.",
            line,
        )
    return traits_json.agreed_size(sizes[0], known, line) if sizes else known


def _own_size(task: dict[str, Any], line: int) -> tuple[int, int] | None:
    meta = task.get("meta")
    said = meta.get(OWN) if isinstance(meta, dict) else None
    if not isinstance(said, dict):
        return None
    width, height = traits_json.pixels(said.get("width"), line), traits_json.pixels(said.get("height"), line)
    return None if width is None or height is None else (width, height)


def _results(task: dict[str, Any], notes: Notes, line: int) -> list[dict[str, Any]]:
    annotations = task.get("annotations", task.get("completions", []))
    if not isinstance(annotations, list):
        raise FormatError("annotations_invalid", "Annotations are a list.", line)
    kept = [each for each in annotations if isinstance(each, dict) and not each.get("was_cancelled")]
    if len(kept) < len(annotations):
        notes.add("cancelled_left_out", "An annotation that was cancelled was left out.", line)
    if len(kept) > 1:
        notes.add("several_annotations", "Of several annotations of a task, the last one counts.", line)
    results = kept[-1].get("result") if kept else []
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise FormatError("annotations_invalid", "An annotation's result is a list of regions.", line)
    return results


def _objects(
    results: list[dict[str, Any]], size: tuple[int, int] | None, notes: Notes, line: int
) -> Iterator[ImportedObject]:
    for result in results:
        kind = result.get("type")
        if kind not in ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels"):
            word = bounded_repr(kind)
            notes.add("shape_without_area", f"A region of type {word} was left out.", line)
            continue
        if result.get("image_rotation"):
            raise FormatError("image_turned", "The region was drawn on a turned image; turn it back.", line)
        yield _object(kind, result, traits_json.agreed_size(size, None, line), notes, line)


def _stated(result: dict[str, Any], line: int) -> tuple[int, int] | None:
    sides = [traits_json.pixels(result.get(key), line) for key in ("original_width", "original_height")]
    width, height = sides
    return None if width is None or height is None else (width, height)


def _object(
    kind: str, result: dict[str, Any], size: tuple[int, int], notes: Notes, line: int
) -> ImportedObject:
    value = result.get("value")
    if not isinstance(value, dict):
        raise FormatError("shape_missing", "A region has a value.", line)
    labels = value.get(kind)
    label = traits_json.label_name(labels[0] if isinstance(labels, list) and labels else None, line)
    meta = result.get("meta")
    own = meta.get(OWN) if isinstance(meta, dict) else None
    said = dict(own) if isinstance(own, dict) else {}
    traits = traits_json.from_json(said, said.pop("attributes", None), line)
    score = traits_json.share(result.get("score"), line)
    if kind == "rectanglelabels" and not value.get("rotation"):
        box = fitted_box(_box(value, size, line), *size, notes, line)
        return ImportedObject(label, None, box, traits, None, score, line)
    contour = fitted(_contour(kind, value, size, notes, line), *size, notes, line)
    return ImportedObject(label, contour, None, traits, None, score, line)


def _contour(kind: str, value: dict[str, Any], size: tuple[int, int], notes: Notes, line: int) -> Contour:
    width, height = size
    if kind == "polygonlabels":
        points = value.get("points")
        if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
            raise FormatError("coordinate_missing", "A polygon has a list of pairs as its points.", line)
        return Contour((Part(tuple((_place(x, width, line), _place(y, height, line)) for x, y in points)),))
    if kind == "brushlabels":
        mask = brush.decoded(value.get("rle"), width, height, line)
        return from_pixels(runs.contour_of(mask, by_rows=True), notes, line)
    if kind == "ellipselabels":
        notes.add("ellipse_as_polygon", "An ellipse became a polygon of as much area.", line)
        x, rx = (_place(value.get(key), width, line) for key in ("x", "radiusX"))
        y, ry = (_place(value.get(key), height, line) for key in ("y", "radiusY"))
        return ellipse(x, y, rx, ry, traits_json.number(value.get("rotation") or 0, line))
    return _turned_box(value, size, line)


def _place(percent: Any, size: int, line: int) -> float:
    return round(traits_json.number(percent, line) * size / 100, DECIMALS)


def _box(value: dict[str, Any], size: tuple[int, int], line: int) -> Box:
    x, width = (_place(value.get(key), size[0], line) for key in ("x", "width"))
    y, height = (_place(value.get(key), size[1], line) for key in ("y", "height"))
    return Box(x, y, x + width, y + height)


def _turned_box(value: dict[str, Any], size: tuple[int, int], line: int) -> Contour:
    """Label Studio turns a box around its upper left corner."""
    box = _box(value, size, line)
    turn = np.deg2rad(traits_json.number(value.get("rotation"), line))
    across, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    start = np.array([box.x0, box.y0])
    corners = [start, start + across * box.width]
    corners += [corners[1] + down * box.height, start + down * box.height]
    return Contour((Part(tuple((float(x), float(y)) for x, y in corners)),))
