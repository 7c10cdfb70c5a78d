"""What every phase of a synchronisation knows, and how its slices are committed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from fourpoint_core.jobs.payloads.syncs import Phase
from fourpoint_core.storage import ObjectStore
from fourpoint_core.store.digest_book import unread_digest
from fourpoint_core.store.queries import leases, syncs
from fourpoint_core.store.session import Session, Sessions, unit_of_work
from fourpoint_worker.lease_keeper import ActiveJob
from fourpoint_worker.metrics import sync_metrics


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken, and how many objects are read at once."""

    object_bytes: int
    image_pixels: int
    readers: int


@dataclass(frozen=True, slots=True)
class Context:
    """One synchronisation. with_sidecars: whether files of labels are read."""

    sessions: Sessions
    store: ObjectStore
    limits: Limits
    job: ActiveJob
    dataset_id: UUID
    input_path: str
    with_sidecars: bool
    dry_run: bool

    @property
    def job_id(self) -> UUID:
        """Whose run this is."""
        return self.job.lease.job_id

    @contextmanager
    def slice(self, phase: Phase, cursor: str, counts: dict[str, int] | None = None) -> Iterator[Session]:
        """A transaction that ends with the place behind which a successor goes on.

        Raises LeaseLostError, and whatever the block raises: the slice has then not happened.
        """
        with unit_of_work(self.sessions) as session:
            leases.require_lease(session, self.job.lease)
            yield session
            run = syncs.advance(session, self.job_id, phase, cursor, counts)
            leases.report_progress(session, self.job.lease, {"phase": phase.value, **run.counts})
        done = (counts or {}).get("listed" if phase is Phase.LISTING else "done", 0)
        sync_metrics().objects.labels(phase.value).inc(done)

    def digest_of(self, key: str, etag: str, size: int) -> str:
        """What stands for the bytes of an object that nobody has read."""
        return unread_digest(self.store, key, etag, size)


PhaseOf = Callable[[Context, str], None]
"""A phase, from a cursor on."""
