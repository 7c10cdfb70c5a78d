"""From an invocation of CVAT to what is asked of the engine, and back; no HTTP."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fourpoint_api.resources.pictures.clicks import prompt_from_points
from fourpoint_api.resources.pictures.operations import Question
from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.jobs.payloads.pictures import Form

MIN_POINTS = 4
_IMAGE = "/image"
_CLICKS = "/pos_points"


@dataclass(frozen=True, slots=True)
class Function:
    """version: 2 where CVAT is to expect a mask, 1 for a polygon."""

    id: str
    title: str
    form: Form
    version: int


FUNCTIONS = {
    function.id: function
    for function in (
        Function("fourpoint-mask", "Fourpoint (mask)", Form.COUNTS, 2),
        Function("fourpoint-polygon", "Fourpoint (polygon)", Form.RING, 1),
    )
}


def function_named(name: str | None) -> Function:
    """Raises NotFoundError."""
    found = FUNCTIONS.get(name or "")
    if found is None:
        raise NotFoundError(f"There is no function {name}; there are {', '.join(FUNCTIONS)}.")
    return found


def described(function: Function, port: int) -> dict[str, Any]:
    """The function as Nuclio's dashboard tells of it; annotations are text. port: where we are called."""
    return {
        "metadata": {
            "name": function.id,
            "namespace": "nuclio",
            "labels": {"nuclio.io/project-name": "cvat"},
            "annotations": {
                "name": function.title,
                "type": "interactor",
                "version": str(function.version),
                "framework": "fourpoint",
                "min_pos_points": str(MIN_POINTS),
                "min_neg_points": "0",
                "help_message": "Click the topmost, bottommost, leftmost and rightmost points of the object",
                "spec": "",
            },
        },
        "spec": {"description": "Outlines an object from its four extreme points"},
        "status": {"state": "ready", "httpPort": port},
    }


def frame(text: str) -> bytes:
    """The bytes of the image. Raises InvalidInputError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError.at(_IMAGE, "invalid", "Send the image in base64.") from error


def question(
    function: Function,
    clicks: Sequence[Sequence[float]],
    off: Sequence[Sequence[float]],
    box: Sequence[Sequence[float]] | None,
) -> Question:
    """What is asked; a box that CVAT had drawn first goes before clicks. Raises InvalidInputError."""
    on, not_on = _vertices(clicks), _vertices(off)
    if box:
        (x0, y0), (x1, y1) = box
        corners = Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        prompt = Prompt(box_prompt=corners, include=on, exclude=not_on)
    elif len(on) >= MIN_POINTS:
        prompt = prompt_from_points(on, not_on)
    else:
        raise InvalidInputError.at(_CLICKS, "points_missing", f"Click {MIN_POINTS} points on the outline.")
    return Question(function.form, prompt, (), _CLICKS)


def mask_json(counts: Sequence[int], width: int) -> Iterator[bytes]:
    """`{"mask": [[...], ...]}` by rows: as numbers of Python it would take a hundred bytes a pixel.

    counts: pixels off and on the object by turns, row by row.
    """
    yield b'{"mask":['
    row: list[bytes] = []
    room, separator = width, b"["
    for place, count in enumerate(counts):
        cell = b"255," if place % 2 else b"0,"
        left = count
        while left:
            taken = min(left, room)
            row.append(cell * taken)
            room -= taken
            left -= taken
            if not room:
                yield separator + b"".join(row)[:-1] + b"]"
                row, room, separator = [], width, b",["
    yield b"]}"


def _vertices(points: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in points)
