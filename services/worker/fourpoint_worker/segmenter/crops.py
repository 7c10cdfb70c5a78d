"""The piece of an image around the clicks, resampled to the grid that an engine works on."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box, Vertex
from fourpoint_worker.segmenter.port import RgbImage

# Jobs already run side by side in threads; OpenCV's own pool under each of them only fights for the
# same cores. This is the one place that says so, and every engine crops before it does anything else.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Crop:
    """A window of the image on a grid of square (but for rounding) cells.

    rgb: uint8 (rows, columns, 3).
    origin_xy, pixels_per_cell: as in `SoftMask`.
    """

    rgb: RgbImage
    origin_xy: tuple[float, float]
    pixels_per_cell: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        rows, columns, _ = self.rgb.shape
        return rows, columns

    def to_cells(self, vertex: Vertex) -> Vertex:
        """Image coordinates to continuous grid coordinates: (0, 0) is the crop's corner."""
        return (
            (vertex[0] - self.origin_xy[0]) / self.pixels_per_cell[0],
            (vertex[1] - self.origin_xy[1]) / self.pixels_per_cell[1],
        )

    def cell_at(self, vertex: Vertex) -> tuple[int, int] | None:
        """Row and column of the cell under an image coordinate; None outside the crop."""
        x, y = self.to_cells(vertex)
        rows, columns = self.shape
        if not (0 <= x <= columns and 0 <= y <= rows):
            return None
        return min(int(y), rows - 1), min(int(x), columns - 1)

    def cell_centres(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Image x of every column (1, columns) and image y of every row (rows, 1), float32."""
        rows, columns = self.shape
        x = self.origin_xy[0] + (np.arange(columns, dtype=np.float32) + 0.5) * self.pixels_per_cell[0]
        y = self.origin_xy[1] + (np.arange(rows, dtype=np.float32) + 0.5) * self.pixels_per_cell[1]
        return x[None, :].astype(np.float32), y[:, None].astype(np.float32)


def crop_around(image: RgbImage, box: Box, margin: float, cells: int, finest: float) -> Crop:
    """Cut `box` and `margin` around it out of `image`, resampled so that its longer side has `cells` cells.

    margin: share of the box's longer side, on each of the four sides, cut off at the image's border.
    finest: lower bound of a cell's side in image pixels; tiny objects are enlarged no further than that.
    """
    window = _pixel_window(image, box, margin)
    x0, y0, x1, y1 = window
    side = max(finest, max(box.width, box.height) / cells)
    columns, rows = max(1, round((x1 - x0) / side)), max(1, round((y1 - y0) / side))
    rgb = _resample(np.ascontiguousarray(image[y0:y1, x0:x1]), columns, rows)
    return Crop(rgb, (float(x0), float(y0)), ((x1 - x0) / columns, (y1 - y0) / rows))


def _pixel_window(image: RgbImage, box: Box, margin: float) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 in whole pixels, at least one pixel wide and high."""
    height, width = image.shape[:2]
    # Two pixels at least: a tiny object needs some background to tell itself from.
    reach = max(2.0, margin * max(box.width, box.height))
    x0, y0 = int(max(0, min(width - 1, box.x0 - reach))), int(max(0, min(height - 1, box.y0 - reach)))
    x1, y1 = int(np.ceil(min(width, box.x1 + reach))), int(np.ceil(min(height, box.y1 + reach)))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _resample(rgb: RgbImage, columns: int, rows: int) -> RgbImage:
    shrinks = columns <= rgb.shape[1] and rows <= rgb.shape[0]
    # Area averaging uses every pixel of a large photo; enlarging with it would leave blocks.
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, (columns, rows), interpolation=method), dtype=np.uint8)
