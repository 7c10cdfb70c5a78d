"""Every operation of the contract, as a function of its parameters. Generated: `make clients`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fourpoint_client import models
from fourpoint_client.requests import Call, ListCall, address


def get_health() -> Call[models.Live]:
    """Whether the process answers, and will go on to; looks at nothing else."""
    return Call("GET", address("/healthz"))


def get_readiness() -> Call[models.Ready]:
    """Whether database, broker, storage and workers are there."""
    return Call("GET", address("/readyz"))


def list_datasets(
    *,
    limit: int | None = None,
    cursor: str | None = None,
    count: Literal["exact"] | None = None,
    name_contains: str | None = None,
) -> ListCall[models.DatasetPage, models.Dataset]:
    """List the datasets that you may see, oldest first."""
    return ListCall(
        "GET",
        address("/v1/datasets"),
        query={"limit": limit, "cursor": cursor, "count": count, "name_contains": name_contains},
    )


def create_dataset(
    body: models.NewDataset, *, idempotency_key: str | None = None
) -> Call[models.CreatedDataset]:
    """Create a dataset, with its first labels if you like."""
    return Call("POST", address("/v1/datasets"), headers={"Idempotency-Key": idempotency_key}, json=body)


def get_image_signature(dataset_id: str) -> Call[models.ImageSignature]:
    """Sign the addresses of a dataset's images and thumbnails, for an hour, for you."""
    return Call("GET", address("/v1/datasets/{dataset_id}/image-signature", dataset_id=dataset_id))


def get_dataset(dataset_id: str, *, if_none_match: str | None = None) -> Call[models.Dashboard]:
    """Read a dataset: how far its labeling is, and whether there is anything to publish."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}", dataset_id=dataset_id),
        headers={"If-None-Match": if_none_match},
    )


def change_dataset(
    dataset_id: str, body: models.DatasetChange, *, if_match: str | None = None
) -> Call[models.Dataset]:
    """Change a dataset; with `If-Match`, only if nobody else did meanwhile."""
    return Call(
        "PATCH",
        address("/v1/datasets/{dataset_id}", dataset_id=dataset_id),
        headers={"If-Match": if_match},
        json=body,
    )


def delete_dataset(
    dataset_id: str, *, prefer: str | None = None, delete_objects: bool | None = None
) -> Call[models.Job]:
    """Delete a dataset. It is gone at once; a job removes what it held."""
    return Call(
        "DELETE",
        address("/v1/datasets/{dataset_id}", dataset_id=dataset_id),
        query={"delete_objects": delete_objects},
        headers={"Prefer": prefer},
    )


def list_labels(dataset_id: str) -> Call[models.LabelList]:
    """List all labels of a dataset."""
    return Call("GET", address("/v1/datasets/{dataset_id}/labels", dataset_id=dataset_id))


def create_label(
    dataset_id: str, body: models.NewLabel, *, idempotency_key: str | None = None
) -> Call[models.Label]:
    """Make sure that a label exists: 201 when it is new, 200 when it was there."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/labels", dataset_id=dataset_id),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def get_label(dataset_id: str, label_id: str, *, if_none_match: str | None = None) -> Call[models.Label]:
    """Read a label."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}/labels/{label_id}", dataset_id=dataset_id, label_id=label_id),
        headers={"If-None-Match": if_none_match},
    )


def change_label(
    dataset_id: str, label_id: str, body: models.LabelChange, *, if_match: str | None = None
) -> Call[models.Label]:
    """Rename or recolour a label, or give it another shortcut."""
    return Call(
        "PATCH",
        address("/v1/datasets/{dataset_id}/labels/{label_id}", dataset_id=dataset_id, label_id=label_id),
        headers={"If-Match": if_match},
        json=body,
    )


def delete_label(
    dataset_id: str,
    label_id: str,
    *,
    if_match: str | None = None,
    prefer: str | None = None,
    policy: Literal["label", "samples", "samples_and_source"] | None = None,
    dry_run: bool | None = None,
) -> Call[models.LabelUses | models.Job]:
    """Delete a label. It is out of use at once; a job removes what it named, revision by revision."""
    return Call(
        "DELETE",
        address("/v1/datasets/{dataset_id}/labels/{label_id}", dataset_id=dataset_id, label_id=label_id),
        query={"policy": policy, "dry_run": dry_run},
        headers={"If-Match": if_match, "Prefer": prefer},
    )


def merge_label(
    dataset_id: str,
    label_id: str,
    body: models.LabelMerge,
    *,
    prefer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.LabelUses | models.Job]:
    """Merge a label into another one. It is out of use at once; a job gives its objects to the other."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/labels/{label_id}/merge", dataset_id=dataset_id, label_id=label_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def restore_label(dataset_id: str, label_id: str, *, idempotency_key: str | None = None) -> Call[models.Label]:
    """Bring a deleted label back, under its name and mask index; undo then brings back its objects."""
    return Call(
        "POST",
        address(
            "/v1/datasets/{dataset_id}/labels/{label_id}/restore", dataset_id=dataset_id, label_id=label_id
        ),
        headers={"Idempotency-Key": idempotency_key},
    )


def list_samples(
    dataset_id: str,
    *,
    status: Literal["all", "labeled", "unlabeled", "missing"] | None = None,
    label_id: Sequence[str] | None = None,
    label_match: Literal["any", "all"] | None = None,
    created_within: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    name_contains: str | None = None,
    path_prefix: str | None = None,
    labeled_by: Sequence[str] | None = None,
    never_labeled: bool | None = None,
    not_labeled_by: Sequence[str] | None = None,
    difficult: bool | None = None,
    unconfirmed: bool | None = None,
    unsure: bool | None = None,
    attribute: Sequence[str] | None = None,
    changed: bool | None = None,
    at: str | None = None,
    version: str | None = None,
    sort: Literal[
        "-annotation_count", "-created_at", "-name", "-size", "annotation_count", "created_at", "name", "size"
    ]
    | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    count: Literal["exact", "estimated"] | None = None,
) -> ListCall[models.SamplePage, models.Sample]:
    """List images: those of a tab, those that match a filter, in the order asked for."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/samples", dataset_id=dataset_id),
        query={
            "status": status,
            "label_id": label_id,
            "label_match": label_match,
            "created_within": created_within,
            "created_after": created_after,
            "created_before": created_before,
            "name_contains": name_contains,
            "path_prefix": path_prefix,
            "labeled_by": labeled_by,
            "never_labeled": never_labeled,
            "not_labeled_by": not_labeled_by,
            "difficult": difficult,
            "unconfirmed": unconfirmed,
            "unsure": unsure,
            "attribute": attribute,
            "changed": changed,
            "at": at,
            "version": version,
            "sort": sort,
            "limit": limit,
            "cursor": cursor,
            "count": count,
        },
    )


def upload_samples(
    dataset_id: str,
    body: Sequence[tuple[str, bytes]],
    *,
    validate_only: bool | None = None,
    idempotency_key: str | None = None,
) -> Call[models.UploadReport | models.Upload]:
    """Upload images (fields named `files`): JPEG, PNG or BMP by content. All are stored, or none."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/samples", dataset_id=dataset_id),
        query={"validate_only": validate_only},
        headers={"Idempotency-Key": idempotency_key},
        files=body,
    )


def take_next_sample(
    dataset_id: str, body: models.NextSampleRequest, *, idempotency_key: str | None = None
) -> Call[models.NextSample]:
    """Take the next unlabeled image: nobody else is given it until you save, or until the lease ends."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/samples/next", dataset_id=dataset_id),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def release_sample_lease(sample_id: str) -> Call[None]:
    """Give an image back that you took; nothing happens when it is not yours."""
    return Call("DELETE", address("/v1/samples/{sample_id}/lease", sample_id=sample_id))


def get_sample_neighbours(
    sample_id: str,
    *,
    status: Literal["all", "labeled", "unlabeled", "missing"] | None = None,
    label_id: Sequence[str] | None = None,
    label_match: Literal["any", "all"] | None = None,
    created_within: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    name_contains: str | None = None,
    path_prefix: str | None = None,
    labeled_by: Sequence[str] | None = None,
    never_labeled: bool | None = None,
    not_labeled_by: Sequence[str] | None = None,
    difficult: bool | None = None,
    unconfirmed: bool | None = None,
    unsure: bool | None = None,
    attribute: Sequence[str] | None = None,
    changed: bool | None = None,
    at: str | None = None,
    version: str | None = None,
    sort: Literal[
        "-annotation_count", "-created_at", "-name", "-size", "annotation_count", "created_at", "name", "size"
    ]
    | None = None,
) -> Call[models.Neighbours]:
    """Read which images come before and after this one, under the filter and sort of a list."""
    return Call(
        "GET",
        address("/v1/samples/{sample_id}/neighbours", sample_id=sample_id),
        query={
            "status": status,
            "label_id": label_id,
            "label_match": label_match,
            "created_within": created_within,
            "created_after": created_after,
            "created_before": created_before,
            "name_contains": name_contains,
            "path_prefix": path_prefix,
            "labeled_by": labeled_by,
            "never_labeled": never_labeled,
            "not_labeled_by": not_labeled_by,
            "difficult": difficult,
            "unconfirmed": unconfirmed,
            "unsure": unsure,
            "attribute": attribute,
            "changed": changed,
            "at": at,
            "version": version,
            "sort": sort,
        },
    )


def get_sample(sample_id: str, *, if_none_match: str | None = None) -> Call[models.Sample]:
    """Read an image's facts and its state."""
    return Call(
        "GET", address("/v1/samples/{sample_id}", sample_id=sample_id), headers={"If-None-Match": if_none_match}
    )


def confirm_sample_change(sample_id: str, *, idempotency_key: str | None = None) -> Call[models.Sample]:
    """Say that you have looked at an image since its file was replaced; `changed_at` is null then."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/change/confirm", sample_id=sample_id),
        headers={"Idempotency-Key": idempotency_key},
    )


def get_sample_image(
    sample_id: str, *, range: str | None = None, if_none_match: str | None = None, signature: str | None = None
) -> Call[bytes]:
    """Read the image file, with ETag and Range."""
    return Call(
        "GET",
        address("/v1/samples/{sample_id}/image", sample_id=sample_id),
        query={"signature": signature},
        headers={"Range": range, "If-None-Match": if_none_match},
    )


def get_sample_thumbnail(
    sample_id: str,
    *,
    if_none_match: str | None = None,
    signature: str | None = None,
    size: Literal[128, 256, 512] | None = None,
) -> Call[bytes]:
    """Read a thumbnail: upright, whatever the camera's orientation."""
    return Call(
        "GET",
        address("/v1/samples/{sample_id}/thumbnail", sample_id=sample_id),
        query={"signature": signature, "size": size},
        headers={"If-None-Match": if_none_match},
    )


def get_search_conditions(
    dataset_id: str, *, path_prefix: str | None = None, version: str | None = None
) -> Call[models.SearchConditions]:
    """Read what a filter form can offer: labels and labelers with counts, directories, spans."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}/search-conditions", dataset_id=dataset_id),
        query={"path_prefix": path_prefix, "version": version},
    )


def list_saved_filters(
    dataset_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.SavedFilterPage, models.SavedFilter]:
    """List the saved filters of a dataset, oldest first."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/filters", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor},
    )


def create_saved_filter(
    dataset_id: str, body: models.NewSavedFilter, *, idempotency_key: str | None = None
) -> Call[models.SavedFilter]:
    """Keep a filter and a sort under a name."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/filters", dataset_id=dataset_id),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def get_saved_filter(
    dataset_id: str, filter_id: str, *, if_none_match: str | None = None
) -> Call[models.SavedFilter]:
    """Read a saved filter."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}/filters/{filter_id}", dataset_id=dataset_id, filter_id=filter_id),
        headers={"If-None-Match": if_none_match},
    )


def change_saved_filter(
    dataset_id: str, filter_id: str, body: models.SavedFilterChange, *, if_match: str | None = None
) -> Call[models.SavedFilter]:
    """Rename a saved filter, or replace what it asks for."""
    return Call(
        "PATCH",
        address("/v1/datasets/{dataset_id}/filters/{filter_id}", dataset_id=dataset_id, filter_id=filter_id),
        headers={"If-Match": if_match},
        json=body,
    )


def delete_saved_filter(dataset_id: str, filter_id: str, *, if_match: str | None = None) -> Call[None]:
    """Forget a saved filter."""
    return Call(
        "DELETE",
        address("/v1/datasets/{dataset_id}/filters/{filter_id}", dataset_id=dataset_id, filter_id=filter_id),
        headers={"If-Match": if_match},
    )


def get_dataset_stats(
    dataset_id: str, *, first_day: str | None = None, last_day: str | None = None, version: str | None = None
) -> Call[models.Stats]:
    """Count images and objects: in all, per label, per labeler, per labeler and day."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}/stats", dataset_id=dataset_id),
        query={"first_day": first_day, "last_day": last_day, "version": version},
    )


def infer_contour(
    sample_id: str,
    body: models.ContourRequest,
    *,
    prefer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Inference | models.Job]:
    """Infer an outline from four extreme points, in any order or by name, or from a box."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/contours", sample_id=sample_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def prefetch_sample(
    sample_id: str,
    *,
    prefer: str | None = None,
    status: Literal["all", "labeled", "unlabeled", "missing"] | None = None,
    label_id: Sequence[str] | None = None,
    label_match: Literal["any", "all"] | None = None,
    created_within: str | None = None,
    created_after: str | None = None,
    created_before: str | None = None,
    name_contains: str | None = None,
    path_prefix: str | None = None,
    labeled_by: Sequence[str] | None = None,
    never_labeled: bool | None = None,
    not_labeled_by: Sequence[str] | None = None,
    difficult: bool | None = None,
    unconfirmed: bool | None = None,
    unsure: bool | None = None,
    attribute: Sequence[str] | None = None,
    changed: bool | None = None,
    at: str | None = None,
    version: str | None = None,
    sort: Literal[
        "-annotation_count", "-created_at", "-name", "-size", "annotation_count", "created_at", "name", "size"
    ]
    | None = None,
    ahead: int | None = None,
) -> Call[models.Job]:
    """Have an image prepared, and those that come next, so that the first click on each answers sooner."""
    return Call(
        "PUT",
        address("/v1/samples/{sample_id}/embedding", sample_id=sample_id),
        query={
            "status": status,
            "label_id": label_id,
            "label_match": label_match,
            "created_within": created_within,
            "created_after": created_after,
            "created_before": created_before,
            "name_contains": name_contains,
            "path_prefix": path_prefix,
            "labeled_by": labeled_by,
            "never_labeled": never_labeled,
            "not_labeled_by": not_labeled_by,
            "difficult": difficult,
            "unconfirmed": unconfirmed,
            "unsure": unsure,
            "attribute": attribute,
            "changed": changed,
            "at": at,
            "version": version,
            "sort": sort,
            "ahead": ahead,
        },
        headers={"Prefer": prefer},
    )


def pre_label(
    dataset_id: str,
    body: models.PreLabelRequest,
    *,
    prefer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Job]:
    """Have the outlines of annotations drawn again that carry clicks or a box, by a job."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/pre-label", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def confirm_pre_labels(
    dataset_id: str, body: models.Images, *, prefer: str | None = None, idempotency_key: str | None = None
) -> Call[models.Job]:
    """Confirm all unconfirmed outlines of these images, by a job."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/pre-label/confirm", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def reject_pre_labels(
    dataset_id: str, body: models.Images, *, prefer: str | None = None, idempotency_key: str | None = None
) -> Call[models.Job]:
    """Reject all unconfirmed outlines of these images, by a job: the ones from before come back."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/pre-label/reject", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def confirm_outlines(
    sample_id: str,
    body: models.ReviewRequest,
    *,
    if_match: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Document]:
    """Confirm outlines that a batch has drawn on this image: those named, or all that wait."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/annotations/confirm", sample_id=sample_id),
        headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
        json=body,
    )


def reject_outlines(
    sample_id: str,
    body: models.ReviewRequest,
    *,
    if_match: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Document]:
    """Reject outlines that a batch has drawn on this image: each object gets its former outline back."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/annotations/reject", sample_id=sample_id),
        headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
        json=body,
    )


def get_metrics() -> Call[bytes]:
    """Read what this server has answered and how fast, and of the whole service its queues and workers."""
    return Call("GET", address("/metrics"))


def get_annotations(sample_id: str, *, if_none_match: str | None = None) -> Call[models.Document]:
    """Read all objects of an image; the ETag names the revision."""
    return Call(
        "GET",
        address("/v1/samples/{sample_id}/annotations", sample_id=sample_id),
        headers={"If-None-Match": if_none_match},
    )


def add_annotation(
    sample_id: str,
    body: models.NewAnnotation,
    *,
    if_match: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Annotation]:
    """Add one object: your own outline, or `contour_id` of one that was inferred."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/annotations", sample_id=sample_id),
        headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
        json=body,
    )


def replace_annotations(
    sample_id: str, body: models.DocumentChange, *, if_match: str | None = None
) -> Call[models.Document]:
    """Save the whole document, as one revision; `If-Match` is required, and your draft is cleared."""
    return Call(
        "PUT",
        address("/v1/samples/{sample_id}/annotations", sample_id=sample_id),
        headers={"If-Match": if_match},
        json=body,
    )


def delete_annotations(sample_id: str, *, if_match: str | None = None) -> Call[None]:
    """Delete all objects of an image; `If-Match` is required, and undo brings them back."""
    return Call(
        "DELETE",
        address("/v1/samples/{sample_id}/annotations", sample_id=sample_id),
        headers={"If-Match": if_match},
    )


def get_annotation(sample_id: str, annotation_id: str) -> Call[models.Annotation]:
    """Read one object; the ETag is the document's."""
    return Call(
        "GET",
        address(
            "/v1/samples/{sample_id}/annotations/{annotation_id}",
            sample_id=sample_id,
            annotation_id=annotation_id,
        ),
    )


def change_annotation(
    sample_id: str, annotation_id: str, body: models.AnnotationChange, *, if_match: str | None = None
) -> Call[models.Annotation]:
    """Change one object: its label, what is said of it, or its outline."""
    return Call(
        "PATCH",
        address(
            "/v1/samples/{sample_id}/annotations/{annotation_id}",
            sample_id=sample_id,
            annotation_id=annotation_id,
        ),
        headers={"If-Match": if_match},
        json=body,
    )


def delete_annotation(sample_id: str, annotation_id: str, *, if_match: str | None = None) -> Call[None]:
    """Delete one object; an image without objects is unlabeled again."""
    return Call(
        "DELETE",
        address(
            "/v1/samples/{sample_id}/annotations/{annotation_id}",
            sample_id=sample_id,
            annotation_id=annotation_id,
        ),
        headers={"If-Match": if_match},
    )


def list_revisions(
    sample_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.RevisionPage, models.Revision]:
    """List the saves of an image's document, newest first."""
    return ListCall(
        "GET",
        address("/v1/samples/{sample_id}/revisions", sample_id=sample_id),
        query={"limit": limit, "cursor": cursor},
    )


def get_revision(sample_id: str, number: int) -> Call[models.RevisionDocument]:
    """Read the objects of a revision, under the names that their labels have now."""
    return Call(
        "GET", address("/v1/samples/{sample_id}/revisions/{number}", sample_id=sample_id, number=number)
    )


def compare_revisions(sample_id: str, number: int, *, since: int | None = None) -> Call[models.Difference]:
    """Compare a revision with another one: what was added, removed, and changed in which fields."""
    return Call(
        "GET",
        address("/v1/samples/{sample_id}/revisions/{number}/changes", sample_id=sample_id, number=number),
        query={"since": since},
    )


def restore_revision(
    sample_id: str, number: int, *, if_match: str | None = None, idempotency_key: str | None = None
) -> Call[models.Document]:
    """Bring back the objects of a revision, 0 being none, as a save that can be undone."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/revisions/{number}/restore", sample_id=sample_id, number=number),
        headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
    )


def undo_save(
    sample_id: str, *, if_match: str | None = None, idempotency_key: str | None = None
) -> Call[models.Document]:
    """Undo the last save that still stands. It is a revision of its own; nothing leaves history."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/undo", sample_id=sample_id),
        headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
    )


def redo_save(
    sample_id: str, *, if_match: str | None = None, idempotency_key: str | None = None
) -> Call[models.Document]:
    """Redo what was undone last; after another save there is nothing to redo."""
    return Call(
        "POST",
        address("/v1/samples/{sample_id}/redo", sample_id=sample_id),
        headers={"If-Match": if_match, "Idempotency-Key": idempotency_key},
    )


def get_draft(sample_id: str) -> Call[models.Draft]:
    """Read your draft on an image; `moved_on` says that the document was saved meanwhile."""
    return Call("GET", address("/v1/samples/{sample_id}/draft", sample_id=sample_id))


def save_draft(sample_id: str, body: models.DraftChange) -> Call[models.Draft]:
    """Keep your draft on an image, as often as you like; the document and everybody else see nothing of it."""
    return Call("PUT", address("/v1/samples/{sample_id}/draft", sample_id=sample_id), json=body)


def discard_draft(sample_id: str) -> Call[None]:
    """Throw your draft on an image away."""
    return Call("DELETE", address("/v1/samples/{sample_id}/draft", sample_id=sample_id))


def list_jobs(
    *,
    limit: int | None = None,
    cursor: str | None = None,
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"] | None = None,
    dataset_id: str | None = None,
) -> ListCall[models.JobPage, models.Job]:
    """List jobs, oldest first: those of a dataset, or those that you started; an admin sees all."""
    return ListCall(
        "GET",
        address("/v1/jobs"),
        query={"limit": limit, "cursor": cursor, "state": state, "dataset_id": dataset_id},
    )


def get_job(job_id: str, *, prefer: str | None = None) -> Call[models.Job]:
    """Read a job; `Prefer: wait=N` holds the answer until it ends or N seconds have passed."""
    return Call("GET", address("/v1/jobs/{job_id}", job_id=job_id), headers={"Prefer": prefer})


def stream_job_events(job_id: str) -> Call[bytes]:
    """Follow a job as server-sent events, until it ends or ten minutes have passed."""
    return Call("GET", address("/v1/jobs/{job_id}/events", job_id=job_id))


def cancel_job(job_id: str, *, idempotency_key: str | None = None) -> Call[models.Job]:
    """Cancel a job: at once while it waits, at its next stage while it runs."""
    return Call(
        "POST", address("/v1/jobs/{job_id}/cancel", job_id=job_id), headers={"Idempotency-Key": idempotency_key}
    )


def retry_job(
    job_id: str, *, prefer: str | None = None, idempotency_key: str | None = None
) -> Call[models.Job]:
    """Queue a failed or cancelled job again, with all its attempts and time back."""
    return Call(
        "POST",
        address("/v1/jobs/{job_id}/retry", job_id=job_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
    )


def delete_samples(
    dataset_id: str,
    body: models.DeletionRequest,
    *,
    prefer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Deletion | models.Job]:
    """Delete images by id or by a filter: into the trash, from where they can be restored for some days."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/samples/delete", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def list_trash(
    dataset_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.TrashPage, models.TrashedSample]:
    """List the deleted images that can still be restored, in the order they were deleted."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/trash", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor},
    )


def restore_samples(
    dataset_id: str,
    body: models.RestorationRequest,
    *,
    prefer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Restoration | models.Job]:
    """Restore deleted images as they were: by id, or all of one deletion."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/trash/restore", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def get_sync(dataset_id: str) -> Call[models.Sync]:
    """Read how far the last synchronisation is, and what it found."""
    return Call("GET", address("/v1/datasets/{dataset_id}/sync", dataset_id=dataset_id))


def sync_dataset(
    dataset_id: str, body: models.SyncRequest, *, prefer: str | None = None, idempotency_key: str | None = None
) -> Call[models.Job]:
    """Have the dataset say what its input path holds: a job adds, updates and marks what is missing."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/sync", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def list_sync_report(
    dataset_id: str,
    *,
    limit: int | None = None,
    cursor: str | None = None,
    job_id: str | None = None,
    outcome: Literal[
        "added",
        "updated",
        "renamed",
        "missing",
        "returned",
        "labels_read",
        "labels_kept",
        "unmatched",
        "conflict",
        "failed",
    ]
    | None = None,
) -> ListCall[models.SyncReportPage, models.ReportLine]:
    """List what happened to each file, by key; files that nothing happened to are only counted."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/sync/report", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor, "job_id": job_id, "outcome": outcome},
    )


def list_forgotten_objects(
    dataset_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.ForgottenObjectPage, models.ForgottenObject]:
    """List the files whose images were deleted for good while the files stayed, by key."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/forgotten-objects", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor},
    )


def restore_forgotten_objects(
    dataset_id: str, body: models.ForgottenRequest, *, idempotency_key: str | None = None
) -> Call[models.ForgottenAnswer]:
    """Let files come back as new images with the next synchronisation."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/forgotten-objects/restore", dataset_id=dataset_id),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def test_storage(
    body: models.StorageTestRequest, *, idempotency_key: str | None = None
) -> Call[models.StorageTest]:
    """Try to list, read, write and delete below a path, and name the permission that is missing."""
    return Call("POST", address("/v1/storage/test"), headers={"Idempotency-Key": idempotency_key}, json=body)


def receive_storage_events(
    body: models.StorageEvent, *, token: str | None = None, idempotency_key: str | None = None
) -> Call[models.StorageEventsAnswer]:
    """Be told that objects came, changed or went: the datasets that they lie in are synchronised soon."""
    return Call(
        "POST",
        address("/v1/storage/events"),
        query={"token": token},
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def list_versions(
    dataset_id: str, *, limit: int | None = None, cursor: str | None = None, deleted: bool | None = None
) -> ListCall[models.VersionPage, models.Version]:
    """List the versions of a dataset, oldest first; `deleted=true` lists those that can be restored."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/versions", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor, "deleted": deleted},
    )


def publish_version(
    dataset_id: str, body: models.NewVersion, *, prefer: str | None = None, idempotency_key: str | None = None
) -> Call[models.Job]:
    """Publish the working state under a name. A job does it; people go on labeling meanwhile."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/versions", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def get_version(
    dataset_id: str, version_id: str, *, if_none_match: str | None = None
) -> Call[models.VersionDetail]:
    """Read a version, with its labels as they were called and the counts of each."""
    return Call(
        "GET",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}", dataset_id=dataset_id, version_id=version_id
        ),
        headers={"If-None-Match": if_none_match},
    )


def change_version(
    dataset_id: str, version_id: str, body: models.VersionChange, *, if_match: str | None = None
) -> Call[models.Version]:
    """Describe a version in other words; with `If-Match`, only if nobody else did meanwhile."""
    return Call(
        "PATCH",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}", dataset_id=dataset_id, version_id=version_id
        ),
        headers={"If-Match": if_match},
        json=body,
    )


def delete_version(dataset_id: str, version_id: str, *, if_match: str | None = None) -> Call[None]:
    """Delete a version; not the current one. For some days it can be restored; no file is touched."""
    return Call(
        "DELETE",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}", dataset_id=dataset_id, version_id=version_id
        ),
        headers={"If-Match": if_match},
    )


def restore_version(
    dataset_id: str, version_id: str, *, idempotency_key: str | None = None
) -> Call[models.Version]:
    """Bring a deleted version back. To work on a version again, make it the current one."""
    return Call(
        "POST",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}/restore",
            dataset_id=dataset_id,
            version_id=version_id,
        ),
        headers={"Idempotency-Key": idempotency_key},
    )


def set_current_version(
    dataset_id: str,
    version_id: str,
    *,
    prefer: str | None = None,
    dry_run: bool | None = None,
    idempotency_key: str | None = None,
) -> Call[models.SwitchForecast | models.Job]:
    """Work on a version again: lists, labels and counts become those of the version. A job does it."""
    return Call(
        "POST",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}/set-current",
            dataset_id=dataset_id,
            version_id=version_id,
        ),
        query={"dry_run": dry_run},
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
    )


def compare_versions(
    dataset_id: str,
    version_id: str,
    *,
    since: str | None = None,
    change: Literal["added", "changed", "removed"] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    count: Literal["exact"] | None = None,
) -> ListCall[models.Comparison, models.SampleChange]:
    """Compare a version with `since`, by default the one before: images, objects and labels that differ."""
    return ListCall(
        "GET",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}/changes",
            dataset_id=dataset_id,
            version_id=version_id,
        ),
        query={"since": since, "change": change, "limit": limit, "cursor": cursor, "count": count},
    )


def compare_working_state(
    dataset_id: str,
    *,
    since: str | None = None,
    change: Literal["added", "changed", "removed"] | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    count: Literal["exact"] | None = None,
) -> ListCall[models.Comparison, models.SampleChange]:
    """Compare the working state with `since`, by default the current version: what is not published yet."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/changes", dataset_id=dataset_id),
        query={"since": since, "change": change, "limit": limit, "cursor": cursor, "count": count},
    )


def get_version_sample(dataset_id: str, version_id: str, sample_id: str) -> Call[models.VersionSample]:
    """Read what a version says of an image: also when that was changed, deleted or moved since."""
    return Call(
        "GET",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}/samples/{sample_id}",
            dataset_id=dataset_id,
            version_id=version_id,
            sample_id=sample_id,
        ),
    )


def get_version_image(
    dataset_id: str,
    version_id: str,
    sample_id: str,
    *,
    range: str | None = None,
    if_none_match: str | None = None,
) -> Call[bytes]:
    """Read the image file of a version; where the bucket has other bytes by now, or none, 410 says why."""
    return Call(
        "GET",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}/samples/{sample_id}/image",
            dataset_id=dataset_id,
            version_id=version_id,
            sample_id=sample_id,
        ),
        headers={"Range": range, "If-None-Match": if_none_match},
    )


def list_version_drift(
    dataset_id: str, version_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.DriftPage, models.Drift]:
    """List the images of a version whose file was replaced, went missing, or was deleted since."""
    return ListCall(
        "GET",
        address(
            "/v1/datasets/{dataset_id}/versions/{version_id}/drift",
            dataset_id=dataset_id,
            version_id=version_id,
        ),
        query={"limit": limit, "cursor": cursor},
    )


def get_preferences(dataset_id: str) -> Call[models.Preferences]:
    """Read how you labeled last in this dataset; by polygon, where you never said."""
    return Call("GET", address("/v1/datasets/{dataset_id}/preferences", dataset_id=dataset_id))


def change_preferences(dataset_id: str, body: models.Preferences) -> Call[models.Preferences]:
    """Remember how you label in this dataset; it is yours alone, and there on every device."""
    return Call("PUT", address("/v1/datasets/{dataset_id}/preferences", dataset_id=dataset_id), json=body)


def create_upload(
    dataset_id: str, body: models.NewUpload, *, idempotency_key: str | None = None
) -> Call[models.DirectUpload]:
    """Create slots for large files, or for those to be imported: signed URLs, good for an hour."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/uploads", dataset_id=dataset_id),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def get_upload(dataset_id: str, upload_id: str) -> Call[models.DirectUpload]:
    """Read an upload, with URLs that are signed anew."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}/uploads/{upload_id}", dataset_id=dataset_id, upload_id=upload_id),
    )


def register_upload(
    dataset_id: str, upload_id: str, *, idempotency_key: str | None = None
) -> Call[models.Upload]:
    """Make images of the files of an upload, all or none, by the rules of every upload."""
    return Call(
        "POST",
        address(
            "/v1/datasets/{dataset_id}/uploads/{upload_id}/register", dataset_id=dataset_id, upload_id=upload_id
        ),
        headers={"Idempotency-Key": idempotency_key},
    )


def write_file(token: str, body: bytes) -> Call[None]:
    """Write a file into its slot; the URL is from `createUpload`, and needs no other token."""
    return Call("PUT", address("/v1/uploads/{token}", token=token), content=body)


def list_exports(
    dataset_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.ExportPage, models.Export]:
    """List the exports that can be had, oldest first."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/exports", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor},
    )


def create_export(
    dataset_id: str,
    body: models.ExportRequest,
    *,
    prefer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Job]:
    """Export a dataset, a version, a filter or a selection as a job."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/exports", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def get_export(dataset_id: str, export_id: str) -> Call[models.Export]:
    """Read an export, with a download address that is signed anew and good for a day."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}/exports/{export_id}", dataset_id=dataset_id, export_id=export_id),
    )


def delete_export(dataset_id: str, export_id: str) -> Call[None]:
    """Delete an export and its archive. Files at a path of the bucket stay there: they are yours."""
    return Call(
        "DELETE",
        address("/v1/datasets/{dataset_id}/exports/{export_id}", dataset_id=dataset_id, export_id=export_id),
    )


def download_export(token: str, *, range: str | None = None, if_none_match: str | None = None) -> Call[bytes]:
    """Download an archive, or a part of it (`Range`); the address, from `getExport`, is all it takes."""
    return Call(
        "GET",
        address("/v1/exports/{token}/download", token=token),
        headers={"Range": range, "If-None-Match": if_none_match},
    )


def list_imports(
    dataset_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.JobPage, models.Job]:
    """List the imports into a dataset, oldest first."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/imports", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor},
    )


def create_import(
    dataset_id: str,
    body: models.ImportRequest,
    *,
    prefer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[models.Job]:
    """Import images and annotations as a job."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/imports", dataset_id=dataset_id),
        headers={"Prefer": prefer, "Idempotency-Key": idempotency_key},
        json=body,
    )


def get_import(dataset_id: str, import_id: str) -> Call[models.Job]:
    """Read an import: the job, whose `progress` counts and whose `result` sums up."""
    return Call(
        "GET",
        address("/v1/datasets/{dataset_id}/imports/{import_id}", dataset_id=dataset_id, import_id=import_id),
    )


def list_import_lines(
    dataset_id: str,
    import_id: str,
    *,
    limit: int | None = None,
    cursor: str | None = None,
    outcome: Literal["refused", "converted", "left_out"] | None = None,
) -> ListCall[models.ImportLinePage, models.ImportLine]:
    """List what was refused, converted or left out, in the order of the files."""
    return ListCall(
        "GET",
        address(
            "/v1/datasets/{dataset_id}/imports/{import_id}/lines", dataset_id=dataset_id, import_id=import_id
        ),
        query={"limit": limit, "cursor": cursor, "outcome": outcome},
    )


def list_imported_boxes(sample_id: str) -> Call[models.ImportedBoxList]:
    """List the boxes that imports found without an outline: prompts to infer outlines from."""
    return Call("GET", address("/v1/samples/{sample_id}/boxes", sample_id=sample_id))


def delete_imported_box(sample_id: str, box_id: str) -> Call[None]:
    """Delete a box, once its outline is drawn or nobody wants it."""
    return Call("DELETE", address("/v1/samples/{sample_id}/boxes/{box_id}", sample_id=sample_id, box_id=box_id))


def get_me() -> Call[models.Me]:
    """Read who you are, and what your token is good for."""
    return Call("GET", address("/v1/me"))


def list_users(
    *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.UserPage, models.User]:
    """List people, oldest first: whose names stand beside their work, and whom to share with."""
    return ListCall("GET", address("/v1/users"), query={"limit": limit, "cursor": cursor})


def create_user(body: models.NewUser, *, idempotency_key: str | None = None) -> Call[models.User]:
    """Add a person; an admin does. Give the person a token, or an identity to sign in with."""
    return Call("POST", address("/v1/users"), headers={"Idempotency-Key": idempotency_key}, json=body)


def get_user(user_id: str) -> Call[models.User]:
    """Read a person."""
    return Call("GET", address("/v1/users/{user_id}", user_id=user_id))


def change_user(user_id: str, body: models.UserChange) -> Call[models.User]:
    """Rename a person, make one an admin, shut one out or let one in again; an admin does."""
    return Call("PATCH", address("/v1/users/{user_id}", user_id=user_id), json=body)


def list_tokens(
    *, limit: int | None = None, cursor: str | None = None, user_id: str | None = None
) -> ListCall[models.TokenPage, models.Token]:
    """List your tokens, oldest first; those that are over, too."""
    return ListCall("GET", address("/v1/tokens"), query={"limit": limit, "cursor": cursor, "user_id": user_id})


def create_token(body: models.NewToken, *, idempotency_key: str | None = None) -> Call[models.MadeToken]:
    """Make a token: never for more than the one you use, and not for longer. Its secret is shown once."""
    return Call("POST", address("/v1/tokens"), headers={"Idempotency-Key": idempotency_key}, json=body)


def revoke_token(token_id: str) -> Call[None]:
    """Revoke a token; within seconds it opens nothing any more."""
    return Call("DELETE", address("/v1/tokens/{token_id}", token_id=token_id))


def list_members(dataset_id: str) -> Call[models.MemberList]:
    """List the members of a dataset, in the order they came."""
    return Call("GET", address("/v1/datasets/{dataset_id}/members", dataset_id=dataset_id))


def put_member(dataset_id: str, user_id: str, body: models.MemberRole) -> Call[models.Member]:
    """Make somebody a member, or change what a member is."""
    return Call(
        "PUT",
        address("/v1/datasets/{dataset_id}/members/{user_id}", dataset_id=dataset_id, user_id=user_id),
        json=body,
    )


def remove_member(dataset_id: str, user_id: str) -> Call[None]:
    """Leave a dataset, or as an owner remove a member; the last owner stays."""
    return Call(
        "DELETE", address("/v1/datasets/{dataset_id}/members/{user_id}", dataset_id=dataset_id, user_id=user_id)
    )


def list_global_webhooks(
    *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.WebhookPage, models.Webhook]:
    """List the webhooks of all datasets, oldest first; for admins."""
    return ListCall("GET", address("/v1/webhooks"), query={"limit": limit, "cursor": cursor})


def create_global_webhook(
    body: models.NewWebhook, *, idempotency_key: str | None = None
) -> Call[models.MadeWebhook]:
    """Have an address told of the events of all datasets; an admin does."""
    return Call("POST", address("/v1/webhooks"), headers={"Idempotency-Key": idempotency_key}, json=body)


def list_webhooks(
    dataset_id: str, *, limit: int | None = None, cursor: str | None = None
) -> ListCall[models.WebhookPage, models.Webhook]:
    """List the webhooks of a dataset, oldest first."""
    return ListCall(
        "GET",
        address("/v1/datasets/{dataset_id}/webhooks", dataset_id=dataset_id),
        query={"limit": limit, "cursor": cursor},
    )


def create_webhook(
    dataset_id: str, body: models.NewWebhook, *, idempotency_key: str | None = None
) -> Call[models.MadeWebhook]:
    """Have an address told of this dataset's events. The secret that signs them is shown once."""
    return Call(
        "POST",
        address("/v1/datasets/{dataset_id}/webhooks", dataset_id=dataset_id),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def get_webhook(webhook_id: str) -> Call[models.Webhook]:
    """Read a webhook."""
    return Call("GET", address("/v1/webhooks/{webhook_id}", webhook_id=webhook_id))


def change_webhook(webhook_id: str, body: models.WebhookChange) -> Call[models.Webhook]:
    """Change where a webhook leads or what it is told, stop it for a while, or let it go on."""
    return Call("PATCH", address("/v1/webhooks/{webhook_id}", webhook_id=webhook_id), json=body)


def delete_webhook(webhook_id: str) -> Call[None]:
    """Remove a webhook with its log; what was still to be delivered is not."""
    return Call("DELETE", address("/v1/webhooks/{webhook_id}", webhook_id=webhook_id))


def renew_webhook_secret(webhook_id: str, *, idempotency_key: str | None = None) -> Call[models.MadeWebhook]:
    """Sign with a new secret from now on; it is shown once."""
    return Call(
        "POST",
        address("/v1/webhooks/{webhook_id}/secret", webhook_id=webhook_id),
        headers={"Idempotency-Key": idempotency_key},
    )


def ping_webhook(webhook_id: str, *, idempotency_key: str | None = None) -> Call[models.Delivery]:
    """Have a webhook called within seconds, with the event `ping`; `Location` says what came of it."""
    return Call(
        "POST",
        address("/v1/webhooks/{webhook_id}/ping", webhook_id=webhook_id),
        headers={"Idempotency-Key": idempotency_key},
    )


def list_webhook_deliveries(
    webhook_id: str,
    *,
    limit: int | None = None,
    cursor: str | None = None,
    state: Literal["pending", "delivered", "failed"] | None = None,
) -> ListCall[models.DeliveryPage, models.Delivery]:
    """List what was and is to be delivered, oldest first; what has ended is kept for some weeks."""
    return ListCall(
        "GET",
        address("/v1/webhooks/{webhook_id}/deliveries", webhook_id=webhook_id),
        query={"limit": limit, "cursor": cursor, "state": state},
    )


def get_webhook_delivery(webhook_id: str, delivery_id: str) -> Call[models.Delivery]:
    """Read a delivery: how often it was tried, and what the receiver answered last."""
    return Call(
        "GET",
        address(
            "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}", webhook_id=webhook_id, delivery_id=delivery_id
        ),
    )


def redeliver_webhook_delivery(
    webhook_id: str, delivery_id: str, *, idempotency_key: str | None = None
) -> Call[models.Delivery]:
    """Deliver the event of a delivery once more, under the same `event_id`, with all its tries."""
    return Call(
        "POST",
        address(
            "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
            webhook_id=webhook_id,
            delivery_id=delivery_id,
        ),
        headers={"Idempotency-Key": idempotency_key},
    )


def list_audit_entries(
    *,
    actor_id: str | None = None,
    action: str | None = None,
    kind: str | None = None,
    resource_id: str | None = None,
    dataset_id: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> ListCall[models.AuditPage, models.AuditEntry]:
    """List what was done, the latest first; for admins."""
    return ListCall(
        "GET",
        address("/v1/audit"),
        query={
            "actor_id": actor_id,
            "action": action,
            "kind": kind,
            "resource_id": resource_id,
            "dataset_id": dataset_id,
            "since": since,
            "until": until,
            "limit": limit,
            "cursor": cursor,
        },
    )


def export_audit_entries(
    *,
    actor_id: str | None = None,
    action: str | None = None,
    kind: str | None = None,
    resource_id: str | None = None,
    dataset_id: str | None = None,
    since: str | None = None,
    until: str | None = None,
    format: Literal["ndjson", "csv"] | None = None,
) -> Call[bytes]:
    """Download what was done, as JSON lines or as a table, however much it is; for admins."""
    return Call(
        "GET",
        address("/v1/audit/export"),
        query={
            "actor_id": actor_id,
            "action": action,
            "kind": kind,
            "resource_id": resource_id,
            "dataset_id": dataset_id,
            "since": since,
            "until": until,
            "format": format,
        },
    )


def get_label_studio_health() -> Call[models.LabelStudioHealth]:
    """Say that there is an ML backend here; Label Studio waits a second for it."""
    return Call("GET", address("/integrations/label-studio/health"))


def get_label_studio_backend() -> Call[models.LabelStudioHealth]:
    """Say that there is an ML backend here."""
    return Call("GET", address("/integrations/label-studio/"))


def set_up_label_studio_project(
    body: models.LabelStudioSetup, *, idempotency_key: str | None = None
) -> Call[models.LabelStudioModel]:
    """Connect a project. Nothing is kept of it: each prediction brings what it needs."""
    return Call(
        "POST",
        address("/integrations/label-studio/setup"),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def predict_for_label_studio(
    body: models.LabelStudioPredict, *, idempotency_key: str | None = None
) -> Call[models.LabelStudioPredictions]:
    """Outline what a person points at: four keypoints, a rectangle, or an outline to start from."""
    return Call(
        "POST",
        address("/integrations/label-studio/predict"),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def notice_for_label_studio(
    body: models.LabelStudioNotice, *, idempotency_key: str | None = None
) -> Call[models.LabelStudioNoted]:
    """Take an event, from anybody: Label Studio sends it without the token that it has."""
    return Call(
        "POST",
        address("/integrations/label-studio/webhook"),
        headers={"Idempotency-Key": idempotency_key},
        json=body,
    )


def list_cvat_functions() -> Call[Mapping[str, Any]]:
    """List the functions, as Nuclio does: one answers with a mask, one with a polygon."""
    return Call("GET", address("/integrations/cvat/api/functions"))


def get_cvat_function(name: str) -> Call[Mapping[str, Any]]:
    """Read a function."""
    return Call("GET", address("/integrations/cvat/api/functions/{name}", name=name))


def invoke_cvat_function(
    body: models.CvatInvocation,
    *,
    x_nuclio_function_name: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Mapping[str, Any]]:
    """Outline the object between four clicks in any order, or in a box, on the frame that is sent along."""
    return Call(
        "POST",
        address("/integrations/cvat/api/function_invocations"),
        headers={"x-nuclio-function-name": x_nuclio_function_name, "Idempotency-Key": idempotency_key},
        json=body,
    )
