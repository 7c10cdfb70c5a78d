"""Saves ask functions, whose plans connections keep: planning was a third of PostgreSQL's time for a save.

PL/pgSQL plans a statement once per connection, also where a pooler such as PgBouncer stands in between and
would lose what was prepared by name. And each of its statements sees what was committed before it began: so a
lock, and what has to be read under that lock, are one round trip.

Whoever adds a column to `annotations` that saves write, writes `write_revisions` anew, with a `coalesce` for
what the version before leaves out.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_CONTENT = (
    "label_id",
    "contour",
    "method",
    "prompt",
    "contour_id",
    "engine",
    "model_digest",
    "score",
    "attributes",
    "visible",
    "z_order",
    "difficult",
    "occluded",
    "truncated",
    "unconfirmed",
    "bounding_box",
    "area",
    "vertex_count",
)

# What somebody is in the live dataset of what an address names; NULL: nothing, or it is not there.
_ROLE_IN = """
CREATE FUNCTION role_in(person uuid, kind text, named uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE dataset uuid := named;
BEGIN
    IF kind = 'sample' THEN
        SELECT dataset_id INTO dataset FROM samples WHERE id = named;
    ELSIF kind = 'webhook' THEN
        SELECT dataset_id INTO dataset FROM webhooks WHERE id = named;
    ELSIF kind <> 'dataset' THEN
        RAISE EXCEPTION 'roles are not looked up by %', kind;
    END IF;
    RETURN (
        SELECT member.role FROM dataset_members member JOIN datasets ON datasets.id = member.dataset_id
        WHERE member.dataset_id = dataset AND member.user_id = person AND datasets.deleted_at IS NULL
    );
END $$
"""

# Holds a sample that is there against other saves. Nothing is returned where it is not.
_LOCK = """
    SELECT samples.* INTO sample FROM samples JOIN datasets ON datasets.id = samples.dataset_id
    WHERE samples.id = the_sample AND datasets.deleted_at IS NULL AND samples.trashed_at IS NULL
    FOR NO KEY UPDATE OF samples;
    IF NOT FOUND THEN
        RETURN;
    END IF;
"""

# Before an object is added: one row for each of the labels that is there, held against being deleted; where
# there is none, one without a label. vertices: of all objects; is_known: the object's id was in use once.
_OPEN_TO_ADD = """
CREATE FUNCTION open_to_add(the_sample uuid, the_annotation uuid, the_labels uuid[])
RETURNS TABLE (sample samples, label labels, vertices bigint, is_known boolean) LANGUAGE plpgsql AS $$
BEGIN
    {lock}
    SELECT coalesce(sum(vertex_count), 0) INTO vertices
    FROM annotations WHERE sample_id = the_sample AND valid_to IS NULL;
    is_known := EXISTS (
        SELECT FROM annotations WHERE sample_id = the_sample AND annotation_id = the_annotation
    );
    FOR label IN
        SELECT labels.* FROM labels
        WHERE labels.id = ANY (the_labels) AND dataset_id = (sample).dataset_id AND deleted_at IS NULL
        ORDER BY labels.id FOR SHARE
    LOOP
        RETURN NEXT;
    END LOOP;
    IF NOT FOUND THEN
        RETURN NEXT;
    END IF;
END $$
"""

# Before a document is replaced: its objects, each with its label, and then the other labels that are asked for;
# one row without either where there are none. The labels are held against being deleted: in the order of their
# ids, as everywhere. Those that were deleted already come with their objects, and not otherwise.
_OPEN_TO_REPLACE = """
CREATE FUNCTION open_to_replace(the_sample uuid, the_labels uuid[])
RETURNS TABLE (sample samples, annotation annotations, label labels) LANGUAGE plpgsql AS $$
DECLARE in_use uuid[];
BEGIN
    {lock}
    -- Not DISTINCT: for that the planner may read the index of labels from end to end, because it is in order.
    SELECT coalesce(array_agg(label_id), '{}') INTO in_use
    FROM annotations WHERE sample_id = the_sample AND valid_to IS NULL;
    RETURN QUERY
    SELECT sample, annotations, held.label
    FROM (
        SELECT labels AS label, labels.id FROM labels
        WHERE labels.id = ANY (in_use || the_labels)
            AND (labels.id = ANY (in_use) OR dataset_id = (sample).dataset_id AND deleted_at IS NULL)
        ORDER BY labels.id FOR SHARE
    ) held
    LEFT JOIN annotations ON annotations.sample_id = the_sample AND annotations.valid_to IS NULL
        AND annotations.label_id = held.id;
    IF NOT FOUND THEN
        RETURN NEXT;
    END IF;
END $$
"""

# The rows of saves: revisions, objects that end, objects that begin, and the samples' new states. Each of one
# save's objects is a microsecond later than the one before: lists go by time, and keep their order. The
# samples' rows come last, because their triggers derive states, labels and counts from all the rest.
_WRITE_REVISIONS = """
CREATE FUNCTION write_revisions(
    the_saves jsonb, the_rows jsonb, the_action text, the_author uuid, is_mechanical boolean,
    ending_samples uuid[], ending uuid[]
) RETURNS TABLE (sample samples, made_at timestamptz, has_draft boolean) LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(ending) > 0 THEN
        UPDATE annotations SET valid_to = samples.revision + 1
        FROM unnest(ending_samples, ending) AS item (sample_id, annotation_id)
        JOIN samples ON samples.id = item.sample_id
        WHERE annotations.sample_id = item.sample_id AND annotations.annotation_id = item.annotation_id
            AND annotations.valid_to IS NULL;
    END IF;
    RETURN QUERY
    WITH saves AS (
        SELECT * FROM jsonb_to_recordset(the_saves) AS save (
            sample_id uuid, annotation_count integer, undo_to integer, redo_to integer,
            restored_from integer, copy_of integer
        )
    ), made AS (
        INSERT INTO revisions
            (sample_id, number, action, author_id, undo_to, redo_to, restored_from, copy_of)
        SELECT saves.sample_id, samples.revision + 1, the_action, the_author, saves.undo_to, saves.redo_to,
            saves.restored_from, saves.copy_of
        FROM saves JOIN samples ON samples.id = saves.sample_id
        RETURNING revisions.sample_id, number, created_at
    ), opened AS (
        INSERT INTO annotations (
            sample_id, annotation_id, valid_from, {content}, created_by, created_at, edited_by, edited_at
        )
        SELECT made.sample_id, item.annotation_id, made.number, {items},
            coalesce(item.created_by, the_author), coalesce(item.created_at, moment.at), item.edited_by,
            CASE WHEN item.edited_by IS NOT NULL THEN coalesce(item.edited_at, moment.at) END
        FROM ROWS FROM (jsonb_populate_recordset(CAST(NULL AS annotations), the_rows))
            WITH ORDINALITY AS item
        JOIN made ON made.sample_id = item.sample_id
        CROSS JOIN LATERAL (
            SELECT made.created_at + (item.ordinality - 1) * interval '1 microsecond'
        ) AS moment (at)
    )
    UPDATE samples SET
        revision = samples.revision + 1,
        annotation_count = saves.annotation_count,
        labeled_by = CASE WHEN saves.annotation_count > 0
            THEN CASE WHEN is_mechanical THEN samples.labeled_by ELSE the_author END END,
        labeled_at = CASE WHEN saves.annotation_count > 0
            THEN CASE WHEN is_mechanical THEN samples.labeled_at ELSE clock_timestamp() END END,
        copied_in = CASE WHEN saves.copy_of IS NOT NULL THEN samples.revision + 1 END,
        copied_revision = saves.copy_of
    FROM saves JOIN made ON made.sample_id = saves.sample_id
    WHERE samples.id = saves.sample_id
    RETURNING samples, made.created_at,
        EXISTS (SELECT FROM drafts WHERE drafts.sample_id = samples.id AND drafts.user_id = the_author);
END $$
"""


def upgrade() -> None:
    op.execute(_ROLE_IN)
    op.execute(_OPEN_TO_ADD.replace("{lock}", _LOCK))
    op.execute(_OPEN_TO_REPLACE.replace("{lock}", _LOCK))
    content, items = ", ".join(_CONTENT), ", ".join(f"item.{name}" for name in _CONTENT)
    op.execute(_WRITE_REVISIONS.replace("{content}", content).replace("{items}", items))


def downgrade() -> None:
    op.execute("DROP FUNCTION write_revisions(jsonb, jsonb, text, uuid, boolean, uuid[], uuid[])")
    op.execute("DROP FUNCTION open_to_replace(uuid, uuid[])")
    op.execute("DROP FUNCTION open_to_add(uuid, uuid, uuid[])")
    op.execute("DROP FUNCTION role_in(uuid, text, uuid)")
