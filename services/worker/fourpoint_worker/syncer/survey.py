"""First phase: what differs between bucket and table, written down key by key; only the listing is read."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from fourpoint_core.domain.reconcile import Finding, Known, Outcome, Role, Standing, Step, reconcile, role_of
from fourpoint_core.errors import (
    FileTooLargeError,
    FourpointError,
    InvalidInputError,
    UnsupportedImageError,
)
from fourpoint_core.jobs.payloads.syncs import Phase
from fourpoint_core.storage.port import validate_key
from fourpoint_core.store.queries import sync_items
from fourpoint_core.store.queries.sync_items import Item
from fourpoint_core.store.session import reading
from fourpoint_worker.syncer.context import Context
from fourpoint_worker.syncer.listing import listed

STEPS = 20_000
ITEMS = 1_000
KNOWN_PAGE = 2_000
# Far above what anybody draws on one image.
MAX_SIDECAR_BYTES = 32 * 2**20

_OF_IMAGE = {
    Finding.ADDED: Outcome.ADDED,
    Finding.UPDATED: Outcome.UPDATED,
    Finding.RETURNED: Outcome.RETURNED,
    Finding.MISSING: Outcome.MISSING,
    Finding.REFUSED: Outcome.FAILED,
}
_COUNTED = {
    Finding.UNCHANGED: "unchanged",
    Finding.STILL_MISSING: "still_missing",
    Finding.LEFT_ALONE: "left_alone",
    Finding.IGNORED: "ignored",
}


def survey(context: Context, cursor: str) -> None:
    """Compare the listing with the table behind a key, and write down what differs."""
    with closing(listed(context.store, context.input_path, cursor)) as listing:
        steps = reconcile(listing, _known(context, cursor))
        while (found := _take(context, steps)).last_key:
            with context.slice(Phase.LISTING, found.last_key, found.counts) as session:
                sync_items.note(session, context.job_id, found.items)
                if not context.dry_run:
                    sync_items.forget_known(session, context.dataset_id, found.gone)


def problem(error: FourpointError) -> dict[str, Any]:
    """Why a key could not be taken, as reports show it."""
    return {"code": error.code, "detail": error.detail}


@dataclass(slots=True)
class _Found:
    """Part of the survey. gone: keys that the table need not know any more."""

    last_key: str = ""
    items: list[Item] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def _known(context: Context, cursor: str) -> Iterator[Known]:
    def fetch(after: str) -> list[Known]:
        with reading(context.sessions) as session:
            return sync_items.known_after(session, context.dataset_id, after, KNOWN_PAGE)

    return sync_items.every_page(fetch, cursor)


def _take(context: Context, steps: Iterator[Step]) -> _Found:
    context.job.checkpoint("listing")
    found = _Found()
    listed_count = unchanged = 0
    for step in islice(steps, STEPS):
        found.last_key = step.key
        listed_count += step.listed is not None
        # Most of the time nothing has happened to most keys.
        if step.finding is Finding.UNCHANGED and step.known is not None and step.known.error is None:
            unchanged += 1
            continue
        _note(context, found, step)
        if len(found.items) + len(found.gone) >= ITEMS:
            break
    found.counts.update({"listed": listed_count, "unchanged": unchanged})
    return found


def _note(context: Context, found: _Found, step: Step) -> None:
    role = Role.SIDECAR if _is_sidecar(step) else Role.IMAGE
    if role is Role.SIDECAR and not context.with_sidecars:
        found.counts["ignored"] += step.listed is not None
        return
    if step.finding is Finding.GONE:
        found.gone.append(step.key)
        if step.known is not None and step.known.standing is Standing.SIDECAR and step.known.id is not None:
            found.items.append(Item(step.key, role, Outcome.LABELS_KEPT, sample_id=step.known.id))
        return
    if step.finding in _COUNTED and (step.known is None or step.known.error is None):
        found.counts[_COUNTED[step.finding]] += 1
        return
    found.items.append(_item(context, role, step))


def _is_sidecar(step: Step) -> bool:
    if step.known is not None:
        return step.known.standing is Standing.SIDECAR
    return role_of(step.key) is Role.SIDECAR


def _item(context: Context, role: Role, step: Step) -> Item:
    outcome = Outcome.LABELS_READ if role is Role.SIDECAR else _OF_IMAGE[step.finding]
    detail = None
    if step.finding in {Finding.UNCHANGED, Finding.REFUSED} and step.known is not None:
        outcome, detail = Outcome.FAILED, step.known.error
    elif step.listed is not None and (refusal := _refusal(context, role, step.key, step.listed.size)):
        outcome, detail = Outcome.FAILED, problem(refusal)
    here = step.listed
    return Item(
        key=step.key,
        role=role,
        outcome=outcome,
        sample_id=step.known.id if step.known is not None else None,
        etag=here.etag if here is not None else None,
        size=here.size if here is not None else None,
        modified_at=here.modified_at if here is not None else None,
        detail=detail,
    )


def _refusal(context: Context, role: Role, key: str, size: int) -> FourpointError | None:
    """Why an object is not taken, as far as its name and its size say."""
    if role_of(key) is Role.FOREIGN:
        return UnsupportedImageError("Only JPEG, PNG and BMP images are taken; convert the file.")
    limit = MAX_SIDECAR_BYTES if role is Role.SIDECAR else context.limits.object_bytes
    if size > limit:
        return FileTooLargeError(f"The file has {size:,} bytes; the limit is {limit:,}.")
    try:
        validate_key(key)
    except InvalidInputError as error:
        return InvalidInputError.at("", "key_invalid", error.detail)
    return None
