"""Soft mask to contour: which regions and holes count, and how the clicks shape the polygon.

The same for every engine. Coordinates are the image's, continuous.
"""

from collections.abc import Sequence

import shapely
from shapely.geometry import LinearRing, LineString, Point, Polygon

from fourpoint_core.domain.geometry import Box, Contour, Part, Ring, Vertex
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import NoOutlineError
from fourpoint_worker.segmenter.click_window import click_slack, clip_window
from fourpoint_worker.segmenter.port import SoftMask
from fourpoint_worker.segmenter.simplification import simplify_within
from fourpoint_worker.segmenter.tracing import polygons_of, trace

# A click this close to the outline means the outline: it becomes a vertex. Further off it is evidence.
SNAP_PIXELS = 1.5
# Regions below a tenth of the largest are noise unless a click says that they belong.
LEAST_PART_SHARE = 0.1
LEAST_HOLE_SHARE = 0.02
# Nobody sees or edits less than four by four pixels.
LEAST_HOLE_PIXELS = 16.0
LEAST_IOU = 0.995
# Hundredths of a pixel are exact enough, and keep documents short.
_GRID_PIXELS = 0.01
_LEAST_AREA = 0.02


def contour_from(soft: SoftMask, prompt: Prompt, width: int, height: int) -> Contour:
    """The valid contour of the object that `prompt` points at, inside a `width` x `height` image.

    Raises NoOutlineError when `soft` exceeds one half nowhere near the clicks.
    """
    window = _rectangle(clip_window(prompt, width, height))
    regions = polygons_of(region.intersection(window) for region in trace(soft))
    chosen = [fill_small_holes(region, prompt) for region in choose_regions(regions, prompt)]
    tidy = _apart([_on_grid(simplify_within(region, LEAST_IOU)) for region in chosen])
    if not tidy:
        raise NoOutlineError("Nothing was found between the clicks; click the object's four outermost points.")
    return Contour(tuple(_part(polygon) for polygon in pin_clicks(tidy, prompt)))


def choose_regions(regions: Sequence[Polygon], prompt: Prompt) -> list[Polygon]:
    """The largest region, those of a comparable size, and those that a click holds on to."""
    if not regions:
        return []
    ordered = sorted(regions, key=lambda region: region.area, reverse=True)
    largest = ordered[0].area
    return [
        region
        for region in ordered
        if region.area >= LEAST_PART_SHARE * largest or (region.area >= 1 and _is_clicked(region, prompt))
    ]


def fill_small_holes(region: Polygon, prompt: Prompt) -> Polygon:
    """Without the holes that are too small to matter, unless a point to exclude lies in one."""
    least = max(LEAST_HOLE_PIXELS, LEAST_HOLE_SHARE * region.area)
    excluded = [Point(vertex) for vertex in prompt.exclude]
    return Polygon(
        region.exterior,
        [
            hole
            for hole in region.interiors
            if Polygon(hole).area >= least or any(Polygon(hole).covers(point) for point in excluded)
        ],
    )


def pin_clicks(polygons: Sequence[Polygon], prompt: Prompt) -> list[Polygon]:
    """Make a vertex of every click that the outline passes closely, where that keeps it valid."""
    pinned = list(polygons)
    for click in prompt.points.as_tuple() if prompt.points is not None else ():
        nearest = min(range(len(pinned)), key=lambda index: pinned[index].exterior.distance(Point(click)))
        moved = pin_click(pinned[nearest], click)
        others = pinned[:nearest] + pinned[nearest + 1 :]
        if (
            moved.is_valid
            and moved.area >= _LEAST_AREA
            and not any(moved.intersects(other) for other in others)
        ):
            pinned[nearest] = moved
    return pinned


def pin_click(polygon: Polygon, click: Vertex) -> Polygon:
    """`polygon` whose outer ring passes through `click`, if it did so within `SNAP_PIXELS`."""
    if polygon.exterior.distance(Point(click)) > SNAP_PIXELS:
        return polygon
    ring = list(polygon.exterior.coords)[:-1]
    sides = [LineString((ring[index - 1], ring[index])) for index in range(len(ring))]
    side = min(range(len(sides)), key=lambda index: sides[index].distance(Point(click)))
    ends = sorted((side - 1, side), key=lambda index: Point(ring[index]).distance(Point(click)))
    if Point(ring[ends[0]]).distance(Point(click)) <= SNAP_PIXELS:
        ring[ends[0]] = click
    else:
        ring.insert(side, click)
    return Polygon(ring, list(polygon.interiors))


def _rectangle(box: Box) -> Polygon:
    return shapely.box(box.x0, box.y0, box.x1, box.y1)


def _is_clicked(region: Polygon, prompt: Prompt) -> bool:
    clicks = prompt.points.as_tuple() if prompt.points is not None else ()
    reach = click_slack(prompt.box)
    return any(region.distance(Point(click)) <= reach for click in clicks) or any(
        region.covers(Point(vertex)) for vertex in prompt.include
    )


def _on_grid(polygon: Polygon) -> list[Polygon]:
    """Coordinates rounded; that can close a neck, which makes several polygons, or slivers of holes."""
    rounded = polygons_of([shapely.set_precision(polygon, _GRID_PIXELS)])
    return [
        # Off the grid again: a pinned click is where the person put it.
        shapely.set_precision(_without_holes_below(piece, _LEAST_AREA), 0)
        for piece in rounded
        if piece.area >= _LEAST_AREA
    ]


def _without_holes_below(polygon: Polygon, least: float) -> Polygon:
    return Polygon(polygon.exterior, [hole for hole in polygon.interiors if Polygon(hole).area >= least])


def _apart(groups: Sequence[Sequence[Polygon]]) -> list[Polygon]:
    """All polygons, less what simplification made overlap an earlier one."""
    kept: list[Polygon] = []
    for polygon in (polygon for group in groups for polygon in group):
        if not any(polygon.intersects(other) for other in kept):
            kept.append(polygon)
    return kept


def _part(polygon: Polygon) -> Part:
    return Part(_ring(polygon.exterior), tuple(_ring(hole) for hole in polygon.interiors))


def _ring(closed: LinearRing) -> Ring:
    """Opened: the first vertex is not repeated."""
    return tuple((float(x), float(y)) for x, y in list(closed.coords)[:-1])
