"""Regions of Label Studio, in percent of the image, to a prompt in pixels and back; no HTTP."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fourpoint_api.resources.label_studio.label_config import Control
from fourpoint_api.resources.pictures.clicks import prompt_from_points
from fourpoint_api.resources.pictures.operations import Picture
from fourpoint_core.domain.geometry import Box, Contour, Part, Vertex
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.ids import new_id

CONTEXT = "/params/context/result"
_FULL = 100.0
# A hundred-thousandth of a percent is a thousandth of a pixel in an image of 100,000.
_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person has drawn. prompt, brush: see Question; both empty where it is too little to begin with.

    label: of the newest region that has one. to_name: the image that the regions are on.
    """

    prompt: Prompt | None
    brush: tuple[int, ...]
    label: str | None
    to_name: str | None


def image_named(regions: Sequence[Any]) -> str | None:
    """The name of the image tag that regions are on."""
    names = (one.get("to_name") for one in regions if isinstance(one, dict))
    return next((name for name in names if isinstance(name, str)), None)


def asked(regions: Sequence[Any], picture: Picture) -> Asked:
    """Keypoints, the newest rectangle, the newest polygon or brush to start from; others are no matter.

    Four keypoints or more are the object's outermost points, where there is no rectangle; beside one, they are
    points on the object. A keypoint without `is_positive` is positive. Raises InvalidInputError.
    """
    clicks: list[Vertex] = []
    off: list[Vertex] = []
    box: Box | None = None
    contour: Contour | None = None
    brush: tuple[int, ...] = ()
    label: str | None = None
    for index, region in enumerate(regions):
        kind = region.get("type") if isinstance(region, dict) else None
        reader = _Reader(region, picture, f"{CONTEXT}/{index}")
        match kind:
            case "keypointlabels" | "keypoint":
                (off if _is_negative(region) else clicks).append(reader.point())
            case "rectanglelabels" | "rectangle":
                box = reader.box()
            case "polygonlabels" | "polygon":
                contour, brush = reader.contour(), ()
            case "brushlabels" | "brush":
                contour, brush = None, reader.brush()
            case _:
                continue
        label = reader.label(str(kind)) or label
    prompt = _prompt(clicks, off, box, contour, has_brush=bool(brush))
    return Asked(prompt, brush, label, image_named(regions))


def region_of(
    outline: Sequence[Any], score: float, picture: Picture, control: Control, label: str | None
) -> dict[str, Any]:
    """The outline as a region of that tag. outline: a ring in pixels, or a brush's run-length code."""
    if control.is_brush:
        value: dict[str, Any] = {"format": "rle", "rle": list(outline)}
    else:
        points = [[_percent(x, picture.width), _percent(y, picture.height)] for x, y in outline]
        value = {"points": points, "closed": True}
    labels = control.labels_for(label)
    if labels is not None:
        value[control.kind] = labels
    return {
        "id": new_id().hex[-10:],
        "from_name": control.name,
        "to_name": control.to_name,
        "type": control.kind,
        "original_width": picture.width,
        "original_height": picture.height,
        "image_rotation": 0,
        "score": score,
        "value": value,
    }


def _prompt(
    clicks: list[Vertex], off: list[Vertex], box: Box | None, contour: Contour | None, *, has_brush: bool
) -> Prompt | None:
    if box is None and len(clicks) >= 4:
        prompt = prompt_from_points(clicks, off)
        return Prompt(prompt.points, prompt.box_prompt, prompt.include, prompt.exclude, contour)
    if box is None and contour is not None:
        box = contour.bounding_box
    if box is None and not has_brush:
        return None
    return Prompt(box_prompt=box, include=tuple(clicks), exclude=tuple(off), contour=contour)


def _is_negative(region: dict[str, Any]) -> bool:
    said = region.get("is_positive")
    return said is not None and not said


def _percent(pixels: float, size: int) -> float:
    return round(pixels / size * _FULL, _DECIMALS)


class _Reader:
    """Reads one region. Raises InvalidInputError with the region's place."""

    def __init__(self, region: Any, picture: Picture, pointer: str):
        self._value = region.get("value") if isinstance(region, dict) else None
        self._picture = picture
        self._pointer = pointer
        self._rotation = region.get("image_rotation") if isinstance(region, dict) else None

    def point(self) -> Vertex:
        """A keypoint."""
        return self._inside(self._number("x"), self._number("y"))

    def box(self) -> Box:
        """The box around a rectangle, which may be rotated about its corner."""
        width, height = self._picture.width, self._picture.height
        x, y = self._number("x") * width / _FULL, self._number("y") * height / _FULL
        w, h = self._number("width") * width / _FULL, self._number("height") * height / _FULL
        turn = math.radians(self._number("rotation", 0.0))
        corners = [
            (x + dx * math.cos(turn) - dy * math.sin(turn), y + dx * math.sin(turn) + dy * math.cos(turn))
            for dx, dy in ((0, 0), (w, 0), (w, h), (0, h))
        ]
        xs = [min(max(at, 0.0), width) for at, _ in corners]
        ys = [min(max(at, 0.0), height) for _, at in corners]
        return Box(min(xs), min(ys), max(xs), max(ys))

    def contour(self) -> Contour:
        """A polygon."""
        points = self._field("points")
        if not isinstance(points, list) or len(points) < 3:
            raise self._wrong("points", "A polygon has three points or more, as [[x, y], ...].")
        if not all(isinstance(each, list) and len(each) == 2 and all(map(_is_number, each)) for each in points):
            raise self._wrong("points", "A polygon's points are pairs of numbers, in percent.")
        return Contour((Part(tuple(self._inside(x, y) for x, y in points)),))

    def brush(self) -> tuple[int, ...]:
        """A brush's run-length code, not looked into."""
        rle = self._field("rle")
        if (
            not isinstance(rle, list)
            or not all(type(each) is int and 0 <= each < 256 for each in rle)
            or not rle
        ):
            raise self._wrong("rle", "A brush has a list of bytes as its rle.")
        return tuple(rle)

    def label(self, kind: str) -> str | None:
        """The first of the region's labels."""
        labels = self._value.get(kind) if isinstance(self._value, dict) else None
        first = labels[0] if isinstance(labels, list) and labels else None
        return first if isinstance(first, str) else None

    def _inside(self, x: float, y: float) -> Vertex:
        # The editor lets a click on the border end a hair outside.
        width, height = self._picture.width, self._picture.height
        return (
            min(max(x / _FULL, 0.0), 1.0) * width,
            min(max(y / _FULL, 0.0), 1.0) * height,
        )

    def _number(self, name: str, default: float | None = None) -> float:
        value = self._field(name)
        if value is None and default is not None:
            return default
        if not _is_number(value):
            raise self._wrong(name, f"Give {name} as a number, in percent of the image.")
        return float(value)

    def _field(self, name: str) -> Any:
        if self._rotation:
            raise InvalidInputError.at(
                f"{self._pointer}/image_rotation", "invalid", "Turn the image back before you click."
            )
        if not isinstance(self._value, dict):
            raise InvalidInputError.at(f"{self._pointer}/value", "required", "The region has no value.")
        return self._value.get(name)

    def _wrong(self, name: str, detail: str) -> InvalidInputError:
        return InvalidInputError.at(f"{self._pointer}/value/{name}", "invalid", detail)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
