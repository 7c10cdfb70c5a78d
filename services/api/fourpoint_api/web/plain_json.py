"""JSON of answers, as fast as it gets; and answers that do not pass through a schema.

For long lists and documents a schema would cost more than all the rest. What is answered without one must
already be as the schema says; the tests' client holds every answer against the contract.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from flask import Response
from flask.json.provider import DefaultJSONProvider


def answer(body: Mapping[str, Any], headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """A JSON body of plain values, ids, days and times."""
    return Response(encode(body), status, mimetype="application/json", headers=dict(headers or {}))


def encode(body: Any) -> bytes:
    """Plain values, ids, days and times as JSON."""
    try:
        return orjson.dumps(body)
    except TypeError:
        # It refuses integers of more than 64 bits and halves of surrogate pairs. JSON has the first, attributes
        # may hold them, and a complaint about the second quotes them; the standard library writes both.
        return json.dumps(body, default=_plain, separators=(",", ":")).encode()


class PlainJson(DefaultJSONProvider):
    """What Flask, and all that is built on it, writes JSON with."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """See flask.json.provider; nobody here asks for a form of their own."""
        return encode(obj).decode()

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """See flask.json.provider."""
        return Response(encode(self._prepare_response_obj(args, kwargs)), mimetype=self.mimetype)


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
