"""Sample filters as JSON documents, for rows that keep one."""

from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from fourpoint_core.domain.filters import LabelMatch, SampleFilter, Span, Status

_PARSERS: dict[str, Any] = {
    "status": Status,
    "label_ids": lambda items: tuple(map(UUID, items)),
    "label_match": LabelMatch,
    "created_within": Span.parse,
    "created_after": datetime.fromisoformat,
    "created_before": datetime.fromisoformat,
    "labeled_by": lambda items: tuple(map(UUID, items)),
    "not_labeled_by": lambda items: tuple(map(UUID, items)),
    "attributes": lambda items: tuple((key, value) for key, value in items),
    "at": datetime.fromisoformat,
    "version": UUID,
}


def filter_to_json(wanted: SampleFilter) -> dict[str, Any]:
    """The conditions that restrict, by name."""
    plain = SampleFilter()
    found = {item.name: getattr(wanted, item.name) for item in fields(SampleFilter)}
    return {name: _to_json(value) for name, value in found.items() if value != getattr(plain, name)}


def filter_from_json(document: dict[str, Any]) -> SampleFilter:
    """The inverse of `filter_to_json`."""
    return SampleFilter(**{name: _PARSERS.get(name, _same)(value) for name, value in document.items()})


def _same(value: Any) -> Any:
    return value


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, UUID | Span) else value
