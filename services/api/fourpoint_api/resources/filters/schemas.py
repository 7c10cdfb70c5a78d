"""The one schema of sample filters, and bodies of saved filters and search conditions."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from fourpoint_api.resources.labels.schemas import LabelSchema
from fourpoint_api.web.fields import Flag, List, Moment
from fourpoint_api.web.schemas import Schema, page_schema
from fourpoint_api.web.texts import searched_text, storable
from fourpoint_core.domain.filters import SORTS, LabelMatch, SampleFilter, Span, Status

MAX_VALUES = 100
_ATTRIBUTE_HINT = "Give an attribute as key:value."


def _attribute(value: str) -> None:
    storable(value)
    if not value.partition(":")[0] or ":" not in value:
        raise ma.ValidationError(_ATTRIBUTE_HINT)


class SpanField(ma.fields.Field[Span]):
    """A length of time by the calendar, such as `1d` or `1mo`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Span:
        try:
            return Span.parse(str(value))
        except ValueError as error:
            raise ma.ValidationError(str(error)) from error

    def _serialize(self, value: Span | None, attr: Any, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else str(value)


def _many(field: ma.fields.Field[Any], description: str) -> List:
    several = [ma.validate.Length(max=MAX_VALUES)]
    return List(field, load_default=list, validate=several, metadata={"description": description})


def _time(description: str) -> Moment:
    return Moment(load_default=None, metadata={"description": description})


def _flag(description: str) -> Flag:
    return Flag(load_default=None, metadata={"description": description})


class SampleFilterSchema(Schema):
    """Which samples: all conditions must hold, and what is left out does not restrict."""

    status = ma.fields.Enum(Status, by_value=True, load_default=Status.ALL, metadata={"description": "The tab"})
    label_id = _many(ma.fields.UUID(), "Has an object of this label; repeatable")
    label_match = ma.fields.Enum(
        LabelMatch,
        by_value=True,
        load_default=LabelMatch.ANY,
        metadata={"description": "Of several labels: one of them, or each"},
    )
    created_within = SpanField(
        load_default=None,
        metadata={
            "type": "string",
            "pattern": "^[1-9][0-9]{0,2}(h|d|w|mo|y)$",
            "description": "Not older than this: hours, days, weeks, months or years, as in `1d` or `1mo`",
        },
    )
    created_after = _time("Created at this time or later")
    created_before = _time("Created earlier than this time")
    name_contains = searched_text(
        256, "Anywhere in the name, in upper or lower case; `%` and `_` mean themselves"
    )
    path_prefix = searched_text(1024, "The object key begins so, in this directory and all below")
    labeled_by = _many(ma.fields.UUID(), "Labeled, and last saved by this person; repeatable: one of them")
    never_labeled = _flag("No revision ever had an object")
    not_labeled_by = _many(ma.fields.UUID(), "Never labeled by this person; repeatable: by none of them")
    difficult = _flag("Has an object that is marked as difficult, or has none")
    unconfirmed = _flag("Has an outline that a batch has drawn and nobody has confirmed, or has none")
    unsure = _flag("Has one of those that the engine is not sure of, or has none")
    attribute = _many(
        ma.fields.String(validate=[ma.validate.Length(max=512), _attribute]),
        "Some object has this attribute, as `key:value`; repeatable: all of them",
    )
    changed = _flag("The bucket holds another file than the one that was labeled, and nobody has confirmed it")
    at = _time("The documents as they stood at this time, of the samples that there were")
    version = ma.fields.UUID(
        load_default=None,
        metadata={"description": "Images, documents and labels as this published version has them"},
    )

    @ma.validates_schema
    def _one_past(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("at") is not None and data.get("version") is not None:
            raise ma.ValidationError("Ask for a version or for a time, not for both.", "version")


class UnlabeledFilterSchema(SampleFilterSchema):
    """Which of the images that are unlabeled now."""

    class Meta(SampleFilterSchema.Meta):
        """See marshmallow."""

        exclude = ("status", "at", "version")


class SortedFilterSchema(SampleFilterSchema):
    """Which samples, and in which order."""

    sort = ma.fields.String(
        load_default="created_at",
        validate=ma.validate.OneOf(sorted(SORTS)),
        metadata={"description": "`-` turns the order round"},
    )


def filter_of(data: Mapping[str, Any]) -> SampleFilter:
    """The domain's filter from what SampleFilterSchema loaded."""
    return SampleFilter(
        status=data["status"],
        label_ids=tuple(dict.fromkeys(data["label_id"])),
        label_match=data["label_match"],
        created_within=data["created_within"],
        created_after=data["created_after"],
        created_before=data["created_before"],
        name_contains=data["name_contains"],
        path_prefix=data["path_prefix"],
        labeled_by=tuple(data["labeled_by"]),
        never_labeled=data["never_labeled"],
        not_labeled_by=tuple(data["not_labeled_by"]),
        difficult=data["difficult"],
        unconfirmed=data["unconfirmed"],
        unsure=data["unsure"],
        attributes=tuple(_pair(term) for term in data["attribute"]),
        changed=data["changed"],
        at=data["at"],
        version=data["version"],
    )


def filter_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """What SampleFilterSchema loaded, as JSON: what is not asked is left out."""
    schema = SampleFilterSchema()
    dumped: dict[str, Any] = schema.dump(data)
    plain = schema.dump(schema.load({}))
    return {name: value for name, value in dumped.items() if value != plain[name]}


def _pair(term: str) -> tuple[str, str]:
    key, _, value = term.partition(":")
    return key, value


class NewSavedFilterSchema(Schema):
    """A filter to be kept."""

    name = ma.fields.String(required=True, validate=ma.validate.Length(min=1, max=100))
    filter = ma.fields.Nested(SampleFilterSchema, required=True)
    sort = ma.fields.String(load_default="created_at", validate=ma.validate.OneOf(sorted(SORTS)))


class SavedFilterChangeSchema(Schema):
    """What may be changed; what is left out stays, and a filter is replaced whole."""

    name = ma.fields.String(validate=ma.validate.Length(min=1, max=100))
    filter = ma.fields.Nested(SampleFilterSchema)
    sort = ma.fields.String(validate=ma.validate.OneOf(sorted(SORTS)))


class SavedFilterSchema(Schema):
    """A filter under its name."""

    id = ma.fields.UUID(required=True)
    dataset_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    filter = ma.fields.Nested(SampleFilterSchema, required=True)
    sort = ma.fields.String(required=True)
    created_by = ma.fields.UUID(required=True)
    created_at = ma.fields.AwareDateTime(required=True, format="iso")


class ConditionsQuerySchema(Schema):
    """Which level of directories."""

    path_prefix = ma.fields.String(
        load_default=None,
        validate=[ma.validate.Length(max=1024), storable],
        metadata={"description": "A directory; by default the dataset's input path"},
    )
    version = ma.fields.UUID(
        load_default=None, metadata={"description": "A published version instead of the working state"}
    )


class CountSchema(Schema):
    """How often: images, and the objects in them."""

    images = ma.fields.Integer(required=True)
    objects = ma.fields.Integer(required=True)


class LabelCountSchema(CountSchema):
    """How often a label is used."""

    label = ma.fields.Nested(LabelSchema, required=True)


class LabelerCountSchema(CountSchema):
    """What is labeled, with somebody's save as the last."""

    user_id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)


class SearchConditionsSchema(Schema):
    """What a filter form can offer."""

    labels = ma.fields.List(ma.fields.Nested(LabelCountSchema), required=True)
    labelers = ma.fields.List(ma.fields.Nested(LabelerCountSchema), required=True)
    path_prefixes = ma.fields.List(ma.fields.String(), required=True)
    created_within = ma.fields.List(ma.fields.String(), required=True)
    sorts = ma.fields.List(ma.fields.String(), required=True)


SavedFilterPageSchema = page_schema(SavedFilterSchema, "SavedFilterPage")
