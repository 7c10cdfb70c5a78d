"""What Label Studio calls at the URL of an ML backend, `https://fourpoint/integrations/label-studio`."""

from typing import Any

import marshmallow as ma
from flask import Response
from flask.views import MethodView

from fourpoint_api.clients import clients
from fourpoint_api.resources.label_studio import operations, schemas
from fourpoint_api.resources.pictures import asking
from fourpoint_api.web import examples
from fourpoint_api.web.arguments import Blueprint
from fourpoint_api.web.auth import public, signed_in
from fourpoint_api.web.documented import problems
from fourpoint_core.domain.access import Scope
from fourpoint_core.errors import (
    InvalidInputError,
)

_UP = {"status": "UP", "model_class": "Fourpoint"}
blueprint = Blueprint(
    "label_studio",
    __name__,
    url_prefix="/integrations/label-studio",
    description="An ML backend for Label Studio",
)


@blueprint.route("/health")
class Health(MethodView):
    """Whether there is a backend."""

    @public
    @blueprint.doc(operationId="getLabelStudioHealth", security=[])
    @blueprint.response(200, schemas.LabelStudioHealthSchema, example=_UP)
    def get(self) -> Any:
        """Say that there is an ML backend here; Label Studio waits a second for it."""
        return _UP


@blueprint.route("/")
class Root(MethodView):
    """The same, at the base URL."""

    @public
    @blueprint.doc(operationId="getLabelStudioBackend", security=[])
    @blueprint.response(200, schemas.LabelStudioHealthSchema, example=_UP)
    def get(self) -> Any:
        """Say that there is an ML backend here."""
        return _UP


@blueprint.route("/setup")
class Setup(MethodView):
    """Projects that connect."""

    @signed_in(Scope.LABEL)
    @blueprint.doc(operationId="setUpLabelStudioProject")
    @blueprint.arguments(
        schemas.LabelStudioSetupSchema, unknown=ma.EXCLUDE, example=examples.LABEL_STUDIO_SETUP
    )
    @blueprint.response(200, schemas.LabelStudioModelSchema, example={"model_version": operations.MODEL})
    @problems(blueprint, InvalidInputError)
    def post(self, body: dict[str, Any]) -> Any:
        """Connect a project. Nothing is kept of it: each prediction brings what it needs."""
        return {"model_version": operations.MODEL}


@blueprint.route("/predict")
class Predict(MethodView):
    """Outlines for Label Studio."""

    @signed_in(Scope.LABEL)
    @blueprint.doc(operationId="predictForLabelStudio")
    @blueprint.arguments(
        schemas.LabelStudioPredictSchema, unknown=ma.EXCLUDE, example=examples.LABEL_STUDIO_PREDICT
    )
    @blueprint.response(200, schemas.LabelStudioPredictionsSchema, example=examples.LABEL_STUDIO_PREDICTIONS)
    @problems(blueprint, *asking.PROBLEMS)
    def post(self, body: dict[str, Any]) -> Any:
        """Outline what a person points at: four keypoints, a rectangle, or an outline to start from.

        Answers in the configuration's PolygonLabels, else in its BrushLabels. Without a context, as when
        Label Studio asks for predictions of many tasks, there is nothing to go by and the list is empty.
        """
        context = (body["params"] or {}).get("context") or {}
        drawn = context.get("result") or []
        if not body["tasks"] or not drawn:
            return {"results": []}
        held = clients()
        click = operations.read(
            held.redis,
            held.store,
            held.decoder,
            held.settings,
            body["tasks"][0]["data"] or {},
            body["label_config"],
            drawn,
        )
        if click.question is None:
            return {"results": [operations.nothing_yet()]}
        answer = asking.ask(click.picture, click.question)
        if isinstance(answer, Response):
            return answer
        return {"results": [operations.prediction(click, answer.outline, answer.score)]}


@blueprint.route("/webhook")
class Webhook(MethodView):
    """Events of Label Studio."""

    @public
    @blueprint.doc(operationId="noticeForLabelStudio", security=[])
    @blueprint.arguments(
        schemas.LabelStudioNoticeSchema, unknown=ma.EXCLUDE, example={"action": "ANNOTATION_CREATED"}
    )
    @blueprint.response(200, schemas.LabelStudioNotedSchema, example={"status": "ignored"})
    @problems(blueprint, InvalidInputError)
    def post(self, body: dict[str, Any]) -> Any:
        """Take an event, from anybody: Label Studio sends it without the token that it has.

        Nothing follows from it, however often it comes: the model is not trained on a project's annotations.
        """
        return {"status": "ignored"}
