"""Clicks of other tools, which do not say which side a click is on, and may be more than four."""

from collections.abc import Sequence

from fourpoint_core.domain.geometry import Box, Vertex
from fourpoint_core.domain.prompts import ExtremePoints, Prompt


def prompt_from_points(clicks: Sequence[Vertex], off: Sequence[Vertex] = ()) -> Prompt:
    """Four points or more, in any order, as the outermost points; those that are none lie on the object."""
    if len(clicks) == 4:
        return Prompt(points=ExtremePoints.from_any_order(clicks), exclude=tuple(off))
    outermost = (
        min(clicks, key=lambda point: point[1]),
        max(clicks, key=lambda point: point[1]),
        min(clicks, key=lambda point: point[0]),
        max(clicks, key=lambda point: point[0]),
    )
    if len(set(outermost)) == 4:
        rest = tuple(point for point in clicks if point not in outermost)
        return Prompt(points=ExtremePoints(*outermost), include=rest, exclude=tuple(off))
    # A corner is outermost twice over: the box says as much.
    xs, ys = [x for x, _ in clicks], [y for _, y in clicks]
    return Prompt(box_prompt=Box(min(xs), min(ys), max(xs), max(ys)), exclude=tuple(off))
