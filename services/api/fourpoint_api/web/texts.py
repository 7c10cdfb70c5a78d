"""Text that people search for."""

import unicodedata
from collections.abc import Callable
from typing import Any

import marshmallow as ma


def storable(value: str) -> None:
    """Refuse what PostgreSQL cannot hold, and so cannot be asked for. Raises marshmallow's ValidationError."""
    if any(character == "\0" or unicodedata.category(character) == "Cs" for character in value):
        raise ma.ValidationError("Leave out NUL characters and halves of surrogate pairs.")


def searched_text(longest: int, description: str) -> ma.fields.String:
    """A field of one to `longest` characters; None when it was not given."""
    rules: list[Callable[[str], Any]] = [ma.validate.Length(min=1, max=longest), storable]
    return ma.fields.String(load_default=None, validate=rules, metadata={"description": description})
