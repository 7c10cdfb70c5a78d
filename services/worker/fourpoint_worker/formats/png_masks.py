"""Masks as PNG files: palettes of labels and of objects, read back with care for what they unpack to."""

import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

# What it says of bombs stands in for Pillow's own bound, which would only warn.
from fourpoint_core.imaging.inspect import decoding
from fourpoint_worker.formats.values import MAX_IMAGE_PIXELS, FormatError

Mask = npt.NDArray[np.uint8]
_MAX_FILE_BYTES = 64 * 1024 * 1024


def palette_png(mask: Mask, colours: dict[int, tuple[int, int, int]]) -> bytes:
    """A bitmap (height, width) as an 8-bit palette PNG of 256 entries, those not named black."""
    image = Image.frombytes("P", (mask.shape[1], mask.shape[0]), mask.tobytes())
    palette = bytearray(768)
    for index, colour in colours.items():
        palette[3 * index : 3 * index + 3] = bytes(colour)
    image.putpalette(bytes(palette))
    return _png(image)


def colour_png(mask: npt.NDArray[np.uint8]) -> bytes:
    """A bitmap (height, width, 3) as an RGB PNG."""
    return _png(Image.fromarray(mask))


def filled_on_indices(
    width: int, height: int, painted: Sequence[tuple[int, Sequence[tuple[int, int]]]]
) -> Mask:
    """What `cv2.fillPoly` paints for rings of pixel indices, the later over the earlier; boundaries included.

    painted: value and ring.
    """
    import cv2  # noqa: PLC0415 - the process that does all but inference loads it for this alone

    mask = np.zeros((height, width), np.uint8)
    for value, ring in painted:
        cv2.fillPoly(mask, [np.asarray(ring, np.int32)], value)
    return mask


def voc_colour(index: int) -> tuple[int, int, int]:
    """The colour that Pascal VOC gives to an index: its bits, dealt out to red, green and blue."""
    red = green = blue = 0
    for place in range(8):
        bits = index >> (3 * place)
        red |= (bits & 1) << (7 - place)
        green |= (bits >> 1 & 1) << (7 - place)
        blue |= (bits >> 2 & 1) << (7 - place)
    return (red, green, blue)


def as_numbers(mask: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A bitmap with one number a pixel, see `as_number`."""
    if mask.ndim == 2:
        return mask
    found = mask[..., 0].astype(np.int32)
    # In place: a mask may have as many pixels as an image.
    for channel in (1, 2):
        found <<= 8
        found |= mask[..., channel]
    return found


def as_number(colour: tuple[int, int, int]) -> int:
    """Red, green and blue in one number."""
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def read_png(
    stream: BinaryIO, size: tuple[int, int] | None
) -> tuple[npt.NDArray[Any], list[tuple[int, int, int]] | None]:
    """A mask (height, width) of palette indices or grey values, or (height, width, 3) of colours; its palette.

    size: width and height that it must have. Raises FormatError; nothing is unpacked before its size is known.
    """
    data = stream.read(_MAX_FILE_BYTES + 1)
    if len(data) > _MAX_FILE_BYTES:
        raise FormatError("mask_too_large", "The mask's file takes more than 64 MiB.")
    try:
        image = Image.open(BytesIO(data), formats=("PNG",))
    except Exception:  # noqa: BLE001 - Pillow raises whatever a broken file makes it
        raise FormatError("mask_damaged", "The mask is no PNG, or damaged.") from None
    if size is not None and image.size != size:
        raise FormatError(
            "size_differs",
            f"The mask has {image.width} x {image.height} pixels; the image {size[0]} x {size[1]}.",
        )
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise FormatError("mask_too_large", "The mask has more pixels than any image may have.")
    try:
        with decoding:
            image.load()
        if image.mode not in ("P", "L", "1", "I;16", "I"):
            return np.asarray(image.convert("RGB")), None
        return np.asarray(image.convert("L") if image.mode == "1" else image), _palette(image)
    except Exception:  # noqa: BLE001 - likewise
        raise FormatError("mask_damaged", "The mask is damaged.") from None


def _palette(image: Image.Image) -> list[tuple[int, int, int]] | None:
    values = image.getpalette("RGB") if image.mode == "P" else None
    return None if values is None else list(zip(values[0::3], values[1::3], values[2::3], strict=True))


def _png(image: Image.Image) -> bytes:
    written = BytesIO()
    # Masks are runs of one value: looking for nothing else takes half the time, and finds more.
    image.save(written, "PNG", optimize=False, compress_level=6, compress_type=zlib.Z_RLE)
    return written.getvalue()
