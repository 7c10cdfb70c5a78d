"""Bodies of datasets."""

import unicodedata
from collections.abc import Callable
from typing import Any

import marshmallow as ma

from fourpoint_api.resources.labels.schemas import NewLabelSchema
from fourpoint_api.web.fields import Flag, List
from fourpoint_api.web.schemas import PageQuerySchema, Schema, page_schema
from fourpoint_api.web.texts import searched_text


def _visible_text(value: str) -> None:
    if not value.strip():
        raise ma.ValidationError("Give at least one visible character.")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ma.ValidationError("Remove control characters.")


NAME: list[Callable[[str], Any]] = [ma.validate.Length(min=1, max=100), _visible_text]
DESCRIPTION = ma.validate.Length(max=4000)
_PATH = ma.validate.Length(min=1, max=700)
_OUTPUT = {"description": "Key prefix for what is made of the images; neither above nor below the input path"}
_MINUTES = ma.validate.Range(min=1, max=44_640)
_AUTO_SYNC = {"description": "Synchronise every so many minutes; null: only when asked, or told by the bucket"}


class NewDatasetSchema(Schema):
    """A dataset to be made."""

    name = ma.fields.String(required=True, validate=NAME)
    description = ma.fields.String(load_default="", validate=DESCRIPTION)
    input_path = ma.fields.String(
        load_default=None,
        allow_none=True,
        validate=_PATH,
        metadata={
            "description": "Key prefix of the images, or `obs://bucket/prefix/`; what is there is taken in at"
            " once. Without one, the dataset gets a folder of its own."
        },
    )
    output_path = ma.fields.String(load_default=None, allow_none=True, validate=_PATH, metadata=_OUTPUT)
    import_annotations = ma.fields.Boolean(
        load_default=True,
        metadata={"description": "Read the labels in `.xml` files beside the images when synchronising"},
    )
    auto_sync_minutes = ma.fields.Integer(
        load_default=None, allow_none=True, validate=_MINUTES, metadata=_AUTO_SYNC
    )
    labels = List(ma.fields.Nested(NewLabelSchema), load_default=list, validate=ma.validate.Length(max=1000))


class ImageSignatureSchema(Schema):
    """What opens the images of a dataset to an `<img>`."""

    signature = ma.fields.String(required=True)
    expires_at = ma.fields.AwareDateTime(
        required=True, format="iso", metadata={"description": "Ask for another one before"}
    )


class DatasetQuerySchema(PageQuerySchema):
    """Which datasets, and which part of their list."""

    name_contains = searched_text(
        100, "Anywhere in the name, in upper or lower case; `%` and `_` mean themselves"
    )


class DatasetChangeSchema(Schema):
    """What may be changed; what is left out stays."""

    name = ma.fields.String(validate=NAME)
    description = ma.fields.String(validate=DESCRIPTION)
    output_path = ma.fields.String(allow_none=True, validate=_PATH, metadata=_OUTPUT)
    import_annotations = ma.fields.Boolean()
    auto_sync_minutes = ma.fields.Integer(allow_none=True, validate=_MINUTES, metadata=_AUTO_SYNC)


class DatasetDeletionSchema(Schema):
    """How a dataset is deleted."""

    delete_objects = Flag(
        load_default=False, metadata={"description": "Also delete the image files from the object store."}
    )


class DatasetSchema(Schema):
    """A dataset."""

    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    input_path = ma.fields.String(required=True)
    output_path = ma.fields.String(required=True, allow_none=True)
    import_annotations = ma.fields.Boolean(required=True)
    auto_sync_minutes = ma.fields.Integer(required=True, allow_none=True)
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    updated_at = ma.fields.AwareDateTime(required=True, format="iso")


class CreatedDatasetSchema(DatasetSchema):
    """A dataset that has just been made."""

    sync_job_id = ma.fields.UUID(
        required=True, allow_none=True, metadata={"description": "The job that takes in what its path holds"}
    )


class TotalsSchema(Schema):
    """How far the labeling is; progress is floor(labeled / total * 100), and what is missing is in no total."""

    total = ma.fields.Integer(required=True)
    labeled = ma.fields.Integer(required=True)
    unlabeled = ma.fields.Integer(required=True)
    missing = ma.fields.Integer(
        required=True, metadata={"description": "Images whose files are gone from the bucket"}
    )
    progress_percent = ma.fields.Integer(required=True)


class CurrentVersionSchema(Schema):
    """The version that people work on."""

    id = ma.fields.UUID(required=True)
    number = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True)
    published_at = ma.fields.AwareDateTime(required=True, format="iso")


class DashboardSchema(DatasetSchema):
    """A dataset with its counts, and where it stands among its versions."""

    samples = ma.fields.Nested(TotalsSchema, required=True)
    current_version = ma.fields.Nested(CurrentVersionSchema, required=True, allow_none=True)
    has_unpublished_changes = ma.fields.Boolean(
        required=True,
        metadata={"description": "Images, documents or labels differ from the current version"},
    )


DatasetPageSchema = page_schema(DatasetSchema, "DatasetPage")
