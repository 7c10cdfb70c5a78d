"""What an object is drawn again from."""

import pytest

from fourpoint_core.domain.geometry import Box, Contour, Part, contour_to_json
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.domain.re_inference import prompt_of

RECTANGLE = ((10.0, 20.0), (60.0, 20.0), (60.0, 50.0), (10.0, 50.0))
HOLE = ((20.0, 30.0), (30.0, 30.0), (30.0, 40.0))


def drawn(*parts: Part) -> dict[str, object]:
    return contour_to_json(Contour(parts))


def test_clicks_on_record_are_what_it_was_drawn_from() -> None:
    prompt = {"box": [1, 2, 3, 4], "include": [[2, 3]]}
    assert prompt_of(prompt, drawn(Part(RECTANGLE))) == Prompt(box_prompt=Box(1, 2, 3, 4), include=((2, 3),))


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("way", [1, -1])
def test_a_rectangle_is_a_box_wherever_its_ring_begins(turn: int, way: int) -> None:
    ring = (RECTANGLE[turn:] + RECTANGLE[:turn])[::way]
    assert prompt_of(None, drawn(Part(ring))) == Prompt(box_prompt=Box(10, 20, 60, 50))


@pytest.mark.parametrize(
    "parts",
    [
        (Part(RECTANGLE[:3]),),
        (Part(((10.0, 20.0), (60.0, 21.0), (60.0, 50.0), (10.0, 50.0))),),
        (Part(RECTANGLE, (HOLE,)),),
        (Part(RECTANGLE), Part(((70.0, 20.0), (80.0, 20.0), (75.0, 30.0)))),
        (Part((*RECTANGLE, (10.0, 30.0))),),
    ],
)
def test_what_was_drawn_by_hand_says_nothing_of_how(parts: tuple[Part, ...]) -> None:
    assert prompt_of(None, drawn(*parts)) is None
