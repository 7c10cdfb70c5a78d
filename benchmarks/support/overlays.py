"""Outlines drawn over their photos."""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Contour, Part
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import expected_extremes
from fourpoint_worker.segmenter.crops import crop_around
from fourpoint_worker.segmenter.port import RgbImage

Mask = npt.NDArray[np.bool_]

_GREEN, _RED, _WHITE = (60, 220, 60), (255, 60, 60), (255, 255, 255)
_SIDE = 480


def overlay(image: RgbImage, prompt: Prompt, contour: Contour, truth: Mask | None = None) -> RgbImage:
    """The object's surroundings; its contour and vertices in green, clicks in red, the true border in white.

    About 480 pixels along the object's longer side, whatever the photo's size.
    """
    crop = crop_around(image, prompt.box, 0.15, _SIDE, 1 / 8)
    canvas = crop.rgb.copy()

    def cells(vertices: Iterable[tuple[float, float]]) -> npt.NDArray[np.int32]:
        return np.round((np.array([crop.to_cells(vertex) for vertex in vertices]) - 0.5) * 16).astype(np.int32)

    for part in true_parts(truth) if truth is not None else ():
        cv2.polylines(canvas, [cells(part.outer)], True, _WHITE, 1, cv2.LINE_AA, shift=4)
    for ring in (ring for part in contour.parts for ring in part.rings()):
        cv2.polylines(canvas, [cells(ring)], True, _GREEN, 2, cv2.LINE_AA, shift=4)
        for x, y in cells(ring).tolist():
            cv2.circle(canvas, (x, y), 4 * 16, _GREEN, -1, cv2.LINE_AA, shift=4)
    for x, y in cells(expected_extremes(prompt).as_tuple()).tolist():
        cv2.circle(canvas, (x, y), 6 * 16, _WHITE, -1, cv2.LINE_AA, shift=4)
        cv2.circle(canvas, (x, y), 4 * 16, _RED, -1, cv2.LINE_AA, shift=4)
    return canvas


def true_parts(truth: Mask) -> list[Part]:
    """The border of a mask, through the middles of its outermost pixels, for drawing only."""
    found, _ = cv2.findContours(truth.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return [Part(tuple((float(x) + 0.5, float(y) + 0.5) for x, y in ring[:, 0])) for ring in found]
