"""Fits foreign outlines to what Fourpoint keeps: inside the image, rings that do not cross, some area.

What is valid already is kept to the last digit. Whatever is changed is noted, whatever cannot be kept refused.
"""

import math
from collections.abc import Iterator, Sequence

from shapely.errors import GEOSException
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from fourpoint_core.domain.geometry import (
    MAX_HOLES,
    MAX_PARTS,
    MAX_VERTICES,
    MIN_AREA,
    Box,
    Contour,
    Part,
    Ring,
    Vertex,
    validate_contour,
)
from fourpoint_core.domain.meetings import meet_more_often
from fourpoint_core.errors import InvalidInputError
from fourpoint_worker.formats.even_odd import enclosed
from fourpoint_worker.formats.values import FormatError, Notes

# Tools disagree on whether the last pixel is `width` or `width - 1`, or its far edge.
BORDER_SLACK = 1.5
_CIRCLE_SIDES = 64
# Of a slip of the hand there are a few; a hole that is joined by a seam has some.
_MAX_MEETINGS = 20_000


def fitted(
    contour: Contour, width: int, height: int, notes: Notes, line: int | None = None, what: str = "object"
) -> Contour:
    """The contour, valid in an image of `width` x `height` pixels. Raises FormatError.

    Notes: `ring_closed` is silent (both forms are common); `clipped` where vertices left the image,
    `repaired` where rings crossed or touched (filled where an odd number of turns surrounds, as fillPoly does).
    """
    _refuse_absurd(contour, width, height, line, what)
    tidy = Contour(tuple(_tidy(part) for part in contour.parts))
    moved = Contour(
        tuple(
            Part(
                _onto_border(part.outer, width, height),
                tuple(_onto_border(h, width, height) for h in part.holes),
            )
            for part in tidy.parts
        )
    )
    if moved != tidy:
        notes.add("clipped", f"The {what} left the image; it ends at the border now.", line)
    if _is_valid(moved, width, height):
        return moved
    _refuse_tangle(moved, line, what)
    try:
        return _mended(moved, width, height, notes, line, what, is_moved=moved != tidy)
    except GEOSException:
        raise FormatError("contour_invalid", f"The {what} cannot be mended; draw it again.", line) from None


def _mended(
    found: Contour, width: int, height: int, notes: Notes, line: int | None, what: str, *, is_moved: bool
) -> Contour:
    """What an invalid contour encloses inside the image. is_moved: whether that has been noted already."""
    mended = _with_sound_parts_kept(found, width, height)
    if _is_valid(mended, width, height):
        notes.add("repaired", f"A ring of the {what} crossed or touched itself; its area was kept.", line)
        return mended
    shape = _even_odd(found)
    inside = shape.intersection(box(0, 0, width, height))
    if not is_moved and inside.area < shape.area - MIN_AREA:
        notes.add("clipped", f"The {what} left the image; it ends at the border now.", line)
    else:
        notes.add("repaired", f"A ring of the {what} crossed or touched itself; its area was kept.", line)
    mended = Contour(tuple(parts_of(inside)))
    if not mended.parts:
        raise FormatError("no_area", f"The {what} encloses no area inside the image; draw it again.", line)
    try:
        validate_contour(mended, width, height)
    except InvalidInputError as error:
        raise FormatError("contour_invalid", f"The {what} cannot be kept: {error.detail}", line) from None
    return mended


def fitted_box(found: Box, width: int, height: int, notes: Notes, line: int | None = None) -> Box:
    """The box, cut at the image's border. Raises FormatError where nothing is left."""
    values = (found.x0, found.y0, found.x1, found.y1)
    if not all(map(math.isfinite, values)):
        raise FormatError("coordinate_invalid", "Give finite coordinates.", line)
    cut = Box(max(found.x0, 0.0), max(found.y0, 0.0), min(found.x1, float(width)), min(found.y1, float(height)))
    if cut.width <= 0 or cut.height <= 0:
        raise FormatError("box_empty", "The box is empty or lies outside the image; correct its corners.", line)
    if cut != found:
        notes.add("clipped", "The box left the image; it ends at the border now.", line)
    return cut


def turned_box(found: Box, degrees: float, around: Vertex, line: int | None = None) -> Contour:
    """A box, turned clockwise on screen around a point. Raises FormatError for one without area."""
    if not (found.width > 0 and found.height > 0):
        raise FormatError("box_empty", "The box is empty or inside out; correct its corners.", line)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((found.x0, found.y0), (found.x1, found.y0), (found.x1, found.y1), (found.x0, found.y1))
    away = ((x - around[0], y - around[1]) for x, y in corners)
    return Contour(
        (Part(tuple((around[0] + x * cos - y * sin, around[1] + x * sin + y * cos) for x, y in away)),)
    )


def circle(x: float, y: float, radius: float, line: int | None = None) -> Contour:
    """A circle as a polygon of as much area. Raises FormatError for a radius that is none."""
    if not (math.isfinite(x) and math.isfinite(y) and math.isfinite(radius) and radius > 0):
        raise FormatError("coordinate_invalid", "Give the circle a centre and a radius above zero.", line)
    return ellipse(x, y, radius, radius, line=line)


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0, line: int | None = None) -> Contour:
    """An ellipse as a polygon of as much area, turned clockwise on screen by `degrees`. Raises FormatError."""
    if not (rx > 0 and ry > 0):
        raise FormatError("coordinate_invalid", "Give the ellipse two radii above zero.", line)
    step = 2 * math.pi / _CIRCLE_SIDES
    # A polygon on the curve would lose area.
    grown = math.sqrt(step / math.sin(step))
    turn = math.radians(degrees)
    ring = []
    for side in range(_CIRCLE_SIDES):
        u, v = rx * grown * math.cos(side * step), ry * grown * math.sin(side * step)
        ring.append((x + u * math.cos(turn) - v * math.sin(turn), y + u * math.sin(turn) + v * math.cos(turn)))
    return Contour((Part(tuple(ring)),))


def opened(vertices: Sequence[Vertex]) -> Ring:
    """A ring without the vertex that repeats the first, and without repetitions in a row."""
    ring: list[Vertex] = []
    for vertex in vertices:
        if not ring or vertex != ring[-1]:
            ring.append(vertex)
    while len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    return tuple(ring)


def from_pixels(contour: Contour | None, notes: Notes, line: int | None = None) -> Contour:
    """An outline that was traced along pixels, with no more vertices than are kept. Raises FormatError."""
    if contour is None:
        raise FormatError("no_area", "The mask holds no pixel; draw it again.", line)
    tolerance = 0.5
    while contour.vertex_count > MAX_VERTICES or len(contour.parts) > MAX_PARTS:
        notes.add("simplified", "The outline of the mask has more detail than is kept.", line)
        shape = MultiPolygon([Polygon(part.outer, part.holes) for part in contour.parts]).buffer(tolerance)
        contour = Contour(tuple(parts_of(shape.buffer(-tolerance).simplify(tolerance))))
        tolerance *= 2
        if tolerance > 64:
            raise FormatError("too_many_vertices", "The mask has too many pieces; clean it up.", line)
    return contour


def merged(contours: Sequence[Contour]) -> Contour:
    """One object of several: its parts are all of theirs; where they share area, `fitted` joins them."""
    return Contour(tuple(part for contour in contours for part in contour.parts))


def _tidy(part: Part) -> Part:
    return Part(opened(part.outer), tuple(opened(hole) for hole in part.holes))


def _refuse_absurd(contour: Contour, width: int, height: int, line: int | None, what: str) -> None:
    """What lies further out than the image is wide is no slip of a hand but another image, or an attack."""
    if len(contour.parts) > MAX_PARTS or sum(len(p.holes) for p in contour.parts) > MAX_HOLES:
        raise FormatError("contour_invalid", f"The {what} has too many parts or holes; simplify it.", line)
    if contour.vertex_count > MAX_VERTICES:
        raise FormatError(
            "too_many_vertices", f"The {what} has over {MAX_VERTICES} vertices; simplify it.", line
        )
    for part in contour.parts:
        for ring in part.rings():
            for x, y in ring:
                if not (-width <= x <= 2 * width and -height <= y <= 2 * height):
                    raise FormatError(
                        "coordinate_absurd",
                        f"The vertex ({x:g}, {y:g}) of the {what} is far outside of the image of "
                        f"{width} x {height} pixels.",
                        line,
                    )


def _refuse_tangle(contour: Contour, line: int | None, what: str) -> None:
    """What crosses itself at every turn is no outline, and mending it would take all memory."""
    rings = [ring for part in contour.parts for ring in part.rings() if ring]
    if meet_more_often(rings, rings, 2 * _MAX_MEETINGS + 3 * contour.vertex_count):
        raise FormatError(
            "contour_invalid", f"The {what} crosses itself over {_MAX_MEETINGS:,} times; draw it again.", line
        )


def _onto_border(ring: Ring, width: int, height: int) -> Ring:
    """Vertices that are off by the usual pixel come onto the border; what is further out is cut later."""
    return opened([(_near(x, width), _near(y, height)) for x, y in ring])


def _near(value: float, limit: int) -> float:
    if -BORDER_SLACK <= value < 0:
        return 0.0
    if limit < value <= limit + BORDER_SLACK:
        return float(limit)
    return value


def _with_sound_parts_kept(contour: Contour, width: int, height: int) -> Contour:
    """Parts that are valid by themselves as they are, the others mended where they lie."""
    return Contour(
        tuple(
            piece
            for part in contour.parts
            for piece in (
                [part] if _is_valid(Contour((part,)), width, height) else parts_of(_even_odd(Contour((part,))))
            )
        )
    )


def _is_valid(contour: Contour, width: int, height: int) -> bool:
    try:
        validate_contour(contour, width, height)
    except InvalidInputError:
        return False
    return True


def _even_odd(contour: Contour) -> BaseGeometry:
    """The area of a contour, parts joined; a ring that crosses itself encloses what it winds around oddly."""
    whole: BaseGeometry = MultiPolygon()
    for part in contour.parts:
        if len(part.outer) < 3:
            continue
        shape = enclosed(part.outer)
        for hole in part.holes:
            if len(hole) >= 3:
                shape = shape.difference(enclosed(hole))
        whole = whole.union(shape)
    return whole


def parts_of(shape: BaseGeometry) -> Iterator[Part]:
    """The areas in a geometry, slivers, lines and points left out, from top to bottom."""
    found = [polygon for polygon in _polygons(shape) if polygon.area >= MIN_AREA]
    for polygon in sorted(found, key=lambda one: (one.bounds[1], one.bounds[0], -one.area)):
        turned = orient(polygon, sign=1.0)
        holes = (tuple(ring.coords)[:-1] for ring in turned.interiors if Polygon(ring).area >= MIN_AREA)
        yield Part(
            opened([(x, y) for x, y in turned.exterior.coords]),
            tuple(opened([(x, y) for x, y in h]) for h in holes),
        )


def _polygons(shape: BaseGeometry) -> Iterator[Polygon]:
    if isinstance(shape, Polygon):
        if not shape.is_empty:
            yield shape
        return
    for inner in getattr(shape, "geoms", ()):
        yield from _polygons(inner)
