"""Which network a checkpoint is of, and what is said where it is another one."""

from types import SimpleNamespace

import pytest

from fourpoint_core.errors import SettingsError
from fourpoint_worker.segmenter.sam.architecture import OFFICIAL, Architecture, architecture_of, require


def weights_of(architecture: Architecture) -> dict[str, SimpleNamespace]:
    """The shapes that tell the network, as a checkpoint has them."""
    side, width = architecture.tokens, architecture.width
    shapes: dict[str, tuple[int, ...]] = {
        "image_encoder.pos_embed": (1, side, side, width),
        "image_encoder.neck.0.weight": (architecture.outputs, width, 1, 1),
    }
    for block in range(architecture.depth):
        reach = side if block in architecture.global_blocks else architecture.window
        name = f"image_encoder.blocks.{block}.attn.rel_pos_h"
        shapes[name] = (2 * reach - 1, width // architecture.heads)
    return {name: SimpleNamespace(shape=shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("model", OFFICIAL)
def test_an_official_network_is_known_by_its_shapes(model: str) -> None:
    found = architecture_of(weights_of(OFFICIAL[model]))
    assert found == OFFICIAL[model]
    require(found, model)


def test_another_network_of_the_kind_is_taken_where_no_model_is_named() -> None:
    found = architecture_of(weights_of(Architecture(256, 64, 4, 2, 6, (1, 3))))
    require(found, "")
    assert (found.tokens, found.logits) == (16, 64)


def test_another_model_than_the_named_one_is_refused_by_both_names() -> None:
    with pytest.raises(SettingsError, match=r"vit_h.*vit_b"):
        require(OFFICIAL["vit_b"], "vit_h")


def test_a_model_that_nobody_knows_is_refused_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r"'vit_x'.*vit_b, vit_l, vit_h"):
        require(OFFICIAL["vit_b"], "vit_x")


def test_weights_of_something_else_are_refused() -> None:
    with pytest.raises(SettingsError, match="no Segment Anything network"):
        architecture_of({"conv1.weight": SimpleNamespace(shape=(64, 3, 7, 7))})
