"""What decoding an image takes, told by its header: whoever has many to decode knows how many fit at once."""

from typing import Any

from PIL import Image

from fourpoint_core.imaging.deep import is_deep
from fourpoint_core.imaging.inspect import open_image
from fourpoint_core.imaging.scaling import size_scaled

# Bytes a pixel at the worst of each way. Pillow keeps a pixel in four; an image with alpha that lies on its
# side is there as it was read, laid on white and turned; of 16 bits a channel both bytes are.
_SCALED, _WHOLE, _DEEP = 4, 12, 16
_COEFFICIENT_BYTES = 2


def bytes_to_decode(data: bytes, longest_side: int | None = None) -> int:
    """The most that `decode_scaled`, or without a side `decode_upright`, holds of an image; strips come on top.

    Raises UnsupportedImageError or DamagedImageError.
    """
    image = open_image(data)
    if is_deep(image):
        return _pixels(image) * _DEEP
    coefficients = _coefficients(image, data) * _COEFFICIENT_BYTES
    if longest_side is None:
        return coefficients + _pixels(image) * _WHOLE
    width, height = size_scaled(*image.size, longest_side)
    image.draft(None, (min(width, image.width), min(height, image.height)))
    return coefficients + _pixels(image) * _SCALED


def _pixels(image: Image.Image) -> int:
    return image.width * image.height


def _coefficients(image: Image.Image, data: bytes) -> int:
    """How many of a JPEG are in memory at once: all, where a part of the image needs more than one pass."""
    layers: list[Any] = getattr(image, "layer", [])
    if not layers or (not image.info.get("progressive") and _is_one_scan(image, data, len(layers))):
        return 0
    across, down = (max(layer[axis] for layer in layers) for axis in (1, 2))
    return sum(_pixels(image) * layer[1] * layer[2] // (across * down) for layer in layers)


def _is_one_scan(image: Image.Image, data: bytes, layers: int) -> bool:
    # Pillow has read up to the pixels, so what lies before them is the header of the first scan, whose length
    # is that of all layers.
    start = image.fp.tell() - 8 - 2 * layers  # type: ignore[attr-defined]
    return data[start : start + 2] == b"\xff\xda"
