"""Names are found in whichever Unicode form they are written.

Uploaded names are composed (NFC); files that a Mac has put into the bucket often are not (NFD), and what people
type is one or the other. Searches fold both sides to the composed form.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_FOLD_NAME = """
DO $do$
DECLARE known text;
BEGIN
    SELECT quote_ident(collname) INTO known FROM pg_collation
    WHERE collname IN ('pg_c_utf8', 'und-x-icu') ORDER BY collname LIMIT 1;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION fold_name(name text) RETURNS text'
        ' LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE'
        ' AS $body$ SELECT %s COLLATE "C" $body$',
        format('{folding}', coalesce(known, '"default"'))
    );
END $do$
"""

# The names of uploads are composed already: only the others are written anew, with those that versions pinned.
_REFOLD = """
UPDATE sample_paths path SET folded_name = fold_name(sample.name), grams = (
    SELECT array_agg(DISTINCT gram) FROM (
        SELECT unnest(name_grams(sample.dataset_id, fold_name(sample.name))) AS gram
        UNION
        SELECT unnest(name_grams(pin.dataset_id, fold_name(pin.name)))
        FROM version_samples pin WHERE pin.sample_id = sample.id
    ) grams
)
FROM samples sample
WHERE sample.id = path.sample_id AND (
    sample.name IS NOT NFC NORMALIZED
    OR EXISTS (
        SELECT FROM version_samples pin WHERE pin.sample_id = sample.id AND pin.name IS NOT NFC NORMALIZED
    )
)
"""


def upgrade() -> None:
    # The function first, committed, and then what was there before it: writers go on meanwhile.
    with op.get_context().autocommit_block():
        op.execute(_FOLD_NAME.format(folding="normalize(lower(name COLLATE %s), NFC)"))
    op.execute(_REFOLD)


def downgrade() -> None:
    op.execute(_FOLD_NAME.format(folding="lower(name COLLATE %s)"))
    op.execute(_REFOLD)
