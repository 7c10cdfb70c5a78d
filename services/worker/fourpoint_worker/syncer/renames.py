"""Second phase: a file that vanished and one that appeared may be the same, under another name.

Where the store's tags stand for the bytes, nothing is read. Elsewhere a file that appeared is read as a whole,
if its size is that of one that vanished and whose SHA-256 somebody knows; no more than some hundred of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from fourpoint_core.domain.reconcile import Vanished, pair_renames
from fourpoint_core.errors import FourpointError
from fourpoint_core.jobs.payloads.syncs import Phase
from fourpoint_core.store.queries import sync_changes, sync_items
from fourpoint_core.store.queries.sync_changes import Candidate
from fourpoint_core.store.queries.sync_items import Item
from fourpoint_core.store.session import reading
from fourpoint_worker.syncer.context import Context
from fourpoint_worker.syncer.reading import readers, sha256_of

SLICE = 500
MAX_READ = 500


def find_renames(context: Context, cursor: str) -> None:
    """Pair what vanished with what appeared. cursor: the last sample that was looked at, as text."""
    last, left = UUID(cursor) if cursor else UUID(int=0), MAX_READ
    while True:
        context.job.checkpoint("renames")
        with reading(context.sessions) as session:
            candidates = sync_changes.vanished(session, context.job_id, context.dataset_id, last, SLICE)
            sizes = {one.size for one in candidates}
            appeared = sync_items.appeared(session, context.job_id, sizes)
        if not candidates:
            return
        last = candidates[-1].id
        pairs, read = _pairs(context, candidates, appeared, left)
        left -= read
        with context.slice(Phase.RENAMES, str(last)) as session:
            for sample, item in pairs:
                sync_items.make_rename(session, context.job_id, item.key, sample.id, sample.key)


def _pairs(
    context: Context, candidates: Sequence[Candidate], appeared: Sequence[Item], may_read: int
) -> tuple[list[tuple[Vanished, Item]], int]:
    """What belongs together, and how many files were read for that."""
    by_tag = _by_tag(context, candidates, appeared)
    taken = {sample.id for sample, _ in by_tag}, {item.key for _, item in by_tag}
    rest = [one for one in candidates if one.id not in taken[0] and one.sha256]
    others = [item for item in appeared if item.key not in taken[1]]
    if context.dry_run:
        # A dry run reads nothing.
        return by_tag, 0
    doubtful = [item for item in others if any(_may_be(context, one, item) for one in rest)][:may_read]
    with readers(context.store, context.limits.readers) as pool:
        digests = pool.map(lambda item: sha256_of(context.store, item.key), doubtful)
    contents = [
        (item, digest)
        for item, digest in zip(doubtful, digests, strict=True)
        if not isinstance(digest, FourpointError)
    ]
    by_bytes = _paired(((one.sha256, one) for one in rest), ((digest, item) for item, digest in contents))
    return by_tag + by_bytes, len(doubtful)


def _by_tag(
    context: Context, candidates: Sequence[Candidate], appeared: Sequence[Item]
) -> list[tuple[Vanished, Item]]:
    def says(etag: str | None) -> bool:
        return etag is not None and context.store.same_bytes(etag, etag) is True

    return _paired(
        (((one.etag, one.size), one) for one in candidates if says(one.etag)),
        (((item.etag, item.size), item) for item in appeared if says(item.etag)),
    )


def _may_be(context: Context, one: Candidate, item: Item) -> bool:
    """Whether only the bytes can tell."""
    return one.size == item.size and context.store.same_bytes(one.etag, item.etag or "") is None


def _paired(
    vanished: Iterable[tuple[object, Candidate]], appeared: Iterable[tuple[object, Item]]
) -> list[tuple[Vanished, Item]]:
    """What has the same content on both sides, one to one."""
    gone: dict[object, list[Vanished]] = defaultdict(list)
    for content, one in vanished:
        gone[content].append(Vanished(one.id, one.key, one.annotations))
    here: dict[object, dict[str, Item]] = defaultdict(dict)
    for content, item in appeared:
        here[content][item.key] = item
    return [
        (sample, here[content][key])
        for content in gone.keys() & here.keys()
        for sample, key in pair_renames(gone[content], here[content])
    ]
