"""Holes for formats that know none: each is joined to its outer ring by a seam.

The ring runs along the outline, over a seam to the hole, around it the other way, and back over the same seam.
Filling by the even-odd rule leaves the hole open, and a reader that repairs such a ring finds the hole again.
"""

from collections.abc import Sequence

from fourpoint_core.domain.geometry import Part, Ring, Vertex, signed_area

IndexRing = tuple[tuple[int, int], ...]


def bridged(part: Part) -> Ring:
    """One ring that encloses what the part does: outline and holes, joined by seams of no width."""
    ring = list(part.outer)
    clockwise = signed_area(ring) > 0
    # From left to right, so that a seam meets the outline or holes that are joined already, never one to come.
    holes = sorted(part.holes, key=min)
    for number, hole in enumerate(holes):
        turned = list(hole) if (signed_area(hole) > 0) is not clockwise else list(reversed(hole))
        start = turned.index(min(turned))
        turned = turned[start:] + turned[:start]
        at = _seam(ring, turned[0], holes[number:])
        ring = [*ring[: at + 1], *turned, turned[0], *ring[at:]]
    return tuple(ring)


def _seam(ring: list[Vertex], to: Vertex, holes: Sequence[Ring]) -> int:
    """Index of the vertex of `ring` that sees `to`, the nearest of those; what is not joined yet also hides."""
    order = sorted(range(len(ring)), key=lambda i: ((ring[i][0] - to[0]) ** 2 + (ring[i][1] - to[1]) ** 2, i))
    sides = [side for each in (ring, *holes) for side in zip(each, [*each[1:], each[0]], strict=True)]
    return next((i for i in order if not any(_crosses(ring[i], to, a, b) for a, b in sides)), order[0])


def _crosses(a: Vertex, b: Vertex, c: Vertex, d: Vertex) -> bool:
    """Whether the segments meet anywhere but at their ends."""
    if {a, b} & {c, d}:
        return False
    one, two = _side(a, b, c), _side(a, b, d)
    three, four = _side(c, d, a), _side(c, d, b)
    return one * two <= 0 and three * four <= 0 and (one, two) != (0, 0)


def _side(a: Vertex, b: Vertex, c: Vertex) -> float:
    value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (value > 0) - (value < 0)
