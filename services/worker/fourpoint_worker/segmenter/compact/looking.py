"""A photo and a prompt as the network sees them: everything on the grid."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box, Vertex
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import expected_extremes
from fourpoint_worker.segmenter.compact.window import GridRule, Window, window_around
from fourpoint_worker.segmenter.crops import Crop
from fourpoint_worker.segmenter.port import RgbImage
from fourpoint_worker.segmenter.rasters import fill_rings

FloatGrid = npt.NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """One prompt on its grid.

    crop: the grid's pixels, the photo's edge repeated beyond it. inputs: what the network is fed, one object.
    """

    crop: Crop
    inputs: dict[str, FloatGrid]


def look(image: RgbImage, prompt: Prompt, rule: GridRule) -> View:
    """The grid around `prompt`, and the prompt in its cells."""
    extremes = expected_extremes(prompt)
    window = window_around(extremes.box, rule)
    crop = Crop(resampled(image, window, rule.cells), window.origin_xy, window.pixels_per_cell)
    inside = _inside(crop, image)
    rgb = crop.rgb.astype(np.float32).transpose(2, 0, 1) / 255
    inputs = {
        "image": np.concatenate([rgb, inside[None]])[None],
        "clicks": _inwards([crop.to_cells(vertex) for vertex in extremes.as_tuple()])[None],
        "clicked": np.array([prompt.points is not None], np.float32),
        "box": _shrunk(extremes.box, crop)[None],
        "corrections": _corrections(prompt, crop)[None],
        "earlier": _earlier(prompt, crop)[None, None],
    }
    return View(crop, inputs)


def mirrored(inputs: dict[str, FloatGrid]) -> dict[str, FloatGrid]:
    """The same question, seen in a mirror that swaps left and right."""
    cells = inputs["image"].shape[-1]
    clicks, box, corrections = (inputs[name].copy() for name in ("clicks", "box", "corrections"))
    clicks[:, :, 0] = cells - clicks[:, :, 0]
    box[:, [0, 2]] = cells - box[:, [2, 0]]
    corrections[:, :, 0] = cells - corrections[:, :, 0]
    return {
        **inputs,
        "image": np.ascontiguousarray(inputs["image"][..., ::-1]),
        "clicks": clicks[:, [0, 1, 3, 2]],
        "box": box,
        "corrections": corrections,
        "earlier": np.ascontiguousarray(inputs["earlier"][..., ::-1]),
    }


def resampled(image: RgbImage, window: Window, cells: int) -> RgbImage:
    """uint8 (cells, cells, 3): the window's pixels, each cell the mean of what it covers."""
    height, width = image.shape[:2]
    (left, top), (across, down) = window.origin_xy, window.pixels_per_cell
    x0, x1 = _span(left, across * cells, width)
    y0, y1 = _span(top, down * cells, height)
    piece = np.ascontiguousarray(image[y0:y1, x0:x1])
    # Averaged first where cells are coarser than pixels: reading between two of them would miss the rest.
    columns = max(1, round((x1 - x0) / max(1.0, across)))
    rows = max(1, round((y1 - y0) / max(1.0, down)))
    if (columns, rows) != (x1 - x0, y1 - y0):
        piece = np.asarray(cv2.resize(piece, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    scale_x, scale_y = columns / (x1 - x0), rows / (y1 - y0)
    # OpenCV counts from the middles of pixels.
    to_piece = np.array(
        [
            [across * scale_x, 0, (left + across / 2 - x0) * scale_x - 0.5],
            [0, down * scale_y, (top + down / 2 - y0) * scale_y - 0.5],
        ]
    )
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(piece, to_piece, (cells, cells), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def _span(start: float, length: float, limit: int) -> tuple[int, int]:
    """First and last whole pixels that the window needs along one axis, at least one."""
    first = int(np.clip(np.floor(start) - 1, 0, limit - 1))
    last = int(np.clip(np.ceil(start + length) + 1, first + 1, limit))
    return first, last


def _inside(crop: Crop, image: RgbImage) -> FloatGrid:
    x, y = crop.cell_centres()
    there = (x >= 0) & (x <= image.shape[1]) & (y >= 0) & (y <= image.shape[0])
    return np.asarray(there, np.float32)


def _inwards(extremes: list[Vertex]) -> FloatGrid:
    """(4, 2): from the outline's ends to the middles of the outermost cells, which training calls clicks."""
    inwards = np.array([(0, 0.5), (0, -0.5), (0.5, 0), (-0.5, 0)], np.float32)
    return np.asarray(np.asarray(extremes, np.float32) + inwards, np.float32)


def _shrunk(box: Box, crop: Crop) -> FloatGrid:
    """(4,) in cells, through the middles of the outermost ones."""
    x0, y0 = crop.to_cells((box.x0, box.y0))
    x1, y1 = crop.to_cells((box.x1, box.y1))
    return np.array([x0 + 0.5, y0 + 0.5, x1 - 0.5, y1 - 0.5], np.float32)


def _corrections(prompt: Prompt, crop: Crop) -> FloatGrid:
    """(k, 3), a row of zeros where there are none."""
    signed = [(v, 1.0) for v in prompt.include] + [(v, -1.0) for v in prompt.exclude]
    rows = [(*crop.to_cells(vertex), sign) for vertex, sign in signed] or [(0.0, 0.0, 0.0)]
    return np.array(rows, np.float32)


def _earlier(prompt: Prompt, crop: Crop) -> FloatGrid:
    """(rows, columns): 1 inside of the prompt's earlier outline, -1 outside; 0 everywhere without one."""
    if prompt.contour is None:
        return np.zeros(crop.shape, np.float32)
    rings = [[crop.to_cells(v) for v in ring] for part in prompt.contour.parts for ring in part.rings()]
    return np.asarray(np.where(fill_rings(rings, *crop.shape), 1, -1), np.float32)
