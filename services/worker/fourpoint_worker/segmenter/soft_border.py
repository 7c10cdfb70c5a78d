"""From cells that a cut has decided back to probabilities, whose border can be traced between the cells."""

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_worker.segmenter.click_prior import signed_distance

FloatGrid = npt.NDArray[np.float32]


def soft_border(inside: npt.NDArray[np.bool_], softness: float, outward: float) -> FloatGrid:
    """Probabilities (rows, columns) whose half-way line runs smoothly along the border of `inside`.

    softness: blur in cells. outward: how far beyond the border the line runs, in cells.
    """
    distance = np.clip(signed_distance(inside), -4, 4)
    return sigmoid(np.asarray(cv2.GaussianBlur(distance, (0, 0), softness) + outward, np.float32))


def sigmoid(log_odds: FloatGrid) -> FloatGrid:
    """Probabilities of log odds."""
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)
