"""Bodies of counts."""

import marshmallow as ma

from fourpoint_api.resources.datasets.schemas import TotalsSchema
from fourpoint_api.resources.filters.schemas import LabelCountSchema, LabelerCountSchema
from fourpoint_api.web.schemas import Schema


class StatsQuerySchema(Schema):
    """Which days; both ends are included."""

    first_day = ma.fields.Date(
        load_default=None, metadata={"description": "By default 29 days before last_day"}
    )
    last_day = ma.fields.Date(load_default=None, metadata={"description": "By default today, in UTC"})
    version = ma.fields.UUID(
        load_default=None, metadata={"description": "A published version instead of the working state"}
    )


class DayCountSchema(LabelerCountSchema):
    """What was last saved by somebody on a day (UTC), and is labeled."""

    day = ma.fields.Date(required=True)


class StatsSchema(Schema):
    """Counts of a dataset as they are at this moment."""

    samples = ma.fields.Nested(TotalsSchema, required=True)
    labels = ma.fields.List(ma.fields.Nested(LabelCountSchema), required=True)
    labelers = ma.fields.List(ma.fields.Nested(LabelerCountSchema), required=True)
    days = ma.fields.List(ma.fields.Nested(DayCountSchema), required=True)
