"""Published versions: what they pin, and by what a dataset is known to have changed since.

A dataset's fingerprint is the sum of the marks of its samples: a mark is a hash of the sample, of its image
and of the revision that its document's contents come from. It is kept as the other counters are (0004), by
triggers and without a hot row, so whether a dataset differs from a version costs as much as its totals.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# 38 bits: the marks of thirty million samples can be summed up in a bigint.
_SAMPLE_MARK = """
CREATE FUNCTION sample_mark(
    id uuid, revision integer, copied_in integer, copied_revision integer, digest text, object_key text
) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT hashtextextended(
        (id::text || ' ' || CASE WHEN copied_in = revision THEN copied_revision ELSE revision END::text
            || ' ' || digest || ' ' || object_key) COLLATE "C", 0) & 274877906943
$$
"""
_MARK = "sample_mark(id, revision, copied_in, copied_revision, digest, object_key)"

_MARKS_CHANGED = """
CREATE FUNCTION samples_marked_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, 'state', dataset_id, date '1970-01-01', 0, sum(mark)
    FROM ({changes}) changes
    GROUP BY dataset_id
    HAVING sum(mark) <> 0;
    {renamed}
    RETURN NULL;
END $$
"""
_PRESENT = "trashed_at IS NULL AND missing_since IS NULL"
_PLUS = f"SELECT dataset_id, {_MARK} AS mark FROM {{table}} WHERE {_PRESENT}"  # noqa: S608 - constants
_MINUS = f"SELECT dataset_id, -{_MARK} AS mark FROM {{table}} WHERE {_PRESENT}"  # noqa: S608 - constants
# Behind `samples_changed`, which has found the new name: the grams only say where to look, and versions are
# searched by the names that they hold. What is left of a deleted sample stays in its directory.
_RENAMED = """
    UPDATE sample_paths path SET
        grams = (
            SELECT array_agg(DISTINCT gram)
            FROM (
                SELECT unnest(path.grams) AS gram
                UNION
                SELECT unnest(name_grams(pin.dataset_id, fold_name(pin.name)))
                FROM version_samples pin WHERE pin.sample_id = path.sample_id
            ) grams
        ),
        directory = regexp_replace(
            CASE WHEN after.absence = 'purged' THEN before.object_key ELSE after.object_key END, '[^/]*$', ''
        )
    FROM after JOIN before ON before.id = after.id
    WHERE path.sample_id = after.id AND (before.name, before.object_key) <> (after.name, after.object_key);
"""

# Their names come behind those of 0004, and so do they.
_TRIGGERS = {
    "samples_marked_added": "AFTER INSERT ON samples REFERENCING NEW TABLE AS added",
    "samples_marked_changed": "AFTER UPDATE ON samples REFERENCING OLD TABLE AS before NEW TABLE AS after",
    "samples_marked_removed": "AFTER DELETE ON samples REFERENCING OLD TABLE AS removed",
}

# As 0006 left it.
_TALLY_TRUTH = f"""
SELECT dataset_id, kind, subject, day, count(*)::bigint AS images, sum(objects)::bigint AS objects
FROM samples, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at)
WHERE {_PRESENT}
GROUP BY dataset_id, kind, subject, day
UNION ALL
SELECT sample.dataset_id, 'label', annotation.label_id, date '1970-01-01',
    count(DISTINCT annotation.sample_id)::bigint, count(*)::bigint
FROM annotations annotation JOIN samples sample ON sample.id = annotation.sample_id
WHERE annotation.valid_to IS NULL AND {_PRESENT}
GROUP BY sample.dataset_id, annotation.label_id
UNION ALL
SELECT dataset_id, 'missing', dataset_id, date '1970-01-01', count(*)::bigint, 0::bigint
FROM samples WHERE trashed_at IS NULL AND missing_since IS NOT NULL GROUP BY dataset_id
"""  # noqa: S608 - constants
_TALLY_TRUTH_OF_STATES = f"""
UNION ALL
SELECT dataset_id, 'state', dataset_id, date '1970-01-01', 0::bigint, sum({_MARK})::bigint
FROM samples WHERE {_PRESENT} GROUP BY dataset_id
"""  # noqa: S608 - constants

# Beside writers, and again if need be: what their triggers wrote counts.
_BACKFILL = """
INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
SELECT dataset_id, kind, subject, day, 0, truth.objects - coalesce(said.objects, 0)
FROM (SELECT * FROM tally_truth WHERE kind = 'state') truth
LEFT JOIN tally_sums said USING (dataset_id, kind, subject, day)
WHERE truth.objects <> coalesce(said.objects, 0)
"""

_BY_CODE_POINTS: dict[str, list[Any]] = {
    "ix_version_samples_name": ["dataset_id", sa.text('name COLLATE "C"'), "sample_id"],
    "ix_version_samples_key": ["dataset_id", sa.text('object_key COLLATE "C"')],
}


def upgrade() -> None:
    op.add_column("revisions", sa.Column("copy_of", sa.Integer(), nullable=True))
    op.add_column("samples", sa.Column("absence", sa.Text(), nullable=True))
    for column in ("copied_in", "copied_revision"):
        op.add_column("samples", sa.Column(column, sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("ck_samples_absence"), "samples", "absence IN ('set_aside', 'purged')")
    _create_tables()
    changes = {
        "added": _PLUS.format(table="added"),
        "changed": f"{_PLUS.format(table='after')} UNION ALL {_MINUS.format(table='before')}",
        "removed": _MINUS.format(table="removed"),
    }
    op.execute(_SAMPLE_MARK)
    for event, rows in changes.items():
        renamed = _RENAMED if event == "changed" else ""
        words = {"{event}": event, "{changes}": rows, "{renamed}": renamed}
        statement = _MARKS_CHANGED
        for word, meaning in words.items():
            statement = statement.replace(word, meaning)
        op.execute(statement)
    op.execute(f"CREATE OR REPLACE VIEW tally_truth AS {_TALLY_TRUTH}{_TALLY_TRUTH_OF_STATES}")
    for name, when in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} FOR EACH STATEMENT EXECUTE FUNCTION {name}()")
    # The triggers first, committed, and then what was there before them: writers go on meanwhile.
    with op.get_context().autocommit_block():
        op.execute(_BACKFILL)


def _create_tables() -> None:
    op.create_table(
        "versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("samples", sa.BigInteger(), nullable=True),
        sa.Column("labeled", sa.BigInteger(), nullable=True),
        sa.Column("annotations", sa.BigInteger(), nullable=True),
        sa.Column("fingerprint", sa.BigInteger(), nullable=True),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("state IN ('publishing', 'published', 'failed')", name=op.f("ck_versions_state")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_versions_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_versions_created_by")),
        sa.ForeignKeyConstraint(["deleted_by"], ["users.id"], name=op.f("fk_versions_deleted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
    )
    op.create_index("uq_versions_dataset_id_number", "versions", ["dataset_id", "number"], unique=True)
    op.create_index(
        "uq_versions_dataset_id_name",
        "versions",
        ["dataset_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND state <> 'failed'"),
    )
    op.create_index("ix_versions_dataset_id_created_at_id", "versions", ["dataset_id", "created_at", "id"])
    op.create_index(
        "ix_versions_deleted_at",
        "versions",
        ["deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_table(
        "version_heads",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("last_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("current_version_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_version_heads_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["current_version_id"], ["versions.id"], name=op.f("fk_version_heads_current_version_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_version_heads")),
    )
    op.create_table(
        "version_samples",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("from_number", sa.Integer(), nullable=False),
        sa.Column("to_number", sa.Integer(), nullable=True),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_revision", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("digest", "name", "object_key", "object_etag", "media_type")
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("width", "height", "annotation_count")),
        sa.Column("labeled_by", sa.Uuid(), nullable=True),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("labeled_at", "changed_at", "object_modified_at")
        ),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sample_id", "from_number", name=op.f("pk_version_samples")),
    )
    op.create_index(
        "ix_version_samples_created_at", "version_samples", ["dataset_id", "created_at", "sample_id"]
    )
    for name, columns in _BY_CODE_POINTS.items():
        op.create_index(name, "version_samples", columns)
    op.create_index("ix_version_samples_from_number", "version_samples", ["dataset_id", "from_number"])
    op.create_index(
        "ix_version_samples_to_number",
        "version_samples",
        ["dataset_id", "to_number"],
        postgresql_where=sa.text("to_number IS NOT NULL"),
    )
    version = ["version_id"], ["versions.id"]
    op.create_table(
        "version_labels",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("colour", sa.Text(), nullable=False),
        sa.Column("shortcut", sa.Text(), nullable=True),
        sa.Column("mask_index", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(*version, name=op.f("fk_version_labels_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "label_id", name=op.f("pk_version_labels")),
    )
    op.create_table(
        "version_tallies",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(*version, name=op.f("fk_version_tallies_version_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version_id", "kind", "day", "subject", name=op.f("pk_version_tallies")),
    )


def downgrade() -> None:
    for name in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON samples")
    for name in _TRIGGERS:
        op.execute(f"DROP FUNCTION {name}()")
    op.execute(f"CREATE OR REPLACE VIEW tally_truth AS {_TALLY_TRUTH}")
    op.execute("DROP FUNCTION sample_mark")
    for table in ("tallies", "tally_deltas"):
        op.execute(f"DELETE FROM {table} WHERE kind = 'state'")  # noqa: S608 - constants
    for table in ("version_tallies", "version_labels", "version_samples", "version_heads", "versions"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_samples_absence"), "samples", type_="check")
    # What only versions needed goes with them; what was set aside is in the trash.
    op.execute("DELETE FROM annotations USING samples WHERE samples.id = sample_id AND absence = 'purged'")
    op.execute("DELETE FROM revisions USING samples WHERE samples.id = sample_id AND absence = 'purged'")
    op.execute("DELETE FROM samples WHERE absence = 'purged'")
    for column in ("absence", "copied_in", "copied_revision"):
        op.drop_column("samples", column)
    op.drop_column("revisions", "copy_of")
