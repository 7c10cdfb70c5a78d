"""Prompts as the decoder takes them.

The four clicks become the tight box between them. As positive points they would make the answer worse: the
network has one embedding for all points, and none of them lies on an object's border in its training. What
the clicks say beyond the box is used afterwards, in `choosing`.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Box, Contour
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_prior import signed_distance
from fourpoint_worker.segmenter.rasters import fill_rings
from fourpoint_worker.segmenter.sam.frames import Frame

Grid = npt.NDArray[np.float32]

# Logits of an earlier outline per cell of distance to it, and their bound; about what the decoder draws itself.
_STEEPNESS = 3.0
_CERTAIN = 10.0


@dataclass(frozen=True, slots=True)
class CanvasPrompt:
    """A box with corrections, in pixel indices of the canvas, and the logits of an earlier mask.

    box: x0, y0, x1, y1, the last pixel included. labels: whether each point is on the object.
    mask: (cells, cells) over the canvas, a NumPy array or a tensor on the device.
    """

    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[bool, ...] = ()
    mask: Any = None

    def refined(self, mask: Any) -> "CanvasPrompt":
        """The same, asked again with the answer that it got."""
        return replace(self, mask=mask)


def canvas_prompt(prompt: Prompt, frame: Frame, cells: int) -> CanvasPrompt:
    """What to ask on a frame. cells: along the side of the decoder's masks."""
    box = pixel_box(prompt)
    # What lies off the frame is not in any mask; off the canvas the network does not know what a point means.
    exclude = tuple(vertex for vertex in prompt.exclude if frame.holds(vertex))
    return CanvasPrompt(
        box=(*frame.to_canvas((box.x0, box.y0)), *frame.to_canvas((box.x1, box.y1))),
        points=tuple(frame.to_canvas(vertex) for vertex in (*prompt.include, *exclude)),
        labels=(True,) * len(prompt.include) + (False,) * len(exclude),
        mask=None if prompt.contour is None else logits_of(prompt.contour, frame, cells),
    )


def wanted_of(prompt: Prompt) -> Box:
    """What a frame has to hold: the box, and each point that is on the object, too."""
    box = prompt.box
    xs = [box.x0, box.x1, *(x for x, _ in prompt.include)]
    ys = [box.y0, box.y1, *(y for _, y in prompt.include)]
    return Box(min(xs), min(ys), max(xs), max(ys))


def pixel_box(prompt: Prompt) -> Box:
    """The box through the middles of the object's outermost pixels.

    A click means such a pixel. A box that was drawn runs along their outer sides.
    """
    box = prompt.box
    if prompt.points is not None:
        return box
    inset_x, inset_y = min(0.5, box.width / 2), min(0.5, box.height / 2)
    return Box(box.x0 + inset_x, box.y0 + inset_y, box.x1 - inset_x, box.y1 - inset_y)


def logits_of(contour: Contour, frame: Frame, cells: int) -> Grid:
    """An earlier outline as the decoder would have drawn it: (cells, cells)."""
    (sx, sy), (x0, y0, _, _) = frame.scale, frame.window
    per_cell = frame.side / cells
    rings = [
        [((x - x0) * sx / per_cell, (y - y0) * sy / per_cell) for x, y in ring]
        for part in contour.parts
        for ring in part.rings()
    ]
    distance = signed_distance(fill_rings(rings, cells, cells))
    return np.clip(_STEEPNESS * distance, -_CERTAIN, _CERTAIN).astype(np.float32)
