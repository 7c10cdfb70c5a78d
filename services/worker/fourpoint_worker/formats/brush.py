"""Label Studio's run-length code of brush strokes: RGBA bytes, of which alpha says what is painted.

The bits: 32 for the number of values, 5 for the width of a value, 4 x 4 for the widths of lengths; then blocks
of one repeated value or of several, each with its length. Source: Label Studio's converter (thi.ng/rle-pack).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fourpoint_worker.formats.runs import Runs, cut_by_line
from fourpoint_worker.formats.values import FormatError

_CHANNELS = 4
_PAINTED = 128
# As Label Studio itself writes them.
_LENGTH_BITS = (3, 4, 8, 16)


def decoded(values: Any, width: int, height: int, line: int | None) -> Runs:
    """The painted pixels of an image of `width` x `height`, row by row. Raises FormatError."""
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < 256 for value in values):
        raise FormatError("rle_invalid", "A brush has a list of bytes as its rle.", line)
    total = width * height
    try:
        alpha = _alpha(_Bits(bytes(values)), total)
        painted = np.flatnonzero(np.diff(np.r_[False, alpha >= _PAINTED, False]))
        return cut_by_line(painted[0::2], painted[1::2], width)
    except (IndexError, ValueError):
        raise FormatError(
            "rle_invalid", "The brush's run-length code does not make up the image.", line
        ) from None


class _Bits:
    def __init__(self, data: bytes):
        self._left = 8 * len(data)
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        """The next bits as a number. Raises IndexError at the end."""
        end = self._at + count
        if end > self._left:
            raise IndexError
        first, last = self._at // 8, (end + 7) // 8
        window = int.from_bytes(self._data[first:last], "big")
        self._at = end
        return (window >> (last * 8 - end)) & ((1 << count) - 1)


def _alpha(bits: _Bits, pixels: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    total = bits.take(32)
    if total != pixels * _CHANNELS:
        raise ValueError
    width = bits.take(5) + 1
    lengths = [bits.take(4) + 1 for _ in range(4)]
    alpha = np.zeros(pixels, np.uint8)
    at = 0
    while at < total:
        repeated = bits.take(1)
        end = at + 1 + bits.take(lengths[bits.take(2)])
        if end > total:
            raise ValueError
        if repeated:
            value = bits.take(width)
            # Alpha is the last of a pixel's four values: of the pixels whose last one lies in [at, end).
            alpha[at // _CHANNELS : end // _CHANNELS] = value & 0xFF
        else:
            for place in range(at, end):
                value = bits.take(width)
                if place % _CHANNELS == _CHANNELS - 1:
                    alpha[place // _CHANNELS] = value & 0xFF
        at = end
    return alpha


class _BitWriter:
    def __init__(self) -> None:
        self._value = 0
        self._count = 0
        self._bytes: list[int] = []

    def put(self, value: int, bits: int) -> None:
        """Append a number of so many bits."""
        self._value = self._value << bits | value
        self._count += bits
        while self._count >= 8:
            self._count -= 8
            self._bytes.append(self._value >> self._count)
            self._value &= (1 << self._count) - 1

    def bytes(self) -> list[int]:
        """All of it, filled up with zeros."""
        return self._bytes + ([self._value << (8 - self._count)] if self._count else [])


def encoded(counts: Iterable[int]) -> list[int]:
    """Counts of pixels that are not painted and that are, by turns, row by row; the inverse of `decoded`."""
    lengths = list(counts)
    out = _BitWriter()
    out.put(sum(lengths) * _CHANNELS, 32)
    out.put(8 - 1, 5)
    for bits in _LENGTH_BITS:
        out.put(bits - 1, 4)
    for place, pixels in enumerate(lengths):
        left = pixels * _CHANNELS
        while left:
            length = min(left, 1 << _LENGTH_BITS[-1])
            size = next(i for i, bits in enumerate(_LENGTH_BITS) if length <= 1 << bits)
            out.put(1, 1)
            out.put(size, 2)
            out.put(length - 1, _LENGTH_BITS[size])
            out.put(255 * (place % 2), 8)
            left -= length
    return out.bytes()
