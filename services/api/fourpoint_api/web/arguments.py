"""How requests are parsed: unknown fields are errors, and every error points at its place.

Mends the framework where it answers 422 to a body that is not JSON.
"""

from collections.abc import Iterator
from typing import Any, NoReturn

import marshmallow as ma
from flask import Request, json
from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser

from fourpoint_api.web.problems import MalformedJsonError, UnsupportedMediaTypeError
from fourpoint_core.errors import FieldError, InvalidInputError


class Parser(FlaskParser):
    """webargs' parser, stricter and with our errors."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - webargs reads it off the class
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": ma.RAISE,
        "query": ma.RAISE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """See webargs. Raises UnsupportedMediaTypeError or MalformedJsonError."""
        if not req.is_json:
            raise UnsupportedMediaTypeError("Send the body as JSON, with Content-Type: application/json.")
        try:
            return json.loads(req.get_data(cache=True))
        except (ValueError, RecursionError) as error:
            raise MalformedJsonError(
                "The body is not valid JSON; check quotes, commas and brackets."
            ) from error

    def handle_error(
        self,
        error: ma.ValidationError,
        req: Request,
        schema: ma.Schema,
        *,
        error_status_code: int | None,
        error_headers: Any,
    ) -> NoReturn:
        """See webargs. Raises InvalidInputError with a pointer per field."""
        by_place = error.normalized_messages()  # type: ignore[no-untyped-call]
        found = [item for place, messages in by_place.items() for item in _fields(place, messages)]
        raise InvalidInputError(
            "The request does not have the form that this address expects.", found
        ) from error


class Blueprint(SmorestBlueprint):
    """A flask-smorest blueprint with our parser."""

    ARGUMENTS_PARSER = Parser()


def _fields(place: str, messages: Any) -> Iterator[FieldError]:
    if place in {"query", "query_args"} and isinstance(messages, dict):
        for name, texts in messages.items():
            yield from _leaves(f"?{name}", texts)
    else:
        yield from _leaves("", messages)


def _leaves(pointer: str, messages: Any) -> Iterator[FieldError]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _leaves(pointer if key == "_schema" else f"{pointer}/{key}", inner)
    else:
        for text in messages if isinstance(messages, list) else [messages]:
            yield FieldError(pointer, "invalid", str(text))
