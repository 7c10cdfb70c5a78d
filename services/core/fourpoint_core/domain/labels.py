"""Label names and colours."""

import unicodedata

from fourpoint_core.errors import InvalidInputError

MAX_NAME_LENGTH = 256
# The first is the blue that people know from ModelArts; the rest are told apart with ease.
PALETTE = (
    "#3399ff", "#ff9900", "#33cc66", "#ff3366", "#9966ff", "#00cccc",
    "#cc6600", "#99cc00", "#ff66cc", "#6677aa", "#cc3333", "#558855",
)  # fmt: skip


def clean_label_name(name: str, pointer: str = "/label") -> str:
    """The name as it is stored: Unicode NFC, without spaces around it.

    Raises InvalidInputError unless 1 to 256 characters, none of them a control character, remain.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(cleaned) <= MAX_NAME_LENGTH:
        raise InvalidInputError.at(
            pointer, "length", f"Give the label a name of 1 to {MAX_NAME_LENGTH} characters."
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in cleaned):
        raise InvalidInputError.at(
            pointer, "control_character", "Remove control characters from the label's name."
        )
    return cleaned


def colour_for(mask_index: int) -> str:
    """The colour a label gets when nobody chose one: `#rrggbb`. mask_index counts from 1."""
    return PALETTE[(mask_index - 1) % len(PALETTE)]
