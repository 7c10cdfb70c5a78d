"""Bodies of samples."""

import marshmallow as ma

from fourpoint_api.resources.filters.schemas import SortedFilterSchema, UnlabeledFilterSchema
from fourpoint_api.web.fields import Flag, List
from fourpoint_api.web.schemas import FieldProblemSchema, PageQuerySchema, Schema, page_schema
from fourpoint_core.domain.filters import SORTS

THUMBNAIL_SIZES = (128, 256, 512)


class SampleSchema(Schema):
    """One image; width and height are those of the upright image."""

    id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    object_key = ma.fields.String(required=True)
    digest = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "SHA-256 of the file, hex; null where only its header has been read yet"},
    )
    media_type = ma.fields.String(required=True)
    size_bytes = ma.fields.Integer(required=True)
    width = ma.fields.Integer(required=True)
    height = ma.fields.Integer(required=True)
    status = ma.fields.String(
        required=True,
        validate=ma.validate.OneOf(["labeled", "unlabeled", "missing"]),
        metadata={"description": "`missing`: its file is gone from the bucket; its annotations are kept"},
    )
    annotation_count = ma.fields.Integer(required=True)
    revision = ma.fields.Integer(required=True)
    labeled_by = ma.fields.UUID(required=True, allow_none=True)
    labeled_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")
    object_modified_at = ma.fields.AwareDateTime(
        required=True,
        allow_none=True,
        format="iso",
        metadata={"description": "When the file was last written, where a synchronisation has seen it"},
    )
    missing_since = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")
    changed_at = ma.fields.AwareDateTime(
        required=True,
        allow_none=True,
        format="iso",
        metadata={"description": "When another file was found in its place; null once somebody confirmed it"},
    )


class SampleQuerySchema(PageQuerySchema, SortedFilterSchema):
    """Which samples, in which order, and which part of the list."""

    count = ma.fields.String(
        load_default=None,
        validate=ma.validate.OneOf(["exact", "estimated"]),
        metadata={"description": "Ask for `total`; an exact one costs time where a filter matches much."},
    )


class NeighboursSchema(Schema):
    """What comes before and after a sample in a list; null at its ends."""

    previous = ma.fields.UUID(required=True, allow_none=True)
    next = ma.fields.UUID(required=True, allow_none=True)


class NextSampleRequestSchema(Schema):
    """What a labeler wants to label next."""

    filter = ma.fields.Nested(
        UnlabeledFilterSchema,
        load_default=None,
        metadata={"description": "Unlabeled images only, as they are now"},
    )
    sort = ma.fields.String(load_default="created_at", validate=ma.validate.OneOf(sorted(SORTS)))
    lease_seconds = ma.fields.Integer(
        load_default=600,
        validate=ma.validate.Range(min=10, max=3600),
        metadata={"description": "How long nobody else is given the image"},
    )
    skip = List(
        ma.fields.UUID(),
        load_default=list,
        validate=ma.validate.Length(max=1000),
        metadata={"description": "Images to pass over; what you hold of them is given back"},
    )


class NextSampleSchema(Schema):
    """An image that is yours until expires_at; both null: there is none left."""

    sample = ma.fields.Nested(SampleSchema, required=True, allow_none=True)
    expires_at = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")


class UploadQuerySchema(Schema):
    """Whether files are to be stored."""

    validate_only = Flag(
        load_default=False, metadata={"description": "Say what would become of each file, and store nothing"}
    )


class DuplicateSchema(Schema):
    """An image of the dataset with the same bytes."""

    sample_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)


_DUPLICATES = {"description": "Images of the dataset with the same bytes, oldest first, at most ten"}


class UploadedSampleSchema(SampleSchema):
    """A new sample, and what its file was called."""

    original_name = ma.fields.String(required=True)
    duplicates = ma.fields.List(ma.fields.Nested(DuplicateSchema), required=True, metadata=_DUPLICATES)


class UploadSchema(Schema):
    """What an upload stored."""

    items = ma.fields.List(ma.fields.Nested(UploadedSampleSchema), required=True)


class FileReportSchema(Schema):
    """What would become of one file; where `error` is not null, what cannot be known is null."""

    original_name = ma.fields.String(required=True)
    size_bytes = ma.fields.Integer(required=True)
    name = ma.fields.String(required=True, allow_none=True, metadata={"description": "As it would be stored"})
    media_type = ma.fields.String(required=True, allow_none=True)
    digest = ma.fields.String(required=True, allow_none=True)
    width = ma.fields.Integer(required=True, allow_none=True)
    height = ma.fields.Integer(required=True, allow_none=True)
    thumbnail = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "A small upright JPEG as data URI"}
    )
    duplicates = ma.fields.List(ma.fields.Nested(DuplicateSchema), required=True, metadata=_DUPLICATES)
    same_as = ma.fields.List(
        ma.fields.Integer(),
        required=True,
        metadata={"description": "Places of earlier files with the same bytes"},
    )
    error = ma.fields.Nested(FieldProblemSchema, required=True, allow_none=True)


class UploadReportSchema(Schema):
    """What would become of an upload. errors: what is wrong with it as a whole."""

    acceptable = ma.fields.Boolean(required=True)
    size_bytes = ma.fields.Integer(required=True)
    files = ma.fields.List(ma.fields.Nested(FileReportSchema), required=True)
    errors = ma.fields.List(ma.fields.Nested(FieldProblemSchema), required=True)


class ImageQuerySchema(Schema):
    """What opens an image to an `<img>`, which sends no token."""

    signature = ma.fields.String(
        load_default=None,
        metadata={"description": "Of `getImageSignature`, instead of a token"},
    )


class ThumbnailQuerySchema(ImageQuerySchema):
    """How large a thumbnail."""

    size = ma.fields.Integer(
        load_default=256,
        validate=ma.validate.OneOf(THUMBNAIL_SIZES),
        metadata={"description": "Longest side in pixels"},
    )


SamplePageSchema = page_schema(SampleSchema, "SamplePage")
