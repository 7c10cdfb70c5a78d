"""Routes of people."""

from typing import Any
from uuid import UUID

from flask import url_for
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.users import operations, schemas
from fourpoint_api.web import examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_caller, signed_in
from fourpoint_api.web.documented import problems
from fourpoint_api.web.response_headers import sends
from fourpoint_api.web.schemas import UncountedPageQuerySchema
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import InvalidInputError, LastAdminError, NameTakenError, NotFoundError
from fourpoint_core.store.models import User

blueprint = Blueprint("users", __name__, url_prefix="/v1/users", description="People")


@blueprint.route("")
class Users(MethodView):
    """Everybody."""

    @signed_in(Scope.ADMIN)
    @sends(blueprint, "Location")
    @blueprint.doc(operationId="createUser")
    @blueprint.arguments(schemas.NewUserSchema, example={"name": "ada"})
    @blueprint.response(201, schemas.UserSchema, example=examples.USER)
    @problems(blueprint, NameTakenError, InvalidInputError)
    def post(self, body: dict[str, Any]) -> Any:
        """Add a person; an admin does. Give the person a token, or an identity to sign in with."""
        user = operations.create(
            clients().sessions,
            body["name"],
            is_admin=body["is_admin"],
            issuer=clients().settings.oidc_issuer,
            subject=body["oidc_subject"],
        )
        return render(user), 201, {"Location": url_for("users.OneUser", user_id=user.id)}

    @signed_in(Scope.READ)
    @blueprint.doc(operationId="listUsers")
    @blueprint.arguments(UncountedPageQuerySchema, location="query")
    @blueprint.response(200, schemas.UserPageSchema, example={"items": [examples.USER], "next_cursor": None})
    @problems(blueprint, InvalidInputError)
    def get(self, query: dict[str, Any]) -> Any:
        """List people, oldest first: whose names stand beside their work, and whom to share with."""
        after = paging.read_cursor(query["cursor"], "users")
        page = operations.listing(clients().sessions, after, query["limit"])
        body, headers = paging.page_body(page, "users", render, None)
        return body, 200, headers


@blueprint.route("/<uuid:user_id>")
class OneUser(MethodView):
    """One person."""

    @signed_in(Scope.READ)
    @blueprint.doc(operationId="getUser")
    @blueprint.response(200, schemas.UserSchema, example=examples.USER)
    @problems(blueprint, NotFoundError)
    def get(self, user_id: UUID) -> Any:
        """Read a person."""
        return render(operations.read(clients().sessions, user_id))

    @signed_in(Scope.ADMIN)
    @blueprint.doc(operationId="changeUser")
    @blueprint.arguments(schemas.UserChangeSchema, example={"is_disabled": True})
    @blueprint.response(200, schemas.UserSchema, example={**examples.USER, "is_disabled": True})
    @problems(blueprint, NotFoundError, NameTakenError, LastAdminError, InvalidInputError)
    def patch(self, body: dict[str, Any], user_id: UUID) -> Any:
        """Rename a person, make one an admin, shut one out or let one in again; an admin does.

        People are not deleted: their work names them. The last admin who is not shut out stays so.
        """
        return render(
            operations.change(
                clients().sessions,
                current_caller(),
                user_id,
                name=body.get("name"),
                is_admin=body.get("is_admin"),
                is_disabled=body.get("is_disabled"),
            )
        )


def render(user: User) -> dict[str, Any]:
    """A person as the contract shows one."""
    return {
        "id": user.id,
        "name": user.name,
        "is_admin": user.is_admin,
        "is_disabled": user.disabled_at is not None,
        "created_at": user.created_at,
    }
