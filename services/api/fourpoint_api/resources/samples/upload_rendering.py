"""Uploads as the contract shows them."""

import base64
from collections.abc import Sequence
from typing import Any

from flask import json

from fourpoint_api.resources.samples.schemas import UploadReportSchema
from fourpoint_api.resources.samples.uploads import FileReport, Stored
from fourpoint_api.settings import ApiSettings
from fourpoint_api.web import examples
from fourpoint_core.errors import BatchTooLargeError, FieldError
from fourpoint_core.store.models import Sample

_DUPLICATE = {"sample_id": "01930000-0000-7000-8000-0000000000a0", "name": "cat-1.png"}
EXAMPLE = {**examples.SAMPLE, "original_name": "cat.png", "duplicates": [_DUPLICATE]}
REPORT_EXAMPLE = {
    "acceptable": True,
    "size_bytes": 240512,
    "files": [
        {
            **{name: examples.SAMPLE[name] for name in ("name", "size_bytes", "media_type", "digest")},
            "width": 451,
            "height": 300,
            "original_name": "cat.png",
            "thumbnail": "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD/2wBD",
            "duplicates": [_DUPLICATE],
            "same_as": [],
            "error": None,
        }
    ],
    "errors": [],
}
_schema = UploadReportSchema()


def about(stored: Stored, original_name: str) -> dict[str, Any]:
    """What an upload says about a new sample, beside the sample."""
    return {"original_name": original_name, "duplicates": _duplicates(stored.duplicates)}


def report_json(found: Sequence[FileReport], settings: ApiSettings) -> str:
    """The document of what would become of an upload."""
    total = sum(item.size for item in found)
    errors = []
    if total > settings.max_batch_bytes:
        detail = f"The files have {total:,} bytes in all; send at most {settings.max_batch_bytes:,} at once."
        errors.append({"pointer": "/files", "code": BatchTooLargeError.code, "detail": detail})
    document = {
        "acceptable": not errors and all(item.error is None for item in found),
        "size_bytes": total,
        "files": [_file(item) for item in found],
        "errors": errors,
    }
    return json.dumps(_schema.dump(document))


def _file(item: FileReport) -> dict[str, Any]:
    checked = item.checked
    return {
        "original_name": item.original_name,
        "size_bytes": item.size,
        "name": checked and checked.name,
        "media_type": checked and checked.facts.media_type,
        "digest": checked and checked.digest,
        "width": checked and checked.facts.width,
        "height": checked and checked.facts.height,
        "thumbnail": None if item.preview is None else _data_uri(item.preview),
        "duplicates": _duplicates(item.duplicates),
        "same_as": item.same_as,
        "error": None if item.error is None else _error(item.error),
    }


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _duplicates(found: Sequence[Sample]) -> list[dict[str, Any]]:
    return [{"sample_id": sample.id, "name": sample.name} for sample in found]


def _error(error: FieldError) -> dict[str, str]:
    return {"pointer": error.pointer, "code": error.code, "detail": error.detail}
