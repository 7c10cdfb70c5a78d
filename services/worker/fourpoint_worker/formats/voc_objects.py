"""The objects of Pascal VOC's class mask, object mask and XML, none of which says everything.

The object mask gives outlines and numbers, the class mask labels, and the n-th object of the XML is the n-th of
the object mask. Where they do not agree, more is kept of what draws than of what tells, and it is noted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fourpoint_core.domain.geometry import Contour
from fourpoint_worker.formats import png_masks, runs
from fourpoint_worker.formats.fitting import fitted, fitted_box, from_pixels
from fourpoint_worker.formats.runs import MAX_RUNS, Runs
from fourpoint_worker.formats.values import FormatError, ImportedObject, Notes
from fourpoint_worker.formats.voc_label_map import LabelMap, Meanings
from fourpoint_worker.formats.voc_masks import VOID, VOID_NUMBER, Colour
from fourpoint_worker.formats.voc_xml_reading import Told

Size = tuple[int, int]
_MOST_OBJECTS = 65535


@dataclass(frozen=True, slots=True)
class Mask:
    """numbers: a bitmap (height, width). coloured: whether they are colours, see `png_masks.as_number`."""

    numbers: npt.NDArray[Any]
    palette: Sequence[Colour] | None
    coloured: bool

    @property
    def size(self) -> Size:
        """Width and height."""
        return (self.numbers.shape[1], self.numbers.shape[0])


def found_in(
    kinds: Mask | None, drawn: Mask | None, told: Sequence[Told], labels: LabelMap, notes: Notes, size: Size
) -> Iterator[ImportedObject]:
    """The objects of an image. kinds: its class mask; drawn: its object mask. Raises FormatError."""
    if drawn is not None:
        yield from _numbered_objects(kinds, drawn, told, labels, notes)
    elif kinds is not None:
        yield from _regions(kinds, labels, notes)
        if told:
            notes.add("xml_left_out", "Without an object mask, nothing says which region the XML is about.")
    else:
        for each in told:
            yield from _box(each, notes, size)


def _numbered_objects(
    kinds: Mask | None, drawn: Mask, told: Sequence[Told], labels: LabelMap, notes: Notes
) -> Iterator[ImportedObject]:
    by_value = runs.runs_by_value(drawn.numbers)
    names = _Names(kinds, drawn, labels)
    void = png_masks.as_number(VOID) if drawn.coloured else VOID_NUMBER
    by_value.pop(0, None)
    # A 255th object has the colour of what surrounds objects. Most of its pixels have a label, though.
    if names.is_void(void) or (len(by_value) > 1 and 0 < len(told) < VOID_NUMBER):
        by_value.pop(void, None)
    numbered = _by_number(by_value, coloured=drawn.coloured)
    if max(numbered, default=0) > len(told) > 0:
        detail = (
            f"The object mask has an object {max(numbered)}, the XML tells of {len(told)}: which, nothing says."
        )
        notes.add("xml_left_out", detail)
        told = ()
    found: set[str] = set()
    for number, value in sorted(numbered.items()):
        said = told[number - 1] if told else None
        label = names.most(value)
        if label is None:
            if said is None:
                detail = f"Object {number} of the object mask has no label in the class mask; it was left out."
                notes.add("object_without_label", detail)
                continue
            label = said.label
            notes.add("label_from_xml", f"Only the XML says that object {number} is {label!r}.", said.line)
        elif said is not None and said.label != label:
            detail = f"Object {number} is {label!r} in the class mask and {said.label!r} in the XML."
            notes.add("xml_left_out", detail, said.line)
            said = None
        found.add(label)
        yield _object(label, _outline(by_value[value], drawn.size, notes), said)
    for number, each in enumerate(told, 1):
        if number not in numbered:
            yield from _box(each, notes, drawn.size)
    for label in sorted(names.beside() - found):
        notes.add("class_without_object", f"The object mask has no object where the class mask has {label!r}.")


def _by_number(by_value: dict[int, Runs], *, coloured: bool) -> dict[int, int]:
    """The value of each number; colours that are no number's come behind those that are."""
    if not coloured:
        return {value: value for value in by_value}
    order = {png_masks.as_number(png_masks.voc_colour(n)): n for n in range(1, _MOST_OBJECTS + 1)}
    known = {order[value]: value for value in by_value if value in order}
    foreign = [value for value in by_value if value not in order]
    return {**known, **dict(enumerate(foreign, max(known, default=0) + 1))}


class _Names:
    """The labels that a class mask has at the pixels of each value of an object mask."""

    def __init__(self, kinds: Mask | None, drawn: Mask, labels: LabelMap):
        self._beneath: dict[int, list[int]] = {}
        self._meanings = Meanings({})
        if kinds is not None:
            self._beneath = _values_beneath(drawn.numbers, kinds.numbers)
            self._meanings = labels.meanings(kinds.palette, coloured=kinds.coloured)

    def most(self, value: int) -> str | None:
        """The label of most pixels, background and void aside."""
        labels = (self._meanings.label(each) for each in self._beneath.get(value, ()))
        return next((label for label in labels if label is not None), None)

    def is_void(self, value: int) -> bool:
        """Whether most pixels have no label."""
        return all(self._meanings.by_value.get(each) is None for each in self._beneath.get(value, ())[:1])

    def beside(self) -> set[str]:
        """The labels of pixels that are no object's."""
        labels = (self._meanings.by_value.get(each) for each in self._beneath.get(0, ()))
        return {label for label in labels if label is not None}


def _values_beneath(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> dict[int, list[int]]:
    """For each value of one bitmap those of another at its pixels, the one of most pixels first."""
    begins = np.ones(above.shape, bool)
    begins[:, 1:] = (above[:, 1:] != above[:, :-1]) | (below[:, 1:] != below[:, :-1])
    if np.count_nonzero(begins) > MAX_RUNS:
        raise FormatError("mask_too_large", "The masks are too ragged to be ones of objects; clean them up.")
    starts = np.flatnonzero(begins)
    pairs = above.ravel()[starts].astype(np.int64) << 32 | below.ravel()[starts]
    found, where = np.unique(pairs, return_inverse=True)
    pixels = np.bincount(where, np.diff(starts, append=above.size))
    beneath: dict[int, list[int]] = {}
    for pair in found[np.argsort(-pixels, kind="stable")].tolist():
        beneath.setdefault(pair >> 32, []).append(pair & 0xFFFFFFFF)
    return beneath


def _regions(kinds: Mask, labels: LabelMap, notes: Notes) -> Iterator[ImportedObject]:
    """Without an object mask, every connected region is an object."""
    meanings = labels.meanings(kinds.palette, coloured=kinds.coloured)
    for value, found in sorted(runs.runs_by_value(kinds.numbers).items()):
        label = meanings.label(value)
        if label is not None:
            for part in _outline(found, kinds.size, notes).parts:
                notes.add("regions_as_objects", "Without an object mask, each region became an object.")
                yield ImportedObject(label, Contour((part,)))


def _object(label: str, contour: Contour, said: Told | None) -> ImportedObject:
    if said is None:
        return ImportedObject(label, contour)
    return ImportedObject(label, contour, traits=said.traits, score=said.score, line=said.line)


def _box(said: Told, notes: Notes, size: Size) -> Iterator[ImportedObject]:
    """What is told of, and not drawn."""
    if said.box is None:
        notes.add(
            "object_without_shape", f"{said.label!r} has no box, and no mask; it was left out.", said.line
        )
        return
    box = fitted_box(said.box, *size, notes, said.line)
    yield ImportedObject(said.label, box=box, traits=said.traits, score=said.score, line=said.line)


def _outline(found: Runs, size: Size, notes: Notes) -> Contour:
    return fitted(from_pixels(runs.contour_of(found, by_rows=True), notes), *size, notes)
