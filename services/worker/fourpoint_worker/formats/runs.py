"""Contours to runs of pixels and back, without a bitmap: memory goes with the outline, not with the image.

A pixel belongs to a contour when its centre does. Runs are half open, [first, behind the last).
Source: scan conversion by the even-odd rule; the run-length strings are those of the COCO tools.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from fourpoint_core.domain.annotations import MAX_ANNOTATIONS
from fourpoint_core.domain.geometry import Box, Contour
from fourpoint_worker.formats.fitting import parts_of
from fourpoint_worker.formats.values import FormatError

Ints = npt.NDArray[np.int64]
MAX_RUNS = 4_000_000
# Of one object. Of a chessboard each takes 13 KB on its way to an outline; objects have two or three in a line.
MAX_RUNS_OUTLINED = 50_000
# An image's objects, and what is none: background, and void.
_MAX_VALUES = MAX_ANNOTATIONS + 2


@dataclass(frozen=True, slots=True)
class Runs:
    """lines: columns (or rows) of the runs, in rising order; starts, ends: within the line, likewise rising."""

    lines: Ints
    starts: Ints
    ends: Ints

    @property
    def area(self) -> int:
        """Pixels in all."""
        return int((self.ends - self.starts).sum())


def runs_of(contour: Contour, width: int, height: int, *, by_rows: bool) -> Runs:
    """The pixels of a contour, column by column or row by row."""
    across, along = (1, 0) if by_rows else (0, 1)
    limits = (width, height)
    sides = [
        np.hstack([points, np.roll(points, -1, axis=0)])
        for part in contour.parts
        for points in (np.asarray(ring, np.float64) for ring in part.rings())
    ]
    every = np.vstack(sides)
    u0, v0, u1, v1 = every[:, across], every[:, along], every[:, 2 + across], every[:, 2 + along]
    # Half open, so that a vertex shared by two sides at a line's centre is crossed once.
    first = np.clip(np.ceil(np.minimum(u0, u1) - 0.5), 0, limits[across]).astype(np.int64)
    behind = np.clip(np.ceil(np.maximum(u0, u1) - 0.5), 0, limits[across]).astype(np.int64)
    count = np.maximum(behind - first, 0)
    side = np.repeat(np.arange(len(every)), count)
    line = first[side] + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    place = v0[side] + (line + 0.5 - u0[side]) * (v1[side] - v0[side]) / (u1[side] - u0[side])
    order = np.lexsort((place, line))
    cell = np.clip(np.ceil(place[order] - 0.5), 0, limits[along]).astype(np.int64)
    lines, starts, ends = line[order][0::2], cell[0::2], cell[1::2]
    kept = ends > starts
    return Runs(lines[kept], starts[kept], ends[kept])


def counts_of(runs: Runs, length: int, total: int) -> list[int]:
    """Lengths of the runs of zeros and ones by turns, zeros first; `length` pixels a line, `total` in all."""
    starts, ends = runs.lines * length + runs.starts, runs.lines * length + runs.ends
    if len(starts) > 1:
        # A run that reaches the end of its line goes on in the next one.
        joins = starts[1:] == ends[:-1]
        starts, ends = starts[np.r_[True, ~joins]], ends[np.r_[~joins, True]]
    bounds = np.column_stack([starts, ends]).ravel()
    counts = np.diff(np.r_[0, bounds, total])
    found: list[int] = counts.tolist()
    # Zeros at the end are said only where there are some.
    return found[:-1] if len(found) > 1 and found[-1] == 0 else found


def runs_from_counts(counts: Sequence[int], length: int, total: int) -> Runs:
    """The inverse of `counts_of`. Raises ValueError where the counts do not make up `total`."""
    if len(counts) > MAX_RUNS:
        raise ValueError("there are too many runs")
    lengths = np.asarray(counts, np.int64)
    if lengths.size and (lengths.min() < 0 or lengths.max() > total):
        raise ValueError("a run is longer than the image, or shorter than nothing")
    bounds = np.cumsum(lengths)
    if not lengths.size or bounds[-1] != total:
        raise ValueError("the runs do not make up the image")
    starts, ends = bounds[0::2][: len(lengths) // 2], bounds[1::2]
    some = ends > starts
    return cut_by_line(starts[some], ends[some], length)


def contour_of(runs: Runs, *, by_rows: bool, left: int = 0, top: int = 0) -> Contour | None:
    """The outline of pixels, along their edges; None where there are none. Corners alone join nothing.

    Raises FormatError where there are too many of them to be an object's.
    """
    if not len(runs.lines):
        return None
    if len(runs.lines) > MAX_RUNS_OUTLINED:
        raise FormatError("mask_too_large", "The mask is too ragged to be one of an object; clean it up.")
    across, along = runs.lines, (runs.starts, runs.ends)
    if by_rows:
        boxes = shapely.box(along[0] + left, across + top, along[1] + left, across + 1 + top)
    else:
        boxes = shapely.box(across + left, along[0] + top, across + 1 + left, along[1] + top)
    shape = shapely.simplify(shapely.union_all(boxes), 0)
    return Contour(tuple(parts_of(shape)))


def box_of(runs: Runs, *, by_rows: bool = True) -> Box | None:
    """The box around the pixels; None where there are none."""
    if not len(runs.lines):
        return None
    along = float(runs.starts.min()), float(runs.ends.max())
    across = float(runs.lines.min()), float(runs.lines.max() + 1)
    (x0, x1), (y0, y1) = (along, across) if by_rows else (across, along)
    return Box(x0, y0, x1, y1)


def rle_string(counts: Iterable[int]) -> str:
    """Counts as the COCO tools write them: differences to the one before the last, five bits a character."""
    values = list(counts)
    characters = []
    for index, count in enumerate(values):
        value = count - values[index - 2] if index > 2 else count
        while True:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            characters.append(chr((bits | 0x20 if more else bits) + 48))
            if not more:
                break
    return "".join(characters)


def counts_from_string(text: str) -> list[int]:
    """The inverse of `rle_string`. Raises ValueError."""
    counts: list[int] = []
    at = 0
    while at < len(text):
        value, shift, bits = 0, 0, 0x20
        while bits & 0x20:
            if at >= len(text) or shift > 60:
                raise ValueError("the run-length string ends too early")
            bits = ord(text[at]) - 48
            if not 0 <= bits < 64:
                raise ValueError("the run-length string holds other characters than it may")
            value |= (bits & 0x1F) << shift
            shift += 5
            at += 1
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        if len(counts) > MAX_RUNS:
            raise ValueError("there are too many runs")
    return counts


def paint(canvas: npt.NDArray[Any], runs: Runs, value: Any) -> None:
    """Give the pixels of `runs`, which go by rows, a value."""
    for line, start, end in zip(runs.lines.tolist(), runs.starts.tolist(), runs.ends.tolist(), strict=True):
        canvas[line, start:end] = value


def cut_by_line(starts: Ints, ends: Ints, length: int) -> Runs:
    """Runs through the whole image, cut at the ends of lines."""
    first, last = starts // length, (ends - 1) // length
    count = last - first + 1
    if count.sum() > MAX_RUNS:
        raise ValueError("there are too many runs")
    run = np.repeat(np.arange(len(starts)), count)
    line = first[run] + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return Runs(
        line,
        np.maximum(starts[run], line * length) - line * length,
        np.minimum(ends[run], (line + 1) * length) - line * length,
    )


def runs_by_value(mask: npt.NDArray[Any]) -> dict[int, Runs]:
    """The pixels of each value of a bitmap (height, width), row by row.

    Raises FormatError where there are too many of either to be objects'.
    """
    height, width = mask.shape
    begins = np.ones((height, width), bool)
    begins[:, 1:] = mask[:, 1:] != mask[:, :-1]
    lines, starts = np.nonzero(begins)
    if len(lines) > MAX_RUNS:
        raise FormatError("mask_too_large", "The mask is too ragged to be one of objects; clean it up.")
    ends = np.append(starts[1:], width)
    ends[np.append(lines[1:] != lines[:-1], True)] = width
    values = mask[lines, starts]
    order = np.argsort(values, kind="stable")
    found, first = np.unique(values[order], return_index=True)
    if len(found) > _MAX_VALUES:
        detail = f"The mask has {len(found):,} values; an image has at most {MAX_ANNOTATIONS:,} objects."
        raise FormatError("mask_too_large", detail)
    groups = np.split(order, first[1:])
    return {
        int(value): Runs(lines[group], starts[group], ends[group])
        for value, group in zip(found, groups, strict=True)
    }
