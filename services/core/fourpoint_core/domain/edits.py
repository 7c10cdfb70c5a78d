"""Changing an outline on the server: drag it, resize it, edit its vertices.

Frame and units as in `geometry`: continuous pixels of the upright image. Pointers of errors are relative to
the request that holds the edit (`/move`, `/vertices/2/index`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fourpoint_core.domain.geometry import Box, Contour, Part, Ring, Vertex, validate_contour
from fourpoint_core.errors import FieldError, InvalidInputError

MIN_BOX_PIXELS = 0.01


class VertexAction(StrEnum):
    """What is done at one index of a ring."""

    INSERT = "insert"
    MOVE = "move"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class VertexEdit:
    """One edit of one ring: of a part, ring 0 is the outer one, ring n its n-th hole.

    index: of the vertex, or where the new one goes (the number of vertices puts it at the end).
    to: where it goes; None to remove it.
    """

    action: VertexAction
    part: int
    ring: int
    index: int
    to: Vertex | None = None


def moved(contour: Contour, dx: float, dy: float, width: int, height: int) -> Contour:
    """The contour, dragged by (dx, dy) pixels in an image of `width` x `height`. Raises InvalidInputError."""
    box = contour.bounding_box
    if box.x0 + dx < 0 or box.x1 + dx > width or box.y0 + dy < 0 or box.y1 + dy > height:
        raise InvalidInputError.at(
            "/move",
            "outside_image",
            f"The object would leave the image; keep dx in [{-box.x0:g}, {width - box.x1:g}] "
            f"and dy in [{-box.y0:g}, {height - box.y1:g}].",
        )
    # The sum of two floats may end a hair beyond the border that it was tested against.
    dragged = _mapped(contour, lambda x, y: (_within(x + dx, width), _within(y + dy, height)))
    return _checked(dragged, width, height, "/move")


def resized(contour: Contour, box: Box, width: int, height: int) -> Contour:
    """The contour, stretched so that its bounding box becomes `box`. Raises InvalidInputError."""
    if box.width < MIN_BOX_PIXELS or box.height < MIN_BOX_PIXELS:
        raise InvalidInputError.at(
            "/resize/box",
            "box_empty",
            f"Give a box as [x0, y0, x1, y1], at least {MIN_BOX_PIXELS} pixels wide and high.",
        )
    if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
        raise InvalidInputError.at(
            "/resize/box",
            "outside_image",
            f"The box leaves the image; keep x in [0, {width}] and y in [0, {height}].",
        )
    old = contour.bounding_box

    def stretch(x: float, y: float) -> Vertex:
        return (
            min(max(box.x0 + (x - old.x0) / old.width * box.width, box.x0), box.x1),
            min(max(box.y0 + (y - old.y0) / old.height * box.height, box.y0), box.y1),
        )

    return _checked(_mapped(contour, stretch), width, height, "/resize")


def with_edited_vertices(
    contour: Contour, edits: Sequence[VertexEdit], width: int, height: int, pointer: str = "/vertices"
) -> Contour:
    """The contour after the edits, one after the other; only what comes out need be valid.

    contour: valid. Raises InvalidInputError that points at the edit that names no vertex, or that made the
    outline a wrong one.
    """
    stages = [contour]
    for number, edit in enumerate(edits):
        try:
            stages.append(_with_edit(stages[-1], edit))
        except InvalidInputError as error:
            found = [item.below(f"{pointer}/{number}") for item in error.errors]
            raise InvalidInputError(error.detail, found) from error
    if not _is_valid(stages[-1], width, height):
        number = _spoiling_edit(stages, width, height)
        _checked(stages[number + 1], width, height, f"{pointer}/{number}")
    return stages[-1]


def _spoiling_edit(stages: Sequence[Contour], width: int, height: int) -> int:
    """The number of an edit that found the outline valid and left it invalid.

    stages: the outline before the edits and after each; the first is valid and the last is not. It is halved
    rather than walked through: a thousand edits of twenty thousand vertices would take as many seconds.
    """
    valid, invalid = 0, len(stages) - 1
    while invalid - valid > 1:
        middle = (valid + invalid) // 2
        if _is_valid(stages[middle], width, height):
            valid = middle
        else:
            invalid = middle
    return valid


def _is_valid(contour: Contour, width: int, height: int) -> bool:
    try:
        validate_contour(contour, width, height)
    except InvalidInputError:
        return False
    return True


def _with_edit(contour: Contour, edit: VertexEdit) -> Contour:
    _require_index(edit.part, len(contour.parts), "/part", "parts")
    rings = list(contour.parts[edit.part].rings())
    _require_index(edit.ring, len(rings), "/ring", "rings")
    rings[edit.ring] = _edited(rings[edit.ring], edit)
    parts = list(contour.parts)
    parts[edit.part] = Part(rings[0], tuple(rings[1:]))
    return Contour(tuple(parts))


def _edited(ring: Ring, edit: VertexEdit) -> Ring:
    is_new = edit.action is VertexAction.INSERT
    _require_index(edit.index, len(ring) + is_new, "/index", "places" if is_new else "vertices")
    placed = () if edit.to is None else (edit.to,)
    return (*ring[: edit.index], *placed, *ring[edit.index + (not is_new) :])


def _require_index(index: int, count: int, pointer: str, noun: str) -> None:
    if not 0 <= index < count:
        raise InvalidInputError.at(
            pointer, "no_such_vertex", f"There are {count} {noun} here, counted from 0; there is no {index}."
        )


def _mapped(contour: Contour, place: Callable[[float, float], Vertex]) -> Contour:
    def ring_of(ring: Ring) -> Ring:
        return tuple(place(x, y) for x, y in ring)

    return Contour(tuple(Part(ring_of(part.outer), tuple(map(ring_of, part.holes))) for part in contour.parts))


def _within(value: float, limit: float) -> float:
    return min(max(value, 0.0), float(limit))


def _checked(contour: Contour, width: int, height: int, pointer: str) -> Contour:
    """The contour, if it is valid; the request has no place for what is wrong, so the words name it."""
    try:
        validate_contour(contour, width, height)
    except InvalidInputError as error:
        found = [
            FieldError(pointer, item.code, f"At {item.pointer or '/'} of the outline: {item.detail}")
            for item in error.errors
        ]
        raise InvalidInputError(found[0].detail, found) from error
    return contour
