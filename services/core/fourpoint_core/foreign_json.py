"""JSON that somebody else wrote, as RFC 8259 has it, and one error for whatever is no such thing.

Python's parser also takes NaN, Infinity and names given twice (the last one wins, silently), and has errors of
other kinds for what is nested too deep and for numbers of thousands of digits. How much there may be to read is
for whoever fetches it to bound.
"""

import json
import reprlib
from collections import Counter
from typing import Any, NoReturn


class NotJsonError(ValueError):
    """This is no JSON; the message says why, in few words."""


class NameTwiceError(NotJsonError):
    """An object names something twice; the message is that name, shortened."""


def loads(text: str | bytes) -> Any:
    """The document. bytes: UTF-8, with or without a byte order mark. Raises NotJsonError."""
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(decoded, parse_constant=_refuse_constant, object_pairs_hook=unique)
    except NotJsonError:
        raise
    except RecursionError as error:
        raise NotJsonError("it is nested too deep") from error
    except ValueError as error:
        raise NotJsonError(reprlib.repr(str(error))) from error


def _refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(f"{name} is no number")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its names and values, as `object_pairs_hook` has them. Raises NameTwiceError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NameTwiceError(reprlib.repr(_first_twice(pairs)))
    return found


def _first_twice(pairs: list[tuple[str, Any]]) -> str:
    """The first name that there is more than once of."""
    times = Counter(name for name, _ in pairs)
    return next(name for name, count in times.items() if count > 1)
