"""Cursors that nobody can forge, and the body and headers of a page."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from flask import request, url_for
from itsdangerous import BadData, URLSafeSerializer

from fourpoint_api.clients import clients
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.store.queries.paging import Keyset, Page

Found = TypeVar("Found")
DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


def read_cursor(cursor: str | None, scope: str) -> Keyset | None:
    """Where the page begins. scope: the list and its filters; a cursor of another list is refused."""
    return open_cursor(cursor, scope, lambda time, row_id: Keyset(datetime.fromisoformat(time), UUID(row_id)))


def open_cursor(cursor: str | None, scope: str, read: Callable[[Any, Any], Found]) -> Found | None:
    """What `read` makes of the two values in a cursor of this scope. Raises InvalidInputError."""
    if cursor is None:
        return None
    try:
        found_scope, value, row_id = _serializer().loads(cursor)
        if found_scope != scope:
            raise BadData("scope")
        return read(value, row_id)
    except (BadData, ValueError, TypeError) as error:
        raise InvalidInputError.at(
            "?cursor", "cursor_invalid", "Take the cursor from `next_cursor` of the same list, unchanged."
        ) from error


def read_number(cursor: str | None, scope: str) -> int:
    """The number behind which the page begins; 0 for the first one."""
    found = open_cursor(cursor, scope, lambda number, _: int(number))
    return found or 0


def write_number(number: int, scope: str) -> str:
    """A cursor to what comes behind a number."""
    return str(_serializer().dumps([scope, number, ""]))


def page_body(
    page: Page[Any], scope: str, render: Callable[[Any], dict[str, Any]], total: int | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers (RFC 8288 `Link`) of a page."""
    items = [render(row) for row in page.rows]
    place = None if page.next is None else (page.next.created_at.isoformat(), str(page.next.id))
    return list_body(items, scope, place, total)


def list_body(
    items: list[dict[str, Any]], scope: str, place: tuple[Any, str] | None, total: int | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and headers of a page. place: the two values after which the next one begins."""
    cursor = None if place is None else _serializer().dumps([scope, *place])
    body: dict[str, Any] = {"items": items, "next_cursor": cursor}
    if total is not None:
        body["total"] = total
    return body, {} if cursor is None else {"Link": f'<{_next_url(cursor)}>; rel="next"'}


def _next_url(cursor: str) -> str:
    values: dict[str, Any] = {**(request.view_args or {}), **request.args.to_dict(flat=False), "cursor": cursor}
    # The total is the same on every page, and counting costs.
    values.pop("count", None)
    return url_for(request.endpoint or "", **values)


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(clients().settings.secret_key, salt="cursor")
