"""Bodies of Label Studio's protocol; what its next release adds is no error."""

import marshmallow as ma

from fourpoint_api.web.fields import List


class TolerantSchema(ma.Schema):
    """Base of what other tools send: unknown fields are no matter."""

    class Meta:
        """See marshmallow."""

        unknown = ma.EXCLUDE


class LabelStudioHealthSchema(TolerantSchema):
    """What Label Studio asks before it connects."""

    status = ma.fields.String(required=True)
    model_class = ma.fields.String(required=True)


class LabelStudioSetupSchema(TolerantSchema):
    """A project that connects. What else is sent, a token of its owner among it, is not looked at."""

    project = ma.fields.Raw(load_default=None, metadata={"description": "`id.timestamp`"})
    schema = ma.fields.String(load_default=None, metadata={"description": "The labeling configuration"})


class LabelStudioModelSchema(TolerantSchema):
    """Which model answers."""

    model_version = ma.fields.String(required=True)


class LabelStudioContextSchema(TolerantSchema):
    """What a person has drawn for the model."""

    result = List(ma.fields.Dict(keys=ma.fields.String()), load_default=list, allow_none=True)


class LabelStudioParamsSchema(TolerantSchema):
    """What goes with a request."""

    context = ma.fields.Nested(LabelStudioContextSchema(unknown=ma.EXCLUDE), load_default=None, allow_none=True)


class LabelStudioTaskSchema(TolerantSchema):
    """A task, of which only the data counts."""

    data = ma.fields.Dict(keys=ma.fields.String(), load_default=dict, allow_none=True)


class LabelStudioPredictSchema(TolerantSchema):
    """Tasks, and what was drawn on the only one where a person waits."""

    tasks = List(
        ma.fields.Nested(LabelStudioTaskSchema(unknown=ma.EXCLUDE)),
        required=True,
        validate=ma.validate.Length(max=10_000),
    )
    label_config = ma.fields.String(load_default=None, allow_none=True)
    params = ma.fields.Nested(LabelStudioParamsSchema(unknown=ma.EXCLUDE), load_default=None, allow_none=True)


class LabelStudioPredictionSchema(TolerantSchema):
    """The outline of one task."""

    model_version = ma.fields.String(required=True)
    score = ma.fields.Float(required=True)
    result = ma.fields.List(ma.fields.Dict(keys=ma.fields.String()), required=True)


class LabelStudioPredictionsSchema(TolerantSchema):
    """One prediction, or none where nobody has clicked."""

    results = ma.fields.List(ma.fields.Nested(LabelStudioPredictionSchema), required=True)


class LabelStudioNoticeSchema(TolerantSchema):
    """An event of Label Studio."""

    action = ma.fields.Raw(load_default=None, metadata={"description": "Such as `ANNOTATION_CREATED`"})


class LabelStudioNotedSchema(TolerantSchema):
    """That it has come."""

    status = ma.fields.String(required=True)
