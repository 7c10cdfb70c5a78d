"""Where archives of exports lie until they run out: apart from every dataset, where no listing shows them."""

from uuid import UUID

FOLDER = ".fourpoint-exports"


def archive_prefix(job_id: UUID, attempt: int) -> str:
    """Below this key lies what one try of a job writes."""
    return f"{FOLDER}/{job_id}/{attempt}/"
