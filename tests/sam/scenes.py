"""What the engine's tests look at: a bright rectangle on a dark ground, clicks on it, and who watches."""

import io

import numpy as np
from PIL import Image
from tests.unit.segmenter.scenes import carry_on

from fourpoint_core.domain.geometry import Box
from fourpoint_core.domain.prompts import ExtremePoints, Prompt
from fourpoint_worker.segmenter.outline import draw_outline
from fourpoint_worker.segmenter.port import Decoded, Outline, Picture, RgbImage, SoftMask
from fourpoint_worker.segmenter.sam.engine import SamEngine

DARK, BRIGHT = 30, 220
# Bright squares of 16 pixels are what the network sees.
OBJECT = Box(48, 64, 192, 160)


class Watched(Decoded):
    """A picture that counts how often it is looked at."""

    def __init__(self, image: RgbImage, digest: str):
        super().__init__(image, digest)
        self.looks = 0

    def pixels(self) -> RgbImage:
        self.looks += 1
        return super().pixels()

    def scaled(self, longest_side: int) -> RgbImage:
        self.looks += 1
        return super().scaled(longest_side)


def scene(box: Box = OBJECT, side: int = 256) -> RgbImage:
    image = np.full((side, side, 3), DARK, np.uint8)
    image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = BRIGHT
    return image


def clicks_on(box: Box) -> Prompt:
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return Prompt(
        points=ExtremePoints(
            top=(x, box.y0 + 0.5), bottom=(x, box.y1 - 0.5), left=(box.x0 + 0.5, y), right=(box.x1 - 0.5, y)
        )
    )


def draw(engine: SamEngine, picture: Picture, prompt: Prompt | None = None) -> Outline:
    return draw_outline(engine, picture, prompt or clicks_on(OBJECT), carry_on)


def mask(engine: SamEngine, picture: Picture, prompt: Prompt | None = None) -> SoftMask:
    return engine.soft_mask(picture, prompt or clicks_on(OBJECT), carry_on)


def noise(seed: int = 1, side: int = 256) -> RgbImage:
    """Squares of 16 pixels in any colour, for networks of random weights."""
    cells = np.random.default_rng(seed).integers(0, 255, (side // 16, side // 16, 3))
    return np.kron(cells, np.ones((16, 16, 1))).astype(np.uint8)


def as_png(image: RgbImage) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()
