"""Fewer vertices for the same outline: as few as a budget of changed area allows."""

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

# Finer than this nobody can see or drag a vertex, whatever the budget would allow.
FINEST_TOLERANCE = 0.2
# Of an object of a few pixels, a fifth of a pixel is a part that can be seen.
FINEST_SHARE = 0.02
_HALVINGS = 6


def simplify_within(polygon: Polygon, least_iou: float) -> Polygon:
    """The coarsest simplification found whose IoU with `polygon` is at least `least_iou`.

    Tolerances are tried by bisection, in pixels, none finer than anyone can see: on an object of a few
    pixels the budget is overdrawn by that much. Topology is kept: rings stay simple, holes inside.
    Source: Douglas and Peucker, 1973, as GEOS does it for whole polygons.
    """
    side = polygon.area**0.5
    low, high = min(FINEST_TOLERANCE, FINEST_SHARE * side), max(2 * FINEST_TOLERANCE, side / 4)
    best = _simplified(polygon, low)
    for _ in range(_HALVINGS):
        # Tolerances differ by factors, not by steps: bisect their ratio.
        middle = (low * high) ** 0.5
        candidate = _simplified(polygon, middle)
        if overlap(polygon, candidate) >= least_iou:
            low, best = middle, candidate
        else:
            high = middle
    return best


def overlap(one: BaseGeometry, other: BaseGeometry) -> float:
    """Intersection over union, exact, of two valid shapes; 0 when both are empty."""
    shared = float(one.intersection(other).area)
    union = float(one.area + other.area) - shared
    return shared / union if union > 0 else 0.0


def _simplified(polygon: Polygon, tolerance: float) -> Polygon:
    candidate = polygon.simplify(tolerance, preserve_topology=True)
    return candidate if isinstance(candidate, Polygon) and candidate.is_valid else polygon
