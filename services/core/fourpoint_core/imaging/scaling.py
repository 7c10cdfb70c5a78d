"""Images at the size that somebody needs, decoded at no more than that where the format allows."""

from PIL import Image

from fourpoint_core.imaging.inspect import SIDEWAYS, open_image, orientation
from fourpoint_core.imaging.upright import _upright as upright


def decode_scaled(data: bytes, longest_side: int) -> Image.Image:
    """As `decode_upright`, resampled so that the longer side has `longest_side` pixels.

    A JPEG is decoded at a half, a quarter or an eighth of its size where that still is large enough: less
    time, and a fraction of the memory. Raises DamagedImageError.
    """
    image = open_image(data)
    width, height = size_scaled(*image.size, longest_side)
    image.draft(None, (min(width, image.width), min(height, image.height)))
    whole = upright(image, data)
    # By the size of the whole image: a half of 4001 pixels is not quite a half.
    size = (height, width) if orientation(image) in SIDEWAYS else (width, height)
    return whole.resize(size, Image.Resampling.BILINEAR)


def scaled_to(image: Image.Image, longest_side: int) -> Image.Image:
    """The image, its longer side `longest_side` pixels long: bilinear, every pixel counts when it shrinks."""
    return image.resize(size_scaled(*image.size, longest_side), Image.Resampling.BILINEAR)


def size_scaled(width: int, height: int, longest_side: int) -> tuple[int, int]:
    """Width and height of an image whose longer side becomes `longest_side`, at least one pixel each."""
    scale = longest_side / max(width, height)
    return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))
