"""Fewer vertices for the same outline: as few as a budget of changed area allows."""

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

# Finer than this nobody can see or drag a vertex, whatever the budget would allow.
FINEST_TOLERANCE = 0.2
_HALVINGS = 6


def simplify_within(polygon: Polygon, least_iou: float) -> Polygon:
    """The coarsest simplification found whose IoU with `polygon` is at least `least_iou`.

    Tolerances are tried by bisection, in pixels. Topology is kept: rings stay simple, holes inside.
    Source: Douglas and Peucker, 1973, as GEOS does it for whole polygons.
    """
    best = _within(polygon, FINEST_TOLERANCE, least_iou)
    if best is None:
        return polygon
    low, high = FINEST_TOLERANCE, max(2 * FINEST_TOLERANCE, polygon.area**0.5 / 4)
    for _ in range(_HALVINGS):
        # Tolerances differ by factors, not by steps: bisect their ratio.
        middle = (low * high) ** 0.5
        candidate = _within(polygon, middle, least_iou)
        if candidate is None:
            high = middle
        else:
            low, best = middle, candidate
    return best


def overlap(one: BaseGeometry, other: BaseGeometry) -> float:
    """Intersection over union, exact, of two valid shapes; 0 when both are empty."""
    shared = float(one.intersection(other).area)
    union = float(one.area + other.area) - shared
    return shared / union if union > 0 else 0.0


def _within(polygon: Polygon, tolerance: float, least_iou: float) -> Polygon | None:
    candidate = polygon.simplify(tolerance, preserve_topology=True)
    if not isinstance(candidate, Polygon) or not candidate.is_valid:
        return None
    return candidate if overlap(polygon, candidate) >= least_iou else None
