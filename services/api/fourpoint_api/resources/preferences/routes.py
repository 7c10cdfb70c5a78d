"""Routes of preferences."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.preferences import operations, schemas
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id
from fourpoint_api.web.documented import problems
from fourpoint_core.errors import InvalidInputError, NotFoundError

blueprint = Blueprint("preferences", __name__, url_prefix="/v1/datasets", description="What you chose last")
_EXAMPLE = {"labeling_method": "extreme_points"}


@blueprint.route("/<uuid:dataset_id>/preferences")
class Preferences(MethodView):
    """Your own choices in a dataset."""

    @blueprint.doc(operationId="getPreferences")
    @blueprint.response(200, schemas.PreferencesSchema, example=_EXAMPLE)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID) -> Any:
        """Read how you labeled last in this dataset; by polygon, where you never said."""
        return {"labeling_method": operations.read(clients().sessions, dataset_id, current_user_id())}

    @blueprint.doc(operationId="changePreferences")
    @blueprint.arguments(schemas.PreferencesSchema, example=_EXAMPLE)
    @blueprint.response(200, schemas.PreferencesSchema, example=_EXAMPLE)
    @problems(blueprint, NotFoundError, InvalidInputError)
    def put(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Remember how you label in this dataset; it is yours alone, and there on every device."""
        operations.keep(clients().sessions, dataset_id, current_user_id(), body["labeling_method"])
        return body
