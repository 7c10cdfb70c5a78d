"""An outline says how far to trust it, and which engines there are."""

import numpy as np
import pytest
from tests.unit.segmenter.scenes import Mask, carry_on, clicks_on, disc, soft

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import Prompt
from fourpoint_core.errors import NoOutlineError, SettingsError
from fourpoint_worker.segmenter.engines import build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Checkpoint, Outline, RgbImage, SoftMask

IMAGE = np.zeros((100, 120, 3), np.uint8)


class EngineThatSees:
    """Answers with a given mask, whatever it is asked."""

    name = "fake"
    model_digest = "0" * 64

    def __init__(self, mask: Mask):
        self._mask = mask

    def warm_up(self) -> None:
        pass

    def soft_mask(self, image: RgbImage, prompt: Prompt, checkpoint: Checkpoint) -> SoftMask:
        return soft(self._mask)


def seen(mask: Mask, asked: Mask) -> Outline:
    return draw_outline(EngineThatSees(mask), IMAGE, clicks_on(asked), carry_on)


def test_an_outline_that_meets_the_clicks_is_confident() -> None:
    mask = disc(100, 120, (60, 50), 40)
    outline = seen(mask, mask)
    assert outline.confident
    assert outline.score > 0.9


def test_an_outline_far_from_the_clicks_is_not() -> None:
    outline = seen(disc(100, 120, (60, 50), 15), disc(100, 120, (60, 50), 40))
    assert not outline.confident
    assert outline.score < 0.5


def test_both_stages_are_timed() -> None:
    mask = disc(100, 120, (60, 50), 40)
    assert set(seen(mask, mask).milliseconds) == {"model", "polygon"}


def test_an_engine_that_sees_nothing_gives_no_outline() -> None:
    with pytest.raises(NoOutlineError):
        seen(np.zeros((100, 120), bool), disc(100, 120, (60, 50), 40))


def test_a_box_prompt_is_scored_by_its_sides() -> None:
    mask = disc(100, 120, (60, 50), 40)
    outline = draw_outline(EngineThatSees(mask), IMAGE, Prompt(box_prompt=Box(20, 10, 100, 90)), carry_on)
    assert outline.confident


def test_an_unknown_engine_is_refused_by_naming_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'magic'.*weight-free"):
        build_engine("magic")
