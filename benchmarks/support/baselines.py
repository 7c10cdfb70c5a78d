"""Masks that need no engine, to compare an engine's with."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import arcs_through, expected_extremes
from fourpoint_worker.segmenter.crops import crop_around
from fourpoint_worker.segmenter.port import RgbImage
from fourpoint_worker.segmenter.rasters import fill_rings

Mask = npt.NDArray[np.bool_]
Baseline = Callable[[RgbImage, Prompt], Mask]

_GRABCUT_CELLS = 160


def box_baseline(image: RgbImage, prompt: Prompt) -> Mask:
    """The whole box between the clicks."""
    box = prompt.box
    # The clicks are in the middles of the outermost pixels; the box ends at those pixels' far sides.
    x0, y0, x1, y1 = box.x0 - 0.5, box.y0 - 0.5, box.x1 + 0.5, box.y1 + 0.5
    return fill_rings([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], *image.shape[:2])


def ellipse_baseline(image: RgbImage, prompt: Prompt) -> Mask:
    """Four quarter ellipses through the clicks."""
    return fill_rings([arcs_through(expected_extremes(prompt))], *image.shape[:2])


def grabcut_baseline(image: RgbImage, prompt: Prompt) -> Mask:
    """OpenCV's GrabCut from the box, five iterations, on a crop like the engine's; the usual first choice.

    Where it collapses to nothing, as it often does on little background, the ellipse arcs stand in.
    """
    crop = crop_around(image, prompt.box, 0.25, _GRABCUT_CELLS, 0.5)
    x0, y0 = crop.to_cells((prompt.box.x0, prompt.box.y0))
    x1, y1 = crop.to_cells((prompt.box.x1, prompt.box.y1))
    label = np.full(crop.shape, cv2.GC_BGD, np.uint8)
    label[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1] = cv2.GC_PR_FGD
    inside = label == cv2.GC_PR_FGD
    if not inside.all():
        cv2.setRNGSeed(0)
        models = np.zeros((2, 1, 65))
        # With a mask to start from, OpenCV does not read the rectangle.
        cv2.grabCut(crop.rgb, label, (0, 0, 1, 1), models[0], models[1], 5, cv2.GC_INIT_WITH_MASK)
        inside = np.isin(label, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if not inside.any():
        return ellipse_baseline(image, prompt)
    return _to_image(inside, crop.origin_xy, crop.pixels_per_cell, image.shape)


def _to_image(
    inside: Mask, origin: tuple[float, float], scale: tuple[float, float], shape: tuple[int, ...]
) -> Mask:
    height, width = shape[:2]
    column = np.floor((np.arange(width) + 0.5 - origin[0]) / scale[0]).astype(int)
    row = np.floor((np.arange(height) + 0.5 - origin[1]) / scale[1]).astype(int)
    framed = np.pad(inside, 1)
    rows, columns = inside.shape
    return framed[np.ix_(np.clip(row + 1, 0, rows + 1), np.clip(column + 1, 0, columns + 1))]


BASELINES: dict[str, Baseline] = {
    "box": box_baseline,
    "ellipse arcs": ellipse_baseline,
    "GrabCut from the box": grabcut_baseline,
}
