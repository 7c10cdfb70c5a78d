"""How requests are parsed: unknown fields are errors, and every error points at its place.

Mends the framework where it answers 422 to a body that is not JSON.
"""

from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import marshmallow as ma
from flask import Request
from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser

from fourpoint_api.web import strict_json
from fourpoint_api.web.documented import problem_responses
from fourpoint_api.web.problems import (
    AddressTooLongError,
    BodyTooLargeError,
    MalformedJsonError,
    UnsupportedMediaTypeError,
    first_of,
)
from fourpoint_core.errors import FieldError, InvalidInputError

View = TypeVar("View", bound=Callable[..., Any])
_BODY_REFUSALS = (MalformedJsonError, UnsupportedMediaTypeError, BodyTooLargeError, InvalidInputError)
_QUERY_REFUSALS = (AddressTooLongError, InvalidInputError)
# What is wrong, told by the framework's own words.
_CODES = {
    "Unknown field.": "unknown_field",
    "Missing data for required field.": "required",
    "Missing point.": "required",
    "Field may not be null.": "null",
}


class Parser(FlaskParser):
    """webargs' parser, stricter and with our errors."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - webargs reads it off the class
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": ma.RAISE,
        "query": ma.RAISE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """See webargs. Raises UnsupportedMediaTypeError, MalformedJsonError or InvalidInputError."""
        if not req.is_json:
            raise UnsupportedMediaTypeError("Send the body as JSON, with Content-Type: application/json.")
        body = req.get_data(cache=True)
        limit = req.max_content_length
        # A body of unknown length is cut at the limit without a word; what reaches it may have been longer.
        if req.content_length is None and limit is not None and len(body) >= limit:
            raise BodyTooLargeError(f"Send less than {limit:,} bytes to this address.")
        return strict_json.loads(body)

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
        found = (item for place, messages in by_place.items() for item in _fields(place, messages))
        form = "The request does not have the form that this address expects."
        raise InvalidInputError(*first_of(form, found)) from error


class Blueprint(SmorestBlueprint):
    """A flask-smorest blueprint with our parser, which documents what the parser refuses."""

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema: Any, *, location: str = "json", **kwargs: Any) -> Callable[[View], View]:
        """See flask-smorest. A class is made an instance here: the parser would make one for each request."""
        schema = schema() if isinstance(schema, type) else schema
        # Fields of a query see nothing but text; see `fields.Flag`.
        schema.reads_query = location == "query"
        parsing = super().arguments(schema, location=location, **kwargs)
        kinds = _QUERY_REFUSALS if location == "query" else _BODY_REFUSALS
        refusals = problem_responses(*kinds)

        def decorate(view: View) -> View:
            return self.doc(responses=refusals)(parsing(view))  # type: ignore[no-any-return]

        return decorate


def _fields(place: str, messages: Any) -> Iterator[FieldError]:
    if place in {"query", "query_args"} and isinstance(messages, dict):
        for name, texts in messages.items():
            yield from _leaves(f"?{strict_json.escaped(name)}", texts)
    else:
        yield from _leaves("", messages)


def _leaves(pointer: str, messages: Any) -> Iterator[FieldError]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _leaves(pointer if key == "_schema" else f"{pointer}/{strict_json.escaped(key)}", inner)
    else:
        for text in messages if isinstance(messages, list) else [messages]:
            yield FieldError(pointer, _CODES.get(str(text), "invalid"), str(text))
