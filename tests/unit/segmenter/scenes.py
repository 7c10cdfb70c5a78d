"""Pictures whose objects are known exactly, and the clicks that a careful person would give."""

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Contour
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_worker.segmenter.port import RgbImage, SoftMask
from fourpoint_worker.segmenter.rasters import fill_rings

Mask = npt.NDArray[np.bool_]

GRASS, SAND, SLATE = (70, 140, 60), (210, 190, 140), (60, 60, 70)


def disc(rows: int, columns: int, centre: tuple[float, float], radius: float) -> Mask:
    """Pixels whose centres lie within `radius` of `centre` (x, y)."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    return np.asarray(np.hypot(x - centre[0], y - centre[1]) <= radius)


def painted(
    mask: Mask, colour: tuple[int, int, int] = SAND, ground: tuple[int, int, int] = GRASS, noise: float = 8.0
) -> RgbImage:
    """A photo of `mask` in one colour on another, with camera noise."""
    plain = np.where(mask[:, :, None], np.array(colour), np.array(ground))
    grain = np.random.default_rng(0).normal(0, noise, (*mask.shape, 3))
    return np.clip(plain + grain, 0, 255).astype(np.uint8)


def tailed() -> tuple[RgbImage, Mask, Mask, ExtremePoints]:
    """A square, and a tail of its colour that nobody clicked: photo, square, tail, clicks on the square."""
    square, tail = np.zeros((240, 320), bool), np.zeros((240, 320), bool)
    square[80:160, 60:140] = True
    tail[110:130, 140:180] = True
    clicks = clicks_on(square).points
    assert clicks is not None
    return painted(square | tail), square, tail, clicks


def clicks_on(mask: Mask) -> Prompt:
    """The middle pixel of each extreme row and column, clicked in its centre."""
    rows, columns = np.flatnonzero(mask.any(axis=1)).tolist(), np.flatnonzero(mask.any(axis=0)).tolist()
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]

    def middle(line: Mask) -> float:
        return float(np.median(np.flatnonzero(line)).astype(int)) + 0.5

    return Prompt(
        points=ExtremePoints(
            top=(middle(mask[top]), top + 0.5),
            bottom=(middle(mask[bottom]), bottom + 0.5),
            left=(left + 0.5, middle(mask[:, left])),
            right=(right + 0.5, middle(mask[:, right])),
        )
    )


def soft(probability: npt.NDArray[np.generic], scale: float = 1.0) -> SoftMask:
    """A soft mask over a whole image, cells of `scale` pixels."""
    return SoftMask(probability.astype(np.float32), (0.0, 0.0), (scale, scale))


def overlap_with(contour: Contour, truth: Mask) -> float:
    """Intersection over union of a contour and a mask, by pixel centres."""
    drawn = fill_rings((ring for part in contour.parts for ring in part.rings()), *truth.shape)
    return float((drawn & truth).sum() / (drawn | truth).sum())


def carry_on(stage: str) -> None:
    """A checkpoint that never stops anything."""
