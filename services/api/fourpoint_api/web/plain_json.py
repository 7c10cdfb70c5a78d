"""Answers that do not pass through a schema: for long lists, where that costs more than all the rest.

What is answered must already be as the schema says; the tests' client holds every answer against the contract.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from flask import Response


def answer(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A 200 with a JSON body of plain values, ids, days and times."""
    text = json.dumps(body, default=_plain, ensure_ascii=False, separators=(",", ":"))
    return Response(text, mimetype="application/json", headers=dict(headers or {}))


def _plain(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
