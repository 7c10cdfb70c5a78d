"""Routes of counts."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.datasets.routes import render_totals
from fourpoint_api.resources.filters.routes import (
    LABEL_COUNT,
    LABELER_COUNT,
    render_label_count,
    render_labeler_count,
)
from fourpoint_api.resources.stats import operations, schemas
from fourpoint_api.web import examples, plain_json
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.documented import problems
from fourpoint_core.errors import InvalidInputError, NotFoundError

blueprint = Blueprint("stats", __name__, url_prefix="/v1/datasets/<uuid:dataset_id>", description="Counts")
_STATS = {
    "samples": examples.TOTALS,
    "labels": [LABEL_COUNT],
    "labelers": [LABELER_COUNT],
    "days": [{**LABELER_COUNT, "day": "2026-01-01"}],
}


@blueprint.route("/stats")
class DatasetStats(MethodView):
    """The counts of a dataset."""

    @blueprint.doc(operationId="getDatasetStats")
    @blueprint.arguments(schemas.StatsQuerySchema, location="query")
    @blueprint.response(200, schemas.StatsSchema, example=_STATS)
    @problems(blueprint, NotFoundError, InvalidInputError)
    def get(self, query: dict[str, Any], dataset_id: UUID) -> Any:
        """Count images and objects: in all, per label, per labeler, per labeler and day."""
        stats = operations.read(
            clients().sessions, dataset_id, query["first_day"], query["last_day"], query["version"]
        )
        return plain_json.answer(
            {
                "samples": render_totals(stats.totals),
                "labels": [render_label_count(one) for one in stats.labels],
                "labelers": [render_labeler_count(one) for one in stats.labelers],
                "days": [{**render_labeler_count(one), "day": one.day} for one in stats.days],
            }
        )
