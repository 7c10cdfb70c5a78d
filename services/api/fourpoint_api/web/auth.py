"""Who is asking, and whether they may: every request passes here before its body is read.

An operation says what it asks of its caller with `needs`, `signed_in` or `public`. One that says nothing asks
for a viewer to read and for a labeler to write, where its address names a dataset, a sample or a job; and
for an admin where it names none. So what is forgotten is closed and not open.

What one may not see is 404, with the words for what is not there; what one may see and not do is 403.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast
from uuid import UUID

from flask import Flask, current_app, g, request

from fourpoint_api.clients import clients
from fourpoint_api.settings import Auth
from fourpoint_api.web import image_signatures
from fourpoint_api.web.credentials import authorization
from fourpoint_core.actors import Actor, Via, actor_var
from fourpoint_core.domain.access import Access, Caller, Role, Scope, require
from fourpoint_core.errors import NotFoundError
from fourpoint_core.logs import request_id_var
from fourpoint_core.settings import MEBIBYTE
from fourpoint_core.store.queries import members
from fourpoint_core.store.session import asking

View = TypeVar("View", bound=Callable[..., Any])
# Arguments of addresses, from the outermost in; a role in what the first of them names decides.
_NAMED_BY = {
    "dataset_id": members.Kind.DATASET,
    "sample_id": members.Kind.SAMPLE,
    "job_id": members.Kind.JOB,
    "webhook_id": members.Kind.WEBHOOK,
}
_READING = {"GET", "HEAD"}
_ADMIN = Access(Scope.ADMIN)
_MARK, _SIGNATURES = "admission", "takes_signatures"
# The size of what may be sent by whoever is not asked who they are.
PUBLIC_BYTES = MEBIBYTE


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom a view lets in, as it says itself.

    access: what is asked of the caller; None: nothing. setting: of the API, for programs that show its value
    instead; where it says nothing, nobody can show it.
    """

    access: Access | None
    setting: str | None = None


def install(app: Flask) -> None:
    """Let nobody pass who may not."""
    app.before_request(_guard)
    app.teardown_request(_forget)


def current_caller() -> Caller:
    """Who sends this request."""
    return cast(Caller, g.caller)


def current_user_id() -> UUID:
    """The author of what this request makes."""
    return current_caller().user_id


def caller_with_a_share() -> UUID | None:
    """Whose part of what there is too little of this request takes; None: without signing in all are one."""
    return share_of(current_user_id())


def share_of(user_id: UUID) -> UUID | None:
    """The same of whoever a request is taken for."""
    return None if clients().settings.auth is Auth.OFF else user_id


def needs(role: Role, *, scope: Scope | None = None) -> Callable[[View], View]:
    """A view for members of the dataset that the address names, of this role at least.

    scope: of the token; by default the one that goes with the role.
    """
    access = Access.of(role) if scope is None else Access(scope, role)
    return _lets_in(Admission(access))


def signed_in(scope: Scope, *, or_shows: str | None = None) -> Callable[[View], View]:
    """A view for everybody with a token of this scope; `Scope.ADMIN` asks for an admin.

    or_shows: a setting of the API; a program that shows what it says comes in as well.
    """
    return _lets_in(Admission(Access(scope), or_shows))


def public(view: View) -> View:
    """A view for everybody, also without a token."""
    return _lets_in(Admission(None))(view)


def takes_signatures(view: View) -> View:
    """A view of an image, which a signed address opens as well: see `image_signatures`."""
    setattr(view, _SIGNATURES, True)
    return view


def access_to(view: Callable[..., Any], method: str, arguments: frozenset[str] | set[str]) -> Access | None:
    """What a method of a view asks of its caller; None: nothing.

    view: as Flask keeps it. arguments: the names in its address.
    """
    admission = _admission(view, method)
    if admission is not None:
        return admission.access
    if arguments.isdisjoint(_NAMED_BY):
        return _ADMIN
    return Access.of(Role.VIEWER if method in _READING else Role.LABELER)


def _admission(view: Callable[..., Any], method: str) -> Admission | None:
    return cast(Admission | None, getattr(handler_of(view, method), _MARK, None))


def handler_of(view: Callable[..., Any], method: str) -> Callable[..., Any]:
    """What carries a method of a view out, with the marks that decorators left. view: as Flask keeps it."""
    view_class = getattr(view, "view_class", None)
    name = "get" if method == "HEAD" else method.lower()
    return view if view_class is None else cast(Callable[..., Any], getattr(view_class, name))


def _lets_in(admission: Admission) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        setattr(view, _MARK, admission)
        return view

    return decorate


def _guard() -> None:
    rule = request.url_rule
    # Without a rule the answer is that there is nothing here. A browser asks OPTIONS without credentials.
    if rule is None or request.method == "OPTIONS":
        return
    actor = Actor(Via.API, address=request.remote_addr, request_id=request_id_var.get())
    actor_var.set(actor)
    view = current_app.view_functions[rule.endpoint]
    access = access_to(view, request.method, rule.arguments)
    if access is None:
        # A route that is for large bodies says so itself.
        request.max_content_length = min(PUBLIC_BYTES, request.max_content_length or PUBLIC_BYTES)
        return
    if _shows_secret(view):
        return
    # Who sends a token as well is asked for that.
    signed = _takes_signatures(view) and "Authorization" not in request.headers
    signature = request.args.get("signature") if signed else None
    if signature is None:
        g.caller = clients().sign_in.caller(authorization(), request.remote_addr)
    else:
        g.caller = _caller_of(signature)
    actor_var.set(replace(actor, user_id=g.caller.user_id, token_id=g.caller.token_id))
    require(g.caller, access, _role(g.caller))


def _takes_signatures(view: Callable[..., Any]) -> bool:
    return bool(getattr(handler_of(view, request.method), _SIGNATURES, False))


def _caller_of(signature: str) -> Caller:
    """Who had the address signed. Raises TokenInvalidError; NotFoundError: it is of another dataset."""
    found = image_signatures.opened(signature, clients().settings.secret_key)
    sample_id: UUID = (request.view_args or {})["sample_id"]
    with asking(clients().sessions) as connection:
        if not members.is_sample_of(connection, sample_id, found.dataset_id):
            raise NotFoundError(f"There is no sample {sample_id}.")
    return clients().sign_in.caller_of(found)


def _shows_secret(view: Callable[..., Any]) -> bool:
    admission = _admission(view, request.method)
    if admission is None or admission.setting is None:
        return False
    expected: str = getattr(clients().settings, admission.setting)
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    return bool(expected) and hmac.compare_digest(sent.encode(), expected.encode())


def _forget(error: BaseException | None) -> None:
    # As request ids: the thread goes on to work that is not this caller's.
    actor_var.set(None)


def _role(caller: Caller) -> Role | None:
    """The caller's role in what the address names. Raises NotFoundError where they may not know of it."""
    arguments = request.view_args or {}
    named = next((name for name in _NAMED_BY if name in arguments), None)
    if named is None or caller.acts_as_admin:
        return None
    kind, resource_id = _NAMED_BY[named], arguments[named]
    with asking(clients().sessions) as connection:
        role = members.role_at(connection, caller.user_id, kind, resource_id)
    if role is None:
        # In the words of the store, so that nobody can tell a secret from what is not there.
        raise NotFoundError(f"There is no {kind.value} {resource_id}.")
    return role
