"""Every error as an RFC 9457 problem document; the one table from public codes to HTTP."""

import logging
from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar

from flask import Flask, Response, json, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from fourpoint_core import errors
from fourpoint_core.logs import request_id_var
from fourpoint_core.storage import ObjectExistsError

logger = logging.getLogger(__name__)
Found = TypeVar("Found")

# More of them help nobody, and one byte of a request may be wrong in a hundred bytes of an answer.
MAX_ERRORS = 50
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2


class MalformedJsonError(errors.FourpointError):
    """The body says that it is JSON and is not."""

    code = "malformed_json"
    title = "The body is not valid JSON"


class UnsupportedMediaTypeError(errors.FourpointError):
    """The body is of a type that this route does not read."""

    code = "unsupported_media_type"
    title = "The body's media type is not supported"


class BodyTooLargeError(errors.FourpointError):
    """The body is over the limit of this route."""

    code = "body_too_large"
    title = "The body is too large"


class RequestTooSlowError(errors.FourpointError):
    """The request did not arrive in time."""

    code = "request_too_slow"
    title = "The request came too slowly"


class AddressTooLongError(errors.FourpointError):
    """The address, with its query, is longer than the server reads."""

    code = "address_too_long"
    title = "The address is too long"


class HeadersTooLargeError(errors.FourpointError):
    """The headers are more than the server reads."""

    code = "headers_too_large"
    title = "The headers are too large"


class RouteNotFoundError(errors.FourpointError):
    """There is no such address."""

    code = "route_not_found"
    title = "There is nothing at this address"


class MethodNotAllowedError(errors.FourpointError):
    """The address exists, and does not do this."""

    code = "method_not_allowed"
    title = "The method is not allowed here"


class RangeNotSatisfiableError(errors.FourpointError):
    """The bytes asked for lie outside of the object."""

    code = "range_not_satisfiable"
    title = "The range lies outside of the file"

    def __init__(self, size: int):
        super().__init__(f"The file has {size} bytes; ask for a range within.")
        self.size = size


class LeavingError(errors.FourpointError, errors.Retryable):
    """This process is about to end; another one serves."""

    code = "leaving"
    title = "The process is about to end"


class TooBusyError(errors.FourpointError, errors.Retryable):
    """This process holds as many waiting requests as it may.

    retry_in: seconds until it is worth asking again.
    """

    code = "too_busy"
    title = "The service is busy"

    def __init__(self, detail: str, retry_in: int = RETRY_AFTER_SECONDS):
        super().__init__(detail)
        self.retry_in = retry_in


class TooManyRequestsError(errors.FourpointError, errors.Retryable):
    """The token or the address asks more often than it may.

    retry_in: seconds until it may again.
    """

    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, detail: str, retry_in: int):
        super().__init__(f"{detail} Ask again in {retry_in} s.")
        self.retry_in = retry_in


class ClientGoneError(errors.FourpointError, errors.Retryable):
    """The client has hung up before anything was done."""

    code = "client_gone"
    title = "The client has hung up"


class BadRequestError(errors.FourpointError):
    """HTTP itself was spoken wrongly."""

    code = "bad_request"
    title = "The request could not be understood"


STATUS: dict[type[errors.FourpointError], int] = {
    BadRequestError: 400,
    MalformedJsonError: 400,
    errors.UnauthenticatedError: 401,
    errors.TokenInvalidError: 401,
    errors.InsufficientScopeError: 403,
    errors.InsufficientRoleError: 403,
    errors.SignatureInvalidError: 403,
    errors.NotFoundError: 404,
    RouteNotFoundError: 404,
    MethodNotAllowedError: 405,
    RequestTooSlowError: 408,
    errors.ConflictError: 409,
    errors.NameTakenError: 409,
    errors.IdTakenError: 409,
    errors.ShortcutTakenError: 409,
    errors.LabelDeletedError: 409,
    errors.FrameChangedError: 409,
    errors.HistoryEndError: 409,
    errors.LastOwnerError: 409,
    errors.LastAdminError: 409,
    errors.JobStateError: 409,
    errors.VersionsBusyError: 409,
    errors.VersionStateError: 409,
    errors.VersionCurrentError: 409,
    errors.DatasetEmptyError: 409,
    errors.LeaseLostError: 409,
    errors.SyncRunningError: 409,
    errors.RequestInProgressError: 409,
    errors.AnswerLostError: 409,
    errors.CancelledError: 409,
    ObjectExistsError: 409,
    errors.ObjectMissingError: 409,
    errors.ObjectGoneError: 410,
    errors.StaleDocumentError: 412,
    errors.FileTooLargeError: 413,
    errors.BatchTooLargeError: 413,
    BodyTooLargeError: 413,
    AddressTooLongError: 414,
    errors.UnsupportedImageError: 415,
    UnsupportedMediaTypeError: 415,
    RangeNotSatisfiableError: 416,
    errors.InvalidInputError: 422,
    errors.IdempotencyKeyReusedError: 422,
    errors.DamagedImageError: 422,
    errors.TooManyPixelsError: 422,
    errors.UploadRefusedError: 422,
    errors.NoOutlineError: 422,
    errors.ForbiddenAddressError: 422,
    errors.PreconditionRequiredError: 428,
    TooManyRequestsError: 429,
    HeadersTooLargeError: 431,
    errors.InternalError: 500,
    errors.StageOverrunError: 500,
    errors.DeviceExhaustedError: 503,
    TooBusyError: 503,
    ClientGoneError: 503,
    LeavingError: 503,
    errors.QueueFullError: 503,
    errors.StorageUnavailableError: 503,
    errors.StorageDeniedError: 503,
    errors.DatabaseUnavailableError: 503,
    errors.IdentityProviderUnavailableError: 503,
    errors.AttemptsExhaustedError: 503,
    errors.DeadlineExceededError: 503,
}
_STATUS_OF_CODE = {kind.code: status for kind, status in STATUS.items()}
_OF_HTTP: dict[int, type[errors.FourpointError]] = {
    404: RouteNotFoundError,
    405: MethodNotAllowedError,
    413: BodyTooLargeError,
    415: UnsupportedMediaTypeError,
    416: RangeNotSatisfiableError,
}
CHALLENGES = (errors.UnauthenticatedError, errors.TokenInvalidError, errors.InsufficientScopeError)


def first_of(detail: str, found: Iterable[Found]) -> tuple[str, list[Found]]:
    """As many of what is wrong as an answer lists, and the detail, which says how many more there are."""
    found = iter(found)
    listed = list(islice(found, MAX_ERRORS))
    more = sum(1 for _ in found)
    return f"{detail} Of what is wrong, {more:,} more are not listed." if more else detail, listed


def problem(
    code: str, title: str, detail: str, fields: list[dict[str, str]], **more: Any
) -> tuple[dict[str, Any], int]:
    """The document and the status for a public code."""
    status = _STATUS_OF_CODE.get(code, 500)
    document = {
        "type": f"urn:fourpoint:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": fields,
        "request_id": request_id_var.get(),
        **more,
    }
    return document, status


def problem_response(code: str, title: str, detail: str, fields: list[dict[str, str]], **more: Any) -> Response:
    """The answer for a public code; what passes by itself says when to come again."""
    document, status = problem(code, title, detail, fields, **more)
    response = Response(json.dumps(document), status, mimetype=MEDIA_TYPE)
    if status == 503 or code == errors.RequestInProgressError.code:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def install(app: Flask) -> None:
    """Answer every error of the application with a problem document."""
    app.register_error_handler(errors.FourpointError, answer)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(Exception, _answer_unexpected)


def answer(error: errors.FourpointError) -> Response:
    """The problem document of an error, with the headers that belong to it."""
    detail, listed = first_of(error.detail, error.errors)
    fields = [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in listed]
    more: dict[str, Any] = {}
    if isinstance(error, errors.StaleDocumentError):
        more["current_etag"] = error.current_etag
        if error.changes is not None:
            more["changes"] = error.changes
    if isinstance(error, errors.SyncRunningError) and error.job_id is not None:
        more["job_id"] = str(error.job_id)
    response = problem_response(error.code, error.title, detail, fields, **more)
    if isinstance(error, errors.StaleDocumentError):
        response.headers["ETag"] = error.current_etag
    if isinstance(error, RangeNotSatisfiableError):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, TooBusyError | TooManyRequestsError):
        response.headers["Retry-After"] = str(error.retry_in)
    if isinstance(error, CHALLENGES):
        response.headers["WWW-Authenticate"] = _challenge(error)
    return response


def _challenge(error: errors.FourpointError) -> str:
    """How to authenticate (RFC 6750, section 3)."""
    if isinstance(error, errors.TokenInvalidError):
        return 'Bearer realm="fourpoint", error="invalid_token"'
    if isinstance(error, errors.InsufficientScopeError):
        return f'Bearer realm="fourpoint", error="insufficient_scope", scope="{error.scope}"'
    return 'Bearer realm="fourpoint"'


def _answer_http(error: HTTPException) -> Response:
    if error.code is not None and error.code < 400:
        return Response(status=error.code, headers=error.get_headers())
    status = error.code or 500
    kind = _OF_HTTP.get(status, BadRequestError if status < 500 else errors.InternalError)
    detail = _remedy(error) or error.description or kind.title
    response = problem_response(kind.code, kind.title, detail, [])
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _remedy(error: HTTPException) -> str | None:
    """What to do, where the framework's words do not say it."""
    if isinstance(error, RequestEntityTooLarge):
        return f"Send at most {request.max_content_length:,} bytes to this address."
    if isinstance(error, NotFound):
        return f"There is nothing at {request.path}; compare it with /openapi.json (ids are UUIDs)."
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"{request.path} does not do {request.method}; use one of {allowed}."
    return None


def _answer_unexpected(error: Exception) -> Response:
    logger.error("unhandled error", exc_info=error)
    detail = "The service failed unexpectedly; quote the request id when you report it."
    return problem_response(errors.InternalError.code, errors.InternalError.title, detail, [])
