"""What can be done with drafts; no HTTP."""

from typing import Any
from uuid import UUID

from fourpoint_core.domain.annotations import check_attributes, check_document_size
from fourpoint_core.errors import InvalidInputError, NotFoundError
from fourpoint_core.store.models import Draft, Sample
from fourpoint_core.store.queries import drafts, samples
from fourpoint_core.store.session import Sessions, reading, unit_of_work


def read(sessions: Sessions, sample_id: UUID, user_id: UUID) -> tuple[Sample, Draft]:
    """A person's draft and its sample. Raises NotFoundError when there is none."""
    with reading(sessions) as session:
        sample = samples.get_sample(session, sample_id)
        draft = drafts.get_draft(session, sample_id, user_id)
    if draft is None:
        raise NotFoundError("You have no draft on this sample.")
    return sample, draft


def keep(
    sessions: Sessions,
    sample_id: UUID,
    user_id: UUID,
    entries: list[dict[str, Any]],
    base_revision: int | None,
) -> tuple[Sample, Draft]:
    """Keep a draft in place of the one before. entries: JSON documents; base_revision: see `drafts.put_draft`.

    Raises NotFoundError or InvalidInputError.
    """
    check_document_size(len(entries), sum(_vertices(entry) for entry in entries))
    for index, entry in enumerate(entries):
        check_attributes(entry.get("attributes", {}), f"/annotations/{index}/attributes")
    with unit_of_work(sessions) as session:
        sample = samples.get_sample(session, sample_id)
        if base_revision is not None and base_revision > sample.revision:
            raise InvalidInputError.at(
                "/base_revision",
                "revision_unknown",
                f"The document is at revision {sample.revision}; begin with that or an earlier one.",
            )
        return sample, drafts.put_draft(session, sample, user_id, entries, base_revision)


def discard(sessions: Sessions, sample_id: UUID, user_id: UUID) -> None:
    """Throw a person's draft away. Raises NotFoundError when there is no such sample."""
    with unit_of_work(sessions) as session:
        samples.get_sample(session, sample_id)
        drafts.discard_draft(session, sample_id, user_id)


def _vertices(entry: dict[str, Any]) -> int:
    parts = entry.get("contour", {}).get("parts", ())
    return sum(len(ring) for part in parts for ring in (part["outer"], *part.get("holes", ())))
