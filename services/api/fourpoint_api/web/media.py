"""Bytes over HTTP: entity tags, ranges, caching."""

from flask import Response, request
from werkzeug.datastructures import ContentRange

from fourpoint_api.web.problems import RangeNotSatisfiableError
from fourpoint_core.storage import ObjectStore

# The address names an image whose bytes may be replaced, so a browser asks again, and is told 304.
CACHE = "private, max-age=0, must-revalidate"


def immutable_bytes(data: bytes, tag: str, media_type: str) -> Response:
    """A small body with its entity tag; 304 when the client has it."""
    response = Response(data, mimetype=media_type)
    _with_cache_headers(response, tag).make_conditional(request)
    return response


def stream_object(store: ObjectStore, key: str, tag: str, media_type: str) -> Response:
    """An object of the store, whole or the one range asked for, in bounded memory.

    Raises ObjectMissingError or RangeNotSatisfiableError.
    """
    size = store.stat(key).size
    if request.if_none_match.contains_weak(tag):
        return _with_cache_headers(Response(status=304), tag)
    wanted = _wanted_range(size, tag)
    start, stop = wanted or (0, size)
    source = store.open_range(key, start, stop - start)
    response = Response(source.__enter__(), 206 if wanted else 200, mimetype=media_type)
    response.call_on_close(lambda: source.__exit__(None, None, None))
    response.content_length = stop - start
    response.headers["X-Content-Type-Options"] = "nosniff"
    if wanted:
        response.headers["Content-Range"] = ContentRange("bytes", start, stop, size).to_header()
    return _with_cache_headers(response, tag)


def _wanted_range(size: int, tag: str) -> tuple[int, int] | None:
    """The bytes [start, stop) asked for; None for the whole: without a range, or with several (RFC 9110, 14.2).

    Raises RangeNotSatisfiableError.
    """
    wanted = request.range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1 or _is_of_another_state(tag):
        return None
    start, stop = wanted.ranges[0]
    if start < 0:
        # The last bytes: of a file that has fewer, all.
        start, stop = max(0, size + start), size
    if start >= size:
        raise RangeNotSatisfiableError(size)
    return start, size if stop is None else min(stop, size)


def _is_of_another_state(tag: str) -> bool:
    condition = request.if_range
    return condition.date is not None or (condition.etag is not None and condition.etag != tag)


def _with_cache_headers(response: Response, tag: str) -> Response:
    response.set_etag(tag)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = CACHE
    return response
