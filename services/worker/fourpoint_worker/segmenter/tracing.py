"""From a soft mask to polygons: the half-probability line, found between the cells."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from skimage.measure import find_contours

from fourpoint_worker.segmenter.port import SoftMask

Ring = npt.NDArray[np.float64]
"""Closed, shape (n, 2), the last row repeats the first."""

HALF = 0.5
# A corner exactly at the level would make rings touch themselves there; this far off it cannot be seen.
_NUDGE = 1e-4


def trace(soft: SoftMask) -> list[Polygon]:
    """Regions where `soft` exceeds one half, holes taken out, in continuous image coordinates.

    Where the mask reaches the crop's border, regions run half a cell beyond it; the caller clips them.
    Raises nothing; an empty mask has no regions. Source: marching squares (Lorensen and Cline, 1987, in 2-D).
    """
    # scikit-image carries no types.
    found: list[Ring] = find_contours(_framed(soft.probability), HALF)  # type: ignore[no-untyped-call]
    rings = [_to_image(ring, soft) for ring in found]
    shells = [ring for ring in rings if _runs_clockwise(ring)]
    holes = [ring for ring in rings if not _runs_clockwise(ring)]
    return polygons_of(_shells_with_holes(shells, holes))


def polygons_of(shapes: Iterable[BaseGeometry]) -> list[Polygon]:
    """All polygons with an area among `shapes`, each made valid."""
    valid = (shape if shape.is_valid else shapely.make_valid(shape) for shape in shapes)
    pieces = (piece for shape in valid for piece in getattr(shape, "geoms", [shape]))
    flat = (part for piece in pieces for part in _flattened(piece))
    return [polygon for polygon in flat if polygon.area > 0]


def _flattened(shape: BaseGeometry) -> list[Polygon]:
    if isinstance(shape, MultiPolygon):
        return list(shape.geoms)
    return [shape] if isinstance(shape, Polygon) else []


def _framed(probability: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The mask with its border repeated once and closed with zeros, so that every ring closes outside."""
    frame = np.pad(np.pad(probability.astype(np.float64), 1, mode="edge"), 1)
    return np.where(np.abs(frame - HALF) < _NUDGE, HALF - _NUDGE, frame)


def _to_image(ring: Ring, soft: SoftMask) -> Ring:
    """(n, 2) framed (row, column), cell centres at integers, to (x, y) of the image."""
    # Two cells of frame, and half a cell because find_contours puts integers at centres.
    cells = ring[:, ::-1] - 2 + 0.5
    return np.asarray(cells * soft.pixels_per_cell + soft.origin_xy)


def _runs_clockwise(ring: Ring) -> bool:
    """On screen; find_contours walks that way around regions, the other way around holes."""
    x, y = ring[:, 0], ring[:, 1]
    return bool((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0)


def _shells_with_holes(shells: list[Ring], holes: list[Ring]) -> list[BaseGeometry]:
    """Each hole goes to the smallest shell around it: an island in a hole has holes of its own."""
    bodies = sorted((Polygon(ring) for ring in shells), key=lambda body: body.area)
    cut_out: list[list[Ring]] = [[] for _ in bodies]
    tree = shapely.STRtree([shapely.Point(ring[0]) for ring in holes])
    taken: set[int] = set()
    for index, body in enumerate(bodies):
        inside = set(tree.query(body, predicate="intersects").tolist()) - taken
        cut_out[index] = [holes[hole] for hole in sorted(inside)]
        taken |= inside
    return [Polygon(body.exterior, rings) for body, rings in zip(bodies, cut_out, strict=True)]
