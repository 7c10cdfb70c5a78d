"""Where direct uploads lie until they are registered: apart from every dataset, where no listing shows them."""

from uuid import UUID

FOLDER = ".fourpoint-uploads"


def staged_key(upload_id: UUID, index: int) -> str:
    """Key of the file at this place of an upload."""
    return f"{FOLDER}/{upload_id}/{index}"


def staged_keys(upload_id: UUID, count: int) -> list[str]:
    """Keys of all files of an upload."""
    return [staged_key(upload_id, index) for index in range(count)]
