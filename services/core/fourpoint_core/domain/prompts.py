"""What a person gives to get an outline: four extreme points or a box, and corrections.

Frame and units as in `geometry`: continuous pixels of the upright image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import dist
from typing import Any

from fourpoint_core.domain.geometry import (
    Box,
    Contour,
    Vertex,
    contour_from_json,
    contour_to_json,
    inside_image,
    validate_contour,
)
from fourpoint_core.errors import FieldError, InvalidInputError

ROLES = ("top", "bottom", "left", "right")
# People miss a true extreme by a few pixels, more on large objects. Only what is beyond that
# contradicts the role that a point was given.
ROLE_TOLERANCE_PIXELS = 3.0
ROLE_TOLERANCE_SHARE = 0.1
# Below this an object has no inside to segment.
MIN_BOX_PIXELS = 1.0
# Points that lie as near to a line as this, compared with its length, were not meant to span anything.
LINE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class ExtremePoints:
    """The outermost points of an object, one per side."""

    top: Vertex
    bottom: Vertex
    left: Vertex
    right: Vertex

    @classmethod
    def from_any_order(cls, points: Sequence[Vertex]) -> "ExtremePoints":
        """Give each of four points the role that its position suggests.

        Of the 24 assignments the one is taken whose top-bottom and left-right distances add up to the most,
        so a point that is extreme twice over goes to where the others leave a gap. Ties go to the
        order in which the points came.
        """

        def spread(assignment: tuple[Vertex, ...]) -> float:
            top, bottom, left, right = assignment
            return (bottom[1] - top[1]) + (right[0] - left[0])

        return cls(*max(permutations(points), key=spread))

    def as_tuple(self) -> tuple[Vertex, Vertex, Vertex, Vertex]:
        """Top, bottom, left, right."""
        return (self.top, self.bottom, self.left, self.right)

    @property
    def box(self) -> Box:
        """The tight box that the four points span."""
        xs = [x for x, _ in self.as_tuple()]
        ys = [y for _, y in self.as_tuple()]
        return Box(min(xs), min(ys), max(xs), max(ys))


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to an engine: exactly one of `points` and `box`, and corrections.

    include / exclude: points that are on the object / off it. contour: an earlier outline, to start from.
    """

    points: ExtremePoints | None = None
    box_prompt: Box | None = None
    include: tuple[Vertex, ...] = ()
    exclude: tuple[Vertex, ...] = ()
    contour: Contour | None = None

    @property
    def box(self) -> Box:
        """Where the object is, from whichever was given."""
        if self.points is not None:
            return self.points.box
        if self.box_prompt is None:
            raise ValueError("a prompt has points or a box")
        return self.box_prompt


def prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    """The prompt as the API speaks it; points always by role."""
    document: dict[str, Any] = {}
    if prompt.points is not None:
        document["points"] = dict(zip(ROLES, map(list, prompt.points.as_tuple()), strict=True))
    if prompt.box_prompt is not None:
        document["box"] = prompt.box_prompt.as_list()
    for name, corrections in (("include", prompt.include), ("exclude", prompt.exclude)):
        if corrections:
            document[name] = [list(vertex) for vertex in corrections]
    if prompt.contour is not None:
        document["contour"] = contour_to_json(prompt.contour)
    return document


def prompt_from_json(document: dict[str, Any]) -> Prompt:
    """The inverse of `prompt_to_json`, which also takes four points in any order.

    A contour alone stands for the box around it, too.
    """
    points = document.get("points")
    box = document.get("box")
    contour = None if document.get("contour") is None else contour_from_json(document["contour"])
    if contour is not None and points is None and box is None:
        box = contour.bounding_box.as_list()
    return Prompt(
        points=None if points is None else _points_from_json(points),
        box_prompt=None if box is None else Box(*map(float, box)),
        include=_vertices(document.get("include", ())),
        exclude=_vertices(document.get("exclude", ())),
        contour=contour,
    )


def validate_prompt(prompt: Prompt, width: int, height: int, *, named: bool) -> None:
    """Check a prompt against an upright image of `width` x `height` pixels.

    named: the caller said which point is which, so pointers name roles and roles may contradict positions.
    Raises InvalidInputError with pointers relative to the prompt document (`/points/top`).
    """
    errors = list(_prompt_errors(prompt, width, height, named))
    if errors:
        raise InvalidInputError(errors[0].detail, errors)


def _points_from_json(points: Any) -> ExtremePoints:
    if isinstance(points, dict):
        return ExtremePoints(*(_vertex(points[role]) for role in ROLES))
    return ExtremePoints.from_any_order(_vertices(points))


def _vertex(pair: Sequence[float]) -> Vertex:
    x, y = pair
    return (float(x), float(y))


def _vertices(pairs: Sequence[Sequence[float]]) -> tuple[Vertex, ...]:
    return tuple(_vertex(pair) for pair in pairs)


def _prompt_errors(prompt: Prompt, width: int, height: int, named: bool) -> Iterator[FieldError]:
    if prompt.points is not None:
        yield from _points_errors(prompt.points, width, height, named)
    if prompt.box_prompt is not None:
        yield from _box_errors(prompt.box_prompt, width, height)
    for name, corrections in (("include", prompt.include), ("exclude", prompt.exclude)):
        for index, vertex in enumerate(corrections):
            if not inside_image(vertex, width, height):
                yield _outside(f"/{name}/{index}", vertex, width, height)
    if prompt.contour is not None:
        yield from _contour_errors(prompt.contour, width, height)


def _contour_errors(contour: Contour, width: int, height: int) -> Iterator[FieldError]:
    try:
        validate_contour(contour, width, height)
    except InvalidInputError as error:
        yield from (item.below("/contour") for item in error.errors)


def _points_errors(points: ExtremePoints, width: int, height: int, named: bool) -> Iterator[FieldError]:
    by_role = dict(zip(ROLES, points.as_tuple(), strict=True))

    def pointer(role: str) -> str:
        return f"/points/{role}" if named else "/points"

    outside = [role for role in ROLES if not inside_image(by_role[role], width, height)]
    for role in outside:
        yield _outside(pointer(role), by_role[role], width, height)
    if outside:
        return
    repeated = [(a, b) for a, b in combinations(ROLES, 2) if by_role[a] == by_role[b]]
    for first, second in repeated:
        yield FieldError(
            pointer(second),
            "points_repeated",
            f"{second} is the same point as {first}; click four different points on the outline.",
        )
    if repeated:
        return
    if points.box.width < MIN_BOX_PIXELS or points.box.height < MIN_BOX_PIXELS or _hull_area(points) < 0.5:
        yield _without_inside(points)
        return
    if named:
        yield from _role_errors(points)


def _without_inside(points: ExtremePoints) -> FieldError:
    """Why four points span nothing: they are on one line, or the object is less than a pixel thick."""
    length = max(dist(a, b) for a, b in combinations(points.as_tuple(), 2))
    # The hull's thickness, as a share of its length.
    if 2 * _hull_area(points) < LINE_SHARE * length**2:
        return FieldError(
            "/points", "points_collinear", "The four points lie on one line; click the object's four sides."
        )
    return FieldError(
        "/points",
        "object_too_small",
        "Between the four points the object is less than a pixel thick; zoom in and click its four sides, or "
        "draw its outline by hand.",
    )


def _role_errors(points: ExtremePoints) -> Iterator[FieldError]:
    """A point given a role may miss the extreme by what a hand misses, not by more."""
    box = points.box
    slack_x = max(ROLE_TOLERANCE_PIXELS, ROLE_TOLERANCE_SHARE * box.width)
    slack_y = max(ROLE_TOLERANCE_PIXELS, ROLE_TOLERANCE_SHARE * box.height)
    checks = (
        ("top", points.top[1] - box.y0 > slack_y, "highest"),
        ("bottom", box.y1 - points.bottom[1] > slack_y, "lowest"),
        ("left", points.left[0] - box.x0 > slack_x, "leftmost"),
        ("right", box.x1 - points.right[0] > slack_x, "rightmost"),
    )
    for role, contradicts, superlative in checks:
        if contradicts:
            yield FieldError(
                f"/points/{role}",
                "points_contradictory",
                f"{role} is not the {superlative} of the four points; give the points as a list of four "
                "and they are assigned by position.",
            )


def _box_errors(box: Box, width: int, height: int) -> Iterator[FieldError]:
    corners = ((box.x0, box.y0), (box.x1, box.y1))
    for corner in corners:
        if not inside_image(corner, width, height):
            yield _outside("/box", corner, width, height)
            return
    if box.width < MIN_BOX_PIXELS or box.height < MIN_BOX_PIXELS:
        yield FieldError(
            "/box", "box_empty", "Give the box as [x0, y0, x1, y1], at least one pixel wide and high."
        )


def _outside(pointer: str, vertex: Vertex, width: int, height: int) -> FieldError:
    return FieldError(
        pointer,
        "outside_image",
        f"{vertex} lies outside the image; keep x in [0, {width}] and y in [0, {height}].",
    )


def _hull_area(points: ExtremePoints) -> float:
    """Area of the largest triangle among four points: zero when all are on one line."""
    return max(
        abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2
        for a, b, c in combinations(points.as_tuple(), 3)
    )
