"""The square that the network looks at, and where it lies on the image.

Usually it holds the whole image. An object that would be a few cells there gets a square of its own.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fourpoint_core.domain.geometry import Box, Vertex
from fourpoint_core.imaging.scaling import size_scaled
from fourpoint_worker.segmenter.port import Picture, RgbImage

# Of an object that is smaller than an eighth of the square a mask says less than a person sees.
SMALL = 1 / 8
# How much of its own square such an object fills.
_FILL = 0.6
# Neighbouring clicks on one object should end up with the same square, and so with one embedding.
_STEPS = 8
_LEAST_WINDOW_PIXELS = 32


@dataclass(frozen=True, slots=True)
class Frame:
    """A window of the image, and the canvas of `side` pixels whose top-left corner it fills.

    window: x0, y0, x1, y1 in whole image pixels. size: width and height of the window on the canvas.
    """

    window: tuple[int, int, int, int]
    side: int
    whole: bool = True

    @property
    def name(self) -> str:
        """Tells apart the frames of one image."""
        return "whole" if self.whole else "-".join(map(str, self.window))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the window has on the canvas."""
        x0, y0, x1, y1 = self.window
        return size_scaled(x1 - x0, y1 - y0, self.side)

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels per image pixel, in x and y."""
        x0, y0, x1, y1 = self.window
        width, height = self.size
        return width / (x1 - x0), height / (y1 - y0)

    def to_canvas(self, vertex: Vertex) -> Vertex:
        """Continuous image coordinates to pixel indices of the canvas.

        Segment Anything means pixel indices: the first pixel is 0 and its middle is 0. An index is scaled, and
        only then moved to the middle of a pixel, by the decoder.
        """
        (x, y), (sx, sy) = vertex, self.scale
        return (x - 0.5 - self.window[0]) * sx, (y - 0.5 - self.window[1]) * sy

    def holds(self, vertex: Vertex) -> bool:
        """Whether a point of the image lies in the window."""
        (x, y), (x0, y0, x1, y1) = vertex, self.window
        return x0 <= x <= x1 and y0 <= y <= y1

    def look(self, picture: Picture) -> RgbImage:
        """What the network is shown: (height, width, 3), the longer side `side` pixels."""
        if self.whole:
            return picture.scaled(self.side)
        x0, y0, x1, y1 = self.window
        cut = Image.fromarray(np.ascontiguousarray(picture.pixels()[y0:y1, x0:x1]))
        return np.asarray(cut.resize(self.size, Image.Resampling.BILINEAR))


def frame_of(box: Box, width: int, height: int, side: int, *, zoom: bool) -> Frame:
    """A frame that holds `box`, and in which an object within it is large enough.

    zoom: whether there is any but the whole.
    """
    whole = Frame((0, 0, width, height), side)
    longer = max(box.width, box.height)
    if not zoom or longer >= SMALL * max(width, height):
        return whole
    reach = _window_side(longer)
    if reach >= max(width, height):
        return whole
    step = max(1, reach // _STEPS)
    x0 = _start((box.x0 + box.x1) / 2, reach, step, width)
    y0 = _start((box.y0 + box.y1) / 2, reach, step, height)
    return Frame((x0, y0, min(width, x0 + reach), min(height, y0 + reach)), side, whole=False)


def _window_side(longer: float) -> int:
    """Pixels, in steps of a factor of the square root of 2."""
    wanted = max(_LEAST_WINDOW_PIXELS, longer / _FILL)
    return round(2 ** (math.ceil(2 * math.log2(wanted)) / 2))


def _start(middle: float, reach: int, step: int, limit: int) -> int:
    start = round((middle - reach / 2) / step) * step
    return max(0, min(start, limit - reach))
