"""Routes of saved filters and search conditions."""

from typing import Any
from uuid import UUID

from flask import Response, url_for
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.filters import operations, schemas
from fourpoint_api.resources.labels.routes import render_label
from fourpoint_api.web import etags, examples, paging, plain_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import current_user_id
from fourpoint_api.web.documented import not_modified, problems
from fourpoint_api.web.response_headers import sends
from fourpoint_api.web.schemas import PageQuerySchema
from fourpoint_core.domain.filters import SORTS
from fourpoint_core.errors import InvalidInputError, NameTakenError, NotFoundError, StaleDocumentError
from fourpoint_core.store.models import SavedFilter
from fourpoint_core.store.queries.tallies import LabelCount, LabelerCount

blueprint = Blueprint(
    "filters", __name__, url_prefix="/v1/datasets/<uuid:dataset_id>", description="Sample filters"
)
LABEL_COUNT = {"label": examples.LABEL, "images": 5, "objects": 9}
LABELER_COUNT = {"user_id": examples.USER_ID, "name": "local", "images": 5, "objects": 9}
_SAVED = {
    "id": "01930000-0000-7000-8000-0000000000f5",
    "dataset_id": examples.DATASET_ID,
    "name": "Difficult cats",
    "filter": {"label_id": [examples.LABEL_ID], "difficult": True},
    "sort": "-created_at",
    "created_by": examples.USER_ID,
    "created_at": examples.TIME,
}
_NEW = {name: _SAVED[name] for name in ("name", "filter", "sort")}
_CONDITIONS = {
    "labels": [LABEL_COUNT],
    "labelers": [LABELER_COUNT],
    "path_prefixes": ["photos/cats/", "photos/dogs/"],
    "created_within": ["1d", "1mo"],
    "sorts": sorted(SORTS),
}


@blueprint.route("/search-conditions")
class SearchConditions(MethodView):
    """What there is to filter by."""

    @blueprint.doc(operationId="getSearchConditions")
    @blueprint.arguments(schemas.ConditionsQuerySchema, location="query")
    @blueprint.response(200, schemas.SearchConditionsSchema, example=_CONDITIONS)
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """Read what a filter form can offer: labels and labelers with counts, directories, spans."""
        found = operations.conditions(clients().sessions, dataset_id, query["path_prefix"], query["version"])
        return plain_json.answer(
            {
                "labels": [render_label_count(one) for one in found.labels],
                "labelers": [render_labeler_count(one) for one in found.labelers],
                "path_prefixes": found.path_prefixes,
                "created_within": _CONDITIONS["created_within"],
                "sorts": _CONDITIONS["sorts"],
            }
        )


@blueprint.route("/filters")
class SavedFilters(MethodView):
    """Filters kept by name."""

    @blueprint.doc(operationId="listSavedFilters")
    @blueprint.arguments(PageQuerySchema(exclude=["count"]), location="query")
    @blueprint.response(200, schemas.SavedFilterPageSchema, example={"items": [_SAVED], "next_cursor": None})
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """List the saved filters of a dataset, oldest first."""
        scope = f"filters {dataset_id}"
        after = paging.read_cursor(query["cursor"], scope)
        page = operations.listing(clients().sessions, dataset_id, after, query["limit"])
        body, headers = paging.page_body(page, scope, _render, None)
        return body, 200, headers

    @sends(blueprint, "Location", "ETag")
    @blueprint.doc(operationId="createSavedFilter")
    @blueprint.arguments(schemas.NewSavedFilterSchema, example=_NEW)
    @blueprint.response(201, schemas.SavedFilterSchema, example=_SAVED)
    @problems(blueprint, NotFoundError, NameTakenError, InvalidInputError)
    def post(self, body: dict[str, Any], dataset_id: UUID) -> Any:
        """Keep a filter and a sort under a name."""
        wanted = schemas.filter_json(body["filter"])
        saved = operations.create(
            clients().sessions, dataset_id, body["name"], wanted, body["sort"], current_user_id()
        )
        where = url_for("filters.OneSavedFilter", dataset_id=dataset_id, filter_id=saved.id)
        return _render(saved), 201, {"ETag": _etag(saved), "Location": where}


@blueprint.route("/filters/<uuid:filter_id>")
class OneSavedFilter(MethodView):
    """One saved filter."""

    @blueprint.doc(operationId="getSavedFilter")
    @blueprint.response(200, schemas.SavedFilterSchema, example=_SAVED)
    @not_modified(blueprint)
    @problems(blueprint, NotFoundError)
    def get(self, dataset_id: UUID, filter_id: UUID) -> Any:
        """Read a saved filter."""
        saved = operations.read(clients().sessions, dataset_id, filter_id)
        tag = _etag(saved)
        return etags.not_modified(tag) if etags.is_known(tag) else (_render(saved), 200, {"ETag": tag})

    @sends(blueprint, "ETag")
    @blueprint.doc(operationId="changeSavedFilter")
    @blueprint.arguments(schemas.SavedFilterChangeSchema, example={"name": "Cats that are difficult"})
    @blueprint.response(200, schemas.SavedFilterSchema, example=_SAVED)
    @problems(blueprint, NotFoundError, NameTakenError, StaleDocumentError, InvalidInputError)
    def patch(self, body: dict[str, Any], dataset_id: UUID, filter_id: UUID) -> Any:
        """Rename a saved filter, or replace what it asks for."""
        if "filter" in body:
            body["filter"] = schemas.filter_json(body["filter"])
        saved = operations.change(
            clients().sessions, dataset_id, filter_id, body, lambda found: etags.check_if_match(_etag(found))
        )
        return _render(saved), 200, {"ETag": _etag(saved)}

    @blueprint.doc(operationId="deleteSavedFilter")
    @blueprint.response(204)
    @problems(blueprint, NotFoundError, StaleDocumentError)
    def delete(self, dataset_id: UUID, filter_id: UUID) -> Response:
        """Forget a saved filter."""
        operations.remove(
            clients().sessions, dataset_id, filter_id, lambda found: etags.check_if_match(_etag(found))
        )
        return Response(status=204)


def render_label_count(counted: LabelCount) -> dict[str, Any]:
    """A label and its counts as the contract shows them."""
    count = counted.count
    return {"label": render_label(counted.label), "images": count.images, "objects": count.objects}


def render_labeler_count(counted: LabelerCount) -> dict[str, Any]:
    """A person and their counts as the contract shows them."""
    user_id, name, _, images, objects = counted
    return {"user_id": user_id, "name": name, "images": images, "objects": objects}


def _render(saved: SavedFilter) -> dict[str, Any]:
    # Loaded again: the schema shows domain values, and the row holds their JSON.
    wanted = schemas.SampleFilterSchema().load(saved.filter)
    return {
        "id": saved.id,
        "dataset_id": saved.dataset_id,
        "name": saved.name,
        "filter": {name: value for name, value in wanted.items() if name in saved.filter},
        "sort": saved.sort,
        "created_by": saved.created_by,
        "created_at": saved.created_at,
    }


def _etag(saved: SavedFilter) -> str:
    return etags.etag_of("filter", saved.row_version)
