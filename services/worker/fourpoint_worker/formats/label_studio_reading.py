"""Reads Label Studio's JSON: polygons, brushes, ellipses and rectangles of the annotation that counts."""

from collections.abc import Iterator
from reprlib import repr as bounded_repr
from typing import Any

from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_worker.formats import brush, runs, traits_json
from fourpoint_worker.formats.fitting import ellipse, fitted, fitted_box, from_pixels, turned_box
from fourpoint_worker.formats.flattening import DECIMALS
from fourpoint_worker.formats.json_entries import Entry, items, json_paths
from fourpoint_worker.formats.label_studio import OWN
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


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every task of every JSON at the top of the tree."""
    paths = json_paths(tree)
    if not paths:
        yield Refusal("", "nothing_found", "There is no JSON; give one, such as tasks.json.")
    for path in paths:
        labels: set[str] = set()
        try:
            with tree.open(path) as stream:
                for entry in items(stream):
                    yield from _task(path, entry, size_of, labels)
        except FormatError as error:
            yield Refusal.of(error, path)


def _task(path: str, entry: Entry, size_of: SizeOf, seen: set[str]) -> Iterator[Found]:
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
            seen.add(each.label)
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
    key = "annotations" if "annotations" in task else "completions"
    annotations = task.get(key, [])
    if not isinstance(annotations, list):
        raise FormatError("annotations_invalid", "Annotations are a list.", line)
    said = [each for each in annotations if isinstance(each, dict)]
    if len(said) < len(annotations):
        notes.add("annotation_left_out", "An annotation that is no object was left out.", line)
    kept = [each for each in said if not each.get("was_cancelled")]
    if len(kept) < len(said):
        notes.add("cancelled_left_out", "An annotation that was cancelled was left out.", line)
    if not kept:
        _note_results_beside(key, task, notes, line)
    if len(kept) > 1:
        notes.add("several_annotations", "Of several annotations of a task, the last one counts.", line)
    results = kept[-1].get("result") if kept else []
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise FormatError("annotations_invalid", "An annotation's result is a list of regions.", line)
    return results


def _note_results_beside(read: str, task: dict[str, Any], notes: Notes, line: int) -> None:
    """Results of predictions, of drafts, or under a key that is mistyped."""
    for key, value in task.items():
        holders = value if isinstance(value, list) else [value]
        if key != read and any(isinstance(each, dict) and each.get("result") for each in holders):
            what = f"Results under {bounded_repr(key)} were left out; those of annotations are read."
            notes.add("annotation_left_out", what, line)


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
    if isinstance(labels, list) and len(labels) > 1:
        left = ", ".join(bounded_repr(each) for each in labels[1:3])
        notes.add(
            "further_labels_left_out", f"A region is of one label, the first; it is no {left} here.", line
        )
    meta = result.get("meta")
    said = traits_json.mapping(meta.get(OWN) if isinstance(meta, dict) else None, line)
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
        return ellipse(x, y, rx, ry, traits_json.number(value.get("rotation") or 0, line), line)
    # Label Studio turns a box around its upper left corner.
    box = _box(value, size, line)
    return turned_box(box, traits_json.number(value.get("rotation"), line), (box.x0, box.y0), line)


def _place(percent: Any, size: int, line: int) -> float:
    return round(traits_json.number(percent, line) * size / 100, DECIMALS)


def _box(value: dict[str, Any], size: tuple[int, int], line: int) -> Box:
    x, width = (_place(value.get(key), size[0], line) for key in ("x", "width"))
    y, height = (_place(value.get(key), size[1], line) for key in ("y", "height"))
    return Box(x, y, x + width, y + height)
