"""Routes of labels."""

from typing import Any
from uuid import UUID

from flask import url_for
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.jobs.holding import started
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.resources.labels import operations, schemas
from fourpoint_api.web import etags, examples
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs
from fourpoint_api.web.documented import not_modified, problems, waits
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.access import Role
from fourpoint_core.errors import (
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    ShortcutTakenError,
    StaleDocumentError,
)
from fourpoint_core.logs import request_id_var
from fourpoint_core.store.models import Label
from fourpoint_core.store.queries.labels import Uses
from fourpoint_core.store.queries.tallies import ListedLabel

blueprint = Blueprint("labels", __name__, url_prefix="/v1/datasets", description="What objects are called")
_USES = {"label_id": examples.LABEL_ID, "annotations": 12, "samples": 7}
_MERGE_JOB = {**examples.JOB, "kind": "merge_label", "queue": "io", "sample_id": None}
_DELETION_JOB = {**examples.JOB, "kind": "delete_label", "queue": "io", "sample_id": None}


@blueprint.route("/<uuid:dataset_id>/labels")
class Labels(MethodView):
    """The labels of a dataset."""

    @blueprint.doc(operationId="listLabels")
    @blueprint.response(200, schemas.LabelListSchema, example={"items": [examples.LABEL]})
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID) -> Any:
        """List all labels of a dataset."""
        return {"items": [render_label(x) for x in operations.listing(clients().sessions, dataset_id)]}

    @sends(blueprint, "Location", "ETag")
    @blueprint.doc(operationId="createLabel")
    @blueprint.arguments(schemas.NewLabelSchema, example={"name": "cat", "colour": "#3399ff"})
    @blueprint.response(201, schemas.LabelSchema, example=examples.LABEL)
    @blueprint.alt_response(200, schema=schemas.LabelSchema, example=examples.LABEL, description="It exists")
    @problems(blueprint, NotFoundError, ShortcutTakenError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Make sure that a label exists: 201 when it is new, 200 when it was there."""
        wanted = operations.LabelRequest(body["name"], body["colour"], body["shortcut"])
        label, is_new = operations.add(clients().sessions, dataset_id, wanted)
        where = url_for("labels.OneLabel", dataset_id=dataset_id, label_id=label.id)
        headers = {"ETag": _etag(label), "Location": where}
        return render_label(label), 201 if is_new else 200, headers


@blueprint.route("/<uuid:dataset_id>/labels/<uuid:label_id>")
class OneLabel(MethodView):
    """One label."""

    @blueprint.doc(operationId="getLabel")
    @blueprint.response(200, schemas.LabelSchema, example=examples.LABEL)
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID, label_id: UUID) -> Any:
        """Read a label."""
        label = operations.read(clients().sessions, dataset_id, label_id)
        if etags.is_known(_etag(label)):
            return etags.not_modified(_etag(label))
        return render_label(label), 200, {"ETag": _etag(label)}

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="changeLabel")
    @blueprint.arguments(schemas.LabelChangeSchema, example={"name": "kitten", "colour": "#ff9900"})
    @blueprint.response(200, schemas.LabelSchema, example=examples.LABEL)
    @problems(
        blueprint, NotFoundError, NameTakenError, ShortcutTakenError, StaleDocumentError, InvalidInputError
    )
    def patch(self, body: dict[str, Any], dataset_id: UUID, label_id: UUID) -> Any:
        """Rename or recolour a label, or give it another shortcut.

        Every annotation that refers to it shows the change at once; published versions keep what they say.
        """
        label = operations.change(clients().sessions, dataset_id, label_id, body, _check)
        return render_label(label), 200, {"ETag": _etag(label)}

    @needs(Role.OWNER)
    @blueprint.doc(operationId="deleteLabel")
    @blueprint.arguments(schemas.LabelDeletionSchema, location="query")
    @blueprint.response(
        200, schemas.LabelUsesSchema, example=_USES, description="With `dry_run`: what would go"
    )
    @blueprint.alt_response(202, schema=JobSchema, example=_DELETION_JOB, description="The job goes on")
    @waits
    @problems(blueprint, NotFoundError, StaleDocumentError, InvalidInputError)
    def delete(self, query: dict[str, Any], dataset_id: UUID, label_id: UUID) -> Any:
        """Delete a label. It is out of use at once; a job removes what it named, revision by revision.

        The name is free again, the mask index never; `restoreLabel` brings the label back.
        """
        if query["dry_run"]:
            return _render_uses(label_id, operations.uses(clients().sessions, dataset_id, label_id)), 200
        job = operations.delete(
            clients().sessions, clients().dispatcher, dataset_id, label_id, query["policy"], _check, _order()
        )
        return started(job)


@blueprint.route("/<uuid:dataset_id>/labels/<uuid:label_id>/merge")
class Merge(MethodView):
    """Making one label of two."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="mergeLabel")
    @blueprint.arguments(schemas.LabelMergeSchema, example={"into": examples.LABEL_ID})
    @blueprint.response(
        200, schemas.LabelUsesSchema, example=_USES, description="With `dry_run`: what would change"
    )
    @blueprint.alt_response(202, schema=JobSchema, example=_MERGE_JOB, description="The job goes on")
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID, label_id: UUID) -> Any:
        """Merge a label into another one. It is out of use at once; a job gives its objects to the other."""
        into = body["into"]
        if body["dry_run"]:
            found = operations.uses(clients().sessions, dataset_id, label_id, into)
            return _render_uses(label_id, found), 200
        job = operations.merge(clients().sessions, clients().dispatcher, dataset_id, label_id, into, _order())
        return started(job)


@blueprint.route("/<uuid:dataset_id>/labels/<uuid:label_id>/restore")
class Restoration(MethodView):
    """Taking a deletion back."""

    @needs(Role.OWNER)
    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="restoreLabel")
    @blueprint.response(200, schemas.LabelSchema, example=examples.LABEL)
    @problems(blueprint, NotFoundError, NameTakenError)
    def post(self, dataset_id: UUID, label_id: UUID) -> Any:
        """Bring a deleted label back, under its name and mask index; undo then brings back its objects."""
        label = operations.restore(clients().sessions, dataset_id, label_id)
        return render_label(label), 200, {"ETag": _etag(label)}


def render_label(label: Label | ListedLabel) -> dict[str, Any]:
    """A label as the contract shows it."""
    return {
        "id": label.id,
        "name": label.name,
        "colour": label.colour,
        "shortcut": label.shortcut,
        "mask_index": label.mask_index,
    }


def _render_uses(label_id: UUID, found: Uses) -> dict[str, Any]:
    return {"label_id": label_id, "annotations": found.annotations, "samples": found.samples}


def _etag(label: Label) -> str:
    return etags.etag_of("label", label.row_version)


def _check(label: Label) -> None:
    etags.check_if_match(_etag(label))


def _order() -> operations.Order:
    return operations.Order(current_user_id(), request_id_var.get())
