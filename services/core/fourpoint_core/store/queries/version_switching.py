"""Making the working state that of a version: by revisions, some samples at a time, and never over a save.

A sample is touched only while it is as the *base* has it: the version in which the state before the switch was
kept. Whoever saves meanwhile keeps what they saved. So nothing is lost, whenever this is cut short, and a
second go looks at what is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Uuid, text
from sqlalchemy.orm import Session

from fourpoint_core.domain.history import Action
from fourpoint_core.errors import LabelDeletedError
from fourpoint_core.store import authorship
from fourpoint_core.store.models import Version

_CONTENT = "CASE WHEN sample.copied_in = sample.revision THEN sample.copied_revision ELSE sample.revision END"
_PRESENT = "(sample.trashed_at IS NULL AND sample.missing_since IS NULL)"
_PINNED = """
    LEFT JOIN version_samples {name} ON {name}.sample_id = sample.id AND {name}.from_number <= :{name}
        AND ({name}.to_number IS NULL OR {name}.to_number > :{name})
"""
# `wanted` is the sample as the version has it, `base` as the base does.
_SAMPLES_AND_WANTED = f"FROM samples sample {_PINNED.format(name='wanted')}"
_SAMPLES = f"{_SAMPLES_AND_WANTED} {_PINNED.format(name='base')}"
_IS_AS_WANTED = f"""
    {_CONTENT} = wanted.content_revision AND sample.labeled_by IS NOT DISTINCT FROM wanted.labeled_by
        AND sample.labeled_at IS NOT DISTINCT FROM wanted.labeled_at
"""
_VERDICT_BUT = f"""
    CASE
        WHEN wanted.sample_id IS NULL AND NOT {_PRESENT} THEN 'same'
        WHEN {_PRESENT} AND {_IS_AS_WANTED} THEN 'same'
        WHEN sample.absence = 'purged' THEN 'gone'
        WHEN sample.trashed_at IS NULL AND sample.missing_since IS NOT NULL THEN 'missing'
        {{kept}}
        WHEN wanted.sample_id IS NULL THEN 'set_aside'
        WHEN {_IS_AS_WANTED} THEN 'bring_back'
        WHEN wanted.annotation_count > 0
            AND (wanted.width, wanted.height) IS DISTINCT FROM (sample.width, sample.height) THEN 'resized'
        ELSE 'restore'
    END
"""
_VERDICT = _VERDICT_BUT.format(
    kept=f"""
        WHEN base.sample_id IS NULL AND {_PRESENT} THEN 'kept'
        WHEN base.sample_id IS NOT NULL AND NOT ({_PRESENT} AND {_CONTENT} = base.content_revision) THEN 'kept'
    """
)
_PART = text(
    f"""
    SELECT id, created_at, verdict FROM (
        SELECT sample.id, sample.created_at, {_VERDICT} AS verdict {_SAMPLES}
        WHERE sample.dataset_id = :dataset_id AND (sample.created_at, sample.id) > (:after_time, :after_id)
        ORDER BY sample.created_at, sample.id LIMIT :limit
    ) part ORDER BY created_at, id
    """  # noqa: S608 - constants
).columns(id=Uuid, created_at=DateTime(timezone=True))
_AGAIN = text(
    f"SELECT sample.id, {_VERDICT} AS verdict {_SAMPLES} WHERE sample.id = ANY (CAST(:ids AS uuid[]))"
).columns(id=Uuid)
_COUNTS = text(
    f"""
    SELECT verdict, count(*) AS samples FROM (
        SELECT {_VERDICT_BUT.format(kept="")} AS verdict {_SAMPLES_AND_WANTED}
        WHERE sample.dataset_id = :dataset_id
    ) verdicts GROUP BY verdict
    """  # noqa: S608 - constants
)
_LOCK = text("SELECT FROM samples WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE")
_WANTED = f"{_SAMPLES} WHERE sample.id = ANY (CAST(:ids AS uuid[]))"
_ADD_REVISIONS = text(
    f"""
    INSERT INTO revisions (sample_id, number, action, author_id, restored_from, copy_of)
    SELECT sample.id, sample.revision + 1, :action, :author, wanted.revision, wanted.content_revision {_WANTED}
    """
)
_CLOSE_ROWS = text(
    f"""
    UPDATE annotations SET valid_to = touched.revision + 1
    FROM (SELECT sample.id, sample.revision, wanted.revision AS pinned {_WANTED}) touched
    WHERE annotations.sample_id = touched.id AND annotations.valid_to IS NULL
        AND annotations.valid_from > pinned
    """  # noqa: S608 - constants
)
_COPIED = (
    "annotation_id, label_id, contour, bounding_box, area, method, prompt, contour_id, engine, model_digest,"
    " score, created_by, created_at, attributes, visible, z_order, difficult, occluded, truncated,"
    " vertex_count, edited_by, edited_at"
)
_OPEN_ROWS = text(
    f"""
    INSERT INTO annotations (sample_id, valid_from, {_COPIED})
    SELECT annotations.sample_id, touched.revision + 1, {_COPIED}
    FROM (SELECT sample.id, sample.revision, wanted.revision AS pinned {_WANTED}) touched
    JOIN annotations ON annotations.sample_id = touched.id
    WHERE annotations.valid_from <= pinned AND annotations.valid_to > pinned
    """  # noqa: S608 - constants
)
# The sample's row comes last in a save; see docs/filters.md.
_UPDATE_SAMPLES = text(
    f"""
    UPDATE samples SET
        revision = samples.revision + 1, annotation_count = touched.annotation_count,
        labeled_by = touched.labeled_by, labeled_at = touched.labeled_at,
        copied_in = samples.revision + 1, copied_revision = touched.content_revision,
        trashed_at = NULL, trashed_by = NULL, deletion_id = NULL, absence = NULL
    FROM (
        SELECT sample.id, wanted.annotation_count, wanted.labeled_by, wanted.labeled_at, wanted.content_revision
        {_WANTED}
    ) touched
    WHERE samples.id = touched.id
    """  # noqa: S608 - constants
)
_BRING_BACK = text(
    """
    UPDATE samples SET trashed_at = NULL, trashed_by = NULL, deletion_id = NULL, absence = NULL
    WHERE id = ANY (CAST(:ids AS uuid[]))
    """
)
_SET_ASIDE = text(
    """
    UPDATE samples SET trashed_at = clock_timestamp(), trashed_by = :author, deletion_id = :job_id,
        absence = 'set_aside'
    WHERE id = ANY (CAST(:ids AS uuid[]))
    """
)

_OUT_OF_USE = text(
    """
    UPDATE labels SET deleted_at = clock_timestamp(), row_version = row_version + 1
    WHERE dataset_id = :dataset_id AND deleted_at IS NULL AND NOT EXISTS (
        SELECT FROM version_labels wanted
        WHERE wanted.version_id = :version_id AND wanted.label_id = labels.id AND wanted.name = labels.name
            AND wanted.colour = labels.colour AND wanted.shortcut IS NOT DISTINCT FROM labels.shortcut
    )
    """
)
_INTO_USE = text(
    """
    UPDATE labels SET name = wanted.name, colour = wanted.colour, shortcut = wanted.shortcut,
        deleted_at = NULL, merged_into = NULL, row_version = row_version + 1
    FROM version_labels wanted
    WHERE wanted.version_id = :version_id AND wanted.label_id = labels.id AND labels.deleted_at IS NOT NULL
    """
)
_HOLD_LABELS = text(
    """
    SELECT labels.name, labels.deleted_at IS NOT NULL AS is_deleted
    FROM labels JOIN version_labels wanted ON wanted.label_id = labels.id
    WHERE wanted.version_id = :version_id ORDER BY labels.id FOR SHARE OF labels
    """
)
# Of labels that went out of use with the switch, those that a document has which somebody saved meanwhile.
_KEPT_LABELS = text(
    """
    SELECT labels.id, labels.name FROM labels
    WHERE dataset_id = :dataset_id AND deleted_at IS NOT NULL AND merged_into IS NULL
        AND EXISTS (
            SELECT FROM version_labels base WHERE base.version_id = :base_id AND base.label_id = labels.id
        )
        AND EXISTS (SELECT FROM sample_labels shown WHERE shown.label_id = labels.id)
    ORDER BY mask_index
    """
)
_NAMES = text("SELECT name FROM labels WHERE dataset_id = :dataset_id AND deleted_at IS NULL")
_KEEP_LABEL = text(
    """
    UPDATE labels SET deleted_at = NULL, name = :name, shortcut = NULL, row_version = row_version + 1
    WHERE id = :id
    """
)
_LOCK_LABELS = text("SELECT FROM labels WHERE dataset_id = :dataset_id ORDER BY id FOR NO KEY UPDATE")


class Verdict(StrEnum):
    """What becomes of a sample. RESTORE, BRING_BACK and SET_ASIDE change it, the others leave it.

    RESTORE: another document, out of the trash as well; BRING_BACK: only that. KEPT: saved, added or deleted
    since the switch began. GONE: deleted for good. MISSING: its file is away, and it stays as it is.
    RESIZED: so does an image whose file has another size than when the version's objects were drawn.
    """

    SAME = "same"
    RESTORE = "restore"
    BRING_BACK = "bring_back"
    SET_ASIDE = "set_aside"
    KEPT = "kept"
    GONE = "gone"
    MISSING = "missing"
    RESIZED = "resized"


@dataclass(frozen=True, slots=True)
class Switch:
    """From what to what. base: where the state before is kept; author, job_id: who does it."""

    dataset_id: UUID
    wanted: Version
    base: Version
    author: UUID
    job_id: UUID


@dataclass(frozen=True, slots=True)
class Part:
    """Some samples in the order of arrival. last: the place after which the next part begins; None: the end."""

    verdicts: Mapping[UUID, Verdict]
    last: tuple[datetime, UUID] | None


def foresee(session: Session, wanted: Version) -> dict[Verdict, int]:
    """With how many samples a switch to this version would do what, if it began now and nobody saved."""
    rows = session.execute(_COUNTS, {"wanted": wanted.number, "dataset_id": wanted.dataset_id})
    return {Verdict(row.verdict): row.samples for row in rows}


def look(session: Session, switch: Switch, after: tuple[datetime, UUID] | None, limit: int) -> Part:
    """What is to become of the `limit` samples after a place."""
    time, sample_id = after or (datetime.min.replace(tzinfo=switch.wanted.created_at.tzinfo), UUID(int=0))
    values = {"dataset_id": switch.dataset_id, "after_time": time, "after_id": sample_id, "limit": limit}
    rows = session.execute(_PART, {**_numbers(switch), **values}).all()
    last = (rows[-1].created_at, rows[-1].id) if len(rows) == limit else None
    return Part({row.id: Verdict(row.verdict) for row in rows}, last)


def change(session: Session, switch: Switch, sample_ids: Sequence[UUID]) -> dict[UUID, Verdict]:
    """Do with these samples what is to be done; what was done with each. Raises LabelDeletedError."""
    session.execute(_LOCK, _ids(sample_ids))
    # Looked at again under the lock: somebody may have saved while we waited for it.
    rows = session.execute(_AGAIN, {**_numbers(switch), **_ids(sample_ids)})
    verdicts = {row.id: Verdict(row.verdict) for row in rows}
    _restore(session, switch, [one for one, verdict in verdicts.items() if verdict is Verdict.RESTORE])
    back = [one for one, verdict in verdicts.items() if verdict is Verdict.BRING_BACK]
    if back:
        session.execute(_BRING_BACK, _ids(back))
    aside = [one for one, verdict in verdicts.items() if verdict is Verdict.SET_ASIDE]
    if aside:
        session.execute(_SET_ASIDE, {**_ids(aside), "author": switch.author, "job_id": switch.job_id})
    return verdicts


def change_labels(session: Session, switch: Switch) -> None:
    """Call and colour the labels as the version does, and take out of use those that it does not have."""
    authorship.declare(session)
    session.execute(_LOCK_LABELS, {"dataset_id": switch.dataset_id})
    # All that change are out of use first: names and shortcuts may go round among them.
    values = {"dataset_id": switch.dataset_id, "version_id": switch.wanted.id}
    session.execute(_OUT_OF_USE, values)
    session.execute(_INTO_USE, {"version_id": switch.wanted.id})


def keep_labels(session: Session, switch: Switch) -> int:
    """Bring back labels that the version does not have and that saves of meanwhile need; how many."""
    authorship.declare(session)
    session.execute(_LOCK_LABELS, {"dataset_id": switch.dataset_id})
    values = {"dataset_id": switch.dataset_id, "base_id": switch.base.id}
    kept = session.execute(_KEPT_LABELS, values).all()
    names = set(session.scalars(_NAMES, {"dataset_id": switch.dataset_id})) if kept else set()
    for label in kept:
        name = _free_name(label.name, names)
        names.add(name)
        session.execute(_KEEP_LABEL, {"id": label.id, "name": name})
    return len(kept)


def _restore(session: Session, switch: Switch, sample_ids: Sequence[UUID]) -> None:
    if not sample_ids:
        return
    held = session.execute(_HOLD_LABELS, {"version_id": switch.wanted.id})
    deleted = [label.name for label in held if label.is_deleted]
    if deleted:
        raise LabelDeletedError(f"The label {deleted[0]!r} was deleted during the switch; try the job again.")
    values = {**_numbers(switch), **_ids(sample_ids)}
    revisions = {"action": Action.SET_VERSION.value, "author": switch.author}
    session.execute(_ADD_REVISIONS, {**values, **revisions})
    for statement in (_CLOSE_ROWS, _OPEN_ROWS, _UPDATE_SAMPLES):
        session.execute(statement, values)


def _free_name(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        ending = f" ({number})"
        free = f"{name[: 256 - len(ending)]}{ending}"
        number += 1
    return free


def _numbers(switch: Switch) -> dict[str, Any]:
    return {"wanted": switch.wanted.number, "base": switch.base.number}


def _ids(sample_ids: Sequence[UUID]) -> dict[str, Any]:
    return {"ids": [str(one) for one in sample_ids]}
