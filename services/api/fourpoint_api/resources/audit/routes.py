"""Routes of the audit log, for admins."""

import json
from typing import Any

from flask import Response, request
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.audit import operations, schemas
from fourpoint_api.web import examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import signed_in
from fourpoint_api.web.documented import problems
from fourpoint_api.web.response_headers import sends
from fourpoint_core.auditing import MEDIA_TYPES, Format, entry_to_json
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import InvalidInputError
from fourpoint_core.store.queries.audit import AuditFilter

blueprint = Blueprint("audit", __name__, url_prefix="/v1/audit", description="Who did what to which resource")
_ENTRY = {
    "id": 4711,
    "created_at": examples.TIME,
    "actor_id": examples.USER_ID,
    "actor_name": "ada",
    "token_id": "01930000-0000-7000-8000-0000000000a7",
    "via": "api",
    "address": "198.51.100.7",
    "request_id": "01930000-0000-7000-8000-0000000000a8",
    "job_id": None,
    "action": "member.changed",
    "resource_kind": "member",
    "resource_id": examples.USER_ID,
    "dataset_id": examples.DATASET_ID,
    "changes": {"role": {"from": "viewer", "to": "owner"}},
    "database_role": "fourpoint",
}

_EXPORTED = {
    Format.NDJSON: json.dumps(_ENTRY) + "\n",
    Format.CSV: ",".join(_ENTRY) + "\r\n4711,2026-01-01T12:00:00+00:00,,root@host,,command line,,,,"
    'user.created,user,01930000-0000-7000-8000-0000000000a9,,"{""name"": {""to"": ""ada""}}",fourpoint\r\n',
}


@blueprint.route("")
class Audit(MethodView):
    """What was done."""

    @signed_in(Scope.ADMIN)
    @blueprint.doc(operationId="listAuditEntries")
    @blueprint.arguments(schemas.AuditQuerySchema, location="query")
    @blueprint.response(200, schemas.AuditPageSchema, example={"items": [_ENTRY], "next_cursor": None})
    @problems(blueprint, InvalidInputError)
    def get(self, query: dict[str, Any]) -> Any:
        """List what was done, the latest first; for admins.

        What was done to annotations is in the revisions of each image (`listRevisions`).
        """
        wanted = _filter(query)
        scope = f"audit {wanted}"
        before = paging.read_number(query["cursor"], scope) or None
        rows, next_one = operations.listing(clients().sessions, wanted, before, query["limit"])
        place = None if next_one is None else (next_one, "")
        body, headers = paging.list_body([entry_to_json(row) for row in rows], scope, place, None)
        return body, 200, headers


@blueprint.route("/export")
class AuditExport(MethodView):
    """All of it, for other systems."""

    @signed_in(Scope.ADMIN)
    @sends(blueprint, "Cache-Control")
    @blueprint.doc(
        operationId="exportAuditEntries",
        responses={
            "200": {
                "description": "The entries, the oldest first",
                "content": {
                    MEDIA_TYPES[written_as]: {"schema": {"type": "string"}, "example": example}
                    for written_as, example in _EXPORTED.items()
                },
            }
        },
    )
    @blueprint.arguments(schemas.AuditExportQuerySchema, location="query")
    @problems(blueprint, InvalidInputError)
    def get(self, query: dict[str, Any]) -> Response:
        """Download what was done, as JSON lines or as a table, however much it is; for admins."""
        written_as: Format = query["format"]
        asked = request.args.to_dict()
        asked.pop("format", None)
        lines = operations.export(clients().sessions, _filter(query), written_as, asked)
        response = Response(lines, mimetype=MEDIA_TYPES[written_as])
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Disposition"] = f'attachment; filename="audit.{written_as.value}"'
        return response


def _filter(query: dict[str, Any]) -> AuditFilter:
    names = ("actor_id", "action", "kind", "resource_id", "dataset_id", "since", "until")
    return AuditFilter(**{name: query[name] for name in names})
