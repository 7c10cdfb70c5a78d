"""Rings to masks: exactly the cells whose centres lie inside."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Vertex


def fill_rings(rings: Iterable[Sequence[Vertex]], rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """Mask (rows, columns) of the cells whose centres lie inside an odd number of `rings`.

    rings: vertices (x, y) in continuous cell coordinates, the first not repeated; they may leave the grid.
    A hole is a ring inside another. cv2.fillPoly also paints every cell that a ring touches, half a cell
    too much all around.
    """
    toggles = np.zeros((rows, columns + 1), np.int32)
    for ring in rings:
        _toggle_crossings(toggles, np.asarray(ring, np.float64))
    return np.asarray(toggles[:, :columns].cumsum(axis=1) % 2 == 1)


def _toggle_crossings(toggles: npt.NDArray[np.int32], ring: npt.NDArray[np.float64]) -> None:
    """Count at each row the first cell whose centre lies right of each crossing of `ring`."""
    rows, columns = toggles.shape[0], toggles.shape[1] - 1
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        low, high = min(y0, y1), max(y0, y1)
        # Half open, so that a vertex shared by two sides at a row's centre is crossed once.
        first, last = max(0, int(np.ceil(low - 0.5))), min(rows, int(np.ceil(high - 0.5)))
        crossed = np.arange(first, last)
        if crossed.size:
            x = x0 + (crossed + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            np.add.at(toggles, (crossed, np.clip(np.ceil(x - 0.5), 0, columns).astype(int)), 1)
