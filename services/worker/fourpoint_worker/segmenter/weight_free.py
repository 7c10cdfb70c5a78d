"""The engine that needs no weights: colour mixtures, the arcs through the clicks, and a minimum cut.

Source: extreme-point GrabCut (Rother et al., SIGGRAPH 2004; Papadopoulos et al., ICCV 2017).
"""

import hashlib
from dataclasses import astuple, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box, Vertex
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import arcs_through, expected_extremes, filled, signed_distance
from fourpoint_worker.segmenter.click_window import clip_window
from fourpoint_worker.segmenter.colour_mixtures import ColourMixture, fit_mixture
from fourpoint_worker.segmenter.crops import Crop, crop_around
from fourpoint_worker.segmenter.graph_cut import contrast_edges, min_cut
from fourpoint_worker.segmenter.port import Checkpoint, RgbImage, SoftMask

FloatGrid = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]

# Part of the digest: raise it whenever the same parameters begin to answer differently.
CODE_VERSION = 1


@dataclass(frozen=True)
class Parameters:
    """Everything that was tuned, on objects that no reported figure is measured on.

    cells: cells along the box's longer side; finest: smallest cell in pixels; margin: background around
    the box, as a share of its longer side.
    components, colour_floor, samples: size of a mixture, variance added to each Lab channel, colours fitted.
    rounds: how often the colours are learned anew from the last cut.
    colour_cap, prior_cap: strongest log odds that a colour, or the clicks' shape, may give a cell.
    prior_reach: distance from the arcs at which the prior has its full say, as a share of the box.
    smoothness: price of a border between two equal neighbours; border_floor: share of it that remains on edges.
    collapse: share of the arcs' area below which a cut is not believed.
    """

    cells: int = 96
    finest: float = 0.5
    margin: float = 0.25
    components: int = 5
    colour_floor: float = 9.0
    samples: int = 3000
    rounds: int = 3
    colour_cap: float = 6.0
    prior_cap: float = 1.25
    prior_reach: float = 0.12
    smoothness: float = 8.0
    border_floor: float = 0.05
    collapse: float = 0.4


@dataclass(frozen=True)
class _Scene:
    """One prompt on its grid: what the rounds share."""

    crop: Crop
    lab: FloatGrid
    prior: FloatGrid
    arcs: Labels
    certain: FloatGrid
    """+inf where a click says object, -inf where it cannot be, 0 elsewhere."""


class WeightFreeEngine:
    """Segments by colour and shape alone; holds no state, so threads may share one."""

    name = "weight-free"

    def __init__(self, parameters: Parameters | None = None):
        self._parameters = parameters or Parameters()
        said = repr((self.name, CODE_VERSION, astuple(self._parameters)))
        self.model_digest = hashlib.sha256(said.encode()).hexdigest()

    def warm_up(self) -> None:
        """Cut a grey square once, which loads what SciPy and OpenCV load lazily."""
        image = np.full((32, 32, 3), 200, np.uint8)
        image[8:24, 8:24] = 40
        self.soft_mask(image, Prompt(box_prompt=Box(8, 8, 24, 24)), lambda stage: None)

    def soft_mask(self, image: RgbImage, prompt: Prompt, checkpoint: Checkpoint) -> SoftMask:
        """Segment one object; always finds something between the clicks."""
        p = self._parameters
        checkpoint("crop")
        scene = self._look(image, prompt)
        edges = contrast_edges(scene.lab, p.smoothness, p.border_floor)
        belief = np.where(np.isneginf(scene.certain), 0, _sigmoid(scene.prior))
        for number in range(p.rounds):
            checkpoint(f"cut {number + 1}")
            evidence = self._colour_odds(scene.lab, belief) + scene.prior
            belief = min_cut(np.where(scene.certain == 0, evidence, scene.certain), edges).astype(np.float32)
        if belief.sum() < p.collapse * scene.arcs.sum():
            # A cut around the clicked cells alone is cheap where colours do not tell anything apart;
            # the shape that the clicks suggest is then the better draft.
            belief = scene.arcs.astype(np.float32)
        soft = cv2.GaussianBlur(belief, (0, 0), 1.0)
        return SoftMask(np.asarray(soft, np.float32), scene.crop.origin_xy, scene.crop.pixels_per_cell)

    def _look(self, image: RgbImage, prompt: Prompt) -> _Scene:
        p = self._parameters
        height, width = image.shape[:2]
        window = clip_window(prompt, width, height)
        crop = crop_around(image, window, p.margin, p.cells, p.finest)
        lab = np.asarray(cv2.cvtColor(crop.rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
        arcs = filled(arcs_through(expected_extremes(prompt)), crop)
        reach = p.prior_reach * max(prompt.box.width, prompt.box.height) / max(crop.pixels_per_cell)
        prior = p.prior_cap * np.clip(signed_distance(arcs) / reach, -1, 1)
        return _Scene(crop, lab, prior, arcs, _certain(crop, window, prompt))

    def _colour_odds(self, lab: FloatGrid, belief: FloatGrid) -> FloatGrid:
        """Log odds of each cell's colour, given mixtures of what is believed object and background."""
        p = self._parameters
        colours = lab.reshape(-1, 3)
        some = slice(None, None, max(1, len(colours) // p.samples))
        share = belief.reshape(-1)[some].astype(np.float32)
        on, off = self._fit(colours[some], share), self._fit(colours[some], 1 - share)
        odds = on.log_density(colours) - off.log_density(colours)
        return np.asarray(np.clip(odds, -p.colour_cap, p.colour_cap).reshape(lab.shape[:2]), np.float32)

    def _fit(self, colours: FloatGrid, share: FloatGrid) -> ColourMixture:
        # A trace of every colour keeps a mixture defined when nothing is believed to be its own.
        return fit_mixture(colours, share + 1e-4, self._parameters.components, 4, self._parameters.colour_floor)


def _certain(crop: Crop, window: Box, prompt: Prompt) -> FloatGrid:
    x, y = crop.cell_centres()
    inside = (x > window.x0) & (x < window.x1) & (y > window.y0) & (y < window.y1)
    certain = np.where(inside, 0, -np.inf).astype(np.float32)
    clicks = prompt.points.as_tuple() if prompt.points is not None else ()
    _mark(certain, crop, (*clicks, *prompt.include), np.inf)
    _mark(certain, crop, prompt.exclude, -np.inf)
    return certain


def _mark(certain: FloatGrid, crop: Crop, vertices: tuple[Vertex, ...], verdict: float) -> None:
    for vertex in vertices:
        cell = crop.cell_at(vertex)
        if cell is not None:
            certain[cell] = verdict


def _sigmoid(log_odds: FloatGrid) -> FloatGrid:
    return np.asarray(1 / (1 + np.exp(-log_odds)), np.float32)
