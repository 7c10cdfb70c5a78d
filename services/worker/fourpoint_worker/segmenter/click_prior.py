"""What the four clicks alone say about the shape, before any pixel is looked at."""

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box, Vertex
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_worker.segmenter.crops import Crop

FloatGrid = npt.NDArray[np.float32]

_ARC_STEPS = 16
# cv2.fillPoly takes fixed-point coordinates: 2 ** 8 steps to the cell.
_FRACTION_BITS = 8


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
    """The clicks, or for a box alone the middles of its sides: the ellipse inscribed in it."""
    if prompt.points is not None:
        return prompt.points
    return middles_of_sides(prompt.box)


def middles_of_sides(box: Box) -> ExtremePoints:
    """Extremes of the ellipse inscribed in `box`."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return ExtremePoints(top=(x, box.y0), bottom=(x, box.y1), left=(box.x0, y), right=(box.x1, y))


def filled(ring: list[Vertex], crop: Crop) -> npt.NDArray[np.bool_]:
    """Cells of the crop whose centres lie inside `ring` (image coordinates)."""
    # fillPoly means cell indices, whose centres are integers: half a cell off our frame.
    cells = np.array([crop.to_cells(vertex) for vertex in ring]) - 0.5
    fixed = np.round(cells * 2**_FRACTION_BITS).astype(np.int32)
    canvas = np.zeros(crop.shape, np.uint8)
    cv2.fillPoly(canvas, [fixed], 1, shift=_FRACTION_BITS)
    return canvas.astype(bool)


def signed_distance(inside: npt.NDArray[np.bool_]) -> FloatGrid:
    """Cells to the border of `inside`, positive within it, negative outside; +-0.5 next to the border."""
    within = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    without = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    return np.where(inside, within - 0.5, 0.5 - without).astype(np.float32)
