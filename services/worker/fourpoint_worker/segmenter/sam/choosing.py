"""Which of the decoder's masks is meant, and where its border runs: by how well it agrees with the clicks.

The decoder answers with four masks (the object, its parts, what it is part of) and with logits, whose zero line
is only its own idea of the border. Four clicks on the outermost points tell more than the box that was asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Vertex
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_window import clip_window, object_size
from fourpoint_worker.segmenter.port import SoftMask
from fourpoint_worker.segmenter.sam.frames import Frame

Grid = npt.NDArray[np.float32]

THRESHOLDS = (-2.0, -1.0, 1.0, 2.0)
# How many of the masks are worth looking at with other thresholds.
_WORTH_IT = 2
# What a miss of the whole object's size, or a correction that was not heeded, takes off the decoder's estimate.
_EXTENT_WEIGHT = 2.0
_CLICK_WEIGHT = 2.0
_CORRECTION_WEIGHT = 0.25
# Regions below a tenth of the largest are noise, as `contours` has it.
_LEAST_PART = 0.1
_MOST_PARTS = 64
# So much around the box is looked at, too: a mask that goes on beyond it is seen to do so.
_MARGIN_SHARE = 0.15
_MARGIN_CELLS = 2
_FINE_CELLS = 160
_FINEST = 4
_MOST_CELLS = 384


@dataclass(frozen=True, slots=True)
class Cut:
    """The part of the decoder's masks that an answer can lie in, and what is next to it.

    rows, columns: ranges of cells of the whole canvas. origin_xy, pixels_per_cell: as in SoftMask.
    """

    rows: slice
    columns: slice
    origin_xy: Vertex
    pixels_per_cell: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One mask of one pass. logits: (rows, columns) of the cut. quality: the decoder's estimate of its IoU."""

    logits: Grid
    quality: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate, the logit at which its border runs, and how well that agrees with the prompt."""

    index: int
    threshold: float
    score: float


def cut_for(prompt: Prompt, frame: Frame, cells: int) -> Cut:
    """The cells around everything that the outline may cover. cells: along the side of the decoder's masks."""
    x0, y0, x1, y1 = frame.window
    window = clip_window(prompt, x1, y1)
    per_cell = frame.side / cells
    px, py = per_cell / frame.scale[0], per_cell / frame.scale[1]
    margin = _MARGIN_SHARE * object_size(prompt.box)
    columns = _span((window.x0 - margin - x0) / px, (window.x1 + margin - x0) / px, frame.size[0] / per_cell)
    rows = _span((window.y0 - margin - y0) / py, (window.y1 + margin - y0) / py, frame.size[1] / per_cell)
    return Cut(rows, columns, (x0 + columns.start * px, y0 + rows.start * py), (px, py))


class Chooser:
    """Compares candidates as they come, each once, with a prompt."""

    def __init__(self, cut: Cut, prompt: Prompt):
        self._scene = _Scene(cut, prompt)
        self._candidates: list[Candidate] = []
        self._fine: list[Grid] = []
        self._plain: list[Choice] = []

    def add(self, candidates: Sequence[Candidate]) -> None:
        """They count on from those that were added before."""
        for candidate in candidates:
            self._candidates.append(candidate)
            self._fine.append(self._scene.refined(candidate.logits))
            self._plain.append(self._choice(len(self._candidates) - 1, 0.0))

    def likeliest(self) -> int:
        """The best candidate with the decoder's own border."""
        return max(self._plain, key=lambda choice: choice.score).index

    def choose(self) -> Choice:
        """The best candidate with its best threshold."""
        best = sorted(self._plain, key=lambda choice: choice.score, reverse=True)[:_WORTH_IT]
        shifted = [self._choice(choice.index, threshold) for choice in best for threshold in THRESHOLDS]
        # Of equals the decoder's own border.
        return max([*best, *shifted], key=lambda choice: choice.score)

    def _choice(self, index: int, threshold: float) -> Choice:
        agreement = self._scene.agreement(self._fine[index], threshold)
        return Choice(index, threshold, self._candidates[index].quality + agreement)


def choose(candidates: Sequence[Candidate], cut: Cut, prompt: Prompt) -> Choice:
    """The best candidate with its best threshold."""
    chooser = Chooser(cut, prompt)
    chooser.add(candidates)
    return chooser.choose()


def soft_mask_of(candidate: Candidate, threshold: float, cut: Cut) -> SoftMask:
    """The candidate's probabilities on finer cells, the half-way line at the threshold."""
    factor = _factor(candidate.logits.shape, cut.pixels_per_cell)
    logits = _enlarged(candidate.logits, factor) - threshold
    return SoftMask(
        probability=np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32),
        origin_xy=cut.origin_xy,
        pixels_per_cell=(cut.pixels_per_cell[0] / factor, cut.pixels_per_cell[1] / factor),
        quality=candidate.quality,
    )


class _Scene:
    """What candidates are compared with: the prompt, in cells of the refined cut."""

    def __init__(self, cut: Cut, prompt: Prompt):
        shape = (cut.rows.stop - cut.rows.start, cut.columns.stop - cut.columns.start)
        self._factor = 2 if max(shape) <= _FINE_CELLS else 1
        self._origin = cut.origin_xy
        self._step = (cut.pixels_per_cell[0] / self._factor, cut.pixels_per_cell[1] / self._factor)
        self._prompt = prompt
        self._size = object_size(prompt.box)
        self._asked = prompt.box.as_list()
        clicks = () if prompt.points is None else prompt.points.as_tuple()
        self._clicks = np.array([self._cell(click) for click in clicks], np.float32).reshape(-1, 2)

    def refined(self, logits: Grid) -> Grid:
        """The logits on the cells that agreement is measured on."""
        return _enlarged(logits, self._factor)

    def agreement(self, logits: Grid, threshold: float) -> float:
        """0 for a mask that meets the prompt, the less the more it misses."""
        mask = (logits > threshold).view(np.uint8)
        border = _border_of_large_parts(mask)
        if border is None:
            return -_EXTENT_WEIGHT - _CLICK_WEIGHT
        return -(
            _EXTENT_WEIGHT * self._extent_error(border)
            + _CLICK_WEIGHT * self._click_error(border)
            + _CORRECTION_WEIGHT * self._unheeded(mask)
        )

    def _extent_error(self, border: Grid) -> float:
        (x, y), (dx, dy) = self._origin, self._step
        (left, top), (right, bottom) = border.min(axis=0), border.max(axis=0) + 1
        drawn = (x + left * dx, y + top * dy, x + right * dx, y + bottom * dy)
        return fmean(abs(a - b) for a, b in zip(self._asked, drawn, strict=True)) / self._size

    def _click_error(self, border: Grid) -> float:
        if not len(self._clicks):
            return 0.0
        # OpenCV's integers are the middles of cells.
        away = (border[None] + 0.5 - self._clicks[:, None]) * np.array(self._step, np.float32)
        return float(np.hypot(away[..., 0], away[..., 1]).min(axis=1).mean()) / self._size

    def _unheeded(self, mask: npt.NDArray[np.uint8]) -> int:
        wanted = [(vertex, 1) for vertex in self._prompt.include] + [(v, 0) for v in self._prompt.exclude]
        return sum(self._at(mask, vertex) != value for vertex, value in wanted)

    def _at(self, mask: npt.NDArray[np.uint8], vertex: Vertex) -> int:
        x, y = self._cell(vertex)
        rows, columns = mask.shape
        if not (0 <= x < columns and 0 <= y < rows):
            return 0
        return int(mask[int(y), int(x)])

    def _cell(self, vertex: Vertex) -> Vertex:
        return (
            (vertex[0] - self._origin[0]) / self._step[0],
            (vertex[1] - self._origin[1]) / self._step[1],
        )


def _border_of_large_parts(mask: npt.NDArray[np.uint8]) -> Grid | None:
    """Cells (n, 2), x and y, on the borders of the regions that count and of their holes; None: it is empty."""
    rings, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not rings:
        return None
    parents = hierarchy[0, :, 3]
    outer = [index for index, parent in enumerate(parents) if parent < 0]
    # Of noise there are thousands: its specks are not worth measuring.
    outer = sorted(outer, key=lambda index: len(rings[index]), reverse=True)[:_MOST_PARTS]
    cells = {index: _cells_within(rings[index]) for index in outer}
    least = _LEAST_PART * max(cells.values())
    kept = {index for index, count in cells.items() if count >= least}
    border = [ring[:, 0] for index, ring in enumerate(rings) if index in kept or parents[index] in kept]
    return np.concatenate(border).astype(np.float32)


def _cells_within(ring: cv2.typing.MatLike) -> float:
    """Cells that a ring through middles of cells encloses, its own included; by Pick's theorem."""
    return float(cv2.contourArea(ring)) + len(ring) / 2 + 1


def _span(first: float, last: float, limit: float) -> slice:
    """Whole cells around [first, last], with a margin, on a canvas whose image ends at `limit`."""
    end = int(np.ceil(limit))
    start = max(0, min(end - 1, int(np.floor(first)) - _MARGIN_CELLS))
    return slice(start, max(start + 1, min(end, int(np.ceil(last)) + _MARGIN_CELLS)))


def _factor(shape: tuple[int, ...], pixels_per_cell: tuple[float, float]) -> int:
    """How much finer than the decoder's cells: down to pixels, on no larger a grid than is traced quickly."""
    by_pixels = int(np.ceil(max(pixels_per_cell)))
    return max(1, min(_FINEST, by_pixels, _MOST_CELLS // max(shape)))


def _enlarged(logits: Grid, factor: int) -> Grid:
    """Between the cells by straight lines, as the official predictor does."""
    if factor == 1:
        return logits
    rows, columns = logits.shape
    size = (columns * factor, rows * factor)
    return np.asarray(cv2.resize(logits, size, interpolation=cv2.INTER_LINEAR), np.float32)
