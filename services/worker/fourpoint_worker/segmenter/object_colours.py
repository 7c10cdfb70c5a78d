"""The colours of an object and of its surroundings, learned from a belief of where it is."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_worker.segmenter.colour_mixtures import ColourMixture, fit_mixture
from fourpoint_worker.segmenter.port import RgbImage

FloatGrid = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ColourFit:
    """How mixtures are fitted.

    components, steps, floor: Gaussians in a mixture, EM steps, variance added to each Lab channel.
    samples: about how many colours are fitted.
    """

    components: int = 5
    steps: int = 3
    floor: float = 9.0
    samples: int = 2500


@dataclass(frozen=True)
class ObjectColours:
    """Mixtures of the object's colours and of the background's."""

    on: ColourMixture
    off: ColourMixture

    def log_odds(self, lab: FloatGrid, cap: float) -> FloatGrid:
        """Of every cell's colour, clipped to +-cap: (rows, columns, 3) to (rows, columns)."""
        flat = lab.reshape(-1, 3)
        odds = self.on.log_density(flat) - self.off.log_density(flat)
        return np.asarray(np.clip(odds, -cap, cap).reshape(lab.shape[:2]), np.float32)


def lab_of(rgb: RgbImage) -> FloatGrid:
    """CIE Lab, float32 (rows, columns, 3)."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def learn_colours(lab: FloatGrid, belief: FloatGrid, how: ColourFit) -> ObjectColours:
    """Fit both mixtures.

    lab: (rows, columns, 3). belief: (rows, columns), in [0, 1], how probably each cell is on the object.
    """
    colours = lab.reshape(-1, 3)
    some = slice(None, None, max(1, len(colours) // how.samples))
    share = belief.reshape(-1)[some].astype(np.float32)

    def fit(weights: FloatGrid) -> ColourMixture:
        # A trace of every colour keeps a mixture defined when nothing is believed to be its own.
        return fit_mixture(colours[some], weights + 1e-4, how.components, how.steps, how.floor)

    return ObjectColours(on=fit(share), off=fit(1 - share))
