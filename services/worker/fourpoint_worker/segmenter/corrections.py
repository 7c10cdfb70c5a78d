"""What points to include and to exclude say, beyond their own cells."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_window import PULL_REACH, object_size
from fourpoint_worker.segmenter.crops import Crop

FloatGrid = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pull:
    """How strongly a point speaks.

    strength: log odds that it adds beside it. They fade over `reach` (share of the object) and `likeness`
    (distance in Lab).
    """

    strength: float = 12.0
    reach: float = PULL_REACH
    likeness: float = 20.0


def correction_odds(crop: Crop, lab: FloatGrid, prompt: Prompt, pull: Pull) -> FloatGrid:
    """Log odds (rows, columns): each point speaks for the cells near it that look like it, too.

    lab: (rows, columns, 3), CIE Lab of the crop.
    """
    odds = np.zeros(crop.shape, np.float32)
    x, y = crop.cell_centres()
    for vertex, verdict in [(v, 1) for v in prompt.include] + [(v, -1) for v in prompt.exclude]:
        cell = crop.cell_at(vertex)
        if cell is not None:
            far = np.hypot(x - vertex[0], y - vertex[1]) / (pull.reach * object_size(prompt.box))
            unlike = np.linalg.norm(lab - lab[cell], axis=2) / pull.likeness
            odds += verdict * pull.strength * np.exp(-np.square(far) - np.square(unlike)).astype(np.float32)
    return odds
