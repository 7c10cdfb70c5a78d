"""One prompt, one outline: run an engine, make the contour, and say how far to trust it."""

import math
import time
from statistics import fmean

from fourpoint_core.domain.geometry import Contour, distance_to_contour
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.click_window import object_size
from fourpoint_worker.segmenter.contours import contour_from
from fourpoint_worker.segmenter.port import Checkpoint, Engine, Outline, Picture, Urgency

# An outline that misses the clicked extent by a tenth of the object is a guess.
CONFIDENT_ERROR = 0.1
# So is one of whose area, and of what it lacks, the engine itself expects a quarter to be wrong.
CONFIDENT_QUALITY = 0.75


def draw_outline(
    engine: Engine,
    picture: Picture,
    prompt: Prompt,
    checkpoint: Checkpoint,
    urgency: Urgency = Urgency.CLICK,
) -> Outline:
    """Outline the object that `prompt` points at.

    Raises NoOutlineError, what looking at the picture raises, and what `checkpoint` raises.
    """
    checkpoint("model")
    start, looked = time.perf_counter(), picture.milliseconds
    soft = engine.soft_mask(picture, prompt, checkpoint, urgency)
    traced = time.perf_counter()
    checkpoint("polygon")
    contour = contour_from(soft, prompt, picture.width, picture.height)
    done = time.perf_counter()
    error = disagreement(contour, prompt)
    quality = 1.0 if soft.quality is None else min(1.0, max(0.0, soft.quality))
    apart = {"image": picture.milliseconds - looked, **soft.milliseconds}
    return Outline(
        contour=contour,
        score=math.exp(-5 * error) * quality,
        confident=error <= CONFIDENT_ERROR and quality >= CONFIDENT_QUALITY,
        milliseconds={
            **apart,
            "model": max(0.0, (traced - start) * 1e3 - sum(apart.values())),
            "polygon": (done - traced) * 1e3,
        },
    )


def disagreement(contour: Contour, prompt: Prompt) -> float:
    """How far the outline misses the prompt, as a share of the object's size; 0 when it meets it.

    The mean over the box's four sides of the gap to the outline's own extent, plus, for clicks, the
    mean of their distances to the outline. A point to include beyond a side stands for it, and for its click.
    """
    box, size = prompt.box, object_size(prompt.box)
    xs, ys = ([vertex[axis] for vertex in prompt.include] for axis in (0, 1))
    asked = (min([box.x0, *xs]), min([box.y0, *ys]), max([box.x1, *xs]), max([box.y1, *ys]))
    extent = fmean(abs(a - b) for a, b in zip(asked, contour.bounding_box.as_list(), strict=True))
    if prompt.points is None:
        return extent / size
    left, top, right, bottom = (a == b for a, b in zip(asked, box.as_list(), strict=True))
    still = zip(prompt.points.as_tuple(), (top, bottom, left, right), strict=True)
    clicks = [distance_to_contour(click, contour) for click, is_extreme in still if is_extreme]
    return (extent + (fmean(clicks) if clicks else 0)) / size
