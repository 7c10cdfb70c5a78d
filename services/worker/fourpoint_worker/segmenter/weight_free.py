"""The engine that needs no weights: colour mixtures, the shape that clicks suggest, and a minimum cut.

Source: extreme-point GrabCut (Rother et al., SIGGRAPH 2004; Papadopoulos et al., ICCV 2017).
"""

import hashlib
from dataclasses import astuple, dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import (
    ShapeWeights,
    shape_odds,
    signed_distance,
    suggested_shape,
)
from fourpoint_worker.segmenter.click_window import PULL_REACH, clip_window, object_size
from fourpoint_worker.segmenter.corrections import Pull, correction_odds, decided
from fourpoint_worker.segmenter.crops import Crop, crop_around
from fourpoint_worker.segmenter.graph_cut import contrast_edges, min_cut
from fourpoint_worker.segmenter.object_colours import ColourFit, ObjectColours, lab_of, learn_colours
from fourpoint_worker.segmenter.port import Checkpoint, Decoded, Picture, RgbImage, SoftMask, Urgency
from fourpoint_worker.segmenter.soft_border import sigmoid, soft_border
from fourpoint_worker.segmenter.timing import timed

FloatGrid = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]

# Part of the digest: raise it whenever the same parameters begin to answer differently.
CODE_VERSION = 6


@dataclass(frozen=True)
class Learning:
    """How the object's colours are learned, on a coarse grid where a cut costs a few milliseconds.

    cells: along the box's longer side. rounds: mixtures fitted; a cut lies between two of them.
    components, steps, colour_floor: Gaussians in a mixture, EM steps, variance added to each Lab channel.
    samples: about how many colours are fitted. prior_cap, prior_reach: the arcs' log odds, and the
    distance from them, as a share of the object, that it takes to have them in full.
    """

    cells: int = 48
    rounds: int = 3
    components: int = 5
    steps: int = 3
    colour_floor: float = 9.0
    samples: int = 2500
    prior_cap: float = 1.0
    prior_reach: float = 0.06
    first_trust: float = 4.0
    smoothness: float = 8.0


@dataclass(frozen=True)
class Evidence:
    """What each sign adds to the log odds that a cell of the fine grid is on the object.

    colour: the cell's own colour; patch, region: colours around it, blurred by `patch_cells` and
    `region_cells`; first_guess: its colour under the mixtures learned from the arcs alone.
    Fitted by logistic regression on cells of training objects, on which no figure is reported; the bias is
    a little higher than fitted, because a cut prefers short borders and so small objects.
    """

    colour: float = 0.134
    patch: float = 0.590
    region: float = -0.213
    first_guess: float = 0.173
    bias: float = -0.4
    patch_cells: float = 1.5
    region_cells: float = 4.0
    shape: ShapeWeights = field(default_factory=ShapeWeights)


@dataclass(frozen=True)
class Parameters:
    """Everything that decides the answers.

    margin: background around the box, as a share of its longer side. cells: of the final cut, along the
    box's longer side; finest: a cell's least side in pixels. smoothness: price of a border between equal
    neighbours; border_floor: share of it that remains on the strongest edge. collapse: share of the arcs'
    area below which a cut is not believed. softness: blur of the final cut, in cells.
    outward_pixels: how far beyond the cut the outline runs: people draw masks a little outside the edge. Twice
    as much measures better still on their masks, and visibly misses exact ones.
    correction: log odds that a point to include or exclude adds beside it; it fades over correction_reach
    (share of the object) and correction_likeness (distance in Lab).
    """

    margin: float = 0.25
    cells: int = 96
    finest: float = 0.25
    smoothness: float = 2.5
    border_floor: float = 0.05
    collapse: float = 0.4
    softness: float = 1.0
    outward_pixels: float = 0.15
    correction: float = 12.0
    correction_reach: float = PULL_REACH
    correction_likeness: float = 20.0
    learning: Learning = field(default_factory=Learning)
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True)
class _Scene:
    """One prompt on one grid.

    lab: float32 (rows, columns, 3), CIE Lab. certain: +inf where a click says object, -inf where it
    cannot be, 0 elsewhere.
    """

    crop: Crop
    lab: FloatGrid
    arcs: Labels
    certain: FloatGrid

    def decided(self, log_odds: FloatGrid) -> FloatGrid:
        """`log_odds` where nothing is certain."""
        return np.where(self.certain == 0, log_odds, self.certain).astype(np.float32)


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
        self.soft_mask(Decoded(image), Prompt(box_prompt=Box(8, 8, 24, 24)), lambda stage: None)

    def prepare(self, picture: Picture, checkpoint: Checkpoint, urgency: Urgency = Urgency.PREFETCH) -> None:
        """Have the picture decoded; there is nothing else to prepare."""
        checkpoint("image")
        picture.pixels()

    def soft_mask(
        self, picture: Picture, prompt: Prompt, checkpoint: Checkpoint, urgency: Urgency = Urgency.CLICK
    ) -> SoftMask:
        """Segment one object; always finds something between the clicks."""
        p = self._parameters
        checkpoint("image")
        image = picture.pixels()
        checkpoint("colours")
        colours, colours_ms = timed(
            lambda: self._learn_colours(self._look(image, prompt, p.learning.cells), prompt, checkpoint)
        )
        checkpoint("cut")
        soft, cut_ms = timed(lambda: self._weighed(image, prompt, *colours))
        return replace(soft, milliseconds={"colours": colours_ms, "cut": cut_ms})

    def _weighed(self, image: RgbImage, prompt: Prompt, first: ObjectColours, last: ObjectColours) -> SoftMask:
        p = self._parameters
        scene = self._look(image, prompt, p.cells)
        log_odds = scene.decided(self._weigh(scene, prompt, first, last))
        inside = self._cut(scene, log_odds, p.smoothness)
        outward = p.outward_pixels / max(scene.crop.pixels_per_cell)
        probability = soft_border(inside, p.softness, outward)
        return SoftMask(probability, scene.crop.origin_xy, scene.crop.pixels_per_cell)

    def _look(self, image: RgbImage, prompt: Prompt, cells: int) -> _Scene:
        height, width = image.shape[:2]
        window = clip_window(prompt, width, height)
        crop = crop_around(image, window, self._parameters.margin, cells, self._parameters.finest)
        return _Scene(crop, lab_of(crop.rgb), suggested_shape(prompt, crop), _certain(crop, window, prompt))

    def _learn_colours(
        self, scene: _Scene, prompt: Prompt, checkpoint: Checkpoint
    ) -> tuple[ObjectColours, ObjectColours]:
        """Colours under the arcs, and colours under the last of the cuts that start from them."""
        how = self._parameters.learning
        reach = how.prior_reach * object_size(prompt.box) / max(scene.crop.pixels_per_cell)
        prior = how.prior_cap * np.clip(signed_distance(scene.arcs) / reach, -1, 1)
        belief = np.where(np.isneginf(scene.certain), 0, sigmoid(how.first_trust * prior))
        colours = first = self._fit_colours(scene.lab, belief)
        for number in range(1, how.rounds):
            checkpoint(f"colours {number}")
            odds = scene.decided(colours.log_odds(scene.lab, 6.0) + prior)
            colours = self._fit_colours(scene.lab, self._cut(scene, odds, how.smoothness).astype(np.float32))
        return first, colours

    def _fit_colours(self, lab: FloatGrid, belief: FloatGrid) -> ObjectColours:
        how = self._parameters.learning
        fit = ColourFit(how.components, how.steps, how.colour_floor, how.samples)
        return learn_colours(lab, belief, fit)

    def _weigh(self, scene: _Scene, prompt: Prompt, first: ObjectColours, last: ObjectColours) -> FloatGrid:
        weights = self._parameters.evidence
        odds = last.log_odds(scene.lab, 6.0)
        return np.asarray(
            weights.colour * np.clip(odds, -2, 2)
            + weights.patch * cv2.GaussianBlur(odds, (0, 0), weights.patch_cells)
            + weights.region * cv2.GaussianBlur(odds, (0, 0), weights.region_cells)
            + weights.first_guess * first.log_odds(scene.lab, 2.0)
            + shape_odds(scene.crop, prompt, weights.shape)
            + self._corrections(scene, prompt)
            + weights.bias,
            np.float32,
        )

    def _corrections(self, scene: _Scene, prompt: Prompt) -> FloatGrid:
        p = self._parameters
        pull = Pull(p.correction, p.correction_reach, p.correction_likeness)
        return correction_odds(scene.crop, scene.lab, prompt, pull)

    def _cut(self, scene: _Scene, log_odds: FloatGrid, smoothness: float) -> Labels:
        p = self._parameters
        inside = min_cut(log_odds, contrast_edges(scene.lab, smoothness, p.border_floor))
        if inside.sum() >= max(1, p.collapse * scene.arcs.sum()):
            return inside
        # A cut around the clicked cells alone is cheap where colours do not tell anything apart; the
        # shape that the clicks suggest is then the better draft.
        return (scene.arcs & ~np.isneginf(scene.certain)) | np.isposinf(scene.certain)


def _certain(crop: Crop, window: Box, prompt: Prompt) -> FloatGrid:
    x, y = crop.cell_centres()
    inside = (x > window.x0) & (x < window.x1) & (y > window.y0) & (y < window.y1)
    certain = np.where(inside, 0, -np.inf).astype(np.float32)
    for click in prompt.points.as_tuple() if prompt.points is not None else ():
        cell = crop.cell_at(click)
        if cell is not None:
            certain[cell] = np.inf
    return decided(certain, crop, prompt)
