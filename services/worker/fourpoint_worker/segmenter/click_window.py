"""Where an object may lie, given how exactly people click."""

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt

# The middle of a clicked pixel lies half a pixel inside the object. A hand is off by one to five pixels: by
# less where the object is so small that everybody zooms in, and by more on a large one, which is seen smaller.
_SLACK_PIXELS = 3.0
_LEAST_PIXELS = 1.0
# Of the object: at least, and at most.
_SHARES = 0.01, 0.15
# How far a point to include speaks for what is around it, as a share of the object.
PULL_REACH = 0.25


def clip_window(prompt: Prompt, width: int, height: int) -> Box:
    """The prompt's box, grown by what a click may be off and around points to include beyond it, on the image.

    An earlier outline beyond the box does not widen it: the box is what the person says now.
    """
    box = prompt.box
    slack, reach = click_slack(box), PULL_REACH * object_size(box)
    xs, ys = [box.x0 - slack, box.x1 + slack], [box.y0 - slack, box.y1 + slack]
    for x, y in prompt.include:
        # Who says that the object goes on there does not mean that it ends there.
        if not (box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1):
            xs += [x - reach, x + reach]
            ys += [y - reach, y + reach]
    return Box(max(0.0, min(xs)), max(0.0, min(ys)), min(float(width), max(xs)), min(float(height), max(ys)))


def click_slack(box: Box) -> float:
    """Pixels that a click may be off the true extreme of an object of this size."""
    least, most = (share * object_size(box) for share in _SHARES)
    return max(_LEAST_PIXELS, least, min(_SLACK_PIXELS, most))


def object_size(box: Box) -> float:
    """The box's longer side in pixels, at least one: four clicks can share a pixel."""
    return max(1.0, box.width, box.height)
