"""Third phase: images that are new, other, renamed, gone or back, slice by slice in the order of keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any
from uuid import UUID

from fourpoint_core.domain.reconcile import SIDECAR_SUFFIX, Outcome, Role, stem_of
from fourpoint_core.errors import (
    DamagedImageError,
    FourpointError,
    TooManyPixelsError,
    UnsupportedImageError,
)
from fourpoint_core.imaging.inspect import ImageFacts
from fourpoint_core.jobs.payloads.syncs import Phase
from fourpoint_core.store.models import Sample
from fourpoint_core.store.queries import samples, sync_changes, sync_items
from fourpoint_core.store.queries.sync_changes import ObjectFacts
from fourpoint_core.store.queries.sync_items import Item, Settled
from fourpoint_core.store.session import Session, reading
from fourpoint_worker.syncer.context import Context
from fourpoint_worker.syncer.reading import image_facts, readers, sha256_of
from fourpoint_worker.syncer.survey import problem

SLICE = 400
_TO_DO = (Outcome.ADDED, Outcome.UPDATED, Outcome.RENAMED, Outcome.MISSING, Outcome.RETURNED)
# Of the file itself: it is not looked at again until it is another one.
_FOR_GOOD = (UnsupportedImageError, DamagedImageError, TooManyPixelsError)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the bucket says of an item now.

    facts: of an image whose header was read. is_same: whether it is known to have the sample's bytes still.
    is_there: whether there is an object at all.
    """

    facts: ImageFacts | None = None
    is_same: bool = False
    is_there: bool = True


def apply_images(context: Context, cursor: str) -> None:
    """Do what the survey found, behind a key."""
    with readers(context.store, context.limits.readers) as pool:
        while True:
            context.job.checkpoint("images")
            with reading(context.sessions) as session:
                items = sync_items.page(
                    session, context.job_id, cursor, SLICE, outcomes=_TO_DO, role=Role.IMAGE
                )
                ids = [item.sample_id for item in items if item.sample_id is not None]
                rows = samples.samples_by_id(session, ids)
            if not items:
                return
            looks = pool.map(partial(_look, context, rows), items)
            cursor = items[-1].key
            with context.slice(Phase.IMAGES, cursor, {"done": len(items)}) as session:
                _Slice(context, session).apply(list(zip(items, looks, strict=True)))


def sidecar_keys(image_key: str) -> list[str]:
    """Where the sidecar of an image may lie."""
    return [stem_of(image_key) + suffix for suffix in _SIDECAR_SUFFIXES]


def spellings(suffix: str) -> list[str]:
    """A suffix in every mixture of upper and lower case."""
    return ["".join(letters) for letters in product(*({c.lower(), c.upper()} for c in suffix))]


_SIDECAR_SUFFIXES = spellings(SIDECAR_SUFFIX)


def _look(context: Context, rows: dict[UUID, Sample], item: Item) -> _Look:
    sample = rows.get(item.sample_id) if item.sample_id is not None else None
    if item.outcome is Outcome.RENAMED:
        return _Look(is_same=True)
    if item.outcome is Outcome.MISSING:
        # The listing may be older than an upload, or than a move back.
        return _Look(is_there=context.store.exists(item.key))
    if sample is not None and _is_same(context, item, sample):
        return _Look(is_same=True)
    return _Look(facts=image_facts(context.store, item.key, item.size or 0, context.limits.image_pixels))


def _is_same(context: Context, item: Item, sample: Sample) -> bool:
    """Whether an object that was written again is still what it was."""
    if item.size != sample.size_bytes:
        return False
    if item.etag == sample.object_etag:
        return True
    by_tag = context.store.same_bytes(item.etag or "", sample.object_etag)
    if by_tag is None and sample.known_sha256 is not None:
        return sha256_of(context.store, item.key) == sample.known_sha256
    return bool(by_tag)


@dataclass(slots=True)
class _Slice:
    """What is done in one transaction."""

    context: Context
    session: Session
    settled: list[Settled] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    known: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, found: Sequence[tuple[Item, _Look | FourpointError]]) -> None:
        """Do all of it, and settle what came out otherwise than the survey expected."""
        looked: list[tuple[Item, _Look]] = []
        for item, look in found:
            if isinstance(look, FourpointError):
                self._refuse(item, look)
            else:
                looked.append((item, look))
        by_outcome: dict[Outcome, list[tuple[Item, _Look]]] = {outcome: [] for outcome in _TO_DO}
        for item, look in looked:
            by_outcome[item.outcome].append((item, look))
        wanted = [item.key for item, _ in by_outcome[Outcome.ADDED] + by_outcome[Outcome.RENAMED]]
        free = sync_changes.free_keys(self.session, self.context.dataset_id, wanted)
        self._add([pair for pair in by_outcome[Outcome.ADDED] if self._is_free(pair[0], free)])
        self._rename([item for item, _ in by_outcome[Outcome.RENAMED] if self._is_free(item, free)])
        self._miss(by_outcome[Outcome.MISSING])
        self._renew(by_outcome[Outcome.UPDATED] + by_outcome[Outcome.RETURNED])
        self._write_down()

    def _is_free(self, item: Item, free: set[str]) -> bool:
        if item.key not in free:
            # An upload has made it a sample since, or a deletion is about to remove it.
            self.dropped.append(item.key)
        return item.key in free

    def _refuse(self, item: Item, error: FourpointError) -> None:
        self.settled.append(Settled(item.key, Outcome.FAILED, detail=problem(error)))
        if item.sample_id is None and isinstance(error, _FOR_GOOD):
            self.known.append(
                {
                    "object_key": item.key,
                    "role": "refused",
                    "etag": item.etag,
                    "size_bytes": item.size,
                    "error": problem(error),
                }
            )

    def _add(self, found: Sequence[tuple[Item, _Look]]) -> None:
        facts = [self._facts(item, look) for item, look in found]
        made = sync_changes.add(self.session, self.context.dataset_id, facts, self.context.job.author)
        sync_items.forget_known(self.session, self.context.dataset_id, made.keys())
        self.placed += made
        self.dropped += [item.key for item, _ in found if item.key not in made]

    def _facts(self, item: Item, look: _Look) -> ObjectFacts:
        assert look.facts is not None  # noqa: S101 - read, or known to be the same
        etag, size = item.etag or "", item.size or 0
        return ObjectFacts(
            key=item.key,
            etag=etag,
            size=size,
            modified_at=item.modified_at,
            digest=self.context.digest_of(item.key, etag, size),
            media_type=look.facts.media_type,
            width=look.facts.width,
            height=look.facts.height,
        )

    def _rename(self, items: Sequence[Item]) -> None:
        rows = self._held(items)
        for item in items:
            sample = rows.get(item.sample_id) if item.sample_id is not None else None
            if sample is None or sample.object_key != item.previous_key:
                self.dropped.append(item.key)
                continue
            sync_changes.rename(self.session, sample, item.key, item.etag or "", item.modified_at)
            self.placed.append(item.key)

    def _miss(self, found: Sequence[tuple[Item, _Look]]) -> None:
        gone = {
            item.sample_id: item.key for item, look in found if item.sample_id is not None and not look.is_there
        }
        marked = sync_changes.mark_missing(self.session, gone.keys())
        self.dropped += [item.key for item, _ in found if item.sample_id not in marked]

    def _renew(self, found: Sequence[tuple[Item, _Look]]) -> None:
        rows = self._held([item for item, _ in found])
        for item, look in found:
            sample = rows.get(item.sample_id) if item.sample_id is not None else None
            if sample is None or sample.object_key != item.key:
                self.dropped.append(item.key)
            elif look.is_same:
                sync_changes.retag(self.session, sample, item.etag or "", item.modified_at)
                if item.outcome is Outcome.UPDATED:
                    self.dropped.append(item.key)
                else:
                    self.placed.append(item.key)
            else:
                self._replace(item, look, sample)

    def _replace(self, item: Item, look: _Look, sample: Sample) -> None:
        before = sample.width, sample.height
        facts = self._facts(item, look)
        revision = sync_changes.replace(self.session, sample, facts, self.context.job.author)
        detail: dict[str, Any] = {"code": "image_changed", "detail": "The file holds other bytes than before."}
        if revision is not None:
            text = (
                f"The image had {before[0]} x {before[1]} pixels and has {facts.width} x {facts.height} now:"
                f" its objects were taken out, and are kept in revision {revision - 1}."
            )
            detail = {"code": "image_resized", "detail": text, "revision": revision}
        self.settled.append(Settled(item.key, item.outcome, detail=detail))
        self.placed.append(item.key)

    def _held(self, items: Sequence[Item]) -> dict[UUID, Sample]:
        return sync_changes.hold(self.session, [i.sample_id for i in items if i.sample_id is not None])

    def _write_down(self) -> None:
        context, session = self.context, self.session
        sync_items.know(session, context.dataset_id, self.known)
        sync_items.settle(session, context.job_id, self.settled)
        sync_items.drop(session, context.job_id, self.dropped)
        if context.with_sidecars:
            keys = [key for image_key in self.placed for key in sidecar_keys(image_key)]
            sync_items.wake_sidecars(session, context.job_id, context.dataset_id, keys)
