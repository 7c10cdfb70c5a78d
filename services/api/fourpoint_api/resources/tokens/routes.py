"""Routes of tokens."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.tokens import operations, schemas
from fourpoint_api.web import examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_caller, signed_in
from fourpoint_api.web.documented import problems
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.store.models import ApiToken

blueprint = Blueprint("tokens", __name__, url_prefix="/v1/tokens", description="Secrets for programs")


@blueprint.route("")
class Tokens(MethodView):
    """Somebody's tokens."""

    @signed_in(Scope.MANAGE)
    @sends(blueprint, "Cache-Control")
    @blueprint.doc(operationId="createToken")
    @blueprint.arguments(
        schemas.NewTokenSchema, example={"name": "nightly export", "scope": "read", "expires_in_days": 30}
    )
    @blueprint.response(201, schemas.MadeTokenSchema, example={**examples.TOKEN, "secret": "fpt_shown-once"})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any]) -> Any:
        """Make a token: never for more than the one you use, and not for longer. Its secret is shown once."""
        token, secret = operations.create(
            clients().sessions,
            current_caller(),
            body["user_id"],
            body["name"],
            body["scope"],
            body["expires_in_days"],
            clients().settings.max_token_days,
        )
        # Neither a browser nor a proxy is to keep it.
        return {**render(token), "secret": secret}, 201, {"Cache-Control": "no-store"}

    @signed_in(Scope.MANAGE)
    @blueprint.doc(operationId="listTokens")
    @blueprint.arguments(schemas.TokenQuerySchema, location="query")
    @blueprint.response(200, schemas.TokenPageSchema, example={"items": [examples.TOKEN], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any]) -> Any:
        """List your tokens, oldest first; those that are over, too."""
        scope = f"tokens {query['user_id']}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.listing(clients().sessions, current_caller(), query["user_id"], after, query["limit"])
        body, headers = paging.page_body(page, scope, render, None)
        return body, 200, headers


@blueprint.route("/<uuid:token_id>")
class OneToken(MethodView):
    """One token."""

    @signed_in(Scope.MANAGE)
    @blueprint.doc(operationId="revokeToken")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError)
    def delete(self, token_id: UUID) -> None:
        """Revoke a token; within seconds it opens nothing any more."""
        operations.revoke(clients().sessions, current_caller(), token_id)


def render(token: ApiToken) -> dict[str, Any]:
    """A token as the contract shows one."""
    return {
        "id": token.id,
        "user_id": token.user_id,
        "name": token.name,
        "scope": Scope(token.scope),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
    }
