"""Routes of the members of a dataset."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.members import operations, schemas
from fourpoint_api.web import examples
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_caller, needs
from fourpoint_api.web.documented import problems
from fourpoint_core.domain.access import Role, Scope
from fourpoint_core.errors import InvalidInputError, LastOwnerError, NotFoundError
from fourpoint_core.store.queries.members import Member

blueprint = Blueprint("members", __name__, url_prefix="/v1/datasets", description="Who is what in a dataset")


@blueprint.route("/<uuid:dataset_id>/members")
class Members(MethodView):
    """The members of a dataset."""

    @blueprint.doc(operationId="listMembers")
    @blueprint.response(200, schemas.MemberListSchema, example={"items": [examples.MEMBER]})
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID) -> Any:
        """List the members of a dataset, in the order they came."""
        return {"items": [render(member) for member in operations.listing(clients().sessions, dataset_id)]}


@blueprint.route("/<uuid:dataset_id>/members/<uuid:user_id>")
class OneMember(MethodView):
    """One member of a dataset."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="putMember")
    @blueprint.arguments(schemas.MemberRoleSchema, example={"role": "labeler"})
    @blueprint.response(200, schemas.MemberSchema, example=examples.MEMBER)
    @problems(blueprint, NotFoundError, LastOwnerError, InvalidInputError)
    def put(self, body: dict[str, Any], dataset_id: UUID, user_id: UUID) -> Any:
        """Make somebody a member, or change what a member is."""
        return render(operations.put(clients().sessions, dataset_id, user_id, body["role"]))

    @needs(Role.VIEWER, scope=Scope.MANAGE)
    @blueprint.doc(operationId="removeMember")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError, LastOwnerError)
    def delete(self, dataset_id: UUID, user_id: UUID) -> None:
        """Leave a dataset, or as an owner remove a member; the last owner stays."""
        operations.remove(clients().sessions, current_caller(), dataset_id, user_id)


def render(member: Member) -> dict[str, Any]:
    """A member as the contract shows one."""
    return {"user_id": member.user_id, "name": member.name, "role": member.role, "since": member.since}
