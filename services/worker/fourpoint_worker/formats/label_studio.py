"""Label Studio's JSON: one task for each image, outlines as polygons in percent of the image.

Holes and further parts are joined to one ring by seams (`holes_bridged`, `parts_bridged`); our reader finds
them again. Positions are written to a millionth of a pixel. Attributes and the like stand in a region's `meta`.
"""

import json
from collections.abc import Iterator
from typing import Any

from fourpoint_worker.formats import traits_json
from fourpoint_worker.formats.flattening import DECIMALS, single_ring
from fourpoint_worker.formats.values import (
    ExportedImage,
    ExportedObject,
    ExportSource,
    File,
    Notes,
)
from fourpoint_worker.formats.xml_elements import attribute

FILE = "tasks.json"
CONFIG = "label_config.xml"
OWN = "fourpoint"


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
