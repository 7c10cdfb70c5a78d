"""The square grid that the network looks at: which part of a photo, and at what scale.

Training draws its scenes on the same grid; the model file carries the numbers.
"""

from dataclasses import dataclass

from fourpoint_core.domain.geometry import Box


@dataclass(frozen=True)
class GridRule:
    """How a box is placed on the grid.

    cells: of the grid's side. margin: background around the box, as a share of its side, on each of the four
    sides. stretch: how much finer the grid may be across the box's shorter side than along its longer one:
    a leg is seen with more cells when a standing person is widened. finest: a cell's least side in pixels.
    """

    cells: int = 128
    margin: float = 0.25
    stretch: float = 2.0
    finest: float = 0.2

    @property
    def box_cells(self) -> float:
        """Cells that the longer side of the box covers."""
        return self.cells / (1 + 2 * self.margin)


@dataclass(frozen=True)
class Window:
    """Where the grid lies: its corner in image coordinates, and a cell's width and height in pixels."""

    origin_xy: tuple[float, float]
    pixels_per_cell: tuple[float, float]


def window_around(box: Box, rule: GridRule) -> Window:
    """The grid with `box` in its middle; it may reach beyond the photo."""
    across, down = box.width / rule.box_cells, box.height / rule.box_cells
    least = max(rule.finest, max(across, down) / rule.stretch)
    cell = (max(across, least), max(down, least))
    centre = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    half = rule.cells / 2
    return Window((centre[0] - half * cell[0], centre[1] - half * cell[1]), cell)
