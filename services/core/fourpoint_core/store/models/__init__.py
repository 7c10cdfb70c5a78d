"""The tables, one module per noun. Importing this package registers them all."""

from fourpoint_core.store.models.annotations import Annotation, Draft, InferredContour, Revision
from fourpoint_core.store.models.base import Base
from fourpoint_core.store.models.datasets import Dataset, Label
from fourpoint_core.store.models.jobs import Job, JobAttempt, WorkerProcess
from fourpoint_core.store.models.samples import Sample, UploadIntent
from fourpoint_core.store.models.users import ApiToken, DatasetMember, User

__all__ = [
    "Annotation",
    "ApiToken",
    "Base",
    "Dataset",
    "DatasetMember",
    "Draft",
    "InferredContour",
    "Job",
    "JobAttempt",
    "Label",
    "Revision",
    "Sample",
    "UploadIntent",
    "User",
    "WorkerProcess",
]
