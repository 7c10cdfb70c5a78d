"""Minimum cut of a grid of cells: the labelling that best weighs evidence per cell against smoothness."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

FloatGrid = npt.NDArray[np.float32]

# Capacities are integers for SciPy's solver: this many steps to one unit of energy.
_STEPS = 64
_STRONGEST = 1 << 22
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Row and column offsets of half of the eight neighbours; the other half is the same edges."""


def contrast_edges(lab: FloatGrid, strength: float, floor: float) -> list[FloatGrid]:
    """Cost of a border between neighbouring cells, one grid per offset of `NEIGHBOURS`.

    lab: (rows, columns, d). Borders are cheap where the colour changes more than it does on average.
    floor: share of `strength` that a border costs even there, which keeps it short.
    Source: Boykov and Jolly, ICCV 2001; the scale of "more than average" as in GrabCut.
    """
    squares = [np.square(a - b).sum(axis=2) for a, b in (_pairs(lab, offset) for offset in NEIGHBOURS)]
    mean = float(np.mean(np.concatenate([square.ravel() for square in squares]))) if lab.size else 0.0
    return [
        (strength / np.hypot(*offset) * (floor + (1 - floor) * np.exp(-square / (2 * mean + 1e-6)))).astype(
            np.float32
        )
        for offset, square in zip(NEIGHBOURS, squares, strict=True)
    ]


def min_cut(log_odds: FloatGrid, edges: list[FloatGrid]) -> npt.NDArray[np.bool_]:
    """Cells on the object's side of the cheapest cut.

    log_odds: (rows, columns), positive where the object is the better explanation; +-inf decides a cell.
    edges: as from `contrast_edges`.
    """
    graph, source, sink = _network(log_odds, edges)
    flow = maximum_flow(graph, source, sink).flow
    residual = csr_array(graph - flow)
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, return_predecessors=False)
    label = np.zeros(log_odds.size + 2, bool)
    label[reached] = True
    return label[: log_odds.size].reshape(log_odds.shape)


def _pairs(grid: npt.NDArray[Any], offset: tuple[int, int]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Views of all cells that have a neighbour at `offset`, and of those neighbours."""
    rows, columns = grid.shape[:2]
    dy, dx = offset
    here = grid[: rows - dy, max(0, -dx) : columns - max(0, dx)]
    there = grid[dy:, max(0, dx) : columns + min(0, dx)]
    return here, there


def _network(log_odds: FloatGrid, edges: list[FloatGrid]) -> tuple[csr_array, int, int]:
    cells = np.arange(log_odds.size, dtype=np.int32).reshape(log_odds.shape)
    source, sink = log_odds.size, log_odds.size + 1
    pairs = [_pairs(cells, offset) for offset in NEIGHBOURS]
    here = np.concatenate([a.ravel() for a, _ in pairs])
    there = np.concatenate([b.ravel() for _, b in pairs])
    links = _capacity(np.concatenate([edge.ravel() for edge in edges]))
    terminal = _capacity(log_odds.ravel())
    wants_in, wants_out = np.flatnonzero(terminal > 0), np.flatnonzero(terminal < 0)
    tails = np.concatenate([here, there, np.full(len(wants_in), source), wants_out])
    heads = np.concatenate([there, here, wants_in, np.full(len(wants_out), sink)])
    capacity = np.concatenate([links, links, terminal[wants_in], -terminal[wants_out]])
    return csr_array((capacity, (tails, heads)), shape=(sink + 1, sink + 1)), source, sink


def _capacity(energy: FloatGrid) -> npt.NDArray[np.int32]:
    return np.clip(np.round(energy * _STEPS), -_STRONGEST, _STRONGEST).astype(np.int32)
