"""Annotations and documents as the contract shows them."""

from typing import Any

from fourpoint_api.resources.annotations.operations import Document
from fourpoint_api.resources.labels.routes import render_label
from fourpoint_core.store.queries.annotations import LabeledAnnotation


def render(found: LabeledAnnotation) -> dict[str, Any]:
    """An annotation."""
    row = found.row
    return {
        "id": row.annotation_id,
        "label": render_label(found.label),
        "contour": row.contour,
        "bbox": row.bounding_box,
        "area": row.area,
        "attributes": row.attributes,
        "visible": row.visible,
        "z_order": row.z_order,
        "difficult": row.difficult,
        "occluded": row.occluded,
        "truncated": row.truncated,
        "unconfirmed": row.unconfirmed,
        "method": row.method,
        "prompt": row.prompt,
        "contour_id": row.contour_id,
        "engine": row.engine,
        "model_digest": row.model_digest,
        "score": row.score,
        "confident": found.confident,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "edited_by": row.edited_by,
        "edited_at": row.edited_at,
    }


def render_document(document: Document) -> dict[str, Any]:
    """A document."""
    return {
        "sample_id": document.sample.id,
        "revision": document.sample.revision,
        "undo_to": document.undo_to,
        "redo_to": document.redo_to,
        "annotations": [render(found) for found in document.annotations],
    }
