"""What the four clicks alone say about the shape, before any pixel is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box, Vertex
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_worker.segmenter.click_window import object_size
from fourpoint_worker.segmenter.crops import Crop
from fourpoint_worker.segmenter.rasters import fill_rings

FloatGrid = npt.NDArray[np.float32]

HALF_PIXEL = 0.5
_ARC_STEPS = 16
# Distances, as shares of the object, at which a cell counts as clearly on one side of a line.
_NEAR, _FAR = 0.03, 0.1


def arcs_through(points: ExtremePoints) -> list[Vertex]:
    """The closed ring of four quarter ellipses that join neighbouring clicks, clockwise on screen.

    Each arc leaves its click along the box's side, as the outline of a smooth object does at an extreme.
    Source: the shape prior of extreme-point GrabCut (Papadopoulos et al., ICCV 2017), made smooth.
    """
    top, right, bottom, left = points.top, points.right, points.bottom, points.left
    quarters = (
        (top, right, (top[0], right[1])),
        (right, bottom, (bottom[0], right[1])),
        (bottom, left, (bottom[0], left[1])),
        (left, top, (top[0], left[1])),
    )
    angles = np.arange(_ARC_STEPS) * (np.pi / 2 / _ARC_STEPS)
    return [
        (
            float(centre[0] + np.cos(angle) * (start[0] - centre[0]) + np.sin(angle) * (end[0] - centre[0])),
            float(centre[1] + np.cos(angle) * (start[1] - centre[1]) + np.sin(angle) * (end[1] - centre[1])),
        )
        for start, end, centre in quarters
        for angle in angles
    ]


def expected_extremes(prompt: Prompt) -> ExtremePoints:
    """Where the outline is expected to end: just beyond the clicks, or midway along a box's sides.

    A click means a pixel, and the object reaches that pixel's far side; on a nucleus of twenty pixels
    the half pixel is a twentieth of the area.
    """
    if prompt.points is None:
        return middles_of_sides(prompt.box)
    top, bottom, left, right = prompt.points.as_tuple()
    return ExtremePoints(
        top=(top[0], top[1] - HALF_PIXEL),
        bottom=(bottom[0], bottom[1] + HALF_PIXEL),
        left=(left[0] - HALF_PIXEL, left[1]),
        right=(right[0] + HALF_PIXEL, right[1]),
    )


def middles_of_sides(box: Box) -> ExtremePoints:
    """Extremes of the ellipse inscribed in `box`."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return ExtremePoints(top=(x, box.y0), bottom=(x, box.y1), left=(box.x0, y), right=(box.x1, y))


def filled(ring: Sequence[Vertex], crop: Crop) -> npt.NDArray[np.bool_]:
    """Cells of the crop whose centres lie inside `ring` (image coordinates)."""
    return fill_rings([[crop.to_cells(vertex) for vertex in ring]], *crop.shape)


def suggested_shape(prompt: Prompt, crop: Crop) -> npt.NDArray[np.bool_]:
    """Cells that the prompt alone puts on the object: its earlier outline, or else the arcs of its clicks."""
    if prompt.contour is None:
        return filled(arcs_through(expected_extremes(prompt)), crop)
    rings = [
        [crop.to_cells(vertex) for vertex in ring] for part in prompt.contour.parts for ring in part.rings()
    ]
    return fill_rings(rings, *crop.shape)


def signed_distance(inside: npt.NDArray[np.bool_]) -> FloatGrid:
    """Cells to the border of `inside`, positive within it, negative outside; +-0.5 next to the border."""
    if inside.all() or not inside.any():
        # There is no border to measure to: everything is as far from it as the grid is wide.
        return np.full(inside.shape, max(inside.shape) * (1 if inside.all() else -1), np.float32)
    within = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    without = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    return np.where(inside, within - 0.5, 0.5 - without).astype(np.float32)


@dataclass(frozen=True)
class ShapeWeights:
    """What each sign of the shape adds to a cell's log odds; fitted as `Evidence` says.

    arcs: being well inside the arcs; quadrangle_edge, quadrangle: being just, or well, inside the quadrangle
    of the clicks; sides: not lying along a side of the box; remoteness: per object size away from all clicks.
    small_arcs: what the arcs weigh in addition on an object of no size, fading to nothing at small_pixels:
    of a few pixels the clicks tell more than the colours.
    """

    arcs: float = 0.784
    quadrangle_edge: float = 0.291
    quadrangle: float = 0.437
    sides: float = 0.744
    remoteness: float = -2.216
    small_arcs: float = 6.0
    small_pixels: float = 40.0


def shape_odds(crop: Crop, prompt: Prompt, weights: ShapeWeights) -> FloatGrid:
    """Log odds of each cell from its place among the clicks, whatever its colour."""
    extremes = expected_extremes(prompt)
    top, bottom, left, right = extremes.as_tuple()
    size = object_size(prompt.box)
    unit = max(crop.pixels_per_cell) / size
    in_arcs = signed_distance(suggested_shape(prompt, crop)) * unit
    in_quadrangle = signed_distance(filled((top, right, bottom, left), crop)) * unit
    smallness = max(0.0, 1 - size / weights.small_pixels)
    odds = (
        (weights.arcs + weights.small_arcs * smallness) * np.tanh(in_arcs / _NEAR)
        + weights.quadrangle_edge * np.tanh(in_quadrangle / _NEAR)
        + weights.quadrangle * np.tanh(in_quadrangle / _FAR)
        + weights.sides * np.tanh(_depth_in(extremes.box, crop) / size / _NEAR)
        + weights.remoteness * _distance_to(extremes.as_tuple(), crop) / size
    )
    return np.asarray(odds, np.float32)


def _depth_in(box: Box, crop: Crop) -> FloatGrid:
    """Pixels from each cell's centre to the nearest side of `box`, negative outside."""
    x, y = crop.cell_centres()
    across, down = np.minimum(x - box.x0, box.x1 - x), np.minimum(y - box.y0, box.y1 - y)
    return np.asarray(np.minimum(across, down), np.float32)


def _distance_to(vertices: Sequence[Vertex], crop: Crop) -> FloatGrid:
    """Pixels from each cell's centre to the nearest of `vertices`."""
    x, y = crop.cell_centres()
    return np.asarray(np.min([np.hypot(x - vx, y - vy) for vx, vy in vertices], axis=0), np.float32)
