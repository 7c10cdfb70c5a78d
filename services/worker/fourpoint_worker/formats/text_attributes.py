"""An object's attributes for formats in which a value is text.

What is no text is written as JSON under its own name, so that every tool shows it; which ones these are stands
in `@fourpoint:json`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from fourpoint_core import foreign_json
from fourpoint_core.domain.annotations import check_attributes
from fourpoint_core.errors import InvalidInputError
from fourpoint_worker.formats.values import FormatError

OWN = "@fourpoint:"
_JSON = OWN + "json"
_PAIR = OWN + "pair:"


def to_pairs(attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of each, by name."""
    as_json: list[str] = []
    for number, key in enumerate(sorted(attributes)):
        value = attributes[key]
        if not _stands(key) or key.startswith(OWN):
            yield f"{_PAIR}{number}", _json([key, value])
        elif isinstance(value, str) and _stands(value):
            yield key, value
        else:
            as_json.append(key)
            yield key, _json(value)
    if as_json:
        yield _JSON, _json(as_json)


def from_pairs(
    pairs: Iterable[tuple[str, str]], line: int | None, *, beside: Mapping[str, Any] = MappingProxyType({})
) -> tuple[dict[str, Any], dict[str, str]]:
    """The attributes, and what else a writer of ours noted under names of its own. Raises FormatError.

    beside: attributes for which the format has places of their own; they count before the pairs.
    """
    attributes: dict[str, Any] = {}
    own: dict[str, str] = {}
    as_json: list[Any] = []
    for key, value in pairs:
        if key == _JSON:
            as_json = _list(value, line)
        elif key.startswith(_PAIR):
            pair = _list(value, line)
            if len(pair) != 2 or not isinstance(pair[0], str):
                raise FormatError("attributes_invalid", "An attribute is a name and a value.", line)
            attributes[pair[0]] = pair[1]
        elif key.startswith(OWN):
            own[key] = value
        else:
            attributes[key] = value
    for name in as_json:
        if isinstance(name, str) and isinstance(attributes.get(name), str):
            attributes[name] = _parsed(attributes[name], line)
    attributes.update(beside)
    try:
        check_attributes(attributes)
    except InvalidInputError as error:
        raise FormatError("attributes_invalid", error.detail, line) from None
    return attributes, own


def z_order(value: str | None, line: int | None) -> int:
    """A whole number up to a million, 0 where there is none. Raises FormatError."""
    try:
        # Python's own numbers may have underscores between their digits.
        found = int((value or "0").replace("_", "?"))
    except ValueError:
        found = 2_000_000
    if abs(found) > 1_000_000:
        raise FormatError("number_invalid", "The z-order is a whole number up to a million.", line)
    return found


def _stands(text: str) -> bool:
    """Whether readers bring a text back as it is: not empty, no spaces around it, nothing XML cannot hold."""
    return bool(text) and text.strip() == text and all(character >= " " for character in text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True)


def _list(value: str, line: int | None) -> list[Any]:
    found = _parsed(value, line)
    if not isinstance(found, list):
        raise FormatError("attributes_invalid", "Expected a list.", line)
    return found


def _parsed(value: str, line: int | None) -> Any:
    try:
        return foreign_json.loads(value)
    except foreign_json.NotJsonError:
        raise FormatError("attributes_invalid", "An attribute holds no valid JSON.", line) from None
