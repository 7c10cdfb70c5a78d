"""The seam between the service and whatever draws the outline.

An engine answers with a soft mask over a crop; `contours.py` makes the polygon, the same for every engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from fourpoint_core.domain.geometry import Contour
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.imaging.scaling import scaled_to

RgbImage = npt.NDArray[np.uint8]
"""Upright image, shape (height, width, 3), RGB, 0-255."""


class Urgency(IntEnum):
    """Who waits for an answer; a smaller number goes first."""

    CLICK = 0
    PREFETCH = 1
    BATCH = 2


class Picture(Protocol):
    """An image that is fetched and decoded when somebody looks at it.

    An engine that knows the image already, by its digest, never looks.
    digest: hex SHA-256 of its file. width, height: pixels of the upright image.
    """

    digest: str
    width: int
    height: int

    def pixels(self) -> RgbImage:
        """All of it, read-only. Raises ObjectMissingError, DamagedImageError or StorageUnavailableError."""

    def scaled(self, longest_side: int) -> RgbImage:
        """It, resampled so that its longer side has `longest_side` pixels. Raises as `pixels`."""

    @property
    def milliseconds(self) -> float:
        """What looking at it has cost so far."""


class Decoded:
    """A picture whose pixels are there already.

    image: (height, width, 3), RGB. digest: of its file, where there is one.
    """

    def __init__(self, image: RgbImage, digest: str = ""):
        self.digest = digest
        self.height, self.width = image.shape[:2]
        self.milliseconds = 0.0
        self._image = image

    def pixels(self) -> RgbImage:
        """See Picture."""
        return self._image

    def scaled(self, longest_side: int) -> RgbImage:
        """See Picture."""
        return np.asarray(scaled_to(Image.fromarray(self._image), longest_side))


@dataclass(frozen=True)
class SoftMask:
    """How probably each cell of a crop belongs to the object.

    probability: float32 (rows, columns) in [0, 1]; the object is where it exceeds 0.5.
    origin_xy: image coordinates (continuous) of the crop's top-left corner.
    pixels_per_cell: side of a cell in image pixels (x, y), so that cell (row r, column c) covers
    [origin_x + c * px, origin_x + (c + 1) * px) and likewise in y.
    quality: the engine's own estimate of the mask's IoU, in [0, 1]; None where it makes none.
    milliseconds: time of the engine's own stages, such as `embedding`, apart from the rest of its work.
    """

    probability: npt.NDArray[np.float32]
    origin_xy: tuple[float, float]
    pixels_per_cell: tuple[float, float]
    quality: float | None = None
    milliseconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outline:
    """The answer to one prompt.

    score: how well the outline meets the clicks, times the IoU that the engine expects of it; in [0, 1].
    confident: False where a person should look twice; said rather than hidden.
    milliseconds: time per stage: `image`, those that the engine tells apart, `model` and `polygon`.
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
    """One way to turn a prompt into a soft mask. Safe to call from several threads at once.

    urgency: who waits; an engine whose device is shared serves clicks first.
    """

    name: str
    model_digest: str
    """Hex SHA-256 of what decides the answers: weights, or parameters and code version."""

    def warm_up(self) -> None:
        """Do everything slow once: load, compile, run a first prompt. Raises when it cannot serve."""

    def soft_mask(
        self, picture: Picture, prompt: Prompt, checkpoint: Checkpoint, urgency: Urgency = Urgency.CLICK
    ) -> SoftMask:
        """Segment one object. Raises NoOutlineError when nothing is found between the clicks."""

    def prepare(self, picture: Picture, checkpoint: Checkpoint, urgency: Urgency = Urgency.PREFETCH) -> None:
        """Do what the first prompt on a picture would wait for. Raises as looking at it does."""
