"""Marshmallow fields: geometry in flat loops instead of objects, bounded lists, booleans and times."""

import math
import sys
from collections.abc import Sized
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from marshmallow import ValidationError, fields, validate

from fourpoint_api.web.problems import MAX_ERRORS
from fourpoint_core.domain.geometry import MAX_VERTICES

_WRITTEN = {"true": True, "false": False}
_NUMBERS = {int, float}
_LARGEST = sys.float_info.max


def _vertex_problem(value: Any) -> str | None:
    if not isinstance(value, list) or len(value) != 2:
        return "Give a point as [x, y]."
    return None if all(map(_is_coordinate, value)) else "Give both coordinates as finite numbers."


def _is_coordinate(value: Any) -> bool:
    # true is an int in Python, and an int may be larger than any float.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _plain_vertices(value: list[Any]) -> list[list[float]] | None:
    """The points, where all are such; None where one is not, and a slower look finds out which and why."""
    found = []
    for item in value:
        if type(item) is not list or len(item) != 2:
            return None
        x, y = item
        # The exact types: true is an int to `isinstance`. NaN compares as false with everything.
        if not (type(x) in _NUMBERS and type(y) in _NUMBERS):
            return None
        if not (-_LARGEST <= x <= _LARGEST and -_LARGEST <= y <= _LARGEST):
            return None
        found.append([float(x), float(y)])
    return found


def plain_ring(value: Any) -> list[list[float]] | None:
    """The vertices of a ring, where all is as it should be; see `Vertices` for what to say where it is not."""
    return _plain_vertices(value) if type(value) is list and 3 <= len(value) <= MAX_VERTICES else None


def _require_length(field: fields.Field[Any], value: Any) -> None:
    """Raises ValidationError where the field says how long a value may be, and this one is not."""
    for rule in field.validators:
        if isinstance(rule, validate.Length) and isinstance(value, Sized):
            rule(value)


class List(fields.List[Any]):
    """A list whose length is looked at before its items are; of those that are wrong, the first are told."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise self.make_error("invalid")
        _require_length(self, value)
        found: list[Any] = []
        problems: dict[int, Any] = {}
        for index, item in enumerate(value):
            try:
                found.append(self.inner.deserialize(item, **kwargs))
            except ValidationError as error:
                problems[index] = error.messages
            if len(problems) == MAX_ERRORS:
                break
        if problems:
            raise ValidationError(problems)
        return found


class Mapping(fields.Dict):
    """An object of any names, whose size is looked at before they are."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        _require_length(self, value)
        return super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]


class Flag(fields.Boolean):
    """True or false, and nothing that merely looks like it: `0`, `1` and "no" are no answers.

    A query has nothing but text: there it is `true` or `false`.
    """

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in _WRITTEN and getattr(self.root, "reads_query", False):
            return _WRITTEN[value]
        raise self.make_error("invalid", input=value)


class Moment(fields.AwareDateTime):
    """A time of any zone, as the same time in UTC: PostgreSQL takes no zone beyond 16 hours.

    What lies before the first moment of UTC, or behind the last, is that moment: nothing is further away.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(format="iso", **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        found = super()._deserialize(value, attr, data, **kwargs)
        try:
            return found.astimezone(UTC)
        except OverflowError:
            end = datetime.min if found.year == datetime.min.year else datetime.max
            return end.replace(tzinfo=UTC)


class Vertex(fields.Field[list[float]]):
    """A point `[x, y]` in pixels of the upright image."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[float]:
        problem = _vertex_problem(value)
        if problem is not None:
            raise ValidationError(problem)
        return [float(value[0]), float(value[1])]


class Vertices(fields.Field[list[list[float]]]):
    """A list of points; errors name the index."""

    def __init__(self, *, minimum: int = 0, maximum: int = MAX_VERTICES, **kwargs: Any):
        super().__init__(**kwargs)
        self.minimum = minimum
        self.maximum = maximum

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[list[float]]:
        if not isinstance(value, list) or not self.minimum <= len(value) <= self.maximum:
            raise ValidationError(f"Give a list of {self._how_many()} points, each [x, y].")
        found = _plain_vertices(value)
        if found is not None:
            return found
        wrong = ((index, [text]) for index, item in enumerate(value) if (text := _vertex_problem(item)))
        problems = dict(islice(wrong, MAX_ERRORS))
        if problems:
            raise ValidationError(problems)
        return [[float(x), float(y)] for x, y in value]

    def _how_many(self) -> str:
        return str(self.minimum) if self.minimum == self.maximum else f"{self.minimum} to {self.maximum}"


class Box(fields.Field[list[float]]):
    """A box `[x0, y0, x1, y1]` in pixels of the upright image."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[float]:
        if not isinstance(value, list) or len(value) != 4 or not all(map(_is_coordinate, value)):
            raise ValidationError("Give the box as [x0, y0, x1, y1], four finite numbers.")
        return [float(number) for number in value]


class Points(fields.Field[Any]):
    """Four extreme points: `{top, bottom, left, right}`, or a list of four in any order."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict):
            return self._by_role(value)
        if isinstance(value, list):
            return Vertices(minimum=4, maximum=4).deserialize(value)
        raise ValidationError("Give four points: an object with top, bottom, left, right, or a list of four.")

    def _by_role(self, value: dict[str, Any]) -> dict[str, Any]:
        roles = ("top", "bottom", "left", "right")
        problems = {name: ["Unknown field."] for name in value if name not in roles}
        problems |= {role: ["Missing point."] for role in roles if role not in value}
        problems |= {r: [text] for r in roles if r in value and (text := _vertex_problem(value[r]))}
        if problems:
            raise ValidationError(problems)
        return value
