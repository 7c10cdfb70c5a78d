"""The one place where pixel indices and continuous coordinates meet.

Fourpoint's coordinates are continuous: pixel i covers [i, i + 1). ModelArts, OpenCV and Pascal VOC mean pixels
by their indices. An index stands for the centre of its pixel, i + 0.5, so that reading and writing again
changes nothing. What is painted on indices (`cv2.fillPoly`) covers the pixels of the boundary too, half a
pixel more on each side.
"""

import math

from shapely import set_precision
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from fourpoint_core.domain.geometry import Box, Contour, Part, Vertex, signed_area
from fourpoint_worker.formats.fitting import opened
from fourpoint_worker.formats.flattening import IndexRing, bridged
from fourpoint_worker.formats.values import Notes

CENTRE = 0.5


def from_index(x: float, y: float) -> Vertex:
    """The continuous position of a pixel index; decimals, as some tools write them, move along."""
    return (x + CENTRE, y + CENTRE)


def box_from_indices(xmin: float, ymin: float, xmax: float, ymax: float) -> Box:
    """The area of the pixels from the first to the last, both of them included."""
    return Box(xmin, ymin, xmax + 1, ymax + 1)


def box_to_indices(found: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """First and last pixel in x and y: xmin, ymin, xmax, ymax."""
    x0, y0 = math.floor(found.x0), math.floor(found.y0)
    x1, y1 = math.ceil(found.x1) - 1, math.ceil(found.y1) - 1
    return (min(x0, width - 1), min(y0, height - 1), min(max(x0, x1), width - 1), min(max(y0, y1), height - 1))


def to_index(value: float, size: int) -> int:
    """The pixel that a continuous coordinate lies in; the far border belongs to the last one."""
    return min(max(math.floor(value), 0), size - 1)


def index_rings(contour: Contour, width: int, height: int, notes: Notes) -> list[IndexRing]:
    """Each part of a contour as one ring of pixel indices that a reader will find valid.

    Notes: `coordinates_rounded` where positions were no pixel centres, `holes_bridged` (see `flattening`),
    `snapped` where rounding made rings touch and they were moved apart, `widened` where an object was thinner
    than a pixel.
    """
    if any(
        v != CENTRE for part in contour.parts for ring in part.rings() for x, y in ring for v in (x % 1, y % 1)
    ):
        notes.add("coordinates_rounded")
    return [ring for part in contour.parts for ring in _part_rings(part, width, height, notes)]


def _part_rings(part: Part, width: int, height: int, notes: Notes) -> list[IndexRing]:
    rounded = Part(
        *_as_pair([opened([_vertex(x, y, width, height) for x, y in ring]) for ring in part.rings()])
    )
    holes = tuple(hole for hole in rounded.holes if len(hole) >= 3 and signed_area(hole))
    if len(holes) < len(rounded.holes):
        notes.add("holes_closed", "A hole thinner than a pixel was closed.")
    candidate = Part(rounded.outer, holes)
    if _is_sound(candidate):
        return [_ring(candidate, notes)]
    pieces = _snapped(part, width, height)
    if pieces:
        notes.add("snapped")
        return [_ring(piece, notes) for piece in pieces]
    notes.add("widened")
    return [_widened(rounded, width, height)]


def _as_pair(rings: list[tuple[Vertex, ...]]) -> tuple[tuple[Vertex, ...], tuple[tuple[Vertex, ...], ...]]:
    return rings[0], tuple(rings[1:])


def _vertex(x: float, y: float, width: int, height: int) -> Vertex:
    return (float(to_index(x, width)), float(to_index(y, height)))


def _is_sound(part: Part) -> bool:
    if len(part.outer) < 3 or not signed_area(part.outer) or not Polygon(part.outer).is_valid:
        return False
    return not part.holes or bool(Polygon(part.outer, part.holes).is_valid)


def _snapped(part: Part, width: int, height: int) -> list[Part]:
    """The part on the grid of pixels, kept valid: GEOS moves what would cross, and drops what collapses."""

    def clamped(ring: tuple[Vertex, ...]) -> list[Vertex]:
        return [
            (min(max(x - CENTRE, 0.0), width - 1.0), min(max(y - CENTRE, 0.0), height - 1.0)) for x, y in ring
        ]

    shape = Polygon(clamped(part.outer), [clamped(hole) for hole in part.holes]).buffer(0)
    return list(_polygons(set_precision(shape, 1.0)))


def _polygons(shape: BaseGeometry) -> list[Part]:
    found = []
    for polygon in getattr(shape, "geoms", [shape]):
        if isinstance(polygon, Polygon) and not polygon.is_empty:
            outer = opened([(x, y) for x, y in polygon.exterior.coords])
            holes = tuple(opened([(x, y) for x, y in ring.coords]) for ring in polygon.interiors)
            found.append(Part(outer, holes))
    return sorted(found, key=lambda part: min((y, x) for x, y in part.outer))


def _ring(part: Part, notes: Notes) -> IndexRing:
    if part.holes:
        notes.add("holes_bridged")
    return tuple((int(x), int(y)) for x, y in bridged(part))


def _widened(part: Part, width: int, height: int) -> IndexRing:
    """The smallest box of pixels, two wide and high at least, around what rounding left."""
    x0, y0 = (int(min(vertex[axis] for vertex in part.outer)) for axis in (0, 1))
    x1, y1 = (int(max(vertex[axis] for vertex in part.outer)) for axis in (0, 1))
    if x0 == x1:
        x0, x1 = (x0, x1 + 1) if x1 + 1 < width else (max(x0 - 1, 0), x1)
    if y0 == y1:
        y0, y1 = (y0, y1 + 1) if y1 + 1 < height else (max(y0 - 1, 0), y1)
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
