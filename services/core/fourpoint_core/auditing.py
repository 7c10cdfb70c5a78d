"""The audit log as text: for whoever reads it over HTTP, and for files that other systems take in."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from fourpoint_core.store.models import AuditEntry

FIELDS = (
    "id",
    "created_at",
    "actor_id",
    "actor_name",
    "token_id",
    "via",
    "address",
    "request_id",
    "job_id",
    "action",
    "resource_kind",
    "resource_id",
    "dataset_id",
    "changes",
    "database_role",
)
# What spreadsheets take for a formula, and would run.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    """How an export is written: a JSON document a line, or a table for spreadsheets."""

    NDJSON = "ndjson"
    CSV = "csv"


MEDIA_TYPES = {Format.NDJSON: "application/x-ndjson", Format.CSV: "text/csv"}


def entry_to_json(entry: AuditEntry) -> dict[str, Any]:
    """An entry by the names of its fields; times and ids as they are."""
    return {name: getattr(entry, name) for name in FIELDS}


def written(wanted: Format, batches: Iterable[Sequence[AuditEntry]]) -> Iterator[str]:
    """The text of an export, a piece for each batch; a CSV begins with a line of names."""
    if wanted is Format.CSV:
        yield _csv_lines([FIELDS])
    for rows in batches:
        documents = [entry_to_json(row) for row in rows]
        if wanted is Format.CSV:
            yield _csv_lines([[_cell(value) for value in document.values()] for document in documents])
        else:
            yield "".join(_json(document) + "\n" for document in documents)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = _json(value) if isinstance(value, dict) else _plain(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv_lines(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
