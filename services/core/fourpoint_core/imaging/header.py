"""What an image is, from as little of its file as says it: its header, read in ranges that grow.

What the pixels are worth is not looked at: a file that is cut off behind its header is found out when somebody
opens it. The facts are those that `inspect_image` finds in the whole file.
"""

import io
import re
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from fourpoint_core.errors import DamagedImageError, FourpointError
from fourpoint_core.imaging.inspect import (
    END_OF_PNG,
    ImageFacts,
    check_pixels,
    damaged,
    open_image,
    upright_facts,
)

ReadRange = Callable[[int, int], bytes]
"""The bytes [start, start + length) of a file, fewer only behind its end."""

# Two of three photographs say all within this, their EXIF included.
FIRST_BYTES = 32 * 1024
# Profiles and previews come in pieces of 64 KB, and some cameras write dozens.
GROWTH = 4
# What software writes behind the pixels of a PNG.
PNG_TAIL_BYTES = 64 * 1024
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER_END = 33
_TEXT_CHUNKS = re.compile(rb"eXIf|iTXt|tEXt|zTXt")


def read_facts(read: ReadRange, size: int, max_pixels: int) -> ImageFacts:
    """Identify an image of `size` bytes by its header.

    Raises UnsupportedImageError, DamagedImageError or TooManyPixelsError, and whatever `read` raises.
    """
    head = read(0, min(FIRST_BYTES, size))
    if head.startswith(_PNG):
        return _png_facts(read, head, size, max_pixels)
    return _facts_of_growing(read, head, size, max_pixels)


def _facts_of_growing(read: ReadRange, head: bytes, size: int, max_pixels: int) -> ImageFacts:
    """Of a JPEG or BMP, whose header comes before its pixels."""
    while True:
        try:
            image = open_image(head)
        except DamagedImageError:
            wanted = min(len(head) * GROWTH, size)
            more = read(len(head), wanted - len(head)) if wanted > len(head) else b""
            if not more:
                raise
            head += more
        else:
            check_pixels(*image.size, max_pixels)
            return upright_facts(image, *image.size)


def _png_facts(read: ReadRange, head: bytes, size: int, max_pixels: int) -> ImageFacts:
    """Of a PNG, which may say behind its pixels how it is to be turned."""
    if len(head) < _PNG_HEADER_END or head[12:16] != b"IHDR":
        raise damaged()
    width, height = struct.unpack(">II", head[16:24])
    if not width or not height:
        raise damaged()
    check_pixels(width, height, max_pixels)
    whole = len(head) >= size
    tail_start = max(0, size - PNG_TAIL_BYTES)
    tail = head if whole else read(tail_start, size - tail_start)
    if END_OF_PNG not in tail:
        raise damaged()
    notes = _text_chunks(head) if whole else _text_chunks(head) + _text_chunks(tail)
    return upright_facts(_one_pixel_with(b"".join(notes)), width, height)


def _text_chunks(data: bytes) -> list[bytes]:
    """The whole chunks of EXIF and text in a piece of a PNG that begins anywhere; their sums say which are."""
    found = []
    for match in _TEXT_CHUNKS.finditer(data):
        start = match.start()
        length = int.from_bytes(data[max(0, start - 4) : start], "big")
        chunk = data[start : start + 4 + length + 4]
        if len(chunk) == length + 8 and zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:], "big"):
            found.append(data[start - 4 : start] + chunk)
    return found


def _one_pixel_with(chunks: bytes) -> Image.Image:
    """A PNG of one pixel that says the same about itself, so that no pixel of the real one is unpacked."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    end = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    try:
        return open_image(_PNG + header + chunks + end)
    except FourpointError:
        # Text that unpacks to too much, for instance; the picture itself may be fine.
        return Image.open(io.BytesIO(_PNG + header + end), formats=("PNG",))
