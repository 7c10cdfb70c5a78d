"""The demonstration's photographs, and clicks on what they show.

The files lie in scikit-image's wheel: nothing is downloaded. Credits and terms are those that
scikit-image's `data` module states.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from fourpoint_standalone.processes import StandaloneError

Vertex = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Thing:
    """An object on a photograph, by its outermost points: (x, y) in pixels."""

    label: str
    top: Vertex
    bottom: Vertex
    left: Vertex
    right: Vertex

    @property
    def points(self) -> dict[str, list[float]]:
        """The points as the API takes them."""
        return {role: list(getattr(self, role)) for role in ("top", "bottom", "left", "right")}


@dataclass(frozen=True, slots=True)
class Photograph:
    """An image file, whom to thank for it, and objects to label."""

    file_name: str
    title: str
    credit: str
    terms: str
    things: tuple[Thing, ...]

    def read(self) -> bytes:
        """The bytes of the file. Raises StandaloneError when scikit-image is not installed."""
        package = importlib.util.find_spec("skimage")
        for folder in (package and package.submodule_search_locations) or ():
            return (Path(folder) / "data" / self.file_name).read_bytes()
        raise StandaloneError("The photographs are not installed: pip install 'fourpoint[standalone]'")


COFFEE = Photograph(
    "coffee.png",
    "Coffee cup",
    "Rachel Michetti, courtesy of Pikolo Espresso Bar",
    "CC0",
    (
        Thing("cup and saucer", top=(287, 18), bottom=(288, 388), left=(77, 225), right=(479, 228)),
        Thing("coffee", top=(300, 95), bottom=(300, 193), left=(205, 142), right=(370, 158)),
        Thing("spoon", top=(376, 233), bottom=(362, 325.5), left=(326.5, 288), right=(406, 272)),
    ),
)
CAT = Photograph(
    "chelsea.png",
    "Chelsea the cat",
    "Stefan van der Walt",
    "CC0",
    (
        Thing("eye", top=(168, 86), bottom=(185, 147), left=(136, 105), right=(207, 130)),
        Thing("eye", top=(325, 110), bottom=(312, 163), left=(295, 140), right=(342, 125)),
        Thing("nose", top=(253, 228), bottom=(257, 264), left=(240, 232), right=(291, 234)),
    ),
)
ASTRONAUT = Photograph(
    "astronaut.png",
    "Eileen Collins",
    "NASA",
    "public domain",
    (
        Thing("head", top=(228, 15), bottom=(225, 190), left=(153, 80), right=(302, 88)),
        Thing("collar", top=(170, 148), bottom=(225, 294), left=(117, 192), right=(304, 242)),
        Thing("patch", top=(171, 349), bottom=(171, 423), left=(134, 386), right=(207, 386)),
        Thing("helmet", top=(400, 344), bottom=(300, 511), left=(277, 470), right=(500, 480)),
    ),
)
PHOTOGRAPHS = (COFFEE, CAT, ASTRONAUT)

# For the reader's own first request: an object that the demonstration leaves alone.
NEXT_PHOTOGRAPH = COFFEE
NEXT_THING = Thing("rim", top=(287, 18), bottom=(300, 207), left=(173, 108), right=(408, 118))
