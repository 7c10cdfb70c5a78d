"""Holes for formats that know none: each is joined to its outer ring by a seam.

The ring runs along the outline, over a seam to the hole, around it the other way, and back over the same seam.
Positions are rounded to a millionth of a pixel. Filling by the even-odd rule leaves the hole open, and a reader
that repairs such a ring finds the hole again.
"""

from collections.abc import Sequence

from fourpoint_core.domain.geometry import Contour, Part, Ring, Vertex, signed_area
from fourpoint_worker.formats.values import Notes

DECIMALS = 6
IndexRing = tuple[tuple[int, int], ...]


def bridged(part: Part) -> Ring:
    """One ring that encloses what the part does: outline and holes, joined by seams of no width.

    A part without holes is left as it is. Else the result is the same wherever its rings begin, and whichever
    way they run, so that what is read and written again stays the same.
    """
    if not part.holes:
        return part.outer
    part = rounded(part)
    ring = list(_canonical(part.outer))
    # From left to right, so that a seam meets the outline or holes that are joined already, never one to come.
    holes = sorted((tuple(reversed(_canonical(hole))) for hole in part.holes), key=min)
    for number, hole in enumerate(holes):
        turned = _from_least(hole)
        at = _seam(ring, turned[0], holes[number:])
        ring = [*ring[: at + 1], *turned, turned[0], *ring[at:]]
    return tuple(ring)


def rounded(part: Part) -> Part:
    """To a millionth of a pixel: what differs by less lies on one line, and seams stay what they are."""

    def ring_of(ring: Ring) -> Ring:
        return tuple((round(x, DECIMALS), round(y, DECIMALS)) for x, y in ring)

    return Part(ring_of(part.outer), tuple(map(ring_of, part.holes)))


def _canonical(ring: Ring) -> Ring:
    """Clockwise on screen, from the least vertex."""
    return tuple(_from_least(ring if signed_area(ring) > 0 else tuple(reversed(ring))))


def _from_least(ring: Ring) -> list[Vertex]:
    start = ring.index(min(ring))
    return [*ring[start:], *ring[:start]]


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


def single_ring(contour: Contour, notes: Notes) -> Ring:
    """The whole contour as one ring: holes and further parts are joined by seams, see `bridged`.

    Notes: `holes_bridged`, `parts_bridged`.
    """
    if any(part.holes for part in contour.parts):
        notes.add("holes_bridged")
    if len(contour.parts) > 1:
        notes.add("parts_bridged")
    if len(contour.parts) == 1:
        return bridged(contour.parts[0])
    rings = sorted(list(_canonical(bridged(rounded(part)))) for part in contour.parts)
    ring = rings[0]
    for other in rings[1:]:
        distances = (
            ((x - u) ** 2 + (y - v) ** 2, i, j)
            for i, (x, y) in enumerate(_sparse(ring))
            for j, (u, v) in enumerate(_sparse(other))
        )
        _, i, j = min(distances)
        at, start = i * _step(ring), j * _step(other)
        turned = other[start:] + other[:start]
        ring = [*ring[: at + 1], *turned, turned[0], *ring[at:]]
    return tuple(ring)


def _sparse(ring: Sequence[Vertex]) -> Sequence[Vertex]:
    """Some vertices, so that finding a short seam between large rings does not take for ever."""
    return ring[:: _step(ring)]


def _step(ring: Sequence[Vertex]) -> int:
    return max(1, len(ring) // 200)
