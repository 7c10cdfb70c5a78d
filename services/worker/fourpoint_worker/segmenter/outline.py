"""One prompt, one outline: run an engine, make the contour, and say how far to trust it."""

import math
import time
from statistics import fmean

from fourpoint_core.domain.geometry import Contour, distance_to_contour
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_window import object_size
from fourpoint_worker.segmenter.contours import contour_from
from fourpoint_worker.segmenter.port import Checkpoint, Engine, Outline, RgbImage

# An outline that misses the clicked extent by a tenth of the object is a guess.
CONFIDENT_ERROR = 0.1


def draw_outline(engine: Engine, image: RgbImage, prompt: Prompt, checkpoint: Checkpoint) -> Outline:
    """Outline the object that `prompt` points at. Raises NoOutlineError, and what `checkpoint` raises."""
    checkpoint("model")
    start = time.perf_counter()
    soft = engine.soft_mask(image, prompt, checkpoint)
    traced = time.perf_counter()
    checkpoint("polygon")
    height, width = image.shape[:2]
    contour = contour_from(soft, prompt, width, height)
    done = time.perf_counter()
    error = disagreement(contour, prompt)
    return Outline(
        contour=contour,
        score=math.exp(-5 * error),
        confident=error <= CONFIDENT_ERROR,
        milliseconds={"model": (traced - start) * 1e3, "polygon": (done - traced) * 1e3},
    )


def disagreement(contour: Contour, prompt: Prompt) -> float:
    """How far the outline misses the prompt, as a share of the object's size; 0 when it meets it.

    The mean over the box's four sides of the gap to the outline's own extent, plus, for clicks, the
    mean of their distances to the outline.
    """
    asked, drawn = prompt.box.as_list(), contour.bounding_box.as_list()
    size = object_size(prompt.box)
    extent = fmean(abs(a - b) for a, b in zip(asked, drawn, strict=True))
    if prompt.points is None:
        return extent / size
    clicks = fmean(distance_to_contour(click, contour) for click in prompt.points.as_tuple())
    return (extent + clicks) / size
