"""From which of a document's objects an outline can be inferred again, and what to ask for each."""

from typing import Any

from fourpoint_core.domain.geometry import contour_from_json
from fourpoint_core.domain.prompts import Prompt, prompt_from_json

_CORNERS = 4


def prompt_of(prompt: dict[str, Any] | None, contour: dict[str, Any]) -> Prompt | None:
    """What an object was drawn from; or its box, where the object is nothing but a box.

    prompt, contour: as rows have them. Formats that know boxes only are imported as rectangles; whoever draws a
    rectangle by hand means one just as well. None: it was drawn by hand, and says nothing of how.
    """
    if prompt is not None:
        return prompt_from_json(prompt)
    drawn = contour_from_json(contour)
    [first, *others] = drawn.parts
    corners = set(first.outer)
    box = drawn.bounding_box
    rectangle = {(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)}
    if others or first.holes or len(first.outer) != _CORNERS or corners != rectangle:
        return None
    return Prompt(box_prompt=box)
