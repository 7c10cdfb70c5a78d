"""How often the sides of outlines meet, counted before GEOS is asked for what takes memory by the meeting.

Two combs of a few hundred teeth, one across the other, meet a hundred thousand times: their intersection takes
half a minute and a gigabyte, and what they are was known long before.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from shapely import STRtree, linestrings

Ring = Sequence[tuple[float, float]]
# So many answers of the index are in memory at once: these times the sides of the other outline.
_SIDES_AT_ONCE = 64


def meet_more_often(one: Sequence[Ring], other: Sequence[Ring], limit: int) -> bool:
    """Whether sides of `one` and sides of `other` touch or cross more than `limit` times.

    Of an outline and itself every side counts with itself and its neighbours, and every other meeting twice.
    """
    sides, others = list(_sides(one)), list(_sides(other))
    if not sides:
        return False
    tree = STRtree(linestrings(sides))
    count = 0
    for start in range(0, len(others), _SIDES_AT_ONCE):
        found = tree.query(linestrings(others[start : start + _SIDES_AT_ONCE]), predicate="intersects")
        count += found.shape[1]
        if count > limit:
            return True
    return False


def _sides(rings: Sequence[Ring]) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    for ring in rings:
        yield from pairwise([*ring, ring[0]])
