"""What is said of an object, in the JSON of formats that have no fields of their own for it."""

from collections.abc import Sequence
from reprlib import repr as bounded_repr
from typing import Any

from fourpoint_core.domain.annotations import MAX_Z_ORDER, Traits, check_attributes
from fourpoint_core.domain.labels import clean_label_name
from fourpoint_core.errors import InvalidInputError
from fourpoint_worker.formats.values import MAX_IMAGE_PIXELS, FormatError, Notes

_MOST_DIGITS = 20
_FLAGS = ("difficult", "occluded", "truncated")
# Traits, and the score.
Said = tuple[Traits, float | None]


def to_json(traits: Traits) -> dict[str, Any]:
    """All but the attributes, and only what is not as it usually is."""
    found: dict[str, Any] = {name: True for name in _FLAGS if getattr(traits, name)}
    if not traits.visible:
        found["visible"] = False
    if traits.z_order:
        found["z_order"] = traits.z_order
    return found


def from_json(document: Any, attributes: Any, line: int | None) -> Traits:
    """The inverse of `to_json`, of files that nobody vouches for. Raises FormatError."""
    said = {} if document is None else document
    kept = {} if attributes is None else attributes
    if not isinstance(said, dict) or not isinstance(kept, dict):
        raise FormatError("attributes_invalid", "Attributes are an object of names and values.", line)
    flags = {name: said.get(name, name == "visible") for name in (*_FLAGS, "visible")}
    z_order = said.get("z_order", 0)
    if not all(isinstance(value, bool) for value in flags.values()):
        raise FormatError("flag_invalid", f"{', '.join(flags)} are true or false.", line)
    if not isinstance(z_order, int) or isinstance(z_order, bool) or abs(z_order) > MAX_Z_ORDER:
        raise FormatError("number_invalid", f"z_order is a whole number up to {MAX_Z_ORDER}.", line)
    try:
        check_attributes(kept)
    except InvalidInputError as error:
        raise FormatError("attributes_invalid", error.detail, line) from None
    return Traits(attributes=kept, z_order=z_order, **flags)


def mapping(value: Any, line: int | None) -> dict[str, Any]:
    """Names and values that a file says, as a copy; none where it says nothing. Raises FormatError."""
    if value and not isinstance(value, dict):
        raise FormatError("attributes_invalid", "Attributes are an object of names and values.", line)
    return dict(value or {})


def of_parts(said: Sequence[Said], notes: Notes, line: int | None) -> Said:
    """What is said of an object, of what is said of each of its parts: the first counts, others are noted."""
    if any(each != said[0] for each in said):
        what = "The parts of one object differ in attributes, flags or score; those of the first one count."
        notes.add("parts_differ", what, line)
    return said[0]


def label_name(name: Any, line: int | None) -> str:
    """A label's name as it is kept. Raises FormatError."""
    if not isinstance(name, str):
        raise FormatError("label_missing", "Give the object a label.", line)
    try:
        return clean_label_name(name)
    except InvalidInputError as error:
        raise FormatError("label_invalid", error.detail, line) from None


def number(value: Any, line: int | None) -> float:
    """A finite number, and no true or false. Raises FormatError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise FormatError("number_invalid", f"Expected a number, not {bounded_repr(value)}.", line)
    return float(value)


def decimal(text: str, line: int | None) -> float:
    """The finite number that a text says. Raises FormatError."""
    try:
        # Python's own numbers may have underscores between their digits.
        return number(float("" if "_" in text else text), line)
    except ValueError:
        raise FormatError("number_invalid", f"Expected a number, not {bounded_repr(text)}.", line) from None


def whole(text: str, most: int) -> int | None:
    """The number that a text of digits says, up to `most`; None for any other text, however long."""
    # Python refuses to make a number of thousands of digits.
    found = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else most + 1
    return found if found <= most else None


def share(value: Any, line: int | None) -> float | None:
    """A number from 0 to 1, or None. Raises FormatError."""
    if value is None:
        return None
    found = number(value, line)
    if not 0 <= found <= 1:
        raise FormatError("number_invalid", "A score is a number from 0 to 1.", line)
    return found


def pixels(value: Any, line: int | None) -> int | None:
    """A size in pixels, or None where it is not said. Raises FormatError."""
    if value is None:
        return None
    found = number(value, line)
    if found != int(found) or not 0 < found < 1_000_000:
        raise FormatError("size_invalid", "Width and height are whole numbers of pixels.", line)
    return int(found)


def agreed_size(
    stated: tuple[int, int] | None, known: tuple[int, int] | None, line: int | None
) -> tuple[int, int]:
    """The size of the upright image; a file that was made for another one is refused. Raises FormatError."""
    if known is None and stated is None:
        raise FormatError(
            "size_missing", "Nothing says how large the image is; give its width and height.", line
        )
    if known is None and stated is not None and stated[0] * stated[1] > MAX_IMAGE_PIXELS:
        raise FormatError("size_invalid", f"An image has at most {MAX_IMAGE_PIXELS:,} pixels.", line)
    if known is None or stated is None or known == stated:
        return known or stated or (0, 0)
    said, is_so = f"{stated[0]} x {stated[1]}", f"{known[0]} x {known[1]}"
    if stated == (known[1], known[0]):
        raise FormatError(
            "image_turned",
            f"The file was made for the image as it is stored, {said}; upright it is {is_so}. Turn the"
            " coordinates, or remove the image's EXIF orientation.",
            line,
        )
    raise FormatError(
        "size_differs", f"The file was made for an image of {said} pixels; this is {is_so}.", line
    )
