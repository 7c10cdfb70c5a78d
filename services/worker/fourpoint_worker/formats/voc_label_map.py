"""What the values of Pascal VOC's class masks mean: `labelmap.txt`, or the twenty labels of Pascal."""

from collections.abc import Sequence
from dataclasses import dataclass

from fourpoint_worker.formats import png_masks, traits_json
from fourpoint_worker.formats.text_lines import lines
from fourpoint_worker.formats.values import FileTree, FormatError
from fourpoint_worker.formats.voc_masks import LABEL_MAP, VOID, VOID_NUMBER, Colour

_BACKGROUND = "background"
_PASCAL = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Names and colours in their order. is_said: whether the tree declares them."""

    classes: Sequence[tuple[str, Colour]]
    is_said: bool

    def hex_colours(self) -> dict[str, str]:
        """`#rrggbb` by name."""
        return {name: f"#{png_masks.as_number(colour):06x}" for name, colour in self.classes}

    def meanings(self, palette: Sequence[Colour] | None, *, coloured: bool) -> "Meanings":
        """Of a mask's values: colours by the map, bare numbers by its order."""
        by_colour = {png_masks.as_number(colour): name for name, colour in self.classes}
        if coloured:
            return Meanings({0: None, png_masks.as_number(VOID): None, **by_colour})
        if palette is not None:
            shown = {value: png_masks.as_number(colour) for value, colour in enumerate(palette)}
            named = {value: by_colour[each] for value, each in shown.items() if each in by_colour}
        else:
            named = {number: name for number, (name, _) in enumerate(self.classes, 1)}
        return Meanings({0: None, VOID_NUMBER: None, **named})


@dataclass(frozen=True, slots=True)
class Meanings:
    """The label of each value; None for background and void."""

    by_value: dict[int, str | None]

    def label(self, value: int) -> str | None:
        """Raises FormatError for a value that stands for nothing."""
        if value not in self.by_value:
            raise FormatError(
                "label_unknown", f"The label map does not have the value {value} of the class mask."
            )
        return self.by_value[value]


def read(tree: FileTree) -> LabelMap:
    """The tree's label map, or Pascal's. Raises FormatError."""
    if not tree.has(LABEL_MAP):
        return LabelMap([(name, png_masks.voc_colour(n)) for n, name in enumerate(_PASCAL, 1)], is_said=False)
    found: list[tuple[str, Colour]] = []
    owners: dict[Colour, str] = {(0, 0, 0): _BACKGROUND}
    with tree.open(LABEL_MAP) as stream:
        for number, line in lines(stream):
            if not line.strip() or line.startswith("#"):
                continue
            said, _, rest = line.partition(":")
            colour = _colour(rest.partition(":")[0], number)
            name = said if said == _BACKGROUND else traits_json.label_name(said, number)
            owner = owners.setdefault(colour, name)
            if owner != name:
                detail = f"{owner!r} and {name!r} have one colour; give each its own."
                raise FormatError("colour_repeated", detail, number)
            if name != _BACKGROUND:
                found.append((name, colour))
    return LabelMap(found, is_said=True)


def _colour(text: str, line: int) -> Colour:
    values = [traits_json.whole(each.strip(), 255) for each in text.split(",")]
    said = [value for value in values if value is not None]
    if len(values) != 3 or len(said) != 3:
        raise FormatError("colour_invalid", "A label map has lines such as `cup:51,153,255::`.", line)
    red, green, blue = said
    return (red, green, blue)
