"""`Idempotency-Key` on every POST: one effect, and the first answer again.

The key is taken before the view runs, and redeemed by the transaction that does what was asked for, so that
both are committed or neither. An answer is kept for a request that had an effect, and for one that was
refused; one that had none and failed, or that only looked, may be sent again under the same key. A key is the
token's that it came with, so an answer never reaches one that may do less; and nobody else can read what is
kept (`sealing`). Where the public comes in, a view that knows its caller by something else says so itself; of
one that does not, and has no effect, nothing is kept: strangers fill no table.

Between the effect and the keeping of its answer the process may die. Where the transaction noted what it made
(`note_result`), the view finds that by `earlier` and answers from it; else the answer is that it was done
(`answer_lost`).

A request that comes while the first one of its key is carried out waits for it, on a seat as those that wait
for jobs. Where none is free, or the wait takes too long, it is told to come again.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from contextvars import Token
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any, TypeVar
from uuid import UUID

from flask import Flask, Response, current_app, g, json, request

from fourpoint_api.clients import clients
from fourpoint_api.web.auth import current_caller, handler_of, share_of
from fourpoint_api.web.hanging_up import client_has_hung_up
from fourpoint_api.web.problems import MEDIA_TYPE as PROBLEM
from fourpoint_api.web.problems import TooBusyError
from fourpoint_api.web.sealing import Seal
from fourpoint_api.web.waiting import LOOK_AGAIN_SECONDS
from fourpoint_core.errors import (
    AnswerLostError,
    DatabaseUnavailableError,
    InvalidInputError,
    RequestInProgressError,
)
from fourpoint_core.ids import LOCAL_USER_ID, new_id
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.queries import idempotency
from fourpoint_core.store.queries.idempotency import Answer, Attempt, Earlier
from fourpoint_core.store.session import asking, effect_var, preparation

View = TypeVar("View", bound=Callable[..., Any])
HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
# Longer than a request takes; after it, whoever held a key without a word is thought dead.
PATIENCE = timedelta(seconds=60)
_KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Link", "Cache-Control")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TOO_MANY = 429
_FIRST_PAUSE_SECONDS = 0.05
_MARK = "begins_itself"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a key is. user_id: whom it is filed under. marks: tell this holder from every other."""

    user_id: UUID
    marks: tuple[str, ...]


def install(app: Flask) -> None:
    """Heed the header; after `auth.install`, because keys are a token's own."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def is_named() -> bool:
    """Whether this request has a key, and so may come again."""
    return HEADER in request.headers


def earlier() -> dict[str, Any] | None:
    """What this request made when it was sent before, and its answer was lost; None: it is new."""
    result: dict[str, Any] | None = g.get("earlier")
    return result


def begin(content: str, holder: Holder | None = None) -> Response | None:
    """Take the request's key, if it has one; the answer it got before, if it has got one.

    content: a digest of what the request says. holder: by default who has signed in. Raises as
    `idempotency.take`.
    """
    key = _key()
    if key is None:
        return None
    whose = holder or _caller()
    seal = Seal(clients().settings.secret_key, (*whose.marks, key))
    attempt = Attempt(whose.user_id, seal.name, new_id())
    fingerprint = _digest(request.full_path.encode(), content.encode())
    try:
        found = _take(attempt, fingerprint)
    except AnswerLostError as error:
        raise AnswerLostError(f"{error.detail} {_where_to_look()}") from error
    if isinstance(found, Answer):
        return _replay(found, seal)
    g.attempt, g.seal = attempt, seal
    g.earlier = None if found is None else found.result
    g.effect_token = effect_var.set(partial(_redeem, attempt))
    return None


def _key() -> str | None:
    """Raises InvalidInputError."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidInputError.at(
            "", "idempotency_key_invalid", f"Give {HEADER} as 1 to 255 visible ASCII characters, as a UUID is."
        )
    return key


def _caller() -> Holder:
    """Whoever may do the same: a token of ours, or a person whose provider gives them ever new ones."""
    caller = current_caller()
    who = caller.token_id or caller.user_id
    return Holder(caller.user_id, (str(who), caller.scope.value, str(caller.acts_as_admin)))


def _take(attempt: Attempt, fingerprint: str) -> Answer | Earlier | None:
    """As `idempotency.take`, after whoever is at the same request."""
    deadline = monotonic() + clients().settings.max_wait_seconds
    while True:
        try:
            with preparation(clients().sessions) as session:
                return idempotency.take(session, attempt, fingerprint, PATIENCE)
        except RequestInProgressError:
            if not _sees_it_settled(attempt, deadline):
                raise


def _sees_it_settled(attempt: Attempt, deadline: float) -> bool:
    """Whether the first request of the key ends while one waits: on a seat, and by looks that hold nothing."""
    pause = _FIRST_PAUSE_SECONDS
    try:
        with clients().news.seats.taken(share_of(attempt.user_id)):
            while (left := deadline - monotonic()) > 0 and not client_has_hung_up():
                sleep(min(pause, left))
                pause = min(2 * pause, LOOK_AGAIN_SECONDS)
                with asking(clients().sessions) as connection:
                    if idempotency.is_settled(connection, attempt):
                        return True
    except TooBusyError:
        pass
    return False


def _where_to_look() -> str:
    """Which GET shows what this request did: of the address itself, or of the nearest above it."""
    addresses, path = current_app.url_map.bind(""), request.path
    while path and not addresses.test(path, "GET"):
        path = path.rpartition("/")[0]
    return f"GET {path} shows what came of it."


def begins_itself(view: View) -> View:
    """A view that calls `begin_with_files` with what is in a form, or `begin_for` when it knows its caller."""
    setattr(view, _MARK, True)
    return view


def begin_for(*marks: str) -> Response | None:
    """As `begin`, for a caller who is no user of ours. marks: tell it from others who may call this address."""
    # Those of users begin with an id.
    return begin(_of_body(), Holder(LOCAL_USER_ID, (str(request.url_rule), *marks)))


def begin_with_files(names: Sequence[str], contents: Sequence[bytes]) -> Response | None:
    """As `begin`, for a form, which has another boundary each time it is sent: it is the same request."""
    parts = [part for pair in zip(names, contents, strict=True) for part in (pair[0].encode(), pair[1])]
    return begin(_digest(*parts)) if HEADER in request.headers else None


def _begin() -> Response | None:
    if request.method != "POST" or request.url_rule is None or HEADER not in request.headers:
        return None
    view = current_app.view_functions[str(request.endpoint)]
    if hasattr(handler_of(view, request.method), _MARK):
        return None
    if "caller" not in g:
        _key()
        return None
    return begin(_of_body())


def _of_body() -> str:
    return _digest(request.mimetype.encode(), request.get_data())


def _redeem(attempt: Attempt, session: Any) -> None:
    idempotency.redeem(session, attempt)


def _end(response: Response) -> Response:
    attempt: Attempt | None = g.pop("attempt", None)
    if attempt is None:
        return response
    try:
        with preparation(clients().sessions) as session:
            is_redeemed = idempotency.is_redeemed(session, attempt)
            # What is sent while it is made would have to be held whole; the view makes it again, see `earlier`.
            if _is_final(response, is_redeemed) and not response.is_streamed:
                idempotency.keep(session, attempt, _answer(response, g.seal))
            else:
                idempotency.give_back(session, attempt)
    except DatabaseUnavailableError as error:
        logger.warning("an answer is not kept", extra={"reason": error.detail})
    return response


def _is_final(response: Response, is_redeemed: bool) -> bool:
    if response.status_code >= 500 or response.status_code == _TOO_MANY:
        return False
    return is_redeemed or response.status_code >= 400


def _forget(error: BaseException | None) -> None:
    token: Token[Any] | None = g.pop("effect_token", None)
    if token is not None:
        effect_var.reset(token)


def _answer(response: Response, seal: Seal) -> Answer:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return Answer(response.status_code, headers, seal.close(response.get_data()))


def _replay(answer: Answer, seal: Seal) -> Response:
    body = seal.open(answer.body)
    if body is None:
        raise AnswerLostError(
            "This request was answered, and nobody can read the answer any more: the service has another "
            f"FOURPOINT_SECRET_KEY now. {_where_to_look()}"
        )
    if answer.headers.get("Content-Type") == PROBLEM:
        # The request id leads to the logs, and there it is this request that is looked for.
        body = json.dumps({**json.loads(body), "request_id": request_id_var.get()}).encode()
    response = Response(body, answer.status)
    # Not by the constructor, which would add a type of its own to an empty body.
    response.headers.pop("Content-Type", None)
    response.headers.extend(answer.headers)
    response.headers[REPLAYED] = "true"
    return response


def _digest(*parts: bytes) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(len(part).to_bytes(8) + part)
    return made.hexdigest()
