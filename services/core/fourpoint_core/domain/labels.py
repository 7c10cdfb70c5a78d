"""Names, colours and shortcuts of labels, and the ways to delete one."""

import re
import unicodedata
from enum import StrEnum

from fourpoint_core.errors import InvalidInputError

MAX_NAME_LENGTH = 256
MAX_SHORTCUT_LENGTH = 32
COLOUR_PATTERN = r"^#[0-9a-fA-F]{6}$"
# The first is the blue that people know from ModelArts; the rest are told apart with ease.
PALETTE = (
    "#3399ff", "#ff9900", "#33cc66", "#ff3366", "#9966ff", "#00cccc",
    "#cc6600", "#99cc00", "#ff66cc", "#6677aa", "#cc3333", "#558855",
)  # fmt: skip


class DeletionPolicy(StrEnum):
    """What goes with a label: the objects of that name, or the images that show one, or their files too."""

    LABEL = "label"
    SAMPLES = "samples"
    SAMPLES_AND_SOURCE = "samples_and_source"


def clean_label_name(name: str, pointer: str = "/label") -> str:
    """The name as it is stored: Unicode NFC, without spaces around it.

    Raises InvalidInputError unless 1 to 256 characters, none of them a control character, remain.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(cleaned) <= MAX_NAME_LENGTH:
        raise InvalidInputError.at(
            pointer, "length", f"Give the label a name of 1 to {MAX_NAME_LENGTH} characters."
        )
    if _has_control_character(cleaned):
        raise InvalidInputError.at(
            pointer, "control_character", "Remove control characters from the label's name."
        )
    return cleaned


def clean_shortcut(shortcut: str, pointer: str = "/shortcut") -> str:
    """The key, or keys (`Shift+D`), that choose a label; the frontend says what they mean.

    Raises InvalidInputError unless 1 to 32 characters, none of them a control character, remain.
    """
    cleaned = unicodedata.normalize("NFC", shortcut).strip()
    if not 1 <= len(cleaned) <= MAX_SHORTCUT_LENGTH:
        raise InvalidInputError.at(
            pointer, "length", f"Give a shortcut of 1 to {MAX_SHORTCUT_LENGTH} characters, or null for none."
        )
    if _has_control_character(cleaned):
        raise InvalidInputError.at(pointer, "control_character", "Remove control characters from the shortcut.")
    return cleaned


def _has_control_character(text: str) -> bool:
    return any(unicodedata.category(character) in {"Cc", "Cs"} for character in text)


def is_colour(text: str) -> bool:
    """Whether it is `#rrggbb`, in digits of either case."""
    # All of it: `$` alone lets a newline pass.
    return re.fullmatch(COLOUR_PATTERN, text) is not None


def colour_for(mask_index: int) -> str:
    """The colour a label gets when nobody chose one: `#rrggbb`. mask_index counts from 1."""
    return PALETTE[(mask_index - 1) % len(PALETTE)]
