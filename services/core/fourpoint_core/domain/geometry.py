"""Contours: the one geometry of Fourpoint, and what makes it valid.

Frame: pixels of the upright (EXIF-applied) image, origin in the top-left corner, x right, y down.
Coordinates are continuous: pixel i covers [i, i + 1), its centre is i + 0.5, and the image spans
[0, width] x [0, height]. Libraries that mean pixel indices are converted where they are called.

With `meetings`, this is the only module of core and API that may import shapely (and through it numpy).
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shapely import STRtree, linearrings, polygons, prepare
from shapely.geometry import LinearRing, Point, Polygon
from shapely.validation import explain_validity

from fourpoint_core.domain.meetings import meet_more_often
from fourpoint_core.errors import FieldError, InvalidInputError

Vertex = tuple[float, float]
Ring = tuple[Vertex, ...]

MAX_PARTS = 256
MAX_HOLES = 1000
MAX_VERTICES = 20_000
# An area below this is a click that slipped, not an object: a hundredth of a pixel.
MIN_AREA = 0.01
# Borders that follow each other but for rounding meet a few times a side; what meets more often overlaps.
_MEETINGS_A_SIDE = 5


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box in image pixels, x0 < x1 and y0 < y1."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y1 - self.y0

    def as_list(self) -> list[float]:
        """`[x0, y0, x1, y1]`, the form the API speaks."""
        return [self.x0, self.y0, self.x1, self.y1]


@dataclass(frozen=True, slots=True)
class Part:
    """One connected region: an outer ring and the holes cut out of it."""

    outer: Ring
    holes: tuple[Ring, ...] = ()

    def rings(self) -> Iterator[Ring]:
        """The outer ring, then the holes."""
        yield self.outer
        yield from self.holes


@dataclass(frozen=True, slots=True)
class Contour:
    """The outline of one object: one part, or several where something hides the middle."""

    parts: tuple[Part, ...]

    @property
    def area(self) -> float:
        """Enclosed area in square pixels, holes taken off."""
        return sum(
            abs(signed_area(part.outer)) - sum(abs(signed_area(hole)) for hole in part.holes)
            for part in self.parts
        )

    @property
    def vertex_count(self) -> int:
        """Vertices over all rings."""
        return sum(len(ring) for part in self.parts for ring in part.rings())

    @property
    def bounding_box(self) -> Box:
        """The smallest axis-parallel box around all outer rings."""
        xs = [x for part in self.parts for x, _ in part.outer]
        ys = [y for part in self.parts for _, y in part.outer]
        return Box(min(xs), min(ys), max(xs), max(ys))


def signed_area(ring: Sequence[Vertex]) -> float:
    """Area enclosed by `ring`, in square pixels; positive when clockwise on screen.

    ring: N >= 3 vertices (x, y) in pixels, y growing down, the first not repeated.
    Source: the surveyor's (shoelace) formula.
    """
    doubled = 0.0
    x0, y0 = ring[0]
    # A plain loop: a save looks at every vertex several times, and a generator takes half as long again.
    for x1, y1 in ring[1:]:
        doubled += x0 * y1 - x1 * y0
        x0, y0 = x1, y1
    x1, y1 = ring[0]
    return (doubled + (x0 * y1 - x1 * y0)) / 2


def contour_to_json(contour: Contour) -> dict[str, Any]:
    """`{"parts": [{"outer": [[x, y], ...], "holes": [[[x, y], ...], ...]}]}`."""
    return {
        "parts": [
            {
                "outer": [list(vertex) for vertex in part.outer],
                "holes": [[list(vertex) for vertex in hole] for hole in part.holes],
            }
            for part in contour.parts
        ]
    }


def contour_from_json(document: dict[str, Any]) -> Contour:
    """The inverse of `contour_to_json`; the shape of the document is the caller's to check.

    A ring whose last vertex repeats its first is opened: both forms are common, one is stored.
    """
    return Contour(
        tuple(
            Part(_open_ring(part["outer"]), tuple(_open_ring(hole) for hole in part.get("holes", ())))
            for part in document["parts"]
        )
    )


def validate_contour(contour: Contour, width: int, height: int) -> None:
    """Check `contour` against an upright image of `width` x `height` pixels.

    Raises InvalidInputError whose errors point at the offending part, ring and vertex
    (pointers are relative to the contour document: `/parts/0/outer/3`).
    """
    errors = list(_contour_errors(contour, width, height))
    if errors:
        raise InvalidInputError(errors[0].detail, errors)


def _open_ring(vertices: Sequence[Sequence[float]]) -> Ring:
    ring = tuple((float(x), float(y)) for x, y in vertices)
    return ring[:-1] if len(ring) > 1 and ring[0] == ring[-1] else ring


def _contour_errors(contour: Contour, width: int, height: int) -> Iterator[FieldError]:
    if not 1 <= len(contour.parts) <= MAX_PARTS:
        yield FieldError("/parts", "parts_count", f"Give 1 to {MAX_PARTS} parts; got {len(contour.parts)}.")
        return
    if contour.vertex_count > MAX_VERTICES:
        yield FieldError(
            "/parts", "too_many_vertices", f"Simplify the contour to at most {MAX_VERTICES} vertices."
        )
        return
    if sum(len(part.holes) for part in contour.parts) > MAX_HOLES:
        # Every hole is compared with those whose boxes meet its own.
        yield FieldError("/parts", "too_many_holes", f"Leave out small holes; at most {MAX_HOLES} are kept.")
        return
    ring_errors = [
        error.below(f"/parts/{index}")
        for index, part in enumerate(contour.parts)
        for error in _part_errors(part, width, height)
    ]
    yield from ring_errors
    if not ring_errors:
        yield from _overlap_errors(contour)


def _part_errors(part: Part, width: int, height: int) -> Iterator[FieldError]:
    outer_errors = [error.below("/outer") for error in _ring_errors(part.outer, width, height)]
    hole_errors = [
        error.below(f"/holes/{index}")
        for index, hole in enumerate(part.holes)
        for error in _ring_errors(hole, width, height)
    ]
    yield from outer_errors
    yield from hole_errors
    if not outer_errors and not hole_errors:
        yield from _hole_errors(part)


def _ring_errors(ring: Ring, width: int, height: int) -> Iterator[FieldError]:
    if len(ring) < 3:
        yield FieldError("", "ring_too_short", f"A ring needs at least 3 different vertices; got {len(ring)}.")
        return
    # As `inside_image`, which would be a call for each vertex of a save.
    outside = [index for index, (x, y) in enumerate(ring) if not (0 <= x <= width and 0 <= y <= height)]
    for index in outside:
        yield FieldError(
            f"/{index}",
            "outside_image",
            f"Vertex {ring[index]} lies outside the image; keep x in [0, {width}] and y in [0, {height}].",
        )
    if outside:
        return
    if abs(signed_area(ring)) < MIN_AREA and _is_flat(ring):
        yield FieldError("", "no_area", "The ring encloses no area; spread its vertices.")
        return
    line = linearrings(ring)
    if not line.is_simple or not polygons(line).is_valid:
        index = _offending_vertex(ring)
        yield FieldError(
            f"/{index}",
            "ring_crosses_itself",
            f"The ring crosses or touches itself near vertex {index}; move or remove that vertex.",
        )


def inside_image(vertex: Vertex, width: int, height: int) -> bool:
    """Whether a continuous coordinate lies on the image, borders included; NaN never does."""
    x, y = vertex
    return 0 <= x <= width and 0 <= y <= height


def _is_flat(ring: Ring) -> bool:
    return bool(Polygon(ring).convex_hull.area < MIN_AREA)


def _offending_vertex(ring: Ring) -> int:
    """Index of the vertex nearest to where GEOS says that the ring is invalid."""
    found = re.search(r"\[(\S+) (\S+)\]", explain_validity(Polygon(ring)))
    if found is None:
        return next((i for i, vertex in enumerate(ring) if vertex in ring[:i]), 0)
    where = (float(found[1]), float(found[2]))
    return min(range(len(ring)), key=lambda index: math.dist(ring[index], where))


def _hole_errors(part: Part) -> Iterator[FieldError]:
    if not part.holes and abs(signed_area(part.outer)) >= MIN_AREA:
        return
    outer = Polygon(part.outer)
    # Or each of a thousand holes would look at every side of the ring.
    prepare(outer)
    holes = [Polygon(hole) for hole in part.holes]
    tree = STRtree(holes)
    for index, hole in enumerate(holes):
        if not outer.covers(hole):
            yield FieldError(
                f"/holes/{index}",
                "hole_outside_ring",
                f"Hole {index} leaves its outer ring; keep holes inside, or make it a part of its own.",
            )
        elif any(_share_area(hole, holes[other]) for other in tree.query(hole) if other < index):
            yield FieldError(
                f"/holes/{index}", "holes_overlap", f"Hole {index} overlaps an earlier hole; merge the two."
            )
    if Polygon(part.outer, part.holes).area < MIN_AREA:
        yield FieldError("", "no_area", "The holes leave nothing of the part; remove the part or a hole.")


def _overlap_errors(contour: Contour) -> Iterator[FieldError]:
    if len(contour.parts) == 1:
        return
    shapes = [Polygon(part.outer, part.holes) for part in contour.parts]
    for second, shape in enumerate(shapes):
        # One of those that it overlaps is enough; all pairs of 256 parts would take minutes.
        first = next((index for index in range(second) if _share_area(shapes[index], shape)), None)
        if first is not None:
            yield FieldError(
                f"/parts/{second}",
                "parts_overlap",
                f"Part {second} overlaps part {first}; merge the two into one part.",
            )


def _share_area(one: Polygon, other: Polygon) -> bool:
    if not one.intersects(other):
        return False
    rings, others = _rings(one), _rings(other)
    limit = _MEETINGS_A_SIDE * sum(map(len, (*rings, *others)))
    return meet_more_often(rings, others, limit) or one.intersection(other).area > MIN_AREA


def _rings(polygon: Polygon) -> list[list[Vertex]]:
    return [list(ring.coords)[:-1] for ring in (polygon.exterior, *polygon.interiors)]


def distance_to_contour(vertex: Vertex, contour: Contour) -> float:
    """Pixels from a point to the nearest point of any ring."""
    here = Point(vertex)
    return min(float(LinearRing(ring).distance(here)) for part in contour.parts for ring in part.rings())
