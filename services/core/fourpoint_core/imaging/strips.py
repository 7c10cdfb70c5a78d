"""Large images a strip at a time: what is made on the way to the result is then small."""

from collections.abc import Iterator

Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels, the last ones not included."""

# A strip of the widest images that are accepted has some megabytes.
_PIXELS = 2**21


def strips(size: tuple[int, int], multiple: int = 1) -> Iterator[Box]:
    """Boxes of whole rows that cover an image from top to bottom.

    multiple: what the rows of each are a multiple of, those of the last one excepted.
    """
    width, height = size
    rows = max(1, _PIXELS // max(1, width * multiple)) * multiple
    for top in range(0, height, rows):
        yield 0, top, width, min(height, top + rows)
