"""Bodies of JSON as RFC 8259 has it, and nothing that the database could not keep.

What has to be JSON may still hold strings that are no text: with NUL, which PostgreSQL refuses, or with half a
surrogate pair, which UTF-8 cannot encode.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from fourpoint_api.web.problems import MalformedJsonError, first_of
from fourpoint_core import foreign_json
from fourpoint_core.domain.text import is_text
from fourpoint_core.errors import FieldError, InvalidInputError

# A place and a step from there; the document itself is (). Pointers are written only of places that are told:
# a name of a megabyte would be in as many of them as there are values below it.
_Place = tuple[Any, ...]
_LONGEST_POINTER = 1000


def loads(body: bytes) -> Any:
    """The document. Raises MalformedJsonError, or InvalidInputError for strings that are no text."""
    try:
        document = foreign_json.loads(body)
    except foreign_json.NameTwiceError as error:
        raise MalformedJsonError(f"The body names {error} twice in one object; give it once.") from error
    except foreign_json.NotJsonError as error:
        raise MalformedJsonError(
            "The body is not valid JSON in UTF-8; check quotes, commas and brackets."
        ) from error
    # Neither can be written without an escape, and few documents hold one.
    if b"\\u" in body:
        _require_text(document)
    return document


def escaped(name: object) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")


def _require_text(document: Any) -> None:
    wrong = (place for place, value in _strings(document) if not is_text(value))
    detail, listed = first_of("The body holds strings that are no text.", wrong)
    if listed:
        hint = "Remove NUL characters and halves of surrogate pairs."
        raise InvalidInputError(detail, [FieldError(_pointer(place), "not_text", hint) for place in listed])


def _strings(document: Any) -> Iterator[tuple[_Place, str]]:
    """Every string of the document, names included, with where it is."""
    # A stack and not recursion: the parser may follow deeper nesting than Python calls can.
    pending: list[Iterator[tuple[_Place, Any]]] = [iter([((), document)])]
    while pending:
        for place, value in pending[-1]:
            if isinstance(value, str):
                yield place, value
            elif isinstance(value, dict | list):
                pending.append(_inside(place, value))
                break
        else:
            pending.pop()


def _inside(place: _Place, value: dict[str, Any] | list[Any]) -> Iterator[tuple[_Place, Any]]:
    if isinstance(value, list):
        yield from (((place, index), inner) for index, inner in enumerate(value))
    else:
        yield from ((place, name) for name in value)
        yield from (((place, name), inner) for name, inner in value.items())


def _pointer(place: _Place) -> str:
    """Where it is, or the deepest place on the way there that can be said shortly."""
    steps: list[str] = []
    while place:
        place, step = place
        steps.append(f"/{escaped(step)}")
    lengths = accumulate(map(len, reversed(steps)))
    return "".join(step for step, end in zip(reversed(steps), lengths, strict=True) if end <= _LONGEST_POINTER)
