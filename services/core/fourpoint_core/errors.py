"""Errors are values with a public code; nothing below the HTTP layer knows a status.

Each class is one public `code`, stable for ever: clients branch on it. One table in
`fourpoint_api.web.problems` maps codes to HTTP, and `Retryable` tells tasks what may be tried again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one place of the request.

    pointer: RFC 6901 JSON pointer into the body (`/points/top`), or `?name` for a query parameter.
    detail: what is wrong and what to do about it, in one sentence for a person.
    """

    pointer: str
    code: str
    detail: str

    def below(self, prefix: str) -> "FieldError":
        """The same error, seen from a document that holds this one at `prefix`."""
        return FieldError(prefix + self.pointer, self.code, self.detail)


class FourpointError(Exception):
    """Base of everything Fourpoint raises on purpose.

    detail: a sentence for a person, saying what to do. errors: the fields at fault.
    """

    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, errors: Iterable[FieldError] = ()):
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)


class Retryable(Exception):  # noqa: N818 - a marker, not an error of its own
    """Marks errors after which the same work may succeed when tried again."""


class InvalidInputError(FourpointError):
    """The request is well-formed and still wrong; `errors` says where."""

    code = "invalid_input"
    title = "The request is not valid"

    @classmethod
    def at(cls, pointer: str, code: str, detail: str) -> "InvalidInputError":
        """The error of one single field."""
        return cls(detail, [FieldError(pointer, code, detail)])


class NotFoundError(FourpointError):
    """The resource does not exist, or the caller may not know that it does."""

    code = "not_found"
    title = "Not found"


class UnauthenticatedError(FourpointError):
    """The request does not say who sends it."""

    code = "unauthenticated"
    title = "Sign in first"


class TokenInvalidError(FourpointError):
    """The token is unknown, expired, revoked, or not meant for this service."""

    code = "token_invalid"
    title = "The token is not valid"


class InsufficientScopeError(FourpointError):
    """The token was made for less than this.

    scope: the least that would do.
    """

    code = "insufficient_scope"
    title = "The token's scope does not allow this"

    def __init__(self, detail: str, scope: str):
        super().__init__(detail)
        self.scope = scope


class InsufficientRoleError(FourpointError):
    """The caller may see this, and not do that."""

    code = "insufficient_role"
    title = "Your role does not allow this"


class ConflictError(FourpointError):
    """The request contradicts what is stored."""

    code = "conflict"
    title = "Conflict with the stored state"


class NameTakenError(ConflictError):
    """Another resource already has this name."""

    code = "name_taken"
    title = "The name is taken"


class ShortcutTakenError(ConflictError):
    """Another label of the dataset already has this shortcut."""

    code = "shortcut_taken"
    title = "The shortcut is taken"


class LabelDeletedError(ConflictError):
    """What was asked for needs a label that was deleted."""

    code = "label_deleted"
    title = "A label was deleted"


class FrameChangedError(ConflictError):
    """What was to come back was drawn on an image of another size."""

    code = "frame_changed"
    title = "The image has another size now"


class HistoryEndError(ConflictError):
    """There is nothing to undo, or to redo."""

    code = "history_end"
    title = "The history ends here"


class IdTakenError(ConflictError):
    """A client-supplied id already names something else."""

    code = "id_taken"
    title = "The id is taken"


class LastOwnerError(ConflictError):
    """Without this member nobody would own the dataset."""

    code = "last_owner"
    title = "A dataset needs an owner"


class LastAdminError(ConflictError):
    """Without this person nobody would keep the list of people."""

    code = "last_admin"
    title = "The service needs an admin"


class VersionsBusyError(ConflictError):
    """A version of the dataset is being published or made current at this moment."""

    code = "versions_busy"
    title = "Versions are being published or switched"


class VersionStateError(ConflictError):
    """The version is not in a state that allows this."""

    code = "version_state"
    title = "The version's state does not allow this"


class VersionCurrentError(ConflictError):
    """The version is the one that people work on."""

    code = "version_current"
    title = "The version is the current one"


class DatasetEmptyError(ConflictError):
    """There is nothing to publish."""

    code = "dataset_empty"
    title = "The dataset has no images"


class JobStateError(ConflictError):
    """The job is not in a state that allows this."""

    code = "job_state"
    title = "The job's state does not allow this"


class SyncRunningError(ConflictError):
    """The dataset is being synchronised already.

    job_id: the job that does; None where it has just ended.
    """

    code = "sync_running"
    title = "A synchronisation is running"

    def __init__(self, detail: str, job_id: UUID | None):
        super().__init__(detail)
        self.job_id = job_id


class RequestInProgressError(ConflictError):
    """A request with the same Idempotency-Key is being carried out at this moment."""

    code = "request_in_progress"
    title = "The same request is being carried out"


class AnswerLostError(ConflictError):
    """A request with this Idempotency-Key was carried out, and nobody knows any more what it was answered."""

    code = "answer_lost"
    title = "The request was carried out, its answer was lost"


class IdempotencyKeyReusedError(FourpointError):
    """The Idempotency-Key came with another request before."""

    code = "idempotency_key_reused"
    title = "The Idempotency-Key belongs to another request"


class SignatureInvalidError(FourpointError):
    """A signed address was changed, has run out, or is used for something else."""

    code = "signature_invalid"
    title = "The signed address is not valid"


class StaleDocumentError(FourpointError):
    """`If-Match` names a state that is no longer the current one.

    changes: what happened since, as a JSON document, where that is known.
    """

    code = "stale_document"
    title = "The resource has changed"

    def __init__(self, detail: str, current_etag: str, changes: dict[str, Any] | None = None):
        super().__init__(detail)
        self.current_etag = current_etag
        self.changes = changes


class PreconditionRequiredError(FourpointError):
    """`If-Match` is missing where replacing blindly could lose somebody's work."""

    code = "precondition_required"
    title = "If-Match is required"


class FileTooLargeError(FourpointError):
    """One file is over the limit."""

    code = "file_too_large"
    title = "The file is too large"


class BatchTooLargeError(FourpointError):
    """The upload as a whole is over the limit."""

    code = "batch_too_large"
    title = "The upload is too large"


class UnsupportedImageError(FourpointError):
    """The bytes are no JPEG, PNG or BMP, whatever the file is called."""

    code = "image_format_unsupported"
    title = "The image format is not supported"


class DamagedImageError(FourpointError):
    """The image is truncated or cannot be decoded."""

    code = "image_damaged"
    title = "The image is damaged"


class TooManyPixelsError(FourpointError):
    """The image decodes to more pixels than the service accepts."""

    code = "image_too_many_pixels"
    title = "The image has too many pixels"


class UploadRefusedError(FourpointError):
    """Files of one batch are wrong in different ways; nothing was stored."""

    code = "upload_refused"
    title = "The upload was refused"


class ObjectMissingError(FourpointError):
    """The object store no longer has the bytes that a row refers to."""

    code = "object_missing"
    title = "The stored object is missing"


class ObjectGoneError(FourpointError):
    """The bytes that a version refers to were deleted for good, or replaced by others."""

    code = "object_gone"
    title = "The image of the version is gone"


class NoOutlineError(FourpointError):
    """The engine found nothing between the clicks."""

    code = "no_outline"
    title = "No outline was found"


class DeadlineExceededError(FourpointError):
    """The job did not finish before its deadline."""

    code = "deadline_exceeded"
    title = "The job ran out of time"


class AttemptsExhaustedError(FourpointError):
    """The job was tried as often as it may be, and no try finished."""

    code = "attempts_exhausted"
    title = "The job failed on every attempt"


class CancelledError(FourpointError):
    """Somebody cancelled the job."""

    code = "cancelled"
    title = "The job was cancelled"


class StorageUnavailableError(FourpointError, Retryable):
    """The object store did not answer, or answered with an error of its own."""

    code = "storage_unavailable"
    title = "The object store is not available"


class StorageDeniedError(StorageUnavailableError):
    """The object store knows the access key, and does not let it do this."""

    code = "storage_denied"
    title = "The object store does not allow this"


class DatabaseUnavailableError(FourpointError, Retryable):
    """PostgreSQL did not answer."""

    code = "database_unavailable"
    title = "The database is not available"


class IdentityProviderUnavailableError(FourpointError, Retryable):
    """The keys that tokens are verified with could not be read."""

    code = "identity_provider_unavailable"
    title = "The identity provider is not available"


class ForbiddenAddressError(FourpointError):
    """The address leads to where this service does not go for others."""

    code = "address_forbidden"
    title = "The address may not be called"


class QueueFullError(FourpointError, Retryable):
    """As many jobs wait in the queue as may."""

    code = "queue_full"
    title = "The queue is full"


class LeaseLostError(FourpointError):
    """Another worker owns the job now; this one's result must not be recorded."""

    code = "lease_lost"
    title = "The lease was lost"


class StageOverrunError(FourpointError, Retryable):
    """One stage of the work took longer than it may."""

    code = "stage_overrun"
    title = "The work took too long"


class DeviceExhaustedError(FourpointError, Retryable):
    """The memory of the device that the model runs on does not suffice at the moment."""

    code = "device_exhausted"
    title = "The model has no memory left"


class InternalError(FourpointError):
    """A defect of the service; the request id leads to it in the logs."""

    code = "internal_error"
    title = "The service failed"


class SettingsError(Exception):
    """The process cannot start: a setting is missing or wrong. The message names it."""
