"""What points to include and to exclude say, beyond their own cells."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_window import PULL_REACH, object_size
from fourpoint_worker.segmenter.crops import Crop

FloatGrid = npt.NDArray[np.float32]

# What lies so near, in cells, to the middle of a correction is what it says, whatever it looks like.
_DECIDED_CELLS = 2.0


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


def decided(odds: FloatGrid, crop: Crop, prompt: Prompt) -> FloatGrid:
    """`odds` (rows, columns), infinite around points to include and to exclude."""
    found = odds.copy()
    x, y = crop.cell_centres()
    for vertices, verdict in ((prompt.include, np.inf), (prompt.exclude, -np.inf)):
        for vertex in vertices:
            across, down = (x - vertex[0]) / crop.pixels_per_cell[0], (y - vertex[1]) / crop.pixels_per_cell[1]
            found[np.hypot(across, down) <= _DECIDED_CELLS] = verdict
    return found
