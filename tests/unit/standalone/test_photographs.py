import io

import pytest
from PIL import Image

from fourpoint_core.domain.prompts import prompt_from_json, validate_prompt
from fourpoint_standalone.demo import COLOURS
from fourpoint_standalone.photographs import NEXT_PHOTOGRAPH, NEXT_THING, PHOTOGRAPHS

CLICKS = [(photograph, thing) for photograph in PHOTOGRAPHS for thing in photograph.things]
CLICKS.append((NEXT_PHOTOGRAPH, NEXT_THING))


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda photograph: photograph.title)
def test_a_photograph_can_be_read_without_any_network(photograph):
    assert Image.open(io.BytesIO(photograph.read())).format == "PNG"


@pytest.mark.parametrize(("photograph", "thing"), CLICKS)
def test_the_clicks_are_a_valid_prompt(photograph, thing):
    width, height = Image.open(io.BytesIO(photograph.read())).size
    validate_prompt(prompt_from_json({"points": thing.points}), width, height, named=True)


def test_every_label_has_a_colour():
    assert {thing.label for photograph in PHOTOGRAPHS for thing in photograph.things} == set(COLOURS)


def test_no_label_of_the_demonstration_is_drawn_twice_in_one_colour_on_a_photograph():
    for photograph in PHOTOGRAPHS:
        labels = {thing.label for thing in photograph.things}
        assert len({COLOURS[label] for label in labels}) == len(labels)
