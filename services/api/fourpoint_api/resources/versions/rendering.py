"""Versions and what differs between them, as the contract shows them."""

from typing import Any

from fourpoint_api.resources.labels.routes import render_label
from fourpoint_api.resources.versions.operations import Comparison, Forecast
from fourpoint_api.web import etags
from fourpoint_core.store.models import Version
from fourpoint_core.store.queries.version_comparison import Counts, SampleChange
from fourpoint_core.store.queries.version_switching import Verdict
from fourpoint_core.store.queries.versions import Known


def render(known: Known) -> dict[str, Any]:
    """A version."""
    version = known.row
    return {
        "id": version.id,
        "dataset_id": version.dataset_id,
        "number": version.number,
        "name": version.name,
        "description": version.description,
        "state": known.state,
        "is_current": known.is_current,
        "samples": version.samples,
        "labeled": version.labeled,
        "annotations": version.annotations,
        "parent_id": version.parent_id,
        "job_id": version.job_id,
        "created_by": version.created_by,
        "created_at": version.created_at,
        "published_at": version.published_at,
        "deleted_at": version.deleted_at,
    }


def etag(version: Version) -> str:
    """Names the state of what may change of a version."""
    return etags.etag_of("version", version.row_version)


def render_forecast(version_id: Any, forecast: Forecast) -> dict[str, Any]:
    """What making a version current would do."""
    verdicts = forecast.verdicts
    return {
        "version_id": version_id,
        "publishes_first": forecast.publishes,
        "samples_restored": verdicts.get(Verdict.RESTORE, 0),
        "samples_brought_back": verdicts.get(Verdict.BRING_BACK, 0),
        "samples_set_aside": verdicts.get(Verdict.SET_ASIDE, 0),
        "samples_unchanged": forecast.unchanged,
        "samples_gone": verdicts.get(Verdict.GONE, 0),
        "samples_missing": verdicts.get(Verdict.MISSING, 0),
        "samples_resized": verdicts.get(Verdict.RESIZED, 0),
        "labels_changed": forecast.labels,
    }


def render_comparison(found: Comparison) -> dict[str, Any]:
    """What differs, but for the items and their cursor."""
    sides = found.sides
    body: dict[str, Any] = {
        "since": None if sides.before is None else sides.before.id,
        "version": None if sides.after is None else sides.after.id,
        "labels": [
            {
                "before": None if one.before is None else render_label(one.before),
                "after": None if one.after is None else render_label(one.after),
            }
            for one in found.labels
        ],
    }
    if found.counts is not None:
        samples, annotations = found.counts
        body["counts"] = {"samples": _counts(samples), "annotations": _counts(annotations)}
    return body


def render_change(one: SampleChange) -> dict[str, Any]:
    """An image that differs."""
    return {
        "sample_id": one.sample_id,
        "name": one.name,
        "change": one.change,
        "revision_before": one.revision_before,
        "revision_after": one.revision_after,
        "other_file": one.other_image,
        "moved": one.moved,
        "annotations": _counts(one.annotations),
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {"added": counts.added, "changed": counts.changed, "removed": counts.removed}
