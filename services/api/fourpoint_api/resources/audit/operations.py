"""Reading the audit log; no HTTP."""

from collections.abc import Iterator

from fourpoint_core import auditing
from fourpoint_core.auditing import Format
from fourpoint_core.store.models import AuditEntry
from fourpoint_core.store.queries import audit
from fourpoint_core.store.queries.audit import AuditFilter
from fourpoint_core.store.session import Sessions, preparation, reading


def listing(
    sessions: Sessions, wanted: AuditFilter, before: int | None, limit: int
) -> tuple[list[AuditEntry], int | None]:
    """A page of entries, the latest first, and the number before which the next one begins."""
    with reading(sessions) as session:
        rows = audit.list_entries(session, wanted, before, limit + 1)
    page = rows[:limit]
    return page, page[-1].id if len(rows) > limit else None


def export(sessions: Sessions, wanted: AuditFilter, written_as: Format, query: dict[str, str]) -> Iterator[str]:
    """The text of all entries up to now, the oldest first; that they were exported is an entry itself.

    No transaction is open and no connection held while a reader takes its time.
    """
    with preparation(sessions) as session:
        audit.add(session, "audit", "exported", None, details={"format": written_as.value, **query})
        until = audit.last_id(session)
    return auditing.written(written_as, audit.batches(sessions, wanted, until))
