"""Which network a checkpoint holds the weights of, read off their shapes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from fourpoint_core.errors import SettingsError

_TOKEN_PIXELS = 16


class Shaped(Protocol):
    """A tensor, as far as its shape goes."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides, outermost first."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What tells one image encoder of Segment Anything from another; decoders are all alike.

    side: pixels of the square that it looks at. width: features of a token. window: tokens along the side of
    a local block's window. global_blocks: those that see all tokens. outputs: features of the embedding.
    """

    side: int
    width: int
    depth: int
    heads: int
    window: int
    global_blocks: tuple[int, ...]
    outputs: int = 256

    @property
    def tokens(self) -> int:
        """Tokens along the side of an embedding."""
        return self.side // _TOKEN_PIXELS

    @property
    def logits(self) -> int:
        """Cells along the side of a mask as the decoder draws it."""
        return 4 * self.tokens


_VIT_B = Architecture(1024, 768, 12, 12, 14, (2, 5, 8, 11))
OFFICIAL = {
    "vit_b": _VIT_B,
    "vit_l": replace(_VIT_B, width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)),
    "vit_h": replace(_VIT_B, width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)),
}


def architecture_of(weights: Mapping[str, Shaped]) -> Architecture:
    """The network that these weights fit. Raises SettingsError where they are not Segment Anything's."""
    try:
        _, rows, _, width = weights["image_encoder.pos_embed"].shape
        reaches: list[int] = []
        while (name := f"image_encoder.blocks.{len(reaches)}.attn.rel_pos_h") in weights:
            reaches.append((weights[name].shape[0] + 1) // 2)
        heads = width // weights["image_encoder.blocks.0.attn.rel_pos_h"].shape[1]
        outputs = weights["image_encoder.neck.0.weight"].shape[0]
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        raise SettingsError(
            f"The checkpoint holds no Segment Anything network ({error}); take one of the official ones: "
            "`fourpoint models list`."
        ) from error
    everywhere = tuple(index for index, reach in enumerate(reaches) if reach == rows)
    local = [reach for reach in reaches if reach != rows]
    window = local[0] if local else rows
    return Architecture(rows * _TOKEN_PIXELS, width, len(reaches), heads, window, everywhere, outputs)


def require(found: Architecture, model: str) -> None:
    """Make sure that it is the official network that configuration names; an empty name takes any.

    Raises SettingsError.
    """
    if not model:
        return
    if model not in OFFICIAL:
        raise SettingsError(
            f"FOURPOINT_SAM_MODEL: {model!r} is none of {', '.join(OFFICIAL)}; empty takes any."
        )
    if OFFICIAL[model] != found:
        actual = next((name for name, known in OFFICIAL.items() if known == found), "another network")
        raise SettingsError(
            f"FOURPOINT_SAM_MODEL is {model}, but the checkpoint holds {actual}: change the one or the other."
        )
