"""What a ring that crosses itself encloses: the places that it winds around an odd number of times.

As `cv2.fillPoly` fills, and as shapely's `make_valid` decides; but that one takes time by the square of the
crossings, ten seconds for two hundred vertices at random.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import LinearRing, MultiPolygon
from shapely.geometry.base import BaseGeometry

from fourpoint_core.domain.geometry import Ring

Points = npt.NDArray[np.float64]
_POINTS_AT_ONCE = 256


def enclosed(ring: Ring) -> BaseGeometry:
    """The area that `ring` encloses; lines that enclose nothing are left out. ring: 3 vertices at least."""
    faces = np.asarray(shapely.polygonize([shapely.unary_union(LinearRing(ring))]).geoms)
    if not len(faces):
        return MultiPolygon()
    within = shapely.get_coordinates(shapely.point_on_surface(faces))
    return shapely.coverage_union_all(faces[_are_odd(within, np.asarray(ring, np.float64))])


def _are_odd(points: Points, ring: Points) -> npt.NDArray[np.bool_]:
    """Of each point (N, 2) whether a ray to the left crosses an odd number of the ring's sides."""
    x0, y0 = ring[:, 0], ring[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    slopes = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
    odd: list[npt.NDArray[Any]] = []
    for start in range(0, len(points), _POINTS_AT_ONCE):
        x, y = np.hsplit(points[start : start + _POINTS_AT_ONCE], 2)
        crossed = ((y0 > y) != (y1 > y)) & (x0 + (y - y0) * slopes < x)
        odd.append(crossed.sum(axis=1) % 2 == 1)
    return np.concatenate(odd)
