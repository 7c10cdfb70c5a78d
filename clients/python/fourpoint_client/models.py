# The shapes of the contract. Generated: `make clients`.

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class FieldProblem(TypedDict):
    pointer: str
    code: str
    detail: str


class Revision(TypedDict):
    number: int
    action: str
    author_id: str
    created_at: str
    restored_from: int | None


class Changes(TypedDict):
    since: int
    current: int
    revisions: list[Revision]
    added: list[str]
    changed: list[str]
    removed: list[str]


class Problem(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]
    request_id: NotRequired[str | None]
    current_etag: NotRequired[str]
    changes: NotRequired[Changes]
    job_id: NotRequired[str]


class PaginationMetadata(TypedDict):
    total: NotRequired[int]
    total_pages: NotRequired[int]
    first_page: NotRequired[int]
    last_page: NotRequired[int]
    page: NotRequired[int]
    previous_page: NotRequired[int]
    next_page: NotRequired[int]


class Live(TypedDict):
    status: str


class Ready(TypedDict):
    status: Literal["ready", "not_ready"]
    checks: dict[str, str]
    engines: list[str]


class Dataset(TypedDict):
    id: str
    name: str
    description: str
    input_path: str
    output_path: str | None
    import_annotations: bool
    auto_sync_minutes: int | None
    created_by: str
    created_at: str
    updated_at: str


class DatasetPage(TypedDict):
    items: list[Dataset]
    next_cursor: str | None
    total: NotRequired[int]


class NewLabel(TypedDict):
    name: str
    colour: NotRequired[str | None]
    shortcut: NotRequired[str | None]


class NewDataset(TypedDict):
    name: str
    description: NotRequired[str]
    input_path: NotRequired[str | None]
    output_path: NotRequired[str | None]
    import_annotations: NotRequired[bool]
    auto_sync_minutes: NotRequired[int | None]
    labels: NotRequired[list[NewLabel]]


class CreatedDataset(TypedDict):
    id: str
    name: str
    description: str
    input_path: str
    output_path: str | None
    import_annotations: bool
    auto_sync_minutes: int | None
    created_by: str
    created_at: str
    updated_at: str
    sync_job_id: str | None


class ImageSignature(TypedDict):
    signature: str
    expires_at: str


class Totals(TypedDict):
    total: int
    labeled: int
    unlabeled: int
    missing: int
    progress_percent: int


class CurrentVersion(TypedDict):
    id: str
    number: int
    name: str
    published_at: str


class Dashboard(TypedDict):
    id: str
    name: str
    description: str
    input_path: str
    output_path: str | None
    import_annotations: bool
    auto_sync_minutes: int | None
    created_by: str
    created_at: str
    updated_at: str
    samples: Totals
    current_version: CurrentVersion | None
    has_unpublished_changes: bool


class DatasetChange(TypedDict):
    name: NotRequired[str]
    description: NotRequired[str]
    output_path: NotRequired[str | None]
    import_annotations: NotRequired[bool]
    auto_sync_minutes: NotRequired[int | None]


class Attempt(TypedDict):
    worker: str
    started_at: str
    ended_at: str | None
    outcome: str | None
    reason: str | None


class Job(TypedDict):
    id: str
    kind: str
    queue: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    dataset_id: str | None
    sample_id: str | None
    progress: dict[str, Any] | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    attempts: list[Attempt]
    max_attempts: int
    created_by: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    deadline_at: str
    cancel_requested: bool


class Label(TypedDict):
    id: str
    name: str
    colour: str
    shortcut: str | None
    mask_index: int


class LabelList(TypedDict):
    items: list[Label]


class LabelChange(TypedDict):
    name: NotRequired[str]
    colour: NotRequired[str]
    shortcut: NotRequired[str | None]


class LabelUses(TypedDict):
    label_id: str
    annotations: int
    samples: int


class LabelMerge(TypedDict):
    into: str
    dry_run: NotRequired[bool]


class Sample(TypedDict):
    id: str
    dataset_id: str
    name: str
    object_key: str
    digest: str | None
    media_type: str
    size_bytes: int
    width: int
    height: int
    status: Literal["labeled", "unlabeled", "missing"]
    annotation_count: int
    revision: int
    labeled_by: str | None
    labeled_at: str | None
    created_by: str
    created_at: str
    object_modified_at: str | None
    missing_since: str | None
    changed_at: str | None


class SamplePage(TypedDict):
    items: list[Sample]
    next_cursor: str | None
    total: NotRequired[int]


class Duplicate(TypedDict):
    sample_id: str
    name: str


class FileReport(TypedDict):
    original_name: str
    size_bytes: int
    name: str | None
    media_type: str | None
    digest: str | None
    width: int | None
    height: int | None
    thumbnail: str | None
    duplicates: list[Duplicate]
    same_as: list[int]
    error: FieldProblem | None


class UploadReport(TypedDict):
    acceptable: bool
    size_bytes: int
    files: list[FileReport]
    errors: list[FieldProblem]


class UploadedSample(TypedDict):
    id: str
    dataset_id: str
    name: str
    object_key: str
    digest: str | None
    media_type: str
    size_bytes: int
    width: int
    height: int
    status: Literal["labeled", "unlabeled", "missing"]
    annotation_count: int
    revision: int
    labeled_by: str | None
    labeled_at: str | None
    created_by: str
    created_at: str
    object_modified_at: str | None
    missing_since: str | None
    changed_at: str | None
    original_name: str
    duplicates: list[Duplicate]


class Upload(TypedDict):
    items: list[UploadedSample]


AttributeItem: TypeAlias = str


class UnlabeledFilter(TypedDict):
    label_id: NotRequired[list[str]]
    label_match: NotRequired[Literal["any", "all"]]
    created_within: NotRequired[str | None]
    created_after: NotRequired[str | None]
    created_before: NotRequired[str | None]
    name_contains: NotRequired[str | None]
    path_prefix: NotRequired[str | None]
    labeled_by: NotRequired[list[str]]
    never_labeled: NotRequired[bool | None]
    not_labeled_by: NotRequired[list[str]]
    difficult: NotRequired[bool | None]
    unconfirmed: NotRequired[bool | None]
    unsure: NotRequired[bool | None]
    attribute: NotRequired[list[AttributeItem]]
    changed: NotRequired[bool | None]


class NextSampleRequest(TypedDict):
    filter: NotRequired[UnlabeledFilter | None]
    sort: NotRequired[Literal["-annotation_count", "-created_at", "-name", "-size", "annotation_count", "created_at", "name", "size"]]
    lease_seconds: NotRequired[int]
    skip: NotRequired[list[str]]


class NextSample(TypedDict):
    sample: Sample | None
    expires_at: str | None


class Neighbours(TypedDict):
    previous: str | None
    next: str | None


class LabelCount(TypedDict):
    images: int
    objects: int
    label: Label


class LabelerCount(TypedDict):
    images: int
    objects: int
    user_id: str
    name: str


class SearchConditions(TypedDict):
    labels: list[LabelCount]
    labelers: list[LabelerCount]
    path_prefixes: list[str]
    created_within: list[str]
    sorts: list[str]


class SampleFilter(TypedDict):
    status: NotRequired[Literal["all", "labeled", "unlabeled", "missing"]]
    label_id: NotRequired[list[str]]
    label_match: NotRequired[Literal["any", "all"]]
    created_within: NotRequired[str | None]
    created_after: NotRequired[str | None]
    created_before: NotRequired[str | None]
    name_contains: NotRequired[str | None]
    path_prefix: NotRequired[str | None]
    labeled_by: NotRequired[list[str]]
    never_labeled: NotRequired[bool | None]
    not_labeled_by: NotRequired[list[str]]
    difficult: NotRequired[bool | None]
    unconfirmed: NotRequired[bool | None]
    unsure: NotRequired[bool | None]
    attribute: NotRequired[list[AttributeItem]]
    changed: NotRequired[bool | None]
    at: NotRequired[str | None]
    version: NotRequired[str | None]


class SavedFilter(TypedDict):
    id: str
    dataset_id: str
    name: str
    filter: SampleFilter
    sort: str
    created_by: str
    created_at: str


class SavedFilterPage(TypedDict):
    items: list[SavedFilter]
    next_cursor: str | None
    total: NotRequired[int]


class NewSavedFilter(TypedDict):
    name: str
    filter: SampleFilter
    sort: NotRequired[Literal["-annotation_count", "-created_at", "-name", "-size", "annotation_count", "created_at", "name", "size"]]


class SavedFilterChange(TypedDict):
    name: NotRequired[str]
    filter: NotRequired[SampleFilter]
    sort: NotRequired[Literal["-annotation_count", "-created_at", "-name", "-size", "annotation_count", "created_at", "name", "size"]]


class DayCount(TypedDict):
    images: int
    objects: int
    user_id: str
    name: str
    day: str


class Stats(TypedDict):
    samples: Totals
    labels: list[LabelCount]
    labelers: list[LabelerCount]
    days: list[DayCount]


OuterItem: TypeAlias = tuple[float, float]


Hole: TypeAlias = tuple[float, float]


class Part(TypedDict):
    outer: list[OuterItem]
    holes: NotRequired[list[list[Hole]]]


class Contour(TypedDict):
    parts: list[Part]


class Points(TypedDict):
    top: tuple[float, float]
    bottom: tuple[float, float]
    left: tuple[float, float]
    right: tuple[float, float]


Point: TypeAlias = tuple[float, float]


IncludeItem: TypeAlias = tuple[float, float]


ExcludeItem: TypeAlias = tuple[float, float]


class ContourRequest(TypedDict):
    points: NotRequired[Points | list[Point] | None]
    box: NotRequired[list[float] | None]
    include: NotRequired[list[IncludeItem]]
    exclude: NotRequired[list[ExcludeItem]]
    contour: NotRequired[Contour | None]
    save: NotRequired[Literal["none", "draft", "document"]]
    annotation_id: NotRequired[str | None]
    label_id: NotRequired[str | None]
    label: NotRequired[str | None]


class Milliseconds(TypedDict):
    queue: float
    image: float
    embedding: NotRequired[float]
    colours: NotRequired[float]
    crop: NotRequired[float]
    network: NotRequired[float]
    cut: NotRequired[float]
    model: float
    polygon: float


class Inference(TypedDict):
    contour_id: str
    sample_id: str
    contour: Contour
    bbox: list[float]
    area: float
    vertices: int
    score: float
    confident: bool
    engine: str
    model_digest: str
    prompt: dict[str, Any]
    milliseconds: Milliseconds
    save: str
    annotation_id: NotRequired[str]
    revision: NotRequired[int]


class PreLabelRequest(TypedDict):
    ids: NotRequired[list[str] | None]
    filter: NotRequired[SampleFilter | None]
    edited: NotRequired[bool]


class Images(TypedDict):
    ids: NotRequired[list[str] | None]
    filter: NotRequired[SampleFilter | None]


class ReviewRequest(TypedDict):
    annotation_ids: NotRequired[list[str] | None]


class Annotation(TypedDict):
    id: str
    label: Label
    contour: Contour
    bbox: list[float]
    area: float
    attributes: dict[str, Any]
    visible: bool
    z_order: int
    difficult: bool
    occluded: bool
    truncated: bool
    unconfirmed: bool
    method: Literal["polygon", "extreme_points"]
    prompt: dict[str, Any] | None
    contour_id: str | None
    engine: str | None
    model_digest: str | None
    score: float | None
    confident: bool | None
    created_by: str
    created_at: str
    edited_by: str | None
    edited_at: str | None


class Document(TypedDict):
    sample_id: str
    revision: int
    undo_to: int | None
    redo_to: int | None
    annotations: list[Annotation]


class NewAnnotation(TypedDict):
    attributes: NotRequired[dict[str, Any]]
    visible: NotRequired[bool]
    z_order: NotRequired[int]
    difficult: NotRequired[bool]
    occluded: NotRequired[bool]
    truncated: NotRequired[bool]
    id: NotRequired[str | None]
    contour: NotRequired[Contour | None]
    contour_id: NotRequired[str | None]
    label_id: NotRequired[str | None]
    label: NotRequired[str | None]


class DocumentItem(TypedDict):
    attributes: NotRequired[dict[str, Any]]
    visible: NotRequired[bool]
    z_order: NotRequired[int]
    difficult: NotRequired[bool]
    occluded: NotRequired[bool]
    truncated: NotRequired[bool]
    id: NotRequired[str | None]
    contour: NotRequired[Contour | None]
    contour_id: NotRequired[str | None]
    label_id: NotRequired[str | None]
    label: NotRequired[str | None]


class DocumentChange(TypedDict):
    annotations: list[DocumentItem]


class Move(TypedDict):
    dx: float
    dy: float


class Resize(TypedDict):
    box: list[float] | None


class VertexEdit(TypedDict):
    action: Literal["insert", "move", "remove"]
    part: NotRequired[int]
    ring: NotRequired[int]
    index: int
    to: NotRequired[tuple[float, float]]


class AnnotationChange(TypedDict):
    attributes: NotRequired[dict[str, Any]]
    visible: NotRequired[bool]
    z_order: NotRequired[int]
    difficult: NotRequired[bool]
    occluded: NotRequired[bool]
    truncated: NotRequired[bool]
    label_id: NotRequired[str]
    label: NotRequired[str]
    contour: NotRequired[Contour]
    contour_id: NotRequired[str]
    move: NotRequired[Move]
    resize: NotRequired[Resize]
    vertices: NotRequired[list[VertexEdit]]
    reset: NotRequired[Literal["before_edit", "inferred"]]


class RevisionPage(TypedDict):
    items: list[Revision]
    next_cursor: str | None
    total: NotRequired[int]


class RevisionDocument(TypedDict):
    number: int
    action: str
    author_id: str
    created_at: str
    restored_from: int | None
    sample_id: str
    annotations: list[Annotation]


class ChangedAnnotation(TypedDict):
    id: str
    fields: list[str]
    before: Annotation
    after: Annotation


class Difference(TypedDict):
    sample_id: str
    since: int
    revision: int
    added: list[Annotation]
    removed: list[Annotation]
    changed: list[ChangedAnnotation]


class Draft(TypedDict):
    sample_id: str
    base_revision: int
    current_revision: int
    moved_on: bool
    annotations: list[dict[str, Any]]
    updated_at: str


Hole1Item: TypeAlias = tuple[float, float]


Hole1: TypeAlias = list[Hole1Item]


class DraftPart(TypedDict):
    outer: list[OuterItem]
    holes: NotRequired[list[Hole1]]


class DraftContour(TypedDict):
    parts: list[DraftPart]


class DraftItem(TypedDict):
    attributes: NotRequired[dict[str, Any]]
    visible: NotRequired[bool]
    z_order: NotRequired[int]
    difficult: NotRequired[bool]
    occluded: NotRequired[bool]
    truncated: NotRequired[bool]
    id: NotRequired[str]
    contour: NotRequired[DraftContour]
    contour_id: NotRequired[str]
    label_id: NotRequired[str]
    label: NotRequired[str]


class DraftChange(TypedDict):
    annotations: list[DraftItem]
    base_revision: NotRequired[int | None]


class JobPage(TypedDict):
    items: list[Job]
    next_cursor: str | None
    total: NotRequired[int]


class DeletionRequest(TypedDict):
    ids: NotRequired[list[str] | None]
    filter: NotRequired[SampleFilter | None]
    delete_source: NotRequired[bool]
    dry_run: NotRequired[bool]


class Sharing(TypedDict):
    dataset_id: str
    name: str
    samples: int


class Pinning(TypedDict):
    version_id: str
    dataset_id: str
    name: str
    samples: int


class Deletion(TypedDict):
    deletion_id: str | None
    samples: int
    annotations: int
    not_found: list[str]
    shared_with: list[Sharing]
    shared_elsewhere: int
    versions: list[Pinning]
    versions_elsewhere: int
    objects_removed: int
    restorable_until: str | None


class TrashedSample(TypedDict):
    id: str
    dataset_id: str
    name: str
    object_key: str
    digest: str | None
    media_type: str
    size_bytes: int
    width: int
    height: int
    status: Literal["labeled", "unlabeled", "missing"]
    annotation_count: int
    revision: int
    labeled_by: str | None
    labeled_at: str | None
    created_by: str
    created_at: str
    object_modified_at: str | None
    missing_since: str | None
    changed_at: str | None
    trashed_at: str
    trashed_by: str
    deletion_id: str
    restorable_until: str


class TrashPage(TypedDict):
    items: list[TrashedSample]
    next_cursor: str | None
    total: NotRequired[int]


class RestorationRequest(TypedDict):
    ids: NotRequired[list[str] | None]
    deletion_id: NotRequired[str | None]


class Restoration(TypedDict):
    samples: int


class SyncCounts(TypedDict):
    listed: int
    added: int
    updated: int
    renamed: int
    missing: int
    returned: int
    labels_read: int
    labels_kept: int
    unmatched: int
    conflict: int
    failed: int
    unchanged: int
    still_missing: int
    left_alone: int
    ignored: int


class Sync(TypedDict):
    job: Job
    cause: Literal["request", "creation", "schedule", "notification"]
    dry_run: bool
    phase: Literal["listing", "renames", "images", "sidecars", "done"]
    created_at: str
    finished_at: str | None
    counts: SyncCounts | None


class SyncRequest(TypedDict):
    dry_run: NotRequired[bool]


class Detail(TypedDict):
    code: str
    detail: str | None
    line: int | None
    revision: int | None
    notes: list[dict[str, Any]]


class ReportLine(TypedDict):
    object_key: str
    outcome: Literal["added", "updated", "renamed", "missing", "returned", "labels_read", "labels_kept", "unmatched", "conflict", "failed"]
    sample_id: str | None
    previous_key: str | None
    detail: Detail | None


class SyncReportPage(TypedDict):
    items: list[ReportLine]
    next_cursor: str | None
    total: NotRequired[int]


class ForgottenObject(TypedDict):
    object_key: str
    forgotten_at: str


class ForgottenObjectPage(TypedDict):
    items: list[ForgottenObject]
    next_cursor: str | None
    total: NotRequired[int]


class ForgottenRequest(TypedDict):
    object_keys: NotRequired[list[str]]
    all: NotRequired[bool]


class ForgottenAnswer(TypedDict):
    objects: int


class StorageTestRequest(TypedDict):
    path: str


class Permission(TypedDict):
    permission: Literal["list", "read", "write", "delete", "multipart"]
    granted: bool | None
    detail: str | None


class StorageTest(TypedDict):
    path: str
    as_input: bool
    as_output: bool
    permissions: list[Permission]


class StorageEvent(TypedDict):
    Records: NotRequired[list[dict[str, Any]]]


class StorageEventsAnswer(TypedDict):
    datasets: int


class Version(TypedDict):
    id: str
    dataset_id: str
    number: int
    name: str
    description: str
    state: Literal["publishing", "published", "failed"]
    is_current: bool
    samples: int | None
    labeled: int | None
    annotations: int | None
    parent_id: str | None
    job_id: str | None
    created_by: str
    created_at: str
    published_at: str | None
    deleted_at: str | None


class VersionPage(TypedDict):
    items: list[Version]
    next_cursor: str | None
    total: NotRequired[int]


class NewVersion(TypedDict):
    name: NotRequired[str | None]
    description: NotRequired[str]
    write_output: NotRequired[bool]


class VersionDetail(TypedDict):
    id: str
    dataset_id: str
    number: int
    name: str
    description: str
    state: Literal["publishing", "published", "failed"]
    is_current: bool
    samples: int | None
    labeled: int | None
    annotations: int | None
    parent_id: str | None
    job_id: str | None
    created_by: str
    created_at: str
    published_at: str | None
    deleted_at: str | None
    labels: list[LabelCount]


class VersionChange(TypedDict):
    description: str


class SwitchForecast(TypedDict):
    version_id: str
    publishes_first: bool
    samples_restored: int
    samples_brought_back: int
    samples_set_aside: int
    samples_unchanged: int
    samples_gone: int
    samples_missing: int
    samples_resized: int
    labels_changed: int


class LabelDifference(TypedDict):
    before: Label | None
    after: Label | None


class ChangeCounts(TypedDict):
    added: int
    changed: int
    removed: int


class SampleChange(TypedDict):
    sample_id: str
    name: str
    change: Literal["added", "changed", "removed"]
    revision_before: int | None
    revision_after: int | None
    other_file: bool
    moved: bool
    annotations: ChangeCounts


class AllChangeCounts(TypedDict):
    samples: ChangeCounts
    annotations: ChangeCounts


class Comparison(TypedDict):
    since: str | None
    version: str | None
    labels: list[LabelDifference]
    items: list[SampleChange]
    next_cursor: str | None
    counts: NotRequired[AllChangeCounts]


class PinnedFile(TypedDict):
    state: Literal["there", "replaced", "missing", "deleted"]
    since: str | None
    deleted_by: str | None


class VersionSample(TypedDict):
    sample: Sample
    file: PinnedFile
    annotations: list[Annotation]


class Drift(TypedDict):
    state: Literal["there", "replaced", "missing", "deleted"]
    since: str | None
    deleted_by: str | None
    sample_id: str
    name: str
    object_key: str


class DriftPage(TypedDict):
    items: list[Drift]
    next_cursor: str | None
    total: NotRequired[int]


class Preferences(TypedDict):
    labeling_method: Literal["polygon", "extreme_points"]


class SlotRequest(TypedDict):
    name: str
    size_bytes: int
    content_type: Literal["application/json", "application/x-ndjson", "application/xml", "application/zip", "image/bmp", "image/jpeg", "image/png"]


class NewUpload(TypedDict):
    files: list[SlotRequest]


class Slot(TypedDict):
    name: str
    size_bytes: int
    content_type: Literal["application/json", "application/x-ndjson", "application/xml", "application/zip", "image/bmp", "image/jpeg", "image/png"]
    method: Literal["PUT"]
    url: str
    headers: dict[str, str]


class DirectUpload(TypedDict):
    id: str
    dataset_id: str
    expires_at: str
    registered: bool
    files: list[Slot]


class Download(TypedDict):
    url: str
    expires_at: str


class Export(TypedDict):
    id: str
    dataset_id: str
    format: Literal["modelarts", "coco", "yolo", "voc", "cvat", "label_studio", "labelme"]
    order: dict[str, Any]
    path: str | None
    download: Download | None
    size_bytes: int
    files: int
    report: dict[str, Any]
    created_by: str
    created_at: str
    expires_at: str | None


class ExportPage(TypedDict):
    items: list[Export]
    next_cursor: str | None
    total: NotRequired[int]


class Ratios(TypedDict):
    train: NotRequired[float]
    val: NotRequired[float]
    test: NotRequired[float]


class Split(TypedDict):
    ratios: NotRequired[Ratios | None]
    seed: NotRequired[int]
    attribute: NotRequired[str | None]


class ExportRequest(TypedDict):
    format: Literal["modelarts", "coco", "yolo", "voc", "cvat", "label_studio", "labelme"]
    filter: NotRequired[SampleFilter | None]
    version: NotRequired[str | None]
    ids: NotRequired[list[str]]
    with_images: NotRequired[bool]
    split: NotRequired[Split | None]
    output_path: NotRequired[str | None]


class ImportRequest(TypedDict):
    format: Literal["modelarts", "coco", "yolo", "voc", "cvat", "label_studio", "labelme"]
    path: NotRequired[str | None]
    upload_id: NotRequired[str | None]
    labels: NotRequired[dict[str, str]]
    existing: NotRequired[Literal["merge", "replace", "skip"]]
    with_images: NotRequired[bool]
    dry_run: NotRequired[bool]


class ImportLine(TypedDict):
    position: int
    outcome: Literal["refused", "converted", "left_out"]
    code: str
    detail: str
    place: str
    line: int | None
    name: str | None


class ImportLinePage(TypedDict):
    items: list[ImportLine]
    next_cursor: str | None


class ImportedBox(TypedDict):
    id: str
    label_id: str
    label: str
    prompt: dict[str, Any]
    created_at: str


class ImportedBoxList(TypedDict):
    items: list[ImportedBox]


class Me(TypedDict):
    id: str
    name: str
    is_admin: bool
    scope: Literal["read", "label", "manage", "admin"]
    token_id: str | None
    token_expires_at: str | None


class User(TypedDict):
    id: str
    name: str
    is_admin: bool
    is_disabled: bool
    created_at: str


class UserPage(TypedDict):
    items: list[User]
    next_cursor: str | None
    total: NotRequired[int]


class NewUser(TypedDict):
    name: str
    is_admin: NotRequired[bool]
    oidc_subject: NotRequired[str | None]


class UserChange(TypedDict):
    name: NotRequired[str]
    is_admin: NotRequired[bool]
    is_disabled: NotRequired[bool]


class Token(TypedDict):
    id: str
    user_id: str
    name: str
    scope: Literal["read", "label", "manage", "admin"]
    created_at: str
    expires_at: str
    revoked_at: str | None
    last_used_at: str | None


class TokenPage(TypedDict):
    items: list[Token]
    next_cursor: str | None
    total: NotRequired[int]


class NewToken(TypedDict):
    name: str
    scope: NotRequired[Literal["read", "label", "manage", "admin"]]
    expires_in_days: NotRequired[int]
    user_id: NotRequired[str | None]


class MadeToken(TypedDict):
    id: str
    user_id: str
    name: str
    scope: Literal["read", "label", "manage", "admin"]
    created_at: str
    expires_at: str
    revoked_at: str | None
    last_used_at: str | None
    secret: str


class Member(TypedDict):
    user_id: str
    name: str
    role: Literal["viewer", "labeler", "owner"]
    since: str


class MemberList(TypedDict):
    items: list[Member]


class MemberRole(TypedDict):
    role: Literal["viewer", "labeler", "owner"]


class Webhook(TypedDict):
    id: str
    dataset_id: str | None
    url: str
    events: list[str]
    description: str
    active: bool
    created_by: str
    created_at: str


class WebhookPage(TypedDict):
    items: list[Webhook]
    next_cursor: str | None
    total: NotRequired[int]


class NewWebhook(TypedDict):
    url: str
    events: NotRequired[list[Literal["samples.created", "samples.deleted", "samples.restored", "annotations.saved", "job.finished", "dataset.created", "dataset.deleted", "ping"]]]
    description: NotRequired[str]


class MadeWebhook(TypedDict):
    id: str
    dataset_id: str | None
    url: str
    events: list[str]
    description: str
    active: bool
    created_by: str
    created_at: str
    secret: str


class WebhookChange(TypedDict):
    url: NotRequired[str]
    events: NotRequired[list[Literal["samples.created", "samples.deleted", "samples.restored", "annotations.saved", "job.finished", "dataset.created", "dataset.deleted", "ping"]]]
    description: NotRequired[str]
    active: NotRequired[bool]


class Delivery(TypedDict):
    id: str
    event_id: str
    event: str
    body: dict[str, Any]
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    next_attempt_at: str | None
    status_code: int | None
    error: str | None
    response: str | None
    milliseconds: int | None
    created_at: str
    ended_at: str | None


class DeliveryPage(TypedDict):
    items: list[Delivery]
    next_cursor: str | None
    total: NotRequired[int]


class AuditEntry(TypedDict):
    id: int
    created_at: str
    actor_id: str | None
    actor_name: str | None
    token_id: str | None
    via: Literal["api", "worker", "command line", "database"]
    address: str | None
    request_id: str | None
    job_id: str | None
    action: str
    resource_kind: str
    resource_id: str | None
    dataset_id: str | None
    changes: dict[str, Any]
    database_role: str


class AuditPage(TypedDict):
    items: list[AuditEntry]
    next_cursor: str | None
    total: NotRequired[int]


class LabelStudioHealth(TypedDict):
    status: str
    model_class: str


class LabelStudioSetup(TypedDict):
    project: NotRequired[Any]
    schema: NotRequired[str | None]


class LabelStudioModel(TypedDict):
    model_version: str


class LabelStudioTask(TypedDict):
    data: NotRequired[dict[str, Any] | None]


class LabelStudioContext(TypedDict):
    result: NotRequired[list[dict[str, Any]] | None]


class LabelStudioParams(TypedDict):
    context: NotRequired[LabelStudioContext | None]


class LabelStudioPredict(TypedDict):
    tasks: list[LabelStudioTask]
    label_config: NotRequired[str | None]
    params: NotRequired[LabelStudioParams | None]


class LabelStudioPrediction(TypedDict):
    model_version: str
    score: float
    result: list[dict[str, Any]]


class LabelStudioPredictions(TypedDict):
    results: list[LabelStudioPrediction]


class LabelStudioNotice(TypedDict):
    action: NotRequired[Any]


class LabelStudioNoted(TypedDict):
    status: str


PosPoint: TypeAlias = tuple[float, float]


NegPoint: TypeAlias = tuple[float, float]


ObjBboxItem: TypeAlias = list[float]


class CvatInvocation(TypedDict):
    image: str
    pos_points: NotRequired[list[PosPoint]]
    neg_points: NotRequired[list[NegPoint]]
    obj_bbox: NotRequired[list[ObjBboxItem] | None]
