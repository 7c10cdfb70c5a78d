"""The route of the caller."""

from typing import Any

from flask.views import MethodView

from fourpoint_api.resources.me import schemas
from fourpoint_api.web import examples
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_caller, signed_in
from fourpoint_api.web.documented import problems
from fourpoint_core.domain.access import Scope

blueprint = Blueprint("me", __name__, url_prefix="/v1/me", description="Who am I")


@blueprint.route("")
class Me(MethodView):
    """The caller."""

    @signed_in(Scope.READ)
    @blueprint.doc(operationId="getMe")
    @blueprint.response(200, schemas.MeSchema, example=examples.ME)
    @problems(blueprint)
    def get(self) -> Any:
        """Read who you are, and what your token is good for."""
        caller = current_caller()
        return {
            "id": caller.user_id,
            "name": caller.name,
            "is_admin": caller.is_admin,
            "scope": caller.scope,
            "token_id": caller.token_id,
            "token_expires_at": caller.token_expires_at,
        }
