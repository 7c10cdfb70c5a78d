"""The seam between the service and whatever draws the outline.

An engine answers with a soft mask over a crop; `contours.py` makes the polygon, the same for every engine.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Contour
from fourpoint_core.domain.prompts import Prompt

RgbImage = npt.NDArray[np.uint8]
"""Upright image, shape (height, width, 3), RGB, 0-255."""


@dataclass(frozen=True)
class SoftMask:
    """How probably each cell of a crop belongs to the object.

    probability: float32 (rows, columns) in [0, 1]; the object is where it exceeds 0.5.
    origin_xy: image coordinates (continuous) of the crop's top-left corner.
    pixels_per_cell: side of a cell in image pixels (x, y), so that cell (row r, column c) covers
    [origin_x + c * px, origin_x + (c + 1) * px) and likewise in y.
    """

    probability: npt.NDArray[np.float32]
    origin_xy: tuple[float, float]
    pixels_per_cell: tuple[float, float]


@dataclass(frozen=True)
class Outline:
    """The answer to one prompt.

    score: how well the outline's own extremes agree with the clicks and the image, in [0, 1].
    confident: False where a person should look twice; said rather than hidden.
    milliseconds: time per stage; `model` and `polygon` here, `image` and the rest by the caller.
    """

    contour: Contour
    score: float
    confident: bool
    milliseconds: dict[str, float]


class Checkpoint(Protocol):
    """Called between stages: raises when the job's deadline has passed or it was cancelled."""

    def __call__(self, stage: str) -> None:
        """stage: name of the stage about to begin."""


class Engine(Protocol):
    """One way to turn a prompt into a soft mask. Safe to call from several threads at once."""

    name: str
    model_digest: str
    """Hex SHA-256 of what decides the answers: weights, or parameters and code version."""

    def warm_up(self) -> None:
        """Do everything slow once: load, compile, run a first prompt. Raises when it cannot serve."""

    def soft_mask(self, image: RgbImage, prompt: Prompt, checkpoint: Checkpoint) -> SoftMask:
        """Segment one object. Raises NoOutlineError when nothing is found between the clicks."""
