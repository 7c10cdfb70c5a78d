"""COCO instances: one JSON for each part of the split, images under `images/<part>/`.

Outlines without holes are polygons, several where an object has several parts. An object with holes becomes a
compressed run-length mask of the pixels whose centres it covers (`holes_as_rle`): COCO's polygons know none.
Attributes stand in `attributes`; the rest of what Fourpoint says of an object, where it is not as usual, in
`traits`.
"""

import json
from collections.abc import Iterator, Sequence
from reprlib import repr as bounded_repr
from typing import Any

from fourpoint_core.domain.geometry import Box, Contour, Part
from fourpoint_core.domain.labels import is_colour
from fourpoint_worker.formats import runs, traits_json
from fourpoint_worker.formats.fitting import fitted, fitted_box, from_pixels
from fourpoint_worker.formats.json_entries import Entry, json_paths, members, parsed
from fourpoint_worker.formats.shelf import Shelf, shelf
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

DEFAULT = "default"
_LISTS = ("categories", "images", "annotations")


def image_path(image: ExportedImage) -> str:
    """Where the image lies in the tree."""
    return f"images/{image.usage or DEFAULT}/{image.path}"


def files(source: ExportSource, notes: Notes) -> Iterator[File]:
    """The tree without its images."""
    for usage in source.usages():
        path = f"annotations/instances_{usage or DEFAULT}.json"
        yield File(path, _document(source, usage, notes))


def _document(source: ExportSource, usage: str, notes: Notes) -> Iterator[bytes]:
    categories = [
        {"id": label.mask_index, "name": label.name, "supercategory": "", "color": label.colour}
        for label in source.labels
    ]
    yield b'{"info":' + _json({"description": source.name, "version": "1.0"}) + b',"licenses":[],"categories":'
    yield _json(categories)
    yield b',\n"images":['
    chosen = (image for image in source.images() if image.usage == usage)
    for number, image in enumerate(chosen, 1):
        record = {"id": number, "file_name": image.path, "width": image.width, "height": image.height}
        yield (b",\n" if number > 1 else b"\n") + _json(record)
    yield b'],\n"annotations":['
    annotation = 0
    chosen = (image for image in source.images() if image.usage == usage)
    for number, image in enumerate(chosen, 1):
        for each in image.objects:
            annotation += 1
            record = _annotation(annotation, number, image, each, notes)
            yield (b",\n" if annotation > 1 else b"\n") + _json(record)
    yield b"]}\n"


def _annotation(
    number: int, image_number: int, image: ExportedImage, each: ExportedObject, notes: Notes
) -> dict[str, Any]:
    segmentation, area, box = _shape(image, each.contour, notes)
    attributes = dict(each.traits.attributes)
    record: dict[str, Any] = {
        "id": number,
        "image_id": image_number,
        "category_id": each.label.mask_index,
        "segmentation": segmentation,
        "area": area,
        "bbox": [box.x0, box.y0, box.width, box.height],
        "iscrowd": 1 if attributes.get("iscrowd") == 1 else 0,
        "attributes": attributes,
    }
    if each.score is not None:
        record["score"] = each.score
    traits = traits_json.to_json(each.traits)
    if traits:
        record["traits"] = traits
    return record


def _shape(image: ExportedImage, contour: Contour, notes: Notes) -> tuple[Any, float, Box]:
    """The segmentation, and area and box of what it says."""
    if not any(part.holes for part in contour.parts):
        polygons = [[value for vertex in part.outer for value in vertex] for part in contour.parts]
        return polygons, contour.area, contour.bounding_box
    notes.add("holes_as_rle")
    found = runs.runs_of(contour, image.width, image.height, by_rows=False)
    counts = runs.counts_of(found, image.height, image.width * image.height)
    mask = {"size": [image.height, image.width], "counts": runs.rle_string(counts)}
    return mask, found.area, runs.box_of(found, by_rows=False) or contour.bounding_box


def read(tree: FileTree, size_of: SizeOf) -> Iterator[Found]:
    """Every image of every file of instances in the tree, in order."""
    candidates = json_paths(tree)
    instances = [path for path in candidates if path.rpartition("/")[2].startswith("instances_")]
    if not candidates:
        yield Refusal(
            "", "nothing_found", "There is no JSON; give one, such as annotations/instances_train.json."
        )
    for path in instances or candidates:
        try:
            with shelf() as store:
                yield from _read_file(tree, path, store, size_of)
        except FormatError as error:
            yield Refusal.of(error, path)


def _read_file(tree: FileTree, path: str, store: Shelf, size_of: SizeOf) -> Iterator[Found]:
    names: dict[Any, tuple[str, str | None]] = {}
    with tree.open(path) as stream:
        for entry in members(stream, lists=_LISTS, needed=("images",)):
            if entry.key == "categories" and entry.item:
                label, key = _category(entry)
                said = (label.name, label.colour)
                if names.setdefault(key, said) != said:
                    raise FormatError("label_repeated", "Two categories have the same id.", entry.line)
                yield label
            elif entry.key == "images" and entry.item:
                if not store.add_image(_id(entry, "id"), entry.line, entry.text):
                    raise FormatError("image_repeated", "Two images have the same id.", entry.line)
            elif entry.key == "annotations" and entry.item:
                store.add_object(_id(entry, "image_id"), entry.line, entry.text)
    store.close_lists()
    usage = path.rpartition("/")[2].removeprefix("instances_").removesuffix(".json")
    for key, line, text in store.images():
        yield _image(path, usage, line, text, store.objects(key), names, size_of)
    for key, line in store.strays():
        yield Refusal(path, "image_unknown", f"No image has the id {key}.", line)


def _category(entry: Entry) -> tuple[ImportedLabel, Any]:
    value = entry.value
    number = value.get("id") if isinstance(value, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise FormatError("label_invalid", "A category has an id and a name.", entry.line)
    name = traits_json.label_name(value.get("name"), entry.line)
    label = ImportedLabel(name, colour_or_none(value.get("color")), mask_index_or_none(number))
    return label, number


def mask_index_or_none(value: Any) -> int | None:
    """A value that masks can have, or None for anything else."""
    return value if type(value) is int and 0 < value < 65536 else None


def colour_or_none(value: Any) -> str | None:
    """`#rrggbb` in lower case, or None for anything else."""
    return value.lower() if isinstance(value, str) and is_colour(value) else None


def _id(entry: Entry, name: str) -> str:
    value = entry.value.get(name) if isinstance(entry.value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise FormatError("id_missing", f"Give it an {name}.", entry.line)
    return json.dumps(value)


def _image(
    path: str,
    usage: str,
    line: int,
    text: str,
    rows: Iterator[tuple[int, str]],
    names: dict[Any, tuple[str, str | None]],
    size_of: SizeOf,
) -> Found:
    record = parsed(text, line)
    name = record.get("file_name")
    if not isinstance(name, str) or not name:
        return Refusal(path, "name_missing", "Give the image a file_name.", line)
    notes = Notes()
    places = (name, f"images/{name}", f"images/{usage}/{name}")
    try:
        stated = traits_json.pixels(record.get("width"), line), traits_json.pixels(record.get("height"), line)
        size = traits_json.agreed_size(_both(stated), size_of(places), line)
        objects = [_object(parsed(text, at), at, names, size, notes) for at, text in rows]
    except FormatError as error:
        return Refusal.of(error, path, name, line)
    return ImportedImage(
        name,
        *size,
        objects=tuple(found for found in objects if found is not None),
        usage=None if usage == DEFAULT else usage,
        line=line,
        notes=tuple(notes.first),
        files=places,
        place=path,
    )


def _both(stated: tuple[int | None, int | None]) -> tuple[int, int] | None:
    width, height = stated
    return None if width is None or height is None else (width, height)


def _object(
    record: Any, line: int, names: dict[Any, tuple[str, str | None]], size: tuple[int, int], notes: Notes
) -> ImportedObject | None:
    category = record.get("category_id")
    if isinstance(category, list | dict | bool) or category not in names:
        raise FormatError("label_unknown", f"No category has the id {bounded_repr(category)}.", line)
    attributes = traits_json.mapping(record.get("attributes"), line)
    traits = dict(record["traits"]) if isinstance(record.get("traits"), dict) else {}
    # Where CVAT says it.
    if isinstance(attributes.get("occluded"), bool):
        traits.setdefault("occluded", attributes.pop("occluded"))
    if record.get("iscrowd") == 1:
        attributes["iscrowd"] = 1
    found = ImportedObject(
        names[category][0],
        traits=traits_json.from_json(traits, attributes, line),
        colour=names[category][1],
        score=traits_json.share(record.get("score"), line),
        line=line,
    )
    segmentation = record.get("segmentation")
    if not segmentation:
        return _with_box(found, record.get("bbox"), size, notes)
    return _with_contour(found, segmentation, size, notes)


def _with_box(found: ImportedObject, values: Any, size: tuple[int, int], notes: Notes) -> ImportedObject:
    if not isinstance(values, list) or len(values) != 4:
        raise FormatError("shape_missing", "Give the annotation a segmentation, or a bbox.", found.line)
    x, y, width, height = (traits_json.number(value, found.line) for value in values)
    box = fitted_box(Box(x, y, x + width, y + height), *size, notes, found.line)
    return ImportedObject(found.label, None, box, found.traits, found.colour, found.score, found.line)


def _with_contour(
    found: ImportedObject, segmentation: Any, size: tuple[int, int], notes: Notes
) -> ImportedObject:
    line = found.line
    if isinstance(segmentation, dict):
        contour = _contour_of_rle(segmentation, size, notes, line)
    elif isinstance(segmentation, list) and all(isinstance(ring, list) for ring in segmentation):
        contour = Contour(tuple(Part(tuple(pairs(ring, line))) for ring in segmentation))
    else:
        raise FormatError("shape_missing", "A segmentation is a list of polygons or a run-length mask.", line)
    contour = fitted(contour, *size, notes, line)
    return ImportedObject(found.label, contour, None, found.traits, found.colour, found.score, line)


def pairs(values: Sequence[Any], line: int | None) -> list[tuple[float, float]]:
    """`x, y, x, y` as vertices. Raises FormatError."""
    if len(values) % 2:
        raise FormatError("coordinate_missing", "A polygon has an even number of coordinates.", line)
    numbers = [traits_json.number(value, line) for value in values]
    return list(zip(numbers[0::2], numbers[1::2], strict=True))


def _contour_of_rle(
    segmentation: dict[str, Any], size: tuple[int, int], notes: Notes, line: int | None
) -> Contour:
    width, height = size
    if segmentation.get("size") != [height, width]:
        raise FormatError("size_differs", f"The mask's size is not [{height}, {width}], as the image's.", line)
    counts = segmentation.get("counts")
    try:
        if isinstance(counts, str):
            counts = runs.counts_from_string(counts)
        if not isinstance(counts, list) or not all(type(count) is int for count in counts):
            raise ValueError("counts are a string or a list of whole numbers")
        found = runs.runs_from_counts(counts, height, width * height)
    except (ValueError, OverflowError) as error:
        raise FormatError("rle_invalid", f"The run-length mask cannot be read: {error}.", line) from None
    return from_pixels(runs.contour_of(found, by_rows=False), notes, line)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=False).encode(
        "utf-8", "backslashreplace"
    )
