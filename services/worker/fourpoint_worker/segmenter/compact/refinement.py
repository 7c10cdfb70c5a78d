"""The network's answer, moved to the edges of the picture: a minimum cut on a grid finer than the network's.

The network says where the object is, cell by cell, and rounds what is finer than a cell. Here its log odds are
the prior; colours that they teach about this one picture, and the cost of a border where nothing changes, say
the rest.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import ShapeWeights, shape_odds
from fourpoint_worker.segmenter.click_window import clip_window
from fourpoint_worker.segmenter.corrections import Pull, correction_odds, decided
from fourpoint_worker.segmenter.crops import Crop, crop_around
from fourpoint_worker.segmenter.graph_cut import contrast_edges, min_cut
from fourpoint_worker.segmenter.object_colours import ColourFit, lab_of, learn_colours
from fourpoint_worker.segmenter.port import RgbImage, SoftMask
from fourpoint_worker.segmenter.soft_border import sigmoid, soft_border

FloatGrid = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]

# Part of the engine's digest: raise it whenever the same parameters begin to answer differently.
CODE_VERSION = 3

# A person's correction outvotes the network at its surest, and the colours and the shape that agree with it.
_PULL = Pull(strength=16.0)


@dataclass(frozen=True)
class Refinement:
    """What decides the cut.

    cells: along the box's longer side; margin: around it, as a share of that side; finest: a cell's least side
    in pixels. colour, colour_cap, patch_cells: weight of the colours' log odds, their limit, and their blur in
    cells. shape: weight of a cell's place among the clicks. smoothness: price of a border between equal
    neighbours; border_floor: share of it on the strongest edge. collapse: share of the network's own area below
    which the cut is not believed. softness: blur of the cut, in cells. outward_pixels: how far beyond the cut
    the outline runs. hole: mean log odds from which on a hole is filled; most that the network is less sure of
    were its mistakes.
    Chosen on two domains, each with a network that had not seen it, and on two that it had.
    """

    cells: int = 96
    margin: float = 0.25
    finest: float = 0.25
    colour: float = 0.4
    colour_cap: float = 6.0
    patch_cells: float = 1.5
    shape: float = 0.6
    smoothness: float = 2.0
    border_floor: float = 0.05
    collapse: float = 0.4
    softness: float = 1.0
    outward_pixels: float = 0.15
    hole: float = -2.5
    fit: ColourFit = field(default_factory=ColourFit)


def refined(image: RgbImage, prompt: Prompt, seen: Crop, odds: FloatGrid, how: Refinement) -> SoftMask:
    """The cut around one object.

    image: (height, width, 3). seen: the network's grid. odds: its log odds there, (rows, columns).
    """
    window = clip_window(prompt, image.shape[1], image.shape[0])
    crop = crop_around(image, window, how.margin, how.cells, how.finest)
    lab = lab_of(crop.rgb)
    prior = _moved(odds, seen, crop)
    colours = learn_colours(lab, sigmoid(prior), how.fit).log_odds(lab, how.colour_cap)
    known = decided(prior + correction_odds(crop, lab, prompt, _PULL), crop, prompt)
    total = known + how.colour * cv2.GaussianBlur(colours, (0, 0), how.patch_cells)
    total += how.shape * shape_odds(crop, prompt, ShapeWeights())
    inside = min_cut(np.asarray(total, np.float32), contrast_edges(lab, how.smoothness, how.border_floor))
    if inside.sum() < how.collapse * (prior > 0).sum():
        # A border around next to nothing is the cheapest one where all looks alike; the network knew better.
        inside = total > 0
    inside |= _doubtful_holes(inside, known, how.hole)
    probability = soft_border(inside, how.softness, how.outward_pixels / max(crop.pixels_per_cell))
    quality = expected_overlap(inside, sigmoid(known))
    return SoftMask(probability, crop.origin_xy, crop.pixels_per_cell, quality)


def expected_overlap(inside: Labels, probability: FloatGrid) -> float:
    """Intersection over union of a mask with an object that is there as probably as said, cell by cell.

    It rises and falls with the true one, and is higher: what a network is wrong about it is often sure of.
    """
    seen = float(np.where(inside, probability, 0).sum())
    return seen / max(1e-6, float(inside.sum()) + float(probability.sum()) - seen)


def _doubtful_holes(inside: Labels, odds: FloatGrid, least: float) -> Labels:
    """Holes of `inside` of which the mean of `odds` is `least` or more."""
    holes, count = ndimage.label(ndimage.binary_fill_holes(inside) & ~inside)
    means = ndimage.mean(odds, holes, np.arange(1, count + 1))
    return np.isin(holes, 1 + np.flatnonzero(np.asarray(means) >= least))


def _moved(odds: FloatGrid, seen: Crop, crop: Crop) -> FloatGrid:
    """`odds` of one grid, read between its cells at the middles of another's; its rim goes on beyond."""
    x, y = crop.cell_centres()
    columns = (x - seen.origin_xy[0]) / seen.pixels_per_cell[0] - 0.5
    rows = (y - seen.origin_xy[1]) / seen.pixels_per_cell[1] - 0.5
    there = [np.ascontiguousarray(np.broadcast_to(axis, crop.shape), np.float32) for axis in (columns, rows)]
    moved = cv2.remap(
        np.ascontiguousarray(odds, np.float32),
        there[0],
        there[1],
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32)
