"""Images at the size that somebody needs, decoded at no more than that where the format allows."""

import math
from collections.abc import Callable

from PIL import Image

from fourpoint_core.imaging.inspect import open_image
from fourpoint_core.imaging.strips import Box, strips
from fourpoint_core.imaging.upright import damaged_when_stored, decode, to_rgb8

# An image that is averaged over whole pixels down to three times what is wanted looks as if it had not been.
_GAP = 3

CutOut = Callable[[Box], Image.Image]
"""A box of an image, in RGB."""


def decode_scaled(data: bytes, longest_side: int) -> Image.Image:
    """As `decode_upright`, resampled so that the longer side has `longest_side` pixels.

    A JPEG is decoded at a half, a quarter or an eighth of its size where that still is large enough: less
    time, and a fraction of the memory. Of other formats, which can only be decoded whole, all that comes
    after is done in strips. Raises DamagedImageError.
    """
    image = open_image(data)
    # By the size of the whole image: a half of 4001 pixels is not quite a half.
    width, height = size_scaled(*image.size, longest_side)
    image.draft(None, (min(width, image.width), min(height, image.height)))
    shallow, turn = decode(image, data)
    try:
        small = shrunk(shallow.size, lambda box: to_rgb8(shallow.crop(box)), (width, height))
    except Exception as error:
        # Colours are looked up only here, and a palette may lack them.
        raise damaged_when_stored() from error
    return small if turn is None else small.transpose(turn)


def scaled_to(image: Image.Image, longest_side: int) -> Image.Image:
    """The image, its longer side `longest_side` pixels long: bilinear, every pixel counts when it shrinks."""
    return image.resize(size_scaled(*image.size, longest_side), Image.Resampling.BILINEAR)


def shrunk(size: tuple[int, int], cut_out: CutOut, wanted: tuple[int, int]) -> Image.Image:
    """An image of `size` at the size that is `wanted`, never whole in RGB where it is much larger than that."""
    factor = min(size[0] // (_GAP * wanted[0]), size[1] // (_GAP * wanted[1]))
    if factor < 2:
        return cut_out((0, 0, *size)).resize(wanted, Image.Resampling.BILINEAR)
    reduced = Image.new("RGB", (math.ceil(size[0] / factor), math.ceil(size[1] / factor)))
    for box in strips(size, factor):
        reduced.paste(cut_out(box).reduce(factor), (0, box[1] // factor))
    ends = (size[0] / factor, size[1] / factor)
    return reduced.resize(wanted, Image.Resampling.BILINEAR, box=(0, 0, *ends))


def size_scaled(width: int, height: int, longest_side: int) -> tuple[int, int]:
    """Width and height of an image whose longer side becomes `longest_side`, at least one pixel each."""
    scale = longest_side / max(width, height)
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))
