"""The tables, one module per noun. Importing this package registers them all."""

from fourpoint_core.store.models.annotations import Annotation, Draft, InferredContour, Revision
from fourpoint_core.store.models.audit import AuditEntry
from fourpoint_core.store.models.base import Base
from fourpoint_core.store.models.datasets import Dataset, Label
from fourpoint_core.store.models.filters import SampleLease, SavedFilter
from fourpoint_core.store.models.idempotency import IdempotencyKey
from fourpoint_core.store.models.jobs import Job, JobAttempt, WorkerProcess
from fourpoint_core.store.models.preferences import Preference
from fourpoint_core.store.models.sample_states import SampleLabel, SamplePath, SampleState
from fourpoint_core.store.models.samples import (
    KEPT,
    PRESENT,
    Absence,
    ForgottenObject,
    Sample,
    UploadIntent,
)
from fourpoint_core.store.models.syncs import KnownObject, SyncItem, SyncRun
from fourpoint_core.store.models.tallies import Tally, TallyDelta
from fourpoint_core.store.models.transfers import Export, ExportAttempt, ImportedBox, ImportLine
from fourpoint_core.store.models.uploads import DirectUpload
from fourpoint_core.store.models.users import ApiToken, DatasetMember, User
from fourpoint_core.store.models.versions import (
    Version,
    VersionHead,
    VersionLabel,
    VersionSample,
    VersionTally,
)
from fourpoint_core.store.models.webhooks import Webhook, WebhookDelivery

__all__ = [
    "KEPT",
    "PRESENT",
    "Absence",
    "Annotation",
    "ApiToken",
    "AuditEntry",
    "Base",
    "Dataset",
    "DatasetMember",
    "DirectUpload",
    "Draft",
    "Export",
    "ExportAttempt",
    "ForgottenObject",
    "IdempotencyKey",
    "ImportLine",
    "ImportedBox",
    "InferredContour",
    "Job",
    "JobAttempt",
    "KnownObject",
    "Label",
    "Preference",
    "Revision",
    "Sample",
    "SampleLabel",
    "SampleLease",
    "SamplePath",
    "SampleState",
    "SavedFilter",
    "SyncItem",
    "SyncRun",
    "Tally",
    "TallyDelta",
    "UploadIntent",
    "User",
    "Version",
    "VersionHead",
    "VersionLabel",
    "VersionSample",
    "VersionTally",
    "Webhook",
    "WebhookDelivery",
    "WorkerProcess",
]
