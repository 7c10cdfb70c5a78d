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
    start, stop = _wanted_range(size, tag)
    source = store.open_range(key, start, stop - start)
    chunks = source.__enter__()
    partial = (start, stop) != (0, size)
    response = Response(chunks, 206 if partial else 200, mimetype=media_type)
    response.call_on_close(lambda: source.__exit__(None, None, None))
    response.content_length = stop - start
    response.headers["X-Content-Type-Options"] = "nosniff"
    if partial:
        response.headers["Content-Range"] = ContentRange("bytes", start, stop, size).to_header()
    return _with_cache_headers(response, tag)


def _wanted_range(size: int, tag: str) -> tuple[int, int]:
    wanted = request.range
    condition = request.if_range
    stale = condition.etag is not None and condition.etag != tag
    # Several ranges at once are answered with the whole, as RFC 9110 allows.
    if wanted is None or stale or condition.date is not None or len(wanted.ranges) != 1:
        return 0, size
    found = wanted.range_for_length(size)
    if found is None:
        raise RangeNotSatisfiableError(size)
    return found[0], found[1]


def _with_cache_headers(response: Response, tag: str) -> Response:
    response.set_etag(tag)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Cache-Control"] = CACHE
    return response
