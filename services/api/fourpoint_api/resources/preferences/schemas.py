"""Bodies of preferences."""

import marshmallow as ma

from fourpoint_api.web.schemas import Schema
from fourpoint_core.domain.annotations import Method


class PreferencesSchema(Schema):
    """What you chose last in a dataset."""

    labeling_method = ma.fields.Enum(
        Method, by_value=True, required=True, metadata={"description": "How outlines are drawn"}
    )
