"""JSON as RFC 8259 has it, and nothing that the database could not keep.

Python's parser also takes NaN, Infinity, names given twice (the last one wins, silently) and strings that are
no text: with NUL, which PostgreSQL refuses, or with half a surrogate pair, which UTF-8 cannot encode.
"""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from fourpoint_api.web.problems import MalformedJsonError
from fourpoint_core.domain.text import is_text
from fourpoint_core.errors import FieldError, InvalidInputError


class _DuplicateName(ValueError):  # noqa: N818 - a signal to the caller of the parser
    pass


def loads(body: bytes) -> Any:
    """The document. Raises MalformedJsonError, or InvalidInputError for strings that are no text."""
    try:
        text = body.decode("utf-8-sig")
        document = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except _DuplicateName as error:
        raise MalformedJsonError(f"The body names {error} twice in one object; give it once.") from error
    except (ValueError, RecursionError) as error:
        raise MalformedJsonError(
            "The body is not valid JSON in UTF-8; check quotes, commas and brackets."
        ) from error
    # Neither can be written without an escape, and few documents hold one.
    if "\\u" in text:
        _require_text(document)
    return document


def escaped(name: object) -> str:
    """One step of a JSON pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateName(repr(next(name for name in names if names.count(name) > 1)))
    return found


def _require_text(document: Any) -> None:
    wrong = [
        FieldError(pointer, "not_text", "Remove NUL characters and halves of surrogate pairs.")
        for pointer, value in _strings(document)
        if not is_text(value)
    ]
    if wrong:
        raise InvalidInputError("The body holds strings that are no text.", wrong)


def _strings(document: Any) -> Iterator[tuple[str, str]]:
    """Every string of the document, names included, with where it is."""
    # A stack and not recursion: the parser may follow deeper nesting than Python calls can.
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        pointer, value = pending.pop()
        if isinstance(value, str):
            yield pointer, value
        elif isinstance(value, dict):
            for name, inner in value.items():
                yield pointer, name
                pending.append((f"{pointer}/{escaped(name)}", inner))
        elif isinstance(value, list):
            pending.extend((f"{pointer}/{index}", inner) for index, inner in enumerate(value))
