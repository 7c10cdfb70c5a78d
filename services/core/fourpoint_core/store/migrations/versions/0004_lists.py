"""What filters, sorting and counts stand on.

Derived rows are kept by triggers on `samples`, not by the code that saves: the previous version's code runs
beside this schema, jobs write revisions in bulk, and a count that one of them forgot would be wrong for ever.
All of it hangs on one rule: the sample's row is updated last in a save, with its new revision number.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Lower case of every script, whatever the database's locale; PostgreSQL 15 and 16 have it from ICU.
_FOLD = """
DO $do$
DECLARE known text;
BEGIN
    SELECT quote_ident(collname) INTO known FROM pg_collation
    WHERE collname IN ('pg_c_utf8', 'und-x-icu') ORDER BY collname LIMIT 1;
    EXECUTE format(
        'CREATE FUNCTION fold_name(name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE'
        ' AS $body$ SELECT lower(name COLLATE %s) COLLATE "C" $body$',
        coalesce(known, '"default"')
    );
END $do$
"""

# Pieces of one, two and three characters, so that a search of any length is answered by the index. They are
# hashed with their dataset: a dataset's search reads its own entries only, however many datasets there are.
_NAME_GRAMS = """
CREATE FUNCTION name_grams(dataset uuid, folded text) RETURNS bigint[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT hashtextextended(
        substr(folded, start, size) COLLATE "C", hashtext(dataset::text COLLATE "C")::bigint)), '{}')
    FROM generate_series(1, 3) AS size, generate_series(1, char_length(folded) - size + 1) AS start
$$
"""

# As few pieces as cover the needle: more would make the planner believe that hardly anything matches.
_NEEDLE_GRAMS = """
CREATE FUNCTION needle_grams(dataset uuid, folded text) RETURNS bigint[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_agg(DISTINCT hashtextextended(
        substr(folded, start, 3) COLLATE "C", hashtext(dataset::text COLLATE "C")::bigint))
    FROM (
        SELECT generate_series(1, greatest(char_length(folded) - 2, 1), 3)
        UNION SELECT greatest(char_length(folded) - 2, 1)
    ) AS starts(start)
$$
"""

# Which counters an image stands in. A counter that is not of a day has the first of 1970.
_TALLY_KEYS = """
CREATE FUNCTION tally_keys(dataset uuid, annotation_count integer, labeled_by uuid, labeled_at timestamptz)
RETURNS TABLE (kind text, subject uuid, day date, objects bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 'sample', dataset, date '1970-01-01', 0::bigint
    UNION ALL
    SELECT 'labeled', dataset, date '1970-01-01', annotation_count::bigint WHERE annotation_count > 0
    UNION ALL
    SELECT 'labeler', labeled_by, date '1970-01-01', annotation_count::bigint
    WHERE annotation_count > 0 AND labeled_by IS NOT NULL
    UNION ALL
    SELECT 'labeler_day', labeled_by, (labeled_at AT TIME ZONE 'UTC')::date, annotation_count::bigint
    WHERE annotation_count > 0 AND labeled_by IS NOT NULL AND labeled_at IS NOT NULL
$$
"""

# What filters ask of the current documents, derived again from the annotations.
_SETTLE_SAMPLES = """
CREATE FUNCTION settle_samples(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
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
        SELECT coalesce(array_agg(DISTINCT annotation.label_id), '{}') AS label_ids,
            coalesce(bool_or(annotation.difficult), false) AS difficult,
            coalesce(array_agg(DISTINCT term.key || ':' || term.value)
                FILTER (WHERE term.key IS NOT NULL), '{}')
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
        WHERE sample.id = ANY (ids) AND sample.trashed_at IS NULL
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
CREATE FUNCTION samples_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sample_paths (sample_id, dataset_id, folded_name, grams, directory)
    SELECT id, dataset_id, fold_name(name), name_grams(dataset_id, fold_name(name)),
        regexp_replace(object_key, '[^/]*$', '')
    FROM added;
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, kind, subject, day, count(*), sum(objects)
    FROM added, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at)
    WHERE trashed_at IS NULL
    GROUP BY dataset_id, kind, subject, day;
    RETURN NULL;
END $$
"""

_SAMPLES_CHANGED = """
CREATE FUNCTION samples_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE settled uuid[];
BEGIN
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, kind, subject, day, sum(images), sum(objects)
    FROM (
        SELECT dataset_id, key.kind, key.subject, key.day, 1 AS images, key.objects
        FROM after, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at) key
        WHERE trashed_at IS NULL
        UNION ALL
        SELECT dataset_id, key.kind, key.subject, key.day, -1, -key.objects
        FROM before, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at) key
        WHERE trashed_at IS NULL
    ) changes
    GROUP BY dataset_id, kind, subject, day
    HAVING sum(images) <> 0 OR sum(objects) <> 0;

    SELECT array_agg(after.id) INTO settled
    FROM after JOIN before ON before.id = after.id
    WHERE before.revision <> after.revision
        OR (before.trashed_at IS NULL) <> (after.trashed_at IS NULL);
    IF settled IS NOT NULL THEN
        PERFORM settle_samples(settled);
        DELETE FROM sample_leases WHERE sample_id = ANY (settled);
    END IF;
    RETURN NULL;
END $$
"""

_SAMPLES_REMOVED = """
CREATE FUNCTION samples_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, kind, subject, day, -count(*), -sum(objects)
    FROM removed, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at)
    WHERE trashed_at IS NULL
    GROUP BY dataset_id, kind, subject, day;
    RETURN NULL;
END $$
"""

# Rows of sample_labels also go with their samples, by the foreign key; here that counts like any other way.
_SAMPLE_LABELS_CHANGED = """
CREATE FUNCTION sample_labels_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT label.dataset_id, 'label', label.id, date '1970-01-01', sum(images), sum(changes.objects)
    FROM ({changes}) changes JOIN labels label ON label.id = changes.label_id
    GROUP BY label.dataset_id, label.id
    HAVING sum(images) <> 0 OR sum(changes.objects) <> 0;
    RETURN NULL;
END $$
"""
_PLUS = "SELECT label_id, 1 AS images, objects FROM {table}"
_MINUS = "SELECT label_id, -1 AS images, -objects AS objects FROM {table}"

_TRIGGERS = {
    "samples_added": "AFTER INSERT ON samples REFERENCING NEW TABLE AS added",
    "samples_changed": "AFTER UPDATE ON samples REFERENCING OLD TABLE AS before NEW TABLE AS after",
    "samples_removed": "AFTER DELETE ON samples REFERENCING OLD TABLE AS removed",
    "sample_labels_added": "AFTER INSERT ON sample_labels REFERENCING NEW TABLE AS added",
    "sample_labels_changed": "AFTER UPDATE ON sample_labels REFERENCING OLD TABLE AS before NEW TABLE AS after",
    "sample_labels_removed": "AFTER DELETE ON sample_labels REFERENCING OLD TABLE AS removed",
}

# What the counters must say, from the rows they count; and what they do say.
_TALLY_TRUTH = """
CREATE VIEW tally_truth AS
SELECT dataset_id, kind, subject, day, count(*)::bigint AS images, sum(objects)::bigint AS objects
FROM samples, tally_keys(dataset_id, annotation_count, labeled_by, labeled_at)
WHERE trashed_at IS NULL
GROUP BY dataset_id, kind, subject, day
UNION ALL
SELECT sample.dataset_id, 'label', annotation.label_id, date '1970-01-01',
    count(DISTINCT annotation.sample_id)::bigint, count(*)::bigint
FROM annotations annotation JOIN samples sample ON sample.id = annotation.sample_id
WHERE annotation.valid_to IS NULL AND sample.trashed_at IS NULL
GROUP BY sample.dataset_id, annotation.label_id
"""
_TALLY_SUMS = """
CREATE VIEW tally_sums AS
SELECT dataset_id, kind, subject, day, sum(images)::bigint AS images, sum(objects)::bigint AS objects
FROM (
    SELECT dataset_id, kind, subject, day, images, objects FROM tallies
    UNION ALL
    SELECT dataset_id, kind, subject, day, images, objects FROM tally_deltas
) parts
GROUP BY dataset_id, kind, subject, day
"""

# For what was there before the triggers. Each may be run again, and beside writers: what they wrote stays.
_BACKFILL = (
    """
    INSERT INTO sample_paths (sample_id, dataset_id, folded_name, grams, directory)
    SELECT id, dataset_id, fold_name(name), name_grams(dataset_id, fold_name(name)),
        regexp_replace(object_key, '[^/]*$', '')
    FROM samples ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO sample_states
        (sample_id, revision, begins_at, ends_at, annotation_count, labeled_by, label_ids, difficult,
        attribute_terms)
    SELECT revision.sample_id, revision.number, revision.created_at,
        lead(revision.created_at) OVER (PARTITION BY revision.sample_id ORDER BY revision.number),
        facts.count, CASE WHEN facts.count > 0 THEN revision.author_id END, facts.label_ids,
        facts.difficult, facts.attribute_terms
    FROM revisions revision
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT annotation.annotation_id) AS count,
            coalesce(array_agg(DISTINCT annotation.label_id), '{}') AS label_ids,
            coalesce(bool_or(annotation.difficult), false) AS difficult,
            coalesce(array_agg(DISTINCT term.key || ':' || term.value)
                FILTER (WHERE term.key IS NOT NULL), '{}')
                AS attribute_terms
        FROM annotations annotation
        LEFT JOIN LATERAL jsonb_each_text(annotation.attributes) term ON true
        WHERE annotation.sample_id = revision.sample_id AND annotation.valid_from <= revision.number
            AND (annotation.valid_to IS NULL OR annotation.valid_to > revision.number)
    ) facts
    ON CONFLICT (sample_id, revision) DO UPDATE SET ends_at = excluded.ends_at
    """,
    """
    INSERT INTO sample_labels (sample_id, label_id, created_at, objects)
    SELECT sample.id, annotation.label_id, sample.created_at, count(*)
    FROM samples sample
    JOIN annotations annotation ON annotation.sample_id = sample.id AND annotation.valid_to IS NULL
    GROUP BY sample.id, annotation.label_id
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO tally_deltas (dataset_id, kind, subject, day, images, objects)
    SELECT dataset_id, kind, subject, day, truth.images - coalesce(said.images, 0),
        truth.objects - coalesce(said.objects, 0)
    FROM tally_truth truth LEFT JOIN tally_sums said USING (dataset_id, kind, subject, day)
    WHERE (truth.images, truth.objects) IS DISTINCT FROM (said.images, said.objects)
    """,
)

_SAMPLE_INDEXES: dict[str, list[Any]] = {
    "ix_samples_name": ["dataset_id", sa.text('name COLLATE "C"'), "id"],
    "ix_samples_size": ["dataset_id", "size_bytes", "id"],
    "ix_samples_annotation_count": ["dataset_id", "annotation_count", "id"],
    "ix_samples_labeled_by": ["dataset_id", "labeled_by", "created_at", "id"],
    "ix_samples_key": ["dataset_id", sa.text('object_key COLLATE "C"')],
}


def upgrade() -> None:
    # What lies in the trash is not counted; the rest of the trash comes with the next migration.
    op.add_column("samples", sa.Column("trashed_at", sa.DateTime(timezone=True), nullable=True))
    _create_tables()
    for statement in (_FOLD, _NAME_GRAMS, _NEEDLE_GRAMS, _TALLY_KEYS, _SETTLE_SAMPLES):
        op.execute(statement)
    for statement in (_SAMPLES_ADDED, _SAMPLES_CHANGED, _SAMPLES_REMOVED):
        op.execute(statement)
    changes = {
        "added": _PLUS.format(table="added"),
        "changed": f"{_PLUS.format(table='after')} UNION ALL {_MINUS.format(table='before')}",
        "removed": _MINUS.format(table="removed"),
    }
    for event, rows in changes.items():
        op.execute(_SAMPLE_LABELS_CHANGED.replace("{event}", event).replace("{changes}", rows))
    op.execute(_TALLY_TRUTH)
    op.execute(_TALLY_SUMS)
    for name, when in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {name} {when} FOR EACH STATEMENT EXECUTE FUNCTION {name}()")
    # The triggers first, committed, and then what was there before them: writers go on meanwhile.
    with op.get_context().autocommit_block():
        for statement in _BACKFILL:
            op.execute(statement)
        for name, columns in _SAMPLE_INDEXES.items():
            op.create_index(name, "samples", columns, postgresql_concurrently=True, if_not_exists=True)


def _create_tables() -> None:
    sample = ["sample_id"], ["samples.id"]
    op.create_table(
        "sample_paths",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("folded_name", sa.Text(), nullable=False),
        sa.Column("grams", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("directory", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(*sample, name=op.f("fk_sample_paths_sample_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("pk_sample_paths")),
    )
    op.create_index("ix_sample_paths_grams", "sample_paths", ["grams"], postgresql_using="gin")
    op.create_index("ix_sample_paths_directory", "sample_paths", ["dataset_id", "directory"])
    op.create_table(
        "sample_states",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("annotation_count", sa.Integer(), nullable=False),
        sa.Column("labeled_by", sa.Uuid(), nullable=True),
        sa.Column("label_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("difficult", sa.Boolean(), nullable=False),
        sa.Column("attribute_terms", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(*sample, name=op.f("fk_sample_states_sample_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sample_id", "revision", name=op.f("pk_sample_states")),
    )
    for column in ("label_ids", "attribute_terms"):
        op.create_index(f"ix_sample_states_{column}", "sample_states", [column], postgresql_using="gin")
    op.create_index(
        "ix_sample_states_difficult", "sample_states", ["sample_id"], postgresql_where=sa.text("difficult")
    )
    op.create_table(
        "sample_labels",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("objects", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(*sample, name=op.f("fk_sample_labels_sample_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sample_id", "label_id", name=op.f("pk_sample_labels")),
    )
    op.create_index("ix_sample_labels_label_id", "sample_labels", ["label_id", "created_at", "sample_id"])
    op.create_table(
        "tallies",
        *_counter_columns(),
        sa.PrimaryKeyConstraint("dataset_id", "kind", "day", "subject", name=op.f("pk_tallies")),
    )
    op.create_table(
        "tally_deltas",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        *_counter_columns(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally_deltas")),
    )
    op.create_index("ix_tally_deltas_dataset_id", "tally_deltas", ["dataset_id", "kind"])
    op.create_table(
        "sample_leases",
        sa.Column("sample_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(*sample, name=op.f("fk_sample_leases_sample_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sample_leases_user_id")),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("pk_sample_leases")),
    )
    op.create_index("ix_sample_leases_user_id", "sample_leases", ["user_id", "dataset_id"])
    op.create_index("ix_sample_leases_expires_at", "sample_leases", ["expires_at"])
    op.create_table(
        "saved_filters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filter", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("row_version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_saved_filters_dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_saved_filters_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_filters")),
    )
    op.create_index("uq_saved_filters_dataset_id_name", "saved_filters", ["dataset_id", "name"], unique=True)


def _counter_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
    ]


def downgrade() -> None:
    for name in _SAMPLE_INDEXES:
        op.drop_index(name, table_name="samples")
    for name, when in _TRIGGERS.items():
        op.execute(f"DROP TRIGGER {name} ON {when.split(' ON ')[1].split()[0]}")
        op.execute(f"DROP FUNCTION {name}()")
    for view in ("tally_truth", "tally_sums"):
        op.execute(f"DROP VIEW {view}")
    for table in (
        "saved_filters",
        "sample_leases",
        "tally_deltas",
        "tallies",
        "sample_labels",
        "sample_states",
        "sample_paths",
    ):
        op.drop_table(table)
    for function in ("settle_samples", "tally_keys", "needle_grams", "name_grams", "fold_name"):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_column("samples", "trashed_at")
