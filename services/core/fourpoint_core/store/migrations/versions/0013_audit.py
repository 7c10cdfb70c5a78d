"""The audit log: written by triggers, in the transaction of what they write down, and never changed.

Triggers and not the code, for the reasons that events are written so (0008): nobody forgets one, jobs and the
command line are seen as requests are, and so is the previous version's code, which runs beside this schema.
No trigger is on samples, revisions or annotations: what happened to them is in the revisions.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# fourpoint.actor: see `store.authorship`. author and request: of a row that says itself who made it.
_WRITE = """
CREATE FUNCTION audit_write(
    kind text, word text, resource text, dataset uuid, changes jsonb, author uuid, request text, same text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    actor jsonb := NULLIF(current_setting('fourpoint.actor', true), '')::jsonb;
    who uuid := COALESCE((actor ->> 'user_id')::uuid, author);
BEGIN
    INSERT INTO audit_entries (actor_id, actor_name, token_id, via, address, request_id, job_id,
        action, resource_kind, resource_id, dataset_id, changes, once)
    VALUES (who, COALESCE((SELECT name FROM users WHERE id = who), actor ->> 'name'),
        (actor ->> 'token_id')::uuid, COALESCE(actor ->> 'via', 'database'), actor ->> 'address',
        COALESCE(actor ->> 'request_id', request), (actor ->> 'job_id')::uuid,
        kind || '.' || word, kind, resource, dataset, changes, same)
    ON CONFLICT DO NOTHING;
END $$
"""

# Arguments: the kind of resource; the column that ends it, and the words for that and for its undoing; then the
# columns whose values are kept. Of `~column` only that it changed, of `@column`, an address, only its origin.
_ROW = r"""
CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
    this jsonb := CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
    dataset uuid := CASE WHEN TG_ARGV[0] = 'dataset' THEN this ->> 'id' ELSE this ->> 'dataset_id' END;
    word text := CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END;
    changes jsonb := '{}';
    mode text;
    field text;
    was jsonb;
    is_now jsonb;
BEGIN
    IF TG_OP = 'DELETE' AND TG_ARGV[1] <> '' THEN
        word := 'purged';
    END IF;
    -- What goes with its dataset is not told one by one.
    IF TG_OP = 'DELETE' AND TG_ARGV[0] <> 'dataset' AND dataset IS NOT NULL
        AND NOT EXISTS (SELECT FROM datasets WHERE id = dataset AND deleted_at IS NULL) THEN
        RETURN NULL;
    END IF;
    FOR i IN 4 .. TG_NARGS - 1 LOOP
        mode := substring(TG_ARGV[i] FROM '^[~@]');
        field := ltrim(TG_ARGV[i], '~@');
        was := NULLIF(before -> field, 'null');
        is_now := NULLIF(after -> field, 'null');
        CONTINUE WHEN was IS NOT DISTINCT FROM is_now;
        IF mode = '~' THEN
            changes := changes || jsonb_build_object(field, 'changed');
            CONTINUE;
        ELSIF mode = '@' THEN
            was := to_jsonb(regexp_replace(was #>> '{}', '^(\w+://)([^/?#]*@)?([^/?#]*).*$', '\1\3'));
            is_now := to_jsonb(regexp_replace(is_now #>> '{}', '^(\w+://)([^/?#]*@)?([^/?#]*).*$', '\1\3'));
        END IF;
        changes := changes
            || jsonb_build_object(field, jsonb_strip_nulls(jsonb_build_object('from', was, 'to', is_now)));
        IF TG_OP = 'UPDATE' AND field = TG_ARGV[1] THEN
            word := CASE WHEN is_now IS NULL THEN TG_ARGV[3] ELSE TG_ARGV[2] END;
        END IF;
    END LOOP;
    IF TG_OP = 'UPDATE' AND changes = '{}' THEN
        RETURN NULL;
    END IF;
    PERFORM audit_write(TG_ARGV[0], word, COALESCE(this ->> 'id', this ->> 'user_id', this ->> 'dataset_id'),
        dataset, changes, CASE WHEN TG_OP = 'INSERT' THEN (this ->> 'created_by')::uuid END, NULL, NULL);
    RETURN NULL;
END $$
"""

# Synchronisations that nobody asked for happen every minute, in nobody's name.
_JOB = """
CREATE FUNCTION audit_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.kind = 'sync_dataset'
        AND COALESCE(current_setting('fourpoint.actor', true), '') = '' THEN
        RETURN NULL;
    END IF;
    PERFORM audit_write('job', TG_ARGV[0], NEW.id::text, NEW.dataset_id,
        jsonb_build_object('kind', NEW.kind)
            || CASE WHEN TG_OP = 'INSERT' THEN jsonb_build_object('payload', NEW.payload) ELSE '{}' END,
        CASE WHEN TG_OP = 'INSERT' THEN NEW.created_by END,
        CASE WHEN TG_OP = 'INSERT' THEN NEW.request_id END, NULL);
    RETURN NULL;
END $$
"""

_FOREVER = """
CREATE FUNCTION audit_forever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit log are neither changed nor removed'
        USING ERRCODE = 'insufficient_privilege';
END $$
"""

_ENDS = ("deleted_at", "deleted", "restored")
_NO_END = ("", "", "")
_ROWS: dict[str, tuple[str, tuple[str, str, str], str]] = {
    "users": (
        "user",
        ("disabled_at", "disabled", "enabled"),
        "name is_admin oidc_issuer oidc_subject disabled_at",
    ),
    "api_tokens": (
        "token",
        ("revoked_at", "revoked", "restored"),
        "user_id name scope expires_at revoked_at",
    ),
    "dataset_members": ("member", _NO_END, "role"),
    "datasets": (
        "dataset",
        _ENDS,
        "name description input_path output_path import_annotations auto_sync_minutes deleted_at",
    ),
    "labels": ("label", _ENDS, "name colour shortcut mask_index merged_into deleted_at"),
    "versions": ("version", _ENDS, "name description number state deleted_at"),
    "version_heads": ("current_version", _NO_END, "current_version_id"),
    "webhooks": ("webhook", _NO_END, "@url description events active ~secret"),
}
# Clicks and what is prepared for them are asked for by the thousand, and kept as contours and revisions.
_ASKED = "NEW.queue NOT IN ('click', 'prefetch')"
_JOBS = {
    "audit_created": ("created", f"AFTER INSERT ON jobs FOR EACH ROW WHEN ({_ASKED})"),
    "audit_cancelled": (
        "cancelled",
        "AFTER UPDATE OF cancel_requested_at ON jobs FOR EACH ROW "
        f"WHEN ({_ASKED} AND OLD.cancel_requested_at IS NULL AND NEW.cancel_requested_at IS NOT NULL)",
    ),
    "audit_retried": (
        "retried",
        "AFTER UPDATE OF state ON jobs FOR EACH ROW "
        f"WHEN ({_ASKED} AND OLD.state IN ('failed', 'cancelled') AND NEW.state = 'queued')",
    ),
}


def upgrade() -> None:
    _create_table()
    for function in (_WRITE, _ROW, _JOB, _FOREVER):
        op.execute(function)
    for table, (kind, end, columns) in _ROWS.items():
        quoted = ", ".join(f"'{argument}'" for argument in (kind, *end, *columns.split()))
        # Where a dataset stands among its versions is said by changes only.
        events = "UPDATE" if table == "version_heads" else "INSERT OR UPDATE OR DELETE"
        op.execute(
            f"CREATE TRIGGER audit AFTER {events} ON {table} FOR EACH ROW EXECUTE FUNCTION audit_row({quoted})"
        )
    for name, (word, when) in _JOBS.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION audit_job('{word}')")
    op.execute(
        "CREATE TRIGGER audit_forever BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries FOR EACH STATEMENT "
        "EXECUTE FUNCTION audit_forever()"
    )


def _create_table() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=True),
        sa.Column("token_id", sa.Uuid(), nullable=True),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource_kind", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("dataset_id", sa.Uuid(), nullable=True),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("database_role", sa.Text(), server_default=sa.text("SESSION_USER"), nullable=False),
        sa.Column("once", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index("ix_audit_entries_created_at", "audit_entries", ["created_at", "id"])
    for column in ("actor_id", "action", "resource_kind", "resource_id", "dataset_id"):
        op.create_index(f"ix_audit_entries_{column}", "audit_entries", [column, "id"])
    op.create_index(
        "uq_audit_entries_once",
        "audit_entries",
        ["once"],
        unique=True,
        postgresql_where=sa.text("once IS NOT NULL"),
    )


def downgrade() -> None:
    for name in _JOBS:
        op.execute(f"DROP TRIGGER {name} ON jobs")
    for table in _ROWS:
        op.execute(f"DROP TRIGGER audit ON {table}")
    op.drop_table("audit_entries")
    for name in ("audit_forever()", "audit_job()", "audit_row()"):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP FUNCTION audit_write(text, text, text, uuid, jsonb, uuid, text, text)")
