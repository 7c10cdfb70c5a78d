"""Synchronisation: what a bucket said of each sample, what became of a run, and when the next one is due.

An image whose file is gone from the bucket is counted with the trash: not at all, but under `missing`.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The functions of 0004, which counts what is present; {present} is what that means, {missing} what is counted
# as such.
_SETTLE_SAMPLES = """
CREATE OR REPLACE FUNCTION settle_samples(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sample_states state SET ends_at = revision.created_at
    FROM samples sample
    JOIN revisions revision ON revision.sample_id = sample.id AND revision.number = sample.revision
    WHERE sample.id = ANY (ids) AND state.sample_id = sample.id
        AND state.ends_at IS NULL AND state.revision < sample.revision;

    INSERT INTO sample_states
        (sample_id, revision, begins_at, annotation_count, labeled_by, label_ids, difficult, attribute_terms)
    SELECT sample.id, sample.revision, revision.created_at, sample.annotation_count, sample.labeled_by,
        facts.*
    FROM samples sample
    JOIN revisions revision ON revision.sample_id = sample.id AND revision.number = sample.revision
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT annotation.label_id), '{{}}') AS label_ids,
            coalesce(bool_or(annotation.difficult), false) AS difficult,
            coalesce(array_agg(DISTINCT term.key || ':' || term.value)
                FILTER (WHERE term.key IS NOT NULL), '{{}}')
                AS attribute_terms
        FROM annotations annotation
        LEFT JOIN LATERAL jsonb_each_text(annotation.attributes) term ON true
        WHERE annotation.sample_id = sample.id AND annotation.valid_to IS NULL
    ) facts
    WHERE sample.id = ANY (ids)
    ON CONFLICT (sample_id, revision) DO UPDATE SET
        annotation_count = excluded.annotation_count, labeled_by = excluded.labeled_by,
        label_ids = excluded.label_ids, difficult = excluded.difficult,
        attribute_terms = excluded.attribute_terms;

    WITH wanted AS (
        SELECT sample.id AS sample_id, annotation.label_id, sample.created_at, count(*) AS objects
        FROM samples sample
        JOIN annotations annotation ON annotation.sample_id = sample.id AND annotation.valid_to IS NULL
        WHERE sample.id = ANY (ids) AND {present}
        GROUP BY sample.id, annotation.label_id
    ), gone AS (
        DELETE FROM sample_labels present
        WHERE present.sample_id = ANY (ids) AND NOT EXISTS (
            SELECT FROM wanted
            WHERE wanted.sample_id = present.sample_id AND wanted.label_id = present.label_id
        )
    )
    INSERT INTO sample_labels (sample_id, label_id, created_at, objects) SELECT * FROM wanted
    ON CONFLICT (sample_id, label_id) DO UPDATE SET objects = excluded.objects
    WHERE sample_labels.objects <> excluded.objects;
END $$
"""

_SAMPLES_ADDED = """
CREATE OR REPLACE FUNCTION samples_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sample_paths (sample_id, dataset_id, folded_name, grams, directory)
    SELECT id, dataset_id, fold_name(name), name_grams(dataset_id, fold_name(name)),
        regexp_replace(object_key, '[^/]*$', '')
    FROM added;
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, kind, subject, day, count(*), sum(objects)
    FROM added, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at)
    WHERE {present}
    GROUP BY dataset_id, kind, subject, day;
    {missing_added}
    RETURN NULL;
END $$
"""

_SAMPLES_CHANGED = """
CREATE OR REPLACE FUNCTION samples_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE settled uuid[];
BEGIN
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, kind, subject, day, sum(images), sum(objects)
    FROM (
        SELECT dataset_id, key.kind, key.subject, key.day, 1 AS images, key.objects
        FROM after, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at) key
        WHERE {present}
        UNION ALL
        SELECT dataset_id, key.kind, key.subject, key.day, -1, -key.objects
        FROM before, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at) key
        WHERE {present}
        {missing_changed}
    ) changes
    GROUP BY dataset_id, kind, subject, day
    HAVING sum(images) <> 0 OR sum(objects) <> 0;

    SELECT array_agg(after.id) INTO settled
    FROM after JOIN before ON before.id = after.id
    WHERE before.revision <> after.revision
        OR ({before_present}) <> ({after_present});
    IF settled IS NOT NULL THEN
        PERFORM settle_samples(settled);
        DELETE FROM sample_leases WHERE sample_id = ANY (settled);
    END IF;
    {renamed}
    RETURN NULL;
END $$
"""

_SAMPLES_REMOVED = """
CREATE OR REPLACE FUNCTION samples_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, kind, subject, day, -count(*), -sum(objects)
    FROM removed, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at)
    WHERE {present}
    GROUP BY dataset_id, kind, subject, day;
    {missing_removed}
    RETURN NULL;
END $$
"""

_TALLY_TRUTH = """
CREATE OR REPLACE VIEW tally_truth AS
SELECT dataset_id, kind, subject, day, count(*)::bigint AS images, sum(objects)::bigint AS objects
FROM samples, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at)
WHERE {present}
GROUP BY dataset_id, kind, subject, day
UNION ALL
SELECT sample.dataset_id, 'label', annotation.label_id, date '1970-01-01',
    count(DISTINCT annotation.sample_id)::bigint, count(*)::bigint
FROM annotations annotation JOIN samples sample ON sample.id = annotation.sample_id
WHERE annotation.valid_to IS NULL AND {sample_present}
GROUP BY sample.dataset_id, annotation.label_id
{missing_truth}
"""

_COUNT_MISSING = """
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, 'missing', dataset_id, date '1970-01-01', {sign} count(*), 0
    FROM {table} WHERE trashed_at IS NULL AND missing_since IS NOT NULL
    GROUP BY dataset_id;
"""
_MISSING_CHANGED = """
        UNION ALL
        SELECT dataset_id, 'missing', dataset_id, date '1970-01-01', 1, 0 FROM after
        WHERE trashed_at IS NULL AND missing_since IS NOT NULL
        UNION ALL
        SELECT dataset_id, 'missing', dataset_id, date '1970-01-01', -1, 0 FROM before
        WHERE trashed_at IS NULL AND missing_since IS NOT NULL
"""
_MISSING_TRUTH = """
UNION ALL
SELECT dataset_id, 'missing', dataset_id, date '1970-01-01', count(*)::bigint, 0::bigint
FROM samples WHERE trashed_at IS NULL AND missing_since IS NOT NULL GROUP BY dataset_id
"""
# A file that was renamed in the bucket is found under its new name.
_RENAMED = """
    UPDATE sample_paths path
    SET folded_name = fold_name(after.name), grams = name_grams(after.dataset_id, fold_name(after.name)),
        directory = regexp_replace(after.object_key, '[^/]*$', '')
    FROM after JOIN before ON before.id = after.id
    WHERE path.sample_id = after.id AND (before.name, before.object_key) <> (after.name, after.object_key);
"""

_SAMPLE_INDEXES = {
    "ix_samples_missing": (["dataset_id", "created_at", "id"], "missing_since IS NOT NULL"),
    "ix_samples_changed": (["dataset_id", "created_at", "id"], "changed_at IS NOT NULL"),
    "ix_samples_sha256": (["sha256"], "sha256 IS NOT NULL"),
}
_SYNC_OPEN = "kind = 'sync_dataset' AND state IN ('queued', 'running')"


def upgrade() -> None:
    for name in ("object_modified_at", "missing_since", "changed_at"):
        op.add_column("samples", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("samples", sa.Column("sha256", sa.Text(), nullable=True))
    op.add_column("datasets", sa.Column("output_path", sa.Text(), nullable=True))
    op.add_column("datasets", sa.Column("auto_sync_minutes", sa.Integer(), nullable=True))
    op.add_column("datasets", sa.Column("sync_due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_datasets_sync_due_at",
        "datasets",
        ["sync_due_at"],
        postgresql_where=sa.text("sync_due_at IS NOT NULL"),
    )
    _create_tables()
    _count(missing=True)
    with op.get_context().autocommit_block():
        for name, (columns, condition) in _SAMPLE_INDEXES.items():
            op.create_index(
                name,
                "samples",
                columns,
                postgresql_where=sa.text(condition),
                postgresql_concurrently=True,
                if_not_exists=True,
            )
        op.create_index(
            "ix_forgotten_objects_key",
            "forgotten_objects",
            ["dataset_id", sa.text('object_key COLLATE "C"')],
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.create_index(
            "uq_jobs_syncing",
            "jobs",
            ["dataset_id"],
            unique=True,
            postgresql_where=sa.text(_SYNC_OPEN),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def _count(*, missing: bool) -> None:
    """Have the triggers leave out what is missing, or count it as they did before."""

    def present(prefix: str) -> str:
        kept = f"{prefix}trashed_at IS NULL"
        return f"{kept} AND {prefix}missing_since IS NULL" if missing else kept

    parts = {
        "missing_added": _COUNT_MISSING.format(sign="", table="added"),
        "missing_removed": _COUNT_MISSING.format(sign="-", table="removed"),
        "missing_changed": _MISSING_CHANGED,
        "missing_truth": _MISSING_TRUTH,
        "renamed": _RENAMED,
    }
    words = {name: part if missing else "" for name, part in parts.items()}
    words |= {
        "present": present(""),
        "before_present": present("before."),
        "after_present": present("after."),
        "sample_present": present("sample."),
    }
    op.execute(_SETTLE_SAMPLES.format(present=present("sample.")))
    for statement in (_SAMPLES_ADDED, _SAMPLES_CHANGED, _SAMPLES_REMOVED, _TALLY_TRUTH):
        op.execute(statement.format(**words))


def _create_tables() -> None:
    key = "object_key", sa.Text(collation="C")
    op.create_table(
        "known_objects",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column(*key, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sample_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("role IN ('sidecar', 'refused')", name=op.f("ck_known_objects_role")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_known_objects_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_known_objects_sample_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("dataset_id", "object_key", name=op.f("pk_known_objects")),
    )
    op.create_index(
        "ix_known_objects_sample_id",
        "known_objects",
        ["sample_id"],
        postgresql_where=sa.text("sample_id IS NOT NULL"),
    )
    op.create_table(
        "sync_runs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("phase", sa.Text(), server_default="listing", nullable=False),
        sa.Column("cursor", sa.Text(), server_default="", nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cause IN ('request', 'creation', 'schedule', 'notification')", name=op.f("ck_sync_runs_cause")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_sync_runs_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_sync_runs_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_sync_runs")),
    )
    op.create_index("ix_sync_runs_dataset_id", "sync_runs", ["dataset_id", "created_at"])
    op.create_table(
        "sync_items",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column(*key, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("sample_id", sa.Uuid(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("previous_key", sa.Text(collation="C"), nullable=True),
        sa.Column("detail", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["sync_runs.job_id"], name=op.f("fk_sync_items_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "object_key", name=op.f("pk_sync_items")),
    )
    op.create_index("ix_sync_items_outcome", "sync_items", ["job_id", "outcome", "object_key"])


def downgrade() -> None:
    _count(missing=False)
    op.execute("DELETE FROM tallies WHERE kind = 'missing'")
    op.execute("DELETE FROM tally_deltas WHERE kind = 'missing'")
    op.drop_index("uq_jobs_syncing", table_name="jobs")
    op.drop_index("ix_forgotten_objects_key", table_name="forgotten_objects")
    for table in ("sync_items", "sync_runs", "known_objects"):
        op.drop_table(table)
    for name in _SAMPLE_INDEXES:
        op.drop_index(name, table_name="samples")
    op.drop_index("ix_datasets_sync_due_at", table_name="datasets")
    for name in ("sync_due_at", "auto_sync_minutes", "output_path"):
        op.drop_column("datasets", name)
    for name in ("sha256", "changed_at", "missing_since", "object_modified_at"):
        op.drop_column("samples", name)
