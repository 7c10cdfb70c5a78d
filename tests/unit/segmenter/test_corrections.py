"""Both engines that come with the worker obey points to include and to exclude, whatever lies under them."""

from dataclasses import replace

import pytest
from tests.unit.segmenter.scenes import carry_on, clicks_on, disc, painted

from fourpoint_core.domain.geometry import Vertex
from fourpoint_core.domain.prompts import Prompt
from fourpoint_worker.segmenter.engines import build_engine
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded, Engine
from fourpoint_worker.segmenter.rasters import fill_rings

DISC = disc(160, 200, (100, 80), 60)


@pytest.fixture(scope="module", params=["weight-free", "compact"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return build_engine(request.param)


def covers(engine: Engine, prompt: Prompt, point: Vertex) -> bool:
    """Whether the disc's outline covers one blue pixel, of which nothing around it has the colour."""
    row, column = int(point[1]), int(point[0])
    image = painted(DISC, noise=0)
    image[row, column] = (20, 20, 250)
    contour = draw_outline(engine, Decoded(image), prompt, carry_on).contour
    return bool(fill_rings((ring for part in contour.parts for ring in part.rings()), *DISC.shape)[row, column])


@pytest.mark.parametrize("point", [(100.5, 110.5), (100.5, 8.5)], ids=["inside the clicks", "beyond them"])
def test_a_point_to_include_is_on_the_object_whatever_it_looks_like(engine: Engine, point: Vertex) -> None:
    assert covers(engine, replace(clicks_on(DISC), include=(point,)), point)


def test_a_point_to_exclude_is_not_whatever_it_looks_like(engine: Engine) -> None:
    assert not covers(engine, replace(clicks_on(DISC), exclude=((100.5, 50.5),)), (100.5, 50.5))
