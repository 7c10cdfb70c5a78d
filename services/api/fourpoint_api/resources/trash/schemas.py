"""Bodies of deletions and of the trash."""

import marshmallow as ma

from fourpoint_api.resources.filters.schemas import SampleFilterSchema
from fourpoint_api.resources.samples.schemas import SampleSchema
from fourpoint_api.web.fields import Flag, List
from fourpoint_api.web.schemas import PageQuerySchema, Schema, page_schema

MAX_IDS = 10_000


class DeletionRequestSchema(Schema):
    """Samples by id, or by a filter with at least one condition."""

    ids = List(ma.fields.UUID(), load_default=None, validate=ma.validate.Length(max=MAX_IDS))
    filter = ma.fields.Nested(SampleFilterSchema, load_default=None, allow_none=True)
    delete_source = Flag(
        load_default=False,
        metadata={"description": "Also remove the files from the bucket; this cannot be undone"},
    )
    dry_run = Flag(load_default=False, metadata={"description": "Count, and do nothing"})


class SharingSchema(Schema):
    """A dataset, and how many of the selected samples have a file that it shows as well."""

    dataset_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    samples = ma.fields.Integer(required=True)


class PinningSchema(Schema):
    """A published version, and how many of the selected samples it holds: it goes on without their files."""

    version_id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    samples = ma.fields.Integer(required=True)


class DeletionSchema(Schema):
    """What was deleted, or would be."""

    deletion_id = ma.fields.UUID(required=True, allow_none=True)
    samples = ma.fields.Integer(required=True)
    annotations = ma.fields.Integer(required=True, metadata={"description": "Objects drawn on these samples"})
    not_found = ma.fields.List(
        ma.fields.UUID(), required=True, metadata={"description": "Named, and not there, or deleted already"}
    )
    shared_with = ma.fields.List(ma.fields.Nested(SharingSchema), required=True)
    shared_elsewhere = ma.fields.Integer(
        required=True, metadata={"description": "As in `shared_with`, in datasets that you may not see"}
    )
    versions = ma.fields.List(
        ma.fields.Nested(PinningSchema),
        required=True,
        metadata={"description": "Published versions that show these files"},
    )
    versions_elsewhere = ma.fields.Integer(
        required=True, metadata={"description": "Versions as in `versions`, of datasets that you may not see"}
    )
    objects_removed = ma.fields.Integer(
        required=True, metadata={"description": "Files that go; those that another sample shows stay"}
    )
    restorable_until = ma.fields.AwareDateTime(required=True, allow_none=True, format="iso")


class RestorationRequestSchema(Schema):
    """Samples of the trash by id, or all that one deletion put there."""

    ids = List(ma.fields.UUID(), load_default=None, validate=ma.validate.Length(max=MAX_IDS))
    deletion_id = ma.fields.UUID(load_default=None, allow_none=True)


class RestorationSchema(Schema):
    """How many samples came back."""

    samples = ma.fields.Integer(required=True)


class TrashQuerySchema(PageQuerySchema):
    """Which part of the trash."""

    class Meta:
        """Counting it is not offered."""

        exclude = ("count",)
        unknown = ma.RAISE


class TrashedSampleSchema(SampleSchema):
    """A sample in the trash."""

    trashed_at = ma.fields.AwareDateTime(required=True, format="iso")
    trashed_by = ma.fields.UUID(required=True)
    deletion_id = ma.fields.UUID(required=True)
    restorable_until = ma.fields.AwareDateTime(required=True, format="iso")


TrashPageSchema = page_schema(TrashedSampleSchema, "TrashPage")
