"""Routes of versions."""

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.filters.routes import LABEL_COUNT, render_label_count
from fourpoint_api.resources.jobs.holding import started, started_before
from fourpoint_api.resources.jobs.schemas import JobSchema
from fourpoint_api.resources.versions import operations, rendering, schemas
from fourpoint_api.web import etags, examples, paging
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id, needs
from fourpoint_api.web.documented import not_modified, problems, waits
from fourpoint_api.web.response_headers import sends
from fourpoint_core.domain.access import Role
from fourpoint_core.errors import (
    DatasetEmptyError,
    InvalidInputError,
    NameTakenError,
    NotFoundError,
    StaleDocumentError,
    VersionCurrentError,
    VersionsBusyError,
    VersionStateError,
)
from fourpoint_core.logs import request_id_var

blueprint = Blueprint(
    "versions", __name__, url_prefix="/v1/datasets/<uuid:dataset_id>", description="Published versions"
)
_PUBLICATION = {**examples.JOB, "kind": "publish_version", "queue": "io", "sample_id": None}
_SWITCH = {**examples.JOB, "kind": "switch_version", "queue": "io", "sample_id": None}
_FORECAST = {
    "version_id": examples.VERSION_ID,
    "publishes_first": True,
    "samples_restored": 3,
    "samples_brought_back": 0,
    "samples_set_aside": 1,
    "samples_unchanged": 4,
    "samples_gone": 0,
    "samples_missing": 0,
    "samples_resized": 0,
    "labels_changed": 1,
}
_COMPARISON = {
    "since": examples.VERSION_ID,
    "version": None,
    "labels": [{"before": examples.LABEL, "after": {**examples.LABEL, "name": "tabby"}}],
    "items": [
        {
            "sample_id": examples.SAMPLE_ID,
            "name": "cat.png",
            "change": "changed",
            "revision_before": 1,
            "revision_after": 3,
            "other_file": False,
            "moved": False,
            "annotations": {"added": 1, "changed": 0, "removed": 0},
        }
    ],
    "next_cursor": None,
    "counts": {
        "samples": {"added": 0, "changed": 1, "removed": 0},
        "annotations": {"added": 1, "changed": 0, "removed": 0},
    },
}


@blueprint.route("/versions")
class Versions(MethodView):
    """The versions of a dataset."""

    @blueprint.doc(operationId="listVersions")
    @blueprint.arguments(schemas.VersionQuerySchema, location="query")
    @blueprint.response(
        200, schemas.VersionPageSchema, example={"items": [examples.VERSION], "next_cursor": None}
    )
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List the versions of a dataset, oldest first; `deleted=true` lists those that can be restored."""
        scope = f"versions {dataset_id} {query['deleted']}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.listing(
            clients().sessions, dataset_id, deleted=query["deleted"], after=after, limit=query["limit"]
        )
        body, headers = paging.page_body(page, scope, rendering.render, None)
        return body, 200, headers

    @needs(Role.OWNER)
    @blueprint.doc(operationId="publishVersion")
    @blueprint.arguments(schemas.NewVersionSchema, example={"name": "V001", "description": "The first cats"})
    @blueprint.response(202, JobSchema, example=_PUBLICATION)
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError, NameTakenError, VersionsBusyError, DatasetEmptyError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Response:
        """Publish the working state under a name. A job does it; people go on labeling meanwhile.

        The version holds all images, documents and labels as they are at one moment, and becomes the current
        one. One publishes at a time. The job's `result` names the version and, with `write_output`, the job
        that then writes it as files of ModelArts below the dataset's output path.
        """
        return started(started_before() or self._publish(body, dataset_id))

    def _publish(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        return operations.publish(
            clients().sessions,
            clients().dispatcher,
            dataset_id,
            body["name"],
            body["description"],
            _order(),
            write_output=body["write_output"],
        )


@blueprint.route("/versions/<uuid:version_id>")
class OneVersion(MethodView):
    """One version."""

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="getVersion")
    @blueprint.response(200, schemas.VersionDetailSchema, example={**examples.VERSION, "labels": [LABEL_COUNT]})
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID, version_id: UUID) -> Any:
        """Read a version, with its labels as they were called and the counts of each."""
        known, labels = operations.read(clients().sessions, dataset_id, version_id)
        tag = rendering.etag(known.row)
        counted = [render_label_count(one) for one in labels]
        return {**rendering.render(known), "labels": counted}, 200, {"ETag": tag}

    @needs(Role.OWNER)
    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="changeVersion")
    @blueprint.arguments(schemas.VersionChangeSchema, example={"description": "Cats, checked twice"})
    @blueprint.response(200, schemas.VersionSchema, example=examples.VERSION)
    @problems(blueprint, NotFoundError, StaleDocumentError, InvalidInputError)
    def patch(self, body: dict[str, Any], dataset_id: UUID, version_id: UUID) -> Any:
        """Describe a version in other words; with `If-Match`, only if nobody else did meanwhile."""
        known = operations.describe(
            clients().sessions, dataset_id, version_id, body["description"], _if_matches
        )
        return rendering.render(known), 200, {"ETag": rendering.etag(known.row)}

    @needs(Role.OWNER)
    @blueprint.doc(operationId="deleteVersion")
    @blueprint.response(204)
    @problems(
        blueprint,
        NotFoundError,
        StaleDocumentError,
        VersionCurrentError,
        VersionStateError,
        VersionsBusyError,
    )
    def delete(self, dataset_id: UUID, version_id: UUID) -> Response:
        """Delete a version; not the current one. For some days it can be restored; no file is touched."""
        operations.delete(clients().sessions, dataset_id, version_id, current_user_id(), _if_matches)
        return Response(status=204)


@blueprint.route("/versions/<uuid:version_id>/restore")
class VersionRestoration(MethodView):
    """Taking the deletion of a version back."""

    @needs(Role.OWNER)
    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="restoreVersion")
    @blueprint.response(200, schemas.VersionSchema, example=examples.VERSION)
    @problems(blueprint, NotFoundError, NameTakenError)
    def post(self, dataset_id: UUID, version_id: UUID) -> Any:
        """Bring a deleted version back. To work on a version again, make it the current one."""
        known = operations.restore(clients().sessions, dataset_id, version_id)
        return rendering.render(known), 200, {"ETag": rendering.etag(known.row)}


@blueprint.route("/versions/<uuid:version_id>/set-current")
class CurrentVersion(MethodView):
    """The version that people work on."""

    @needs(Role.OWNER)
    @blueprint.doc(operationId="setCurrentVersion")
    @blueprint.arguments(schemas.SwitchQuerySchema, location="query")
    @blueprint.response(
        200,
        schemas.SwitchForecastSchema,
        example=_FORECAST,
        description="With `dry_run`: what it would do",
    )
    @blueprint.alt_response(202, schema=JobSchema, example=_SWITCH, description="The job that does it")
    @waits
    @problems(blueprint, NotFoundError, InvalidInputError, VersionStateError, VersionsBusyError)
    def post(self, query: dict[str, Any], dataset_id: UUID, version_id: UUID) -> Any:
        """Work on a version again: lists, labels and counts become those of the version. A job does it.

        What is not published yet is published first, and every image changes by a revision of its own, so
        nothing is lost; what somebody saves meanwhile stays. `dry_run=true` counts what it would do.
        """
        if query["dry_run"]:
            forecast = operations.foresee_switch(clients().sessions, dataset_id, version_id)
            return rendering.render_forecast(version_id, forecast), 200
        job = started_before() or operations.switch(
            clients().sessions, clients().dispatcher, dataset_id, version_id, _order()
        )
        return started(job)


@blueprint.route("/versions/<uuid:version_id>/changes")
class VersionChanges(MethodView):
    """What makes a version of another one."""

    @sends(blueprint, "Link")
    @blueprint.doc(operationId="compareVersions")
    @blueprint.arguments(schemas.ComparisonQuerySchema, location="query")
    @blueprint.response(
        200, schemas.ComparisonSchema, example={**_COMPARISON, "version": examples.VERSION_ID, "since": None}
    )
    @problems(blueprint, NotFoundError, InvalidInputError, VersionStateError)
    def get(self, query: dict[str, Any], dataset_id: UUID, version_id: UUID) -> Any:
        """Compare a version with `since`, by default the one before: images, objects and labels that differ."""
        return _compare(query, dataset_id, version_id)


@blueprint.route("/changes")
class WorkingChanges(MethodView):
    """What makes the working state of a version."""

    @sends(blueprint, "Link")
    @blueprint.doc(operationId="compareWorkingState")
    @blueprint.arguments(schemas.ComparisonQuerySchema, location="query")
    @blueprint.response(200, schemas.ComparisonSchema, example=_COMPARISON)
    @problems(blueprint, NotFoundError, InvalidInputError, VersionStateError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """Compare the working state with `since`, by default the current version: what is not published yet."""
        return _compare(query, dataset_id, None)


def _compare(query: dict[str, Any], dataset_id: UUID, version_id: UUID | None) -> Any:
    scope = f"changes {dataset_id} {version_id} {query['since']} {query['change']}"
    found = operations.compare(
        clients().sessions,
        dataset_id,
        version_id,
        query["since"],
        query["change"],
        paging.open_cursor(query["cursor"], scope, lambda _, sample_id: UUID(sample_id)),
        query["limit"],
        count=query["count"] is not None,
    )
    items = [rendering.render_change(one) for one in found.changes]
    place = None if found.next is None else ("", str(found.next))
    page, headers = paging.list_body(items, scope, place, None)
    return {**rendering.render_comparison(found), **page}, 200, headers


def _order() -> operations.Order:
    return operations.Order(current_user_id(), request_id_var.get())


def _if_matches(version: Any) -> None:
    etags.check_if_match(rendering.etag(version))
