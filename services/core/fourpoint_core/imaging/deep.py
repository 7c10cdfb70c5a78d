"""Images of 16 bits a channel, as eight.

They are stretched from their own darkest to their own brightest value: cameras and microscopes fill 12 of 16
bits, and cut to the upper 8 they would be black. Of a colour image all channels are stretched alike, so that
its colours stay.

Pillow reads grey ones whole and of coloured ones the upper bytes. Asked for the other byte order it reads the
lower bytes, so both are had by reading twice. What lies between the bytes and the eight bits is large, and is
made a strip at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from fourpoint_core.imaging.inspect import open_image
from fourpoint_core.imaging.strips import Box, strips

_GREY_MODES = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """How Pillow is told to read bytes. upper, lower: where those of the channels are in what it then makes."""

    raw_modes: tuple[str, ...]
    upper: Sequence[int]
    lower: Sequence[int]
    alpha: int | None = None


# By the name that Pillow has for how the pixels lie in the file; channels count on through the readings.
_LAYOUTS = {
    "RGB;16B": _Layout(("RGB;16B", "RGB;16L"), (0, 1, 2), (3, 4, 5)),
    "RGBA;16B": _Layout(("RGBA;16B", "RGBA;16L"), (0, 1, 2), (4, 5, 6), alpha=3),
    # Two bytes of grey and two of alpha are read as four channels.
    "LA;16B": _Layout(("RGBA",), (0,), (1,), alpha=2),
}


def eight_bits(image: Image.Image, data: bytes) -> Image.Image:
    """The image with 8 bits a channel: itself, where it has no more.

    data: the file that it was opened from.
    """
    if image.mode in _GREY_MODES:
        return _stretched(image.size, lambda box: [image.crop(box).convert("F")], Image.new("L", image.size))
    layout = _layout(image)
    return image if layout is None else _read(layout, data)


def is_deep(image: Image.Image) -> bool:
    """Whether an image that was opened, and not yet read, has more than 8 bits a channel."""
    return image.mode in _GREY_MODES or _layout(image) is not None


def _layout(image: Image.Image) -> _Layout | None:
    tiles = getattr(image, "tile", None)
    return _LAYOUTS.get(tiles[0].args) if image.format == "PNG" and tiles else None


def _read(layout: _Layout, data: bytes) -> Image.Image:
    bands: list[Image.Image] = []
    for raw_mode in layout.raw_modes:
        bands += _bands(raw_mode, data)
    pairs = [(bands[upper], bands[lower]) for upper, lower in zip(layout.upper, layout.lower, strict=True)]

    def channels(box: Box) -> list[Image.Image]:
        return [_joined(upper.crop(box), lower.crop(box)) for upper, lower in pairs]

    whole = _stretched(bands[0].size, channels, Image.new("RGB", bands[0].size))
    if layout.alpha is not None:
        whole.putalpha(bands[layout.alpha])
    return whole


def _bands(raw_mode: str, data: bytes) -> tuple[Image.Image, ...]:
    image = open_image(data)
    image.tile = [tile._replace(args=raw_mode) for tile in image.tile]  # type: ignore[attr-defined]
    return image.split()


def _joined(upper: Image.Image, lower: Image.Image) -> Image.Image:
    joined = Image.frombytes("I;16", upper.size, Image.merge("LA", (lower, upper)).tobytes())
    return joined.convert("F")


def _stretched(
    size: tuple[int, int], channels: Callable[[Box], Sequence[Image.Image]], whole: Image.Image
) -> Image.Image:
    """channels: those of a box, in mode F. whole: what they are drawn into, grey for one of them or RGB."""
    extrema = [
        value
        for box in strips(size)
        for channel in channels(box)
        for value in channel.getextrema()
        if isinstance(value, float)
    ]
    low, high = min(extrema, default=0.0), max(extrema, default=0.0)
    # An image of one value is black.
    scale = 255.0 / (high - low) if high > low else 0.0
    for box in strips(size):
        found = [
            channel.point(lambda value: value * scale - low * scale).convert("L") for channel in channels(box)
        ]
        colours = found * 3 if len(found) == 1 else found
        whole.paste(found[0] if whole.mode == "L" else Image.merge("RGB", colours), box[:2])
    return whole
