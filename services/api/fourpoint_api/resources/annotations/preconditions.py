"""Which state of a document a request was made against, and what to say when that has passed.

An entity tag names the revision, and what was done to labels since: a rename changes what a reader sees and
takes nothing from a writer, so a condition looks at the revision alone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fourpoint_core.errors import StaleDocumentError
from fourpoint_core.store.models import Revision, Sample
from fourpoint_core.store.queries import history
from fourpoint_core.store.queries.annotations import LabeledAnnotation
from fourpoint_core.store.queries.history import Changes
from fourpoint_core.store.session import Session

_TAG = re.compile(r"document-(\d{1,9})(?:-\d+)?")


@dataclass(frozen=True, slots=True)
class Precondition:
    """The revisions that the caller would have changed; None: whichever is there."""

    revisions: frozenset[int] | None = None

    @classmethod
    def from_tags(cls, tags: Iterable[str | None]) -> "Precondition":
        """Of entity tags without their quotes; those of other resources name no revision.

        None: how the framework reads a tag of no characters.
        """
        found = (_TAG.fullmatch(tag or "") for tag in tags)
        return cls(frozenset(int(match[1]) for match in found if match))

    def require(self, session: Session, sample: Sample) -> None:
        """Make sure of it; `sample` is locked. Raises StaleDocumentError that says what has changed since."""
        if self.revisions is None or sample.revision in self.revisions:
            return
        current = document_etag(sample)
        since = max((number for number in self.revisions if number < sample.revision), default=None)
        changes = None if since is None else _told(history.changes_since(session, sample, since))
        raise StaleDocumentError(
            f"The document has changed and is now {current}; read it again and repeat the change.",
            current,
            changes,
        )


def document_etag(sample: Sample, shown: Iterable[LabeledAnnotation] = ()) -> str:
    """The entity tag of a sample's document. shown: its objects, where they are part of the answer."""
    changes = sum(label.row_version - 1 for label in {item.label.id: item.label for item in shown}.values())
    return f'"document-{sample.revision}-{changes}"' if changes else f'"document-{sample.revision}"'


def render_revision(revision: Revision) -> dict[str, Any]:
    """A revision as the contract shows it."""
    return {
        "number": revision.number,
        "action": revision.action,
        "author_id": revision.author_id,
        "created_at": revision.created_at,
        "restored_from": revision.restored_from,
    }


def _told(changes: Changes) -> dict[str, Any]:
    """As JSON: problem documents are no resource of their own."""
    return {
        "since": changes.since,
        "current": changes.current,
        "revisions": [
            {
                **render_revision(revision),
                "author_id": str(revision.author_id),
                "created_at": revision.created_at.isoformat(),
            }
            for revision in changes.revisions
        ],
        "added": [str(key) for key in changes.added],
        "changed": [str(key) for key in changes.changed],
        "removed": [str(key) for key in changes.removed],
    }
